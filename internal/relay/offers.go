// What a person may choose from: every list, menu, completion and suggestion is
// made of this, so that none names what they may not use.

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

// offers are the providers of which o's person may use a model.
func (r *Relay) offers(ctx context.Context, o order) []offer {
	var out []offer
	entries := r.registry.Providers()
	for i, list := range r.catalog.all(ctx, entries) {
		if usable := o.usable(entries[i].ID, list); len(usable) > 0 {
			out = append(out, offer{entries[i], usable})
		}
	}
	return out
}

// usable are those of a provider's models that o's person may use.
func (o order) usable(id string, list []provider.Model) []provider.Model {
	var out []provider.Model
	for _, m := range list {
		if o.bot.MayModel(bots.ModelRef{Provider: id, Model: m.ID}, o.who) == nil {
			out = append(out, m)
		}
	}
	return out
}

// offered are the ids of the providers that o's person may use.
func (r *Relay) offered(ctx context.Context, o order) []string {
	var ids []string
	for _, f := range r.offers(ctx, o) {
		ids = append(ids, f.ID)
	}
	return ids
}

// administered are the ids of the providers that o's person may test, change or
// remove: an admin's are all.
func (r *Relay) administered(o order) []string {
	if o.bot.MayAdminister(o.who) != nil {
		return nil
	}
	var ids []string
	for _, e := range r.registry.Providers() {
		ids = append(ids, e.ID)
	}
	return ids
}

// entry finds a provider by id; ids are those that may be named to the person
// when there is none.
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
	return registry.Entry{}, chat.Tell("There is no provider %q.%s /provider lists them.", id, didYouMean("", suggest.Names(id, known, 3)))
}

// mayBot says whether o's person may give the place to b: nil, or why not.
func (r *Relay) mayBot(o order, b bots.Bot) error {
	adapter, ok := r.adapters[o.Place.Platform]
	if ok && o.unsure != nil && needsMember(adapter, b, o.Author) {
		return o.unsure
	}
	return b.May(o.who)
}

// choosable are the bots of the app that o's person may use here.
func (r *Relay) choosable(o order) []string {
	return slices.DeleteFunc(r.family(o.Place, o.Command.Bot), func(id string) bool {
		return r.mayBot(o, r.bots[id]) != nil
	})
}
