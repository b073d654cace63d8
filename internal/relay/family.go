// Listing the bots of an app in chat, and choosing the one that answers in a place.

package relay

import (
	"context"
	"slices"
	"strings"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/suggest"
)

// useBot lets another bot of this app answer in the place.
func (r *Relay) useBot(ctx context.Context, c command) (chat.Reply, error) {
	id := c.Args
	if !slices.Contains(r.family(c.Place, c.Command.Bot), id) {
		return chat.Reply{}, r.noSuchBot(c, id)
	}
	b := r.bots[id]
	if err := r.mayBot(c, b); err != nil {
		return chat.Reply{}, err
	}
	if err := r.registry.GiveTo(ctx, c.actor(), c.Command.Bot, c.Place, id); err != nil {
		return chat.Reply{}, err
	}
	return c.changed(chat.Say("**%s** answers in %s now.", b.Name, c.here())), nil
}

// noSuchBot says why the bot with an id cannot answer here.
func (r *Relay) noSuchBot(c command, id string) error {
	b, known := r.bots[id]
	if known && r.ownDirect(c.Place) && r.mayBot(c, b) == nil {
		return chat.Tell("This is your direct message with %s, so no other bot can answer here. Write to %s directly.", c.bot.Name, b.Name)
	}
	return tell(chat.Say("There is no bot %q in this app.", id), didYouMean("", suggest.Names(id, r.choosable(c), 3)), chat.Say("/bot lists them."))
}

// listBots lists the bots of this app that this person may use.
func (r *Relay) listBots(_ context.Context, c command) (chat.Reply, error) {
	var text strings.Builder
	menu := &chat.Menu{Action: "bot.use", Placeholder: c.say(chat.Say("Who answers here"))}
	family := r.choosable(c)
	for _, id := range family {
		b := r.bots[id]
		name := chat.Say("**%s** `%s`", b.Name, b.ID)
		if id == c.bot.ID {
			name = chat.Say("%s (answers here)", name)
		}
		text.WriteString("- " + c.say(name))
		if b.Description != "" {
			text.WriteString(": " + b.Description)
		}
		text.WriteString("\n")
		menu.Options = append(menu.Options, chat.Option{Label: b.Name, Value: b.ID, Current: id == c.bot.ID})
	}
	if len(family) < 2 {
		menu = nil
	}
	return chat.Reply{Text: strings.TrimSpace(text.String()), Menu: menu}, nil
}

// ownDirect reports whether p is a direct message that belongs to one bot alone.
func (r *Relay) ownDirect(p chat.Place) bool { return p.Direct && !r.platform(p).HasApps() }

// platform is the one that p is on; where this process has no adapter for it,
// nothing is known of it.
func (r *Relay) platform(p chat.Place) chat.Platform {
	if a, ok := r.adapters[p.Platform]; ok {
		return a.Platform()
	}
	return chat.Platform{Name: p.Platform}
}

// family are the bots that may answer in p instead of lead: those that share its
// app, sorted by id.
func (r *Relay) family(p chat.Place, lead string) []string {
	if r.ownDirect(p) {
		return []string{lead}
	}
	all := make([]bots.Bot, len(r.ids))
	for i, id := range r.ids {
		all[i] = r.bots[id]
	}
	for _, app := range bots.Apps(r.platform(p), all) {
		var ids []string
		for _, b := range app {
			ids = append(ids, b.ID)
		}
		if slices.Contains(ids, lead) {
			slices.Sort(ids)
			return ids
		}
	}
	return nil
}
