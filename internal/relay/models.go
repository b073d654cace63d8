// Listing models, and switching between them.

package relay

import (
	"context"
	"slices"
	"strings"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/registry"
	"parley/internal/suggest"
)

// doModel shows the current model and a menu, or switches.
func (r *Relay) doModel(ctx context.Context, c command) (chat.Reply, error) {
	switch name := modelName(c); name {
	case "":
		return r.showModels(ctx, c)
	case "reset":
		if err := r.registry.Choose(ctx, c.actor(), c.bot.ID, c.Place, nil); err != nil {
			return chat.Reply{}, err
		}
		now, err := r.choice(ctx, c.bot, c.Place)
		if err != nil {
			return chat.Reply{}, err
		}
		return c.changed(chat.Say("%s uses `%s` again.", c.hereFirst(), now)), nil
	default:
		return r.switchModel(ctx, c, name)
	}
}

// modelName is the model that c names, without the Markdown that parley shows ids
// in. Phones capitalise the first word: "Reset".
func modelName(c command) string {
	name := strings.Trim(c.Args, "`*_ ")
	if strings.EqualFold(name, "reset") {
		return "reset"
	}
	return name
}

// mayModel lets everyone see the models, and those who may switch use one. That the
// person may not use the model at all is said first.
func (r *Relay) mayModel(ctx context.Context, c command) error {
	name := modelName(c)
	if name == "" {
		return nil
	}
	now, err := r.choice(ctx, c.bot, c.Place)
	if err != nil {
		return err
	}
	if ref, err := r.findModel(ctx, c, now, name); err == nil {
		if err := c.bot.MayModel(ref, c.who); err != nil {
			return err
		}
	}
	return r.maySwitch(ctx, c)
}

func (r *Relay) showModels(ctx context.Context, c command) (chat.Reply, error) {
	now, err := r.choice(ctx, c.bot, c.Place)
	if err != nil {
		return chat.Reply{}, err
	}
	options := r.options(ctx, c, now)
	uses := chat.Say("%s uses `%s`.", c.hereFirst(), now)
	if len(options) == 0 {
		return c.reply(uses), nil
	}
	reply := c.reply(uses, chat.Say("Choose another, or write `/model NAME`."))
	reply.Menu = &chat.Menu{Action: "model", Placeholder: c.say(chat.Say("Choose a model")), Options: options}
	return reply, nil
}

// options are the models that this person may use, the current provider's first.
func (r *Relay) options(ctx context.Context, c command, now bots.ModelRef) []chat.Option {
	var current, others []chat.Option
	for _, e := range r.offers(ctx, c) {
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

// switchModel finds the model with a name and makes it the place's model.
func (r *Relay) switchModel(ctx context.Context, c command, name string) (chat.Reply, error) {
	now, err := r.choice(ctx, c.bot, c.Place)
	if err != nil {
		return chat.Reply{}, err
	}
	ref, err := r.findModel(ctx, c, now, name)
	if err != nil {
		return chat.Reply{}, err
	}
	return r.use(ctx, c, ref)
}

// use makes ref the place's model, if this person may use it.
func (r *Relay) use(ctx context.Context, c command, ref bots.ModelRef) (chat.Reply, error) {
	if err := c.bot.MayModel(ref, c.who); err != nil {
		return chat.Reply{}, err
	}
	choice := registry.Choice{Provider: ref.Provider, Model: ref.Model}
	if err := r.registry.Choose(ctx, c.actor(), c.bot.ID, c.Place, &choice); err != nil {
		return chat.Reply{}, err
	}
	return c.changed(chat.Say("%s uses `%s` now.", c.hereFirst(), ref)), nil
}

// findModel finds the model that a person means: a model of the current provider
// with exactly this id, else "provider/model".
func (r *Relay) findModel(ctx context.Context, c command, now bots.ModelRef, name string) (bots.ModelRef, error) {
	if e, ok := r.registry.Provider(now.Provider); ok && r.catalog.has(ctx, e.Provider, name) {
		return bots.ModelRef{Provider: now.Provider, Model: name}, nil
	}
	if id, model, ok := strings.Cut(name, "/"); ok {
		if e, ok := r.registry.Provider(id); ok && r.catalog.has(ctx, e.Provider, model) {
			return bots.ModelRef{Provider: id, Model: model}, nil
		}
	}
	options := r.options(ctx, c, now)
	names := make([]string, 0, len(options))
	for _, option := range options {
		names = append(names, option.Value)
	}
	return bots.ModelRef{}, tell(chat.Say("There is no model %q here.", name), didYouMean("", suggest.Names(name, names, 5)), chat.Say("/model shows all of them."))
}

// Complete offers values for the argument being typed.
func (r *Relay) Complete(ctx context.Context, typed chat.Command) ([]chat.Option, error) {
	c, err := r.command(ctx, typed)
	if err != nil {
		return nil, nil // autocomplete cannot explain; the command itself will
	}
	verb, rest, deeper := strings.Cut(c.Args, " ")
	var options []chat.Option
	switch {
	case c.Name == "model":
		now, err := r.choice(ctx, c.bot, c.Place)
		if err != nil {
			return nil, err
		}
		options, rest = append(r.options(ctx, c, now), chat.Option{Value: "reset"}), c.Args
	case c.Name == "provider" && deeper:
		for _, id := range r.providersFor(ctx, c, verb) {
			options = append(options, chat.Option{Label: id, Value: id})
		}
	case c.Name == "bot" && deeper:
		for _, id := range r.choosable(c) {
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

// providersFor are the provider ids that may follow a verb of /provider.
func (r *Relay) providersFor(ctx context.Context, c command, verb string) []string {
	switch verb {
	case "use":
		return r.offered(ctx, c)
	case "test":
		return r.administered(c)
	}
	return slices.DeleteFunc(r.administered(c), func(id string) bool {
		e, ok := r.registry.Provider(id)
		return !ok || e.Source == registry.Builtin
	})
}

// filter returns at most n options that contain what was typed, those that begin
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
