// What a person may choose from. Every list, menu, completion and suggestion uses
// this, so that none names what they may not use.

package relay

import (
	"context"
	"slices"
	"strings"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/provider"
	"parley/internal/registry"
	"parley/internal/suggest"
)

// offer is a provider and those of its models that a person may use.
type offer struct {
	registry.Entry
	models []provider.Model
}

// offers are the providers with a model that the person may use.
func (r *Relay) offers(ctx context.Context, c command) []offer {
	var out []offer
	entries := r.registry.Providers()
	for i, list := range r.catalog.all(ctx, entries) {
		if usable := c.usable(entries[i].ID, list); len(usable) > 0 {
			out = append(out, offer{entries[i], usable})
		}
	}
	return out
}

// usable are the models of a provider that the person may use.
func (c command) usable(id string, list []provider.Model) []provider.Model {
	var out []provider.Model
	for _, m := range list {
		if c.bot.MayModel(bots.ModelRef{Provider: id, Model: m.ID}, c.who) == nil {
			out = append(out, m)
		}
	}
	return out
}

// offered are the ids of the providers that the person may use.
func (r *Relay) offered(ctx context.Context, c command) []string {
	var ids []string
	for _, f := range r.offers(ctx, c) {
		ids = append(ids, f.ID)
	}
	return ids
}

// administered are the ids of the providers that the person may test, change or
// remove: all of them for an admin.
func (r *Relay) administered(c command) []string {
	if c.bot.MayAdminister(c.who) != nil {
		return nil
	}
	var ids []string
	for _, e := range r.registry.Providers() {
		ids = append(ids, e.ID)
	}
	return ids
}

// entry finds a provider by id. If there is none, the error may name those in ids.
func (r *Relay) entry(id string, ids func() []string) (registry.Entry, error) {
	if e, ok := r.registry.Provider(id); ok {
		return e, nil
	}
	known := ids()
	if id == "" && len(known) == 0 {
		return registry.Entry{}, chat.Tell("Which provider? Write its id after the command.")
	}
	if id == "" {
		return registry.Entry{}, chat.Tell("Which provider? There is %s.", strings.Join(known, ", "))
	}
	return registry.Entry{}, tell(chat.Say("There is no provider %q.", id), didYouMean("", suggest.Names(id, known, 3)), chat.Say("/provider lists them."))
}

// mayBot returns an error if the person may not let b answer here.
func (r *Relay) mayBot(c command, b bots.Bot) error {
	adapter, ok := r.adapters[c.Place.Platform]
	if ok && c.unsure != nil && needsMember(adapter, b, c.Author) {
		return c.unsure
	}
	return b.May(c.who)
}

// choosable are the bots of the app that the person may use here.
func (r *Relay) choosable(c command) []string {
	return slices.DeleteFunc(r.family(c.Place, c.Command.Bot), func(id string) bool {
		return r.mayBot(c, r.bots[id]) != nil
	})
}
