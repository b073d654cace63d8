// Forms: the desk's forms as HTML, and what was filled in back to the desk.

package playground

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"parley/internal/chat"
)

// thenLimit bounds what follows a form: a probe of an endpoint that may be slow.
const thenLimit = 2 * time.Minute

// form shows f with what was filled in and what is wrong with it.
func (s *server) form(at spot, f chat.Form, values, problems map[string]string) *formView {
	v := &formView{Form: f, Where: at.where(), View: at.view, Back: at.back()}
	for _, field := range f.Fields {
		current, given := values[field.ID]
		if !given {
			current = field.Value
		}
		secret := secretField(field)
		if secret {
			current = "" // what was typed there is never sent back
		}
		v.Fields = append(v.Fields, fieldView{Field: field, Current: current, Error: problems[field.ID], Secret: secret})
	}
	known := map[string]bool{}
	for _, field := range f.Fields {
		known[field.ID] = true
	}
	for id, text := range problems {
		if !known[id] {
			v.Notice = strings.TrimSpace(v.Notice + " " + text)
		}
	}
	return v
}

// secretField reports whether a field is typed unseen.
func secretField(f chat.Field) bool {
	return f.Secret || strings.Contains(strings.ToLower(f.ID), "key") && !f.Multiline
}

// submit takes a filled form. The form itself comes from the desk again: what
// the browser says of it is not believed.
func (s *server) submit(w http.ResponseWriter, r *http.Request) {
	at, err := s.spot(r)
	if err != nil {
		unreadable(w, err)
		return
	}
	values := map[string]string{}
	for name, v := range r.PostForm {
		if id, ok := strings.CutPrefix(name, "f-"); ok && len(v) > 0 {
			values[id] = strings.TrimSpace(strings.ReplaceAll(v[0], "\r\n", "\n"))
		}
	}
	s.take(w, r, at, r.PostFormValue("form"), values)
}

// take submits values to the desk and shows what became of them.
func (s *server) take(w http.ResponseWriter, r *http.Request, at spot, form string, values map[string]string) {
	outcome, err := s.desk.Submit(r.Context(), chat.Submission{
		Form: form, Values: values, Scope: Scope, Bot: at.bot, Place: at.c.place(at.thread), Author: at.author(),
	})
	if err != nil || len(outcome.Errors) > 0 {
		s.again(w, r, at, form, values, outcome.Errors, err)
		return
	}
	reply := chat.Reply{Text: s.says(at, chat.Say("Saved."))}
	if outcome.Then != nil {
		// What was saved is saved: the probe goes on when the page is closed.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), thenLimit)
		defer cancel()
		reply = outcome.Then(ctx)
	}
	if id := values["id"]; len(reply.Buttons) == 0 && id != "" && at.view == "" {
		reply.Buttons = []chat.Button{{Label: s.says(at, chat.Say("Use it here")), Action: "provider.use", Args: id}}
	}
	note := s.note(at, reply)
	if byScript(r) {
		s.tell(w, r, at, told{Done: s.a.pages.note(note)}, extra{})
		return
	}
	s.tell(w, r, at, told{}, extra{notes: []noteView{note}})
}

// again shows the form once more, with each problem at its field.
func (s *server) again(w http.ResponseWriter, r *http.Request, at spot, id string, values, problems map[string]string, err error) {
	if err != nil {
		problems = map[string]string{"": s.words(at, err)}
	}
	v := s.form(at, s.sameForm(r.Context(), at, id, values), values, problems)
	s.tell(w, r, at, told{}, extra{form: v, status: http.StatusUnprocessableEntity})
}

// sameForm is the form that was submitted as id, from the desk. Where that no
// longer gives it, because what it was about is gone, the form to add has the
// same fields.
func (s *server) sameForm(ctx context.Context, at spot, id string, values map[string]string) chat.Form {
	_, about, _ := strings.Cut(id, ":")
	add, err := s.providerForm(ctx, at, "add")
	if err == nil && add.ID == id {
		return add
	}
	if edit, err := s.providerForm(ctx, at, "edit "+about); err == nil && edit.ID == id {
		return edit
	}
	f := chat.Form{ID: id, Title: s.says(at, chat.Say("Please correct")), Submit: s.says(at, chat.Say("Save")), Fields: add.Fields}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.ContainsFunc(f.Fields, func(field chat.Field) bool { return field.ID == name }) {
			f.Fields = append(f.Fields, chat.Field{ID: name, Label: name})
		}
	}
	return f
}

// providerForm asks the desk for the form of "/provider add" or "edit ID".
func (s *server) providerForm(ctx context.Context, at spot, args string) (chat.Form, error) {
	reply, err := s.desk.Press(ctx, at.press("provider "+args))
	if err != nil {
		return chat.Form{}, err
	}
	if reply.Form == nil {
		return chat.Form{}, &chat.UserError{Line: chat.Paragraph(chat.Say("There is no form for that here."), chat.Verbatim(reply.Text))}
	}
	return *reply.Form, nil
}
