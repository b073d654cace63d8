// Which language a person reads: an interaction says it, a message only which
// server it is from.

package discord

import "parley/internal/chat"

// locale is the preferred language of a guild, empty if none is known. It makes
// no call.
func (c *cache) locale(guild string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g := c.guilds[guild]; g != nil {
		return g.locale
	}
	return ""
}

// says writes a sentence for a person.
func (a *app) says(to chat.Author, l chat.Line) string {
	return a.ports.Speaker(a.lead.Language, to.Language).Say(l)
}

// localized are the languages besides English that Discord shows a command in, by
// its own names of them, which are those of the tags.
func localized(languages chat.Languages, l chat.Line) map[string]string {
	out := map[string]string{}
	if languages == nil {
		return out
	}
	for _, tag := range languages.Tags()[1:] {
		if text := languages.Speaker(tag).Say(l); text != l.String() {
			out[tag] = text
		}
	}
	return out
}
