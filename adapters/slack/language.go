// Which language a person reads: users.info tells, and is not waited for.

package slack

import (
	"context"

	"parley/internal/chat"
)

var _ chat.Linguist = (*Adapter)(nil)

// Language is the locale that Slack told of a person, "fr-FR". What it did not
// tell, or some minutes ago, it is asked for the next time.
func (a *Adapter) Language(ctx context.Context, bot string, who chat.Author) string {
	app, ok := a.byBot[bot]
	if !ok {
		return ""
	}
	ended, cancel := context.WithCancel(ctx)
	cancel() // it is asked, and nobody waits
	_, _ = app.profile(ended, who.ID)
	return app.localeOf(who.ID)
}

// localeOf is what is remembered of a person's locale.
func (a *app) localeOf(user string) string {
	m, _ := a.members.people.Known(user)
	return m.Language
}

// speaker writes what the app itself says to a person.
func (a *app) speaker(user string) chat.Speaker {
	return a.ports.Speaker(a.lead.Language, a.localeOf(user))
}
