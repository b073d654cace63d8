// Who an app is: asked when it connects, and what scopes, mentions and the
// routing of requests go by.

package slack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/slack-go/slack"

	"parley/adapters/internal/retry"
	"parley/internal/chat"
	"parley/internal/telemetry"
)

// identity is what auth.test says of a token.
type identity struct {
	App  string // bot id: one per app and workspace, so it names the app in scopes
	User string // the bot's user id, as people mention it
	Team string
	// Organisation is the Enterprise organisation that Team is of, or for whose
	// workspaces the token is; empty outside one.
	Organisation string
}

// identification is what an app knows of its identity.
type identification struct {
	self  atomic.Pointer[identity]
	known chan struct{} // closed once self is set
	// barred says that Slack refused the token when asked whose it is, so that
	// self may never be set.
	barred atomic.Bool
	outage *telemetry.Outage
}

// identify asks who the token belongs to until Slack answers. A refused token
// is asked about again now and then: it may be reinstated.
func (a *app) identify(ctx context.Context) bool {
	pauses := retry.Growing(time.Second, longestPause)
	for {
		who, err := a.api.AuthTestContext(ctx)
		if err == nil {
			a.identified(ctx, who)
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		err = a.classify(err)
		wait := a.unidentified(err, pauses)
		a.outage.Note(ctx, errors.New(cause(err)), "again_in", wait.Round(time.Millisecond).String())
		if !retry.Sleep(ctx, wait) {
			return false
		}
	}
}

// longestPause is the most between two questions whose a token is.
const longestPause = time.Minute

func (a *app) identified(ctx context.Context, who *slack.AuthTestResponse) {
	id := identity{App: cmp.Or(who.BotID, who.UserID), User: who.UserID, Team: who.TeamID, Organisation: who.EnterpriseID}
	a.self.Store(&id)
	a.health.set("") // before anybody can call: what a call learns must stand
	close(a.known)
	a.outage.Note(ctx, nil)
	a.log.InfoContext(ctx, "slack app connected", "team", id.Team, "bot_user", id.User)
}

// unidentified notes why nobody knows whose the token is, and says when to ask
// again.
func (a *app) unidentified(err error, pauses *retry.Pauses) time.Duration {
	switch {
	case chat.Refused(err, chat.NoAccess):
		a.barred.Store(true)
		a.health.set(a.health.refusedToken(cause(err)))
	case chat.Refused(err):
		a.health.set(fmt.Sprintf("What answers at SLACK_API_URL is not Slack (%s)", cause(err)))
	default:
		a.health.set(fmt.Sprintf("Slack cannot be reached: %s", cause(err)))
		return pauses.NextBackOff()
	}
	return retry.AtLeast(longestPause)
}

// whoami waits a moment for the app's identity: events may arrive before the
// first auth.test has come back.
func (a *identification) whoami(ctx context.Context) (identity, bool) {
	select {
	case <-a.known:
	default:
		t := time.NewTimer(whoamiWithin)
		defer t.Stop()
		select {
		case <-a.known:
		case <-t.C:
			return identity{}, false
		case <-ctx.Done():
			return identity{}, false
		}
	}
	return *a.self.Load(), true
}

// whoamiWithin is how long a request waits for an app to learn who it is.
const whoamiWithin = 2 * time.Second
