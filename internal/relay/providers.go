// Providers in chat: list, use, add, remove, test.

package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/provider"
	"parley/internal/registry"
	"parley/internal/secret"
)

// probeTime is the time limit of a probe that was started in chat.
const probeTime = 90 * time.Second

// The forms of /provider add and /provider edit.
const (
	addForm  = "provider-add"
	editForm = "provider-edit"
)

func (r *Relay) listProviders(ctx context.Context, c command) (chat.Reply, error) {
	now, err := r.choice(ctx, c.bot, c.Place)
	if err != nil {
		return chat.Reply{}, err
	}
	var text strings.Builder
	menu := &chat.Menu{Action: "provider.use", Placeholder: c.say(chat.Say("Use a provider"))}
	for _, e := range r.offers(ctx, c) {
		var names []string
		for _, m := range e.models {
			ref := bots.ModelRef{Provider: e.ID, Model: m.ID}
			name := "`" + m.ID + "`"
			if ref == now {
				name = "**" + c.say(chat.Say("%s (used here)", name)) + "**"
			}
			names = append(names, name)
		}
		const most = 12
		if more := len(names) - most; more > 0 {
			names = append(names[:most], c.say(chat.Say("%d more", more)))
		}
		fmt.Fprintf(&text, "- **%s** `%s`: %s\n", e.Name, e.ID, strings.Join(names, ", "))
		menu.Options = append(menu.Options, chat.Option{Label: e.ID, Value: e.ID, Current: e.ID == now.Provider})
	}
	reply := chat.Reply{Text: strings.TrimSpace(text.String()), Menu: menu}
	if len(menu.Options) == 0 {
		reply = c.reply(chat.Say("No provider is set up yet."))
	}
	if len(menu.Options) == 0 && len(r.registry.Providers()) > 0 {
		reply = c.reply(c.bot.NoModel(c.who).Line)
	}
	if c.bot.IsAdmin(c.who) {
		reply.Buttons = []chat.Button{{Label: c.say(chat.Say("Add a provider")), Action: "provider.add"}}
	}
	return reply, nil
}

// useProvider switches to the provider: to the same model if it has that, else to
// its first model that this person may use.
func (r *Relay) useProvider(ctx context.Context, c command) (chat.Reply, error) {
	id := c.Args
	e, err := r.entry(id, func() []string { return r.offered(ctx, c) })
	if err != nil {
		return chat.Reply{}, err
	}
	p := e.Provider
	now, err := r.choice(ctx, c.bot, c.Place)
	if err != nil {
		return chat.Reply{}, err
	}
	models := r.catalog.models(ctx, p)
	usable := c.usable(p.ID, models)
	switch {
	case len(models) == 0:
		return chat.Reply{}, chat.Tell("%s lists no models right now. An admin can find out why with /provider test %s.", id, id)
	case len(usable) == 0:
		return chat.Reply{}, c.bot.NoModelOf(p.ID, c.who)
	}
	ref := bots.ModelRef{Provider: p.ID, Model: usable[0].ID}
	if slices.ContainsFunc(usable, func(m provider.Model) bool { return m.ID == now.Model }) {
		ref.Model = now.Model
	}
	return r.use(ctx, c, ref)
}

// offerForm opens a form, or shows a button that opens it if c cannot.
func offerForm(c command, label chat.Line, form *chat.Form) chat.Reply {
	if c.Inline {
		reply := c.reply(chat.Say("A form asks for the endpoint and its key."))
		reply.Buttons = []chat.Button{{Label: c.say(label), Action: c.Name, Args: c.Args}}
		return reply
	}
	return chat.Reply{Form: form}
}

func (r *Relay) addProvider(_ context.Context, c command) (chat.Reply, error) {
	return offerForm(c, chat.Say("Add a provider"), c.providerForm()), nil
}

// editProvider opens the form with the stored record. It never shows the key; an
// empty field keeps it.
func (r *Relay) editProvider(_ context.Context, c command) (chat.Reply, error) {
	id := c.Args
	e, err := r.entry(id, func() []string { return r.administered(c) })
	if err != nil {
		return chat.Reply{}, err
	}
	p := e.Provider
	if e.Source == registry.Builtin {
		return chat.Reply{}, chat.Tell("%s is built in and cannot be edited. Add one of your own under another id with /provider add.", id)
	}
	form, err := c.editProviderForm(p)
	if err != nil {
		return chat.Reply{}, err
	}
	return offerForm(c, chat.Say("Edit the provider"), form), nil
}

