// Forms as modals. A modal closes when it is submitted, so errors are in the reply,
// with a button that opens the form again with what was filled in.

package discord

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/bwmarrin/discordgo"

	"parley/adapters/internal/kept"
	"parley/internal/chat"
)

// Discord's limits for modals.
const (
	titleLimit       = 45
	labelLimit       = 45
	descriptionLimit = 100
	inputPlaceholder = 100
	inputLimit       = 4000
	mostFields       = 5
)

// In a modal a Label (type 18) contains each input; discordgo has no type for it.
type modalData struct {
	ID         string  `json:"custom_id"`
	Title      string  `json:"title"`
	Components []label `json:"components"`
}

type label struct {
	Type        int    `json:"type"` // 18
	Label       string `json:"label"`
	Description string `json:"description,omitempty"`
	Component   input  `json:"component"`
}

type input struct {
	Type        discordgo.ComponentType  `json:"type"` // 4
	ID          string                   `json:"custom_id"`
	Style       discordgo.TextInputStyle `json:"style"`
	Placeholder string                   `json:"placeholder,omitempty"`
	Value       string                   `json:"value,omitempty"`
	Required    bool                     `json:"required"`
	MaxLength   int                      `json:"max_length,omitempty"`
}

const labelComponent = 18

// form is a chat.Form as a modal. Its id holds the line that opens it, for the button
// that opens it again.
func (i *interaction) form(f *chat.Form, line string) modalData {
	id := idForm + f.ID + "|" + line
	if utf8.RuneCountInString(id) > customIDLimit {
		id = idForm + f.ID
	}
	kept := i.app.drafts.get(i.user.ID, f.ID)
	m := modalData{ID: id, Title: clip(f.Title, titleLimit)}
	labels := map[string]string{}
	for _, field := range f.Fields {
		if len(m.Components) == mostFields {
			break
		}
		in := input{Type: discordgo.TextInputComponent, ID: field.ID, Style: discordgo.TextInputShort, Placeholder: clip(field.Placeholder, inputPlaceholder), Value: field.Value, Required: !field.Optional, MaxLength: inputLimit}
		if field.Multiline {
			in.Style = discordgo.TextInputParagraph
		}
		if field.MaxLength > 0 {
			in.MaxLength = min(field.MaxLength, inputLimit)
		}
		if value, ok := kept.values[field.ID]; ok && !field.Secret {
			in.Value = value
		}
		in.Value = clip(in.Value, in.MaxLength)
		labels[field.ID] = field.Label
		m.Components = append(m.Components, label{Type: labelComponent, Label: clip(field.Label, labelLimit), Description: clip(field.Hint, descriptionLimit), Component: in})
	}
	i.app.drafts.opened(i.user.ID, f, labels)
	return m
}

// formValues reads the inputs of a submitted modal, in labels or, as in older
// modals, in rows.
func formValues(data json.RawMessage) (id string, values map[string]string, err error) {
	type node struct {
		ID        string `json:"custom_id"`
		Value     string `json:"value"`
		Component *struct {
			ID    string `json:"custom_id"`
			Value string `json:"value"`
		} `json:"component"`
		Components []struct {
			ID    string `json:"custom_id"`
			Value string `json:"value"`
		} `json:"components"`
	}
	var d struct {
		ID         string `json:"custom_id"`
		Components []node `json:"components"`
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return "", nil, err
	}
	values = map[string]string{}
	for _, n := range d.Components {
		if n.Component != nil && n.Component.ID != "" {
			values[n.Component.ID] = n.Component.Value
		}
		for _, inner := range n.Components {
			values[inner.ID] = inner.Value
		}
	}
	return d.ID, values, nil
}

