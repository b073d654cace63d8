// Which models there are, and switching between them.

package relay

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/registry"
	"parley/internal/suggest"
)

// doModel shows the model and a menu, or switches.
func (r *Relay) doModel(ctx context.Context, o order) (chat.Reply, error) {
	// As parley itself writes ids, and as phones write first words.
	name := strings.Trim(o.Args, "`*_ ")
	if strings.EqualFold(name, "reset") {
		name = "reset"
	}
	switch name {
	case "":
		return r.showModels(ctx, o)
	case "reset":
		if err := r.maySwitch(ctx, o); err != nil {
			return chat.Reply{}, err
		}
		if err := r.registry.Choose(ctx, o.actor(), o.bot.ID, o.Place, nil); err != nil {
			return chat.Reply{}, err
		}
		now, err := r.choice(ctx, o.bot, o.Place)
		if err != nil {
			return chat.Reply{}, err
		}
		return o.changed("%s uses `%s` again.", upper(o.here()), now), nil
	default:
		return r.switchModel(ctx, o, name)
	}
}

func (r *Relay) showModels(ctx context.Context, o order) (chat.Reply, error) {
	now, err := r.choice(ctx, o.bot, o.Place)
	if err != nil {
		return chat.Reply{}, err
	}
	options := r.options(ctx, o, now)
	reply := chat.Reply{Text: fmt.Sprintf("%s uses `%s`.", upper(o.here()), now)}
	if len(options) > 0 {
		reply.Text += " Choose another, or write `/model NAME`."
		reply.Menu = &chat.Menu{Command: "model", Placeholder: "Choose a model", Options: options}
	}
	return reply, nil
}

// options are all models this person may use, the current provider's first.
func (r *Relay) options(ctx context.Context, o order, now bots.ModelRef) []chat.Option {
	var current, others []chat.Option
	for _, e := range r.offers(ctx, o) {
		for _, m := range e.models {
			ref := bots.ModelRef{Provider: e.ID, Model: m.ID}
			option := chat.Option{Label: ref.String(), Value: ref.String(), Current: ref == now}
			switch {
			case ref == now:
				current = slices.Insert(current, 0, option)
			case e.ID == now.Provider:
				current = append(current, option)
			default:
				others = append(others, option)
			}
		}
	}
	return append(current, others...)
}

// switchModel finds what name means and makes it the place's model.
func (r *Relay) switchModel(ctx context.Context, o order, name string) (chat.Reply, error) {
	now, err := r.choice(ctx, o.bot, o.Place)
	if err != nil {
		return chat.Reply{}, err
	}
	ref, err := r.findModel(ctx, o, now, name)
	if err != nil {
		return chat.Reply{}, err
	}
	return r.use(ctx, o, ref)
}

// use makes ref the place's model, if this person may.
func (r *Relay) use(ctx context.Context, o order, ref bots.ModelRef) (chat.Reply, error) {
	if err := o.bot.MayModel(ref, o.who); err != nil {
		return chat.Reply{}, err
	}
	if err := r.maySwitch(ctx, o); err != nil {
		return chat.Reply{}, err
	}
	choice := registry.Choice{Provider: ref.Provider, Model: ref.Model}
	if err := r.registry.Choose(ctx, o.actor(), o.bot.ID, o.Place, &choice); err != nil {
		return chat.Reply{}, err
	}
	return o.changed("%s uses `%s` now.", upper(o.here()), ref), nil
}

// findModel reads a model's name as a person writes it: an exact id of the
// current provider wins; else the part before the first slash, if it is a
// provider's id, picks both.
func (r *Relay) findModel(ctx context.Context, o order, now bots.ModelRef, name string) (bots.ModelRef, error) {
	if e, ok := r.registry.Provider(now.Provider); ok && r.catalog.has(ctx, e.Provider, name) {
		return bots.ModelRef{Provider: now.Provider, Model: name}, nil
	}
	if id, model, ok := strings.Cut(name, "/"); ok {
		if e, ok := r.registry.Provider(id); ok && r.catalog.has(ctx, e.Provider, model) {
			return bots.ModelRef{Provider: id, Model: model}, nil
		}
	}
	options := r.options(ctx, o, now)
	names := make([]string, 0, len(options))
	for _, option := range options {
		names = append(names, option.Value)
	}
	return bots.ModelRef{}, chat.Tell("There is no model %q here.%s /model shows all of them.", name, didYouMean("", suggest.Names(name, names, 5)))
}

// Complete offers values for the argument being typed.
func (r *Relay) Complete(ctx context.Context, c chat.Command) ([]chat.Option, error) {
	o, err := r.order(ctx, c)
	if err != nil {
		return nil, nil // autocomplete cannot explain; the command itself will
	}
	verb, rest, deeper := strings.Cut(c.Args, " ")
	var options []chat.Option
	switch {
	case c.Name == "model":
		now, err := r.choice(ctx, o.bot, o.Place)
		if err != nil {
			return nil, err
		}
		options, rest = append(r.options(ctx, o, now), chat.Option{Label: "reset", Value: "reset"}), c.Args
	case c.Name == "provider" && deeper:
		for _, id := range r.providersFor(ctx, o, verb) {
			options = append(options, chat.Option{Label: id, Value: id})
		}
	case c.Name == "bot" && deeper:
		for _, id := range r.choosable(o) {
			options = append(options, chat.Option{Label: id, Value: id})
		}
	default:
		word, _ := chat.WordOf(c.Name)
		for _, v := range word.VerbNames() {
			options = append(options, chat.Option{Label: v, Value: v})
		}
		rest = c.Args
	}
	return filter(options, rest, 25), nil
}

// providersFor are the ids that may follow a verb of /provider.
func (r *Relay) providersFor(ctx context.Context, o order, verb string) []string {
	switch verb {
	case "use":
		return r.offered(ctx, o)
	case "test":
		return r.administered(o)
	}
	return slices.DeleteFunc(r.administered(o), func(id string) bool {
		e, ok := r.registry.Provider(id)
		return !ok || e.Source == registry.Builtin
	})
}

// filter keeps at most n options that hold what was typed, those that begin
// with it first.
func filter(options []chat.Option, typed string, n int) []chat.Option {
	typed = strings.ToLower(strings.TrimSpace(typed))
	var begins, holds []chat.Option
	for _, o := range options {
		value := strings.ToLower(o.Value)
		_, model, _ := strings.Cut(value, "/")
		switch {
		case strings.HasPrefix(value, typed), strings.HasPrefix(model, typed):
			begins = append(begins, o)
		case strings.Contains(value, typed):
			holds = append(holds, o)
		}
	}
	all := append(begins, holds...)
	return all[:min(n, len(all))]
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