// editProviderForm is the form of /provider edit, filled with p. A value that does
// not fit a field is an error: the field would show it cut, and saving would lose
// the rest.
func (c command) editProviderForm(p provider.Provider) (*chat.Form, error) {
	form := c.providerForm()
	form.ID, form.Title = editForm+":"+p.ID, c.say(chat.Say("Edit a provider"))
	values := map[string]string{"id": p.ID, "name": p.Name, "endpoint": provider.ShownURL(p.Endpoint)}
	if !p.Models.Discover {
		var names []string
		for _, m := range p.Models.List {
			names = append(names, m.ID)
		}
		values["models"] = strings.Join(names, ", ")
	}
	for i, f := range form.Fields {
		if utf8.RuneCountInString(values[f.ID]) > f.MaxLength {
			return nil, chat.Tell("The field %s of %s holds more than a form can show. Change it with `parley provider put` or through the admin API.", f.ID, p.ID)
		}
		form.Fields[i].Value = values[f.ID]
		if f.ID == "id" {
			form.Fields[i].Hint = c.say(chat.Say("It cannot be changed"))
		}
		if f.Secret && !p.APIKey.IsZero() {
			form.Fields[i].Hint, form.Fields[i].Placeholder = c.say(chat.Say("A key is stored; leave empty to keep it")), c.say(chat.Say("stored"))
		}
	}
	return form, nil
}

// providerForm is the form of /provider add.
func (c command) providerForm() *chat.Form {
	field := func(id string, label, hint chat.Line) chat.Field {
		return chat.Field{ID: id, Label: c.say(label), Hint: c.say(hint), MaxLength: 2000}
	}
	id := field("id", chat.Say("Provider ID"), chat.Say("Lowercase letters, digits and hyphens"))
	id.Placeholder, id.MaxLength = "corp-gateway", 64
	name := field("name", chat.Say("Display Name"), chat.Line{})
	name.Placeholder, name.Optional, name.MaxLength = c.say(chat.Say("Corporate gateway")), true, 80
	endpoint := field("endpoint", chat.Say("Endpoint URL"), chat.Say("The full address of chat completions"))
	endpoint.Placeholder = "https://llm.example.com/v1/chat/completions"
	key := field("apiKey", chat.Say("API Key"), chat.Say("Stored sealed and never shown again"))
	key.Secret, key.Optional = true, true
	models := field("models", chat.Say("Models"), chat.Say("Comma-separated; empty asks the endpoint"))
	models.Placeholder, models.Optional = "gpt-4o, gpt-4o-mini", true
	return &chat.Form{
		ID: addForm, Title: c.say(chat.Say("Add a provider")), Submit: c.say(chat.Say("Save and test")),
		Fields: []chat.Field{id, name, endpoint, key, models},
	}
}

// Submit takes the filled form, saves the provider and then probes it. Errors are
// as those of Do.
func (r *Relay) Submit(ctx context.Context, s chat.Submission) (chat.Outcome, error) {
	asked := chat.Command{Name: "provider.add", Scope: s.Scope, Bot: s.Bot, Place: s.Place, Author: s.Author}
	out, err := r.submit(ctx, s, asked)
	if err != nil {
		return chat.Outcome{}, r.explained(ctx, asked, err)
	}
	return out, nil
}

// submit is Submit. A form to edit saves the provider it was opened for and no
// other; one that names none, as earlier releases opened it, saves nothing.
func (r *Relay) submit(ctx context.Context, s chat.Submission, asked chat.Command) (chat.Outcome, error) {
	kind, target, _ := strings.Cut(s.Form, ":")
	if kind != addForm && kind != editForm {
		return chat.Outcome{}, chat.Tell("This form is no longer known. Run the command again.")
	}
	c, err := r.command(ctx, asked)
	if err == nil {
		err = c.fair(mayAdminister(ctx, c))
	}
	if err != nil {
		return chat.Outcome{}, err
	}
	p, faults := fromForm(s.Values)
	if kind == editForm && target == "" {
		return chat.Outcome{}, chat.Tell("This form was opened before parley was updated. Close it and open it again: /provider edit %s.", p.ID)
	}
	if target != "" && p.ID != target {
		faults["id"] = chat.Say("The id cannot be changed. Put %s back, or make another provider with /provider add.", target)
	}
	if len(faults) > 0 {
		return c.faulty(faults), nil
	}
	mode := registry.Add
	if kind == editForm {
		mode = registry.Edit
	}
	saved, _, err := r.registry.Revise(ctx, c.actor(), registry.Revision{Provider: p, Mode: mode})
	if faults := faultsOf(err, p.ID); len(faults) > 0 {
		return c.faulty(faults), nil
	}
	if err != nil {
		return chat.Outcome{}, fmt.Errorf("save provider: %w", err)
	}
	return chat.Outcome{Then: func(ctx context.Context) chat.Reply {
		diagnosis, err := r.diagnosis(ctx, c, saved)
		said := chat.Verbatim(diagnosis)
		if no, ok := errors.AsType[*bots.Refusal](err); ok {
			said = no.Line
		}
		return c.reply(chat.Say("Saved `%s`.", saved.ID), said)
	}}, nil
}