// submit handles a submitted form.
func (i *interaction) submit(ctx context.Context) error {
	id, values, err := formValues(i.Data)
	if err != nil {
		return err
	}
	formID, opener, _ := strings.Cut(strings.TrimPrefix(id, idForm), "|")
	// Checking and saving may be slow, and the reply is for this person in any case,
	// so it is deferred at once.
	if err := i.respond(ctx, callback{callbackDefer, messageData{Flags: discordgo.MessageFlagsEphemeral}}); err != nil {
		return err
	}
	out, err := i.app.ports.Desk.Submit(ctx, chat.Submission{
		Form: formID, Values: values, Scope: i.app.scope(), Bot: i.app.lead.ID, Place: i.place, Author: i.user,
	})
	var reply chat.Reply
	switch {
	case err != nil:
		reply = chat.Reply{Text: i.sorry("form "+formID, err)}
		i.app.drafts.filled(i.user.ID, formID, values)
		reply.Buttons = opening(i.app.says(i.user, chat.Say("Open the form again")), opener)
	case len(out.Errors) > 0:
		reply = i.errorReply(formID, opener, values, out.Errors)
	default:
		i.app.drafts.drop(i.user.ID, formID)
		reply = chat.Reply{Text: i.app.says(i.user, chat.Say("Saved."))}
		if out.Then != nil {
			reply = out.Then(ctx)
		}
	}
	return i.replyLater(ctx, opener, reply)
}

// opening is a button that opens the form of a line; none without a line.
func opening(label, line string) []chat.Button {
	if line == "" {
		return nil
	}
	action, args := chat.ParseControl(line)
	return []chat.Button{{Label: label, Action: action, Args: args}}
}

// errorReply lists the errors by field.
func (i *interaction) errorReply(formID, opener string, values, errs map[string]string) chat.Reply {
	kept := i.app.drafts.filled(i.user.ID, formID, values)
	var b strings.Builder
	b.WriteString(i.app.says(i.user, chat.Say("Nothing was saved yet:")) + "\n")
	for _, id := range kept.order(errs) {
		name := kept.labels[id]
		if name == "" {
			name = id
		}
		b.WriteString("- **" + name + "**: " + errs[id] + "\n")
	}
	return chat.Reply{Text: b.String(), Buttons: opening(i.app.says(i.user, chat.Say("Open the form again")), opener)}
}

// draft is a form that a person has open, or submitted with errors.
type draft struct {
	fields []string          // ids, in order
	labels map[string]string // by field
	secret map[string]bool
	values map[string]string
}

// order are the ids of errs in the form's order.
func (d draft) order(errs map[string]string) []string {
	var out []string
	for _, id := range d.fields {
		if _, ok := errs[id]; ok {
			out = append(out, id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(errs)) {
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

const (
	draftAge   = 15 * time.Minute
	mostDrafts = 1000
)

// drafts remembers forms in this process, by person and form. It never holds the
// values of secret fields. In another process a form opens empty.
type drafts struct {
	mu    sync.Mutex // held from reading a draft to changing it
	forms *kept.Cache[draft]
}

func newDrafts() *drafts { return &drafts{forms: kept.New[draft](mostDrafts, draftAge)} }

func draftKey(user, form string) string { return user + " " + form }

func (d *drafts) get(user, form string) draft {
	one, _ := d.forms.Get(draftKey(user, form))
	return one
}

// opened notes a form that a person opens.
func (d *drafts) opened(user string, f *chat.Form, labels map[string]string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	one := draft{labels: labels, secret: map[string]bool{}, values: d.get(user, f.ID).values}
	for _, field := range f.Fields {
		one.fields = append(one.fields, field.ID)
		one.secret[field.ID] = field.Secret
	}
	d.forms.Put(draftKey(user, f.ID), one)
}

// filled notes what a person filled in, without secrets.
func (d *drafts) filled(user, form string, values map[string]string) draft {
	d.mu.Lock()
	defer d.mu.Unlock()
	one, ok := d.forms.Get(draftKey(user, form))
	if !ok {
		return draft{} // opened in another process: which fields are secret is unknown
	}
	one.values = map[string]string{}
	for id, value := range values {
		if !one.secret[id] {
			one.values[id] = value
		}
	}
	d.forms.Put(draftKey(user, form), one)
	return one
}

func (d *drafts) drop(user, form string) { d.forms.Drop(draftKey(user, form)) }
