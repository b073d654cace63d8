package discord

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/chat"
)

func providerForm() *chat.Form {
	return &chat.Form{ID: "provider", Title: "Add a provider", Submit: "Save", Fields: []chat.Field{
		{ID: "id", Label: "Provider ID", Placeholder: "corp-gateway", MaxLength: 40},
		{ID: "name", Label: "Display Name", Optional: true},
		{ID: "endpoint", Label: "Endpoint URL", Hint: "The full URL of the chat-completions endpoint"},
		{ID: "key", Label: "API Key", Optional: true, Secret: true},
		{ID: "models", Label: "Models", Optional: true, Multiline: true},
	}}
}

func TestTheProviderForm(t *testing.T) {
	t.Parallel()
	d := &desk{
		do: func(_ context.Context, c chat.Command) (chat.Reply, error) {
			return chat.Reply{Form: providerForm()}, nil
		},
		submit: func(_ context.Context, s chat.Submission) (chat.Outcome, error) {
			if s.Values["endpoint"] == "nonsense" {
				return chat.Outcome{Errors: map[string]string{"endpoint": "This is no URL.", "id": "Taken."}}, nil
			}
			return chat.Outcome{Then: func(context.Context) chat.Reply { return chat.Reply{Text: "Saved and reached: 2 models."} }}, nil
		},
	}
	ways(t, d, func(t *testing.T, s *stage) {
		i := s.slash("general", "ann", "/provider add")
		form, err := i.Modal(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if form.Title != "Add a provider" || len(form.Fields) != 5 || form.Fields[0].Label != "Provider ID" || form.Fields[0].Max != 40 || !form.Fields[4].Paragraph || form.Fields[1].Required || !form.Fields[0].Required {
			t.Errorf("the form is %+v", form)
		}
		sent, err := s.SubmitModal(i, map[string]string{"id": "lab", "Endpoint URL": "nonsense", "key": "sk-secret"})
		if err != nil {
			t.Fatal(err)
		}
		wrong := s.answer(sent)[0]
		if !wrong.Ephemeral || !strings.Contains(wrong.Content, "**Provider ID**: Taken.\n- **Endpoint URL**: This is no URL.") {
			t.Errorf("errors are shown as %q", wrong.Content)
		}
		again, err := s.Press(wrong.ID, "ann", "Open the form again")
		if err != nil {
			t.Fatal(err)
		}
		if form, err = again.Modal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if form.Fields[0].Value != "lab" || form.Fields[2].Value != "nonsense" || form.Fields[3].Value != "" {
			t.Errorf("the form opens again with %+v; what was typed must stand there, the key must not", form.Fields)
		}
		if sent, err = s.SubmitModal(again, map[string]string{"endpoint": "https://lab.example/v1/chat/completions", "key": "sk-secret"}); err != nil {
			t.Fatal(err)
		}
		if got := s.answer(sent)[0]; got.Content != "Saved and reached: 2 models." || !got.Ephemeral {
			t.Errorf("saving was answered with %+v", got)
		}
		d.mu.Lock()
		last := d.forms[len(d.forms)-1]
		d.mu.Unlock()
		if last.Form != "provider" || last.Values["id"] != "lab" || last.Values["key"] != "sk-secret" || last.Author.ID != s.UserID("ann") {
			t.Errorf("submitted: %+v", last)
		}
	})
}

func TestAFormThatComesLateIsOpenedByAButton(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	d := &desk{do: func(context.Context, chat.Command) (chat.Reply, error) {
		<-gate
		return chat.Reply{Form: providerForm()}, nil
	}}
	s := withCommands(t, d, nil)
	i := s.slash("general", "ann", "/provider add")
	if err := i.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(gate)
	got := s.answer(i)[0]
	again, err := s.Press(got.ID, "ann", "Open the form")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Modal(t.Context()); err != nil {
		t.Error(err)
	}
}

// What somebody typed long ago must not come back when they open the form for the
// second time: they would save it without having typed it.
func TestAnOldDraftIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDrafts()
		form := providerForm()
		typed := func() string { return d.get("ann", form.ID).values["endpoint"] }
		d.opened("ann", form, nil)
		d.filled("ann", form.ID, map[string]string{"endpoint": "https://old.example", "key": "sk-secret"})
		d.opened("ann", form, nil)
		if typed() != "https://old.example" || d.get("ann", form.ID).values["key"] != "" {
			t.Fatalf("kept is %+v", d.get("ann", form.ID))
		}
		time.Sleep(draftAge + time.Second)
		d.opened("ann", form, nil)
		if got := typed(); got != "" {
			t.Errorf("the form opens with %q again", got)
		}
	})
}