// faulty keeps a form open with what is wrong at its fields.
func (c command) faulty(faults map[string]chat.Line) chat.Outcome {
	out := chat.Outcome{Errors: map[string]string{}}
	for field, l := range faults {
		out.Errors[field] = c.say(l)
	}
	return out
}

// faultsOf turns the registry's errors about fields into lines for the form. It
// returns none for other errors.
func faultsOf(err error, id string) map[string]chat.Line {
	if taken, ok := errors.AsType[*registry.TakenError](err); ok {
		if taken.Source == registry.Builtin {
			return map[string]chat.Line{"id": chat.Say("This id is a built-in provider's. Choose another.")}
		}
		return map[string]chat.Line{"id": chat.Say("This id is taken. Choose another, or use /provider edit %s.", id)}
	}
	if errors.Is(err, registry.ErrNotStored) {
		return map[string]chat.Line{"id": chat.Say("There is no provider with this id to edit. /provider add makes one.")}
	}
	kept, ok := errors.AsType[*registry.KeepError](err)
	if !ok {
		return nil
	}
	faults := map[string]chat.Line{}
	for _, f := range kept.Faults {
		switch {
		case strings.HasPrefix(f.Field, "extraHeaders."):
			return map[string]chat.Line{"endpoint": chat.Say("This provider sends secret headers, which may not go to another server. Change it with `parley provider put`, or use another id.")}
		case len(f.Params) > 0:
			faults["endpoint"] = chat.Say("No value is stored for %s on that server. Type it in place of \"set\".", strings.Join(f.Params, ", "))
		case f.Field == "apiKey":
			faults["apiKey"] = chat.Say("The endpoint is on another server now. Type the key again.")
		default:
			faults["endpoint"] = chat.Say("A stored secret cannot stay, because the address or a setting of the connection changed. Type the secret again, or use `parley provider put`.")
		}
	}
	return faults
}

// fromForm reads the form's values; faults are by field.
func fromForm(values map[string]string) (provider.Provider, map[string]chat.Line) {
	value := func(id string) string { return strings.TrimSpace(values[id]) }
	p := provider.Provider{
		ID: value("id"), Name: value("name"), Endpoint: value("endpoint"), APIKey: secret.New(value("apiKey")),
	}
	p.Models = provider.ParseModels(value("models"))
	p.Models.Discover = len(p.Models.List) == 0
	p.Normalize()
	faults := map[string]chat.Line{}
	for _, problem := range p.Validate() {
		field, _, _ := strings.Cut(problem.Field, "[")
		field, _, _ = strings.Cut(field, ".")
		if _, shown := values[field]; !shown {
			field = "endpoint"
		}
		if faults[field].Empty() {
			faults[field] = problem.Say
		}
	}
	return p, faults
}

func (r *Relay) removeProvider(ctx context.Context, c command) (chat.Reply, error) {
	id := c.Args
	e, err := r.entry(id, func() []string { return r.administered(c) })
	if err != nil {
		return chat.Reply{}, err
	}
	if e.Source == registry.Builtin {
		return chat.Reply{}, chat.Tell("%s is built in. It goes away when its variable is unset where parley runs.", id)
	}
	if _, err := r.registry.Remove(ctx, c.actor(), id); err != nil {
		return chat.Reply{}, err
	}
	return c.changed(chat.Say("Removed the provider `%s`.", id)), nil
}

func (r *Relay) testProvider(ctx context.Context, c command) (chat.Reply, error) {
	id := c.Args
	e, err := r.entry(id, func() []string { return r.administered(c) })
	if err != nil {
		return chat.Reply{}, err
	}
	diagnosis, err := r.diagnosis(ctx, c, e.Provider)
	if err != nil {
		return chat.Reply{}, err
	}
	return chat.Reply{Text: fmt.Sprintf("`%s`: %s", id, diagnosis)}, nil
}

// diagnosis probes p with a model that the person may use, and returns the result as
// a sentence. It refuses if they may use none.
func (r *Relay) diagnosis(ctx context.Context, c command, p provider.Provider) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	if len(c.bot.Access.Models) == 0 {
		return r.endpoints.Diagnose(ctx, p, ""), nil
	}
	models := r.catalog.settled(ctx, p)
	usable := c.usable(p.ID, models)
	switch {
	case len(usable) == len(models): // none, too, where the endpoint lists none
		return r.endpoints.Diagnose(ctx, p, ""), nil
	case len(usable) == 0:
		return "", c.bot.NoModelOf(p.ID, c.who)
	}
	return r.endpoints.Diagnose(ctx, p, usable[0].ID), nil
}
