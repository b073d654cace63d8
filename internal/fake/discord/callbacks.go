// What apps answer to interactions: the callback, edits of the original
// response, followups.

package discord

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Callback types.
const (
	callbackPong         = 1
	callbackMessage      = 4
	callbackDefer        = 5
	callbackDeferUpdate  = 6
	callbackUpdate       = 7
	callbackAutocomplete = 8
	callbackModal        = 9
)

func (s *Server) callback(w http.ResponseWriter, r *request) {
	body, _, err := s.payload(r, "interaction_callback")
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.interactions[r.PathValue("token")]
	switch {
	case i == nil || i.ID != r.PathValue("id") || i.failed != "":
		refuse(w, http.StatusNotFound, 10062, "Unknown interaction")
		return
	case i.response != 0:
		refuse(w, http.StatusBadRequest, 40060, "Interaction has already been acknowledged.")
		return
	}
	if err := s.respond(i, body); err != nil {
		s.problem("%s: %v", "callback", err)
		form, ok := errors.AsType[*formError](err)
		if !ok {
			form = &formError{"data", "INVALID", err.Error()}
		}
		invalidForm(w, form.field, form.code, form.text)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// respond applies an initial response; mu is held.
func (s *Server) respond(i *Interaction, body map[string]any) error {
	kind, _ := body["type"].(float64)
	data, _ := body["data"].(map[string]any)
	component := i.kind == interactionComponent || i.kind == interactionModal && i.source != nil
	allowed := map[int]bool{
		callbackMessage: i.kind != interactionAutocomplete, callbackDefer: i.kind != interactionAutocomplete,
		callbackDeferUpdate: component, callbackUpdate: component,
		callbackAutocomplete: i.kind == interactionAutocomplete, callbackModal: i.kind == interactionCommand || i.kind == interactionComponent,
	}
	if !allowed[int(kind)] {
		return &formError{"type", "INTERACTION_CALLBACK_TYPE", fmt.Sprintf("type %v does not fit an interaction of type %d", kind, i.kind)}
	}
	now := time.Now()
	switch int(kind) {
	case callbackMessage:
		if err := checkMessage(data); err != nil {
			return err
		}
		m, err := s.interactionMessage(i, data, now)
		if err != nil {
			return err
		}
		i.original = m
	case callbackDefer:
		flags, _ := data["flags"].(float64)
		if int(flags)&^flagEphemeral != 0 {
			return &formError{"data.flags", "DEFER_FLAGS", "only EPHEMERAL may be set"}
		}
		m := s.newInteractionMessage(i, int(flags), now)
		m.loading = true
		m.content = ""
		s.show(m, nil)
		i.original = m
	case callbackDeferUpdate:
		i.original = i.source
	case callbackUpdate:
		if err := checkMessage(data); err != nil {
			return err
		}
		i.original = i.source
		s.patch(i.source, data)
	case callbackAutocomplete:
		choices, _ := data["choices"].([]any)
		for _, c := range choices {
			choice, _ := c.(map[string]any)
			i.choices = append(i.choices, Choice{Name: fmt.Sprint(choice["name"]), Value: fmt.Sprint(choice["value"])})
		}
	case callbackModal:
		modal, err := readModal(data)
		if err != nil {
			return err
		}
		i.modal = modal
	}
	i.response, i.answered = int(kind), now
	i.stop()
	s.change()
	return nil
}

func readModal(data map[string]any) (*Modal, error) {
	components, _ := data["components"].([]any)
	if len(components) < 1 || len(components) > 5 {
		return nil, &formError{"data.components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length."}
	}
	m := &Modal{CustomID: fmt.Sprint(data["custom_id"]), Title: fmt.Sprint(data["title"])}
	seen := map[string]bool{}
	for n, c := range components {
		at := fmt.Sprintf("data.components.%d", n)
		label, _ := c.(map[string]any)
		input, _ := label["component"].(map[string]any)
		if label["type"] != float64(18) || input["type"] != float64(4) {
			return nil, &formError{at, "MODAL_COMPONENT", "a Label with a text input inside is expected"}
		}
		if _, set := input["label"]; set {
			return nil, &formError{at, "MODAL_LABEL", "a text input inside a Label may not have a label of its own"}
		}
		f := ModalField{
			ID: text(input, "custom_id"), Label: text(label, "label"), Description: text(label, "description"), Placeholder: text(input, "placeholder"),
			Value: text(input, "value"), Required: true, Paragraph: input["style"] == float64(2), Min: number(input, "min_length"), Max: number(input, "max_length"),
		}
		if required, set := input["required"].(bool); set {
			f.Required = required
		}
		if seen[f.ID] {
			return nil, &formError{at, "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated"}
		}
		seen[f.ID] = true
		m.Fields = append(m.Fields, f)
	}
	return m, nil
}

func text(m map[string]any, key string) string {
	s, _ := m[key].(string)
	return s
}

func number(m map[string]any, key string) int {
	n, _ := m[key].(float64)
	return int(n)
}

func (s *Server) newInteractionMessage(i *Interaction, flags int, now time.Time) *message {
	m := &message{id: s.snowflake(), channel: i.channel, author: i.app.user, app: i.app, flags: flags, at: now, kind: messageCommand}
	if i.kind != interactionCommand {
		m.kind = messageDefault
	}
	if flags&flagEphemeral != 0 {
		m.only = i.user.ID
	}
	s.messages[m.id] = m
	i.channel.messages = append(i.channel.messages, m)
	i.messages = append(i.messages, m)
	return m
}

// interactionMessage makes a message of a callback's or followup's data.
func (s *Server) interactionMessage(i *Interaction, data map[string]any, now time.Time) (*message, error) {
	content := strings.TrimSpace(text(data, "content"))
	if content == "" && data["embeds"] == nil {
		return nil, &formError{"data.content", "BASE_TYPE_REQUIRED", "Cannot send an empty message"}
	}
	m := s.newInteractionMessage(i, number(data, "flags"), now)
	m.content = content
	m.components, _ = data["components"].([]any)
	s.show(m, s.parseMentions(m, readAllowed(data)))
	return m, nil
}

// show puts a message's present state before people's eyes.
func (s *Server) show(m *message, pings []string) {
	m.seen(time.Now(), pings)
	if m.flags&flagEphemeral == 0 {
		s.announce(m, "MESSAGE_CREATE", nil)
	}
	s.change()
}

// patch applies the given fields of an edit.
func (s *Server) patch(m *message, body map[string]any) {
	if content, ok := body["content"].(string); ok {
		m.content = strings.TrimSpace(content)
	}
	if components, ok := body["components"].([]any); ok {
		m.components = components
	}
	pings := s.parseMentions(m, readAllowed(body))
	if !m.loading {
		m.edited = time.Now()
	}
	m.loading = false
	m.seen(time.Now(), pings)
	if m.flags&flagEphemeral == 0 {
		s.announce(m, "MESSAGE_UPDATE", nil)
	}
	s.change()
}

// live finds the interaction of a webhook call, or writes the refusal; mu is
// held.
func (s *Server) byWebhook(w http.ResponseWriter, r *request) *Interaction {
	i := s.interactions[r.PathValue("token")]
	if i == nil || i.app.ID != r.PathValue("app") || i.response == 0 {
		refuse(w, http.StatusNotFound, 10015, "Unknown Webhook")
		return nil
	}
	if time.Since(i.created) > tokenLife {
		refuse(w, http.StatusUnauthorized, 50027, "Invalid Webhook Token")
		return nil
	}
	return i
}

// named finds the message of a webhook call, "@original" included.
func (s *Server) named(w http.ResponseWriter, r *request, i *Interaction) *message {
	m := i.original
	if id := r.PathValue("message"); id != "@original" {
		m = s.messages[id]
		if !slices.Contains(i.messages, m) {
			m = nil
		}
	}
	if m == nil || m.deleted {
		refuse(w, http.StatusNotFound, 10008, "Unknown Message")
		return nil
	}
	return m
}

func (s *Server) followup(w http.ResponseWriter, r *request) {
	body, _, err := s.payload(r, "followup")
	if err == nil {
		err = checkMessage(body)
	}
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.byWebhook(w, r)
	if i == nil {
		return
	}
	if i.original != nil && i.original.loading {
		s.patch(i.original, body) // backwards compatibility: it edits the loading message, flags are ignored
		writeJSON(w, http.StatusOK, s.messageJSON(i.original, i.app, false, true))
		return
	}
	m, err := s.interactionMessage(i, body, time.Now())
	if err != nil {
		refuse(w, http.StatusBadRequest, 50006, "Cannot send an empty message")
		return
	}
	writeJSON(w, http.StatusOK, s.messageJSON(m, i.app, false, true))
}

func (s *Server) getOriginal(w http.ResponseWriter, r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.byWebhook(w, r); i != nil {
		if m := s.named(w, r, i); m != nil {
			writeJSON(w, http.StatusOK, s.messageJSON(m, i.app, false, true))
		}
	}
}

func (s *Server) editOriginal(w http.ResponseWriter, r *request) {
	body, _, err := s.payload(r, "webhook_edit")
	if err == nil {
		err = checkMessage(body)
	}
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.byWebhook(w, r)
	if i == nil {
		return
	}
	m := s.named(w, r, i)
	if m == nil {
		return
	}
	s.patch(m, body)
	writeJSON(w, http.StatusOK, s.messageJSON(m, i.app, false, true))
}

func (s *Server) deleteOriginal(w http.ResponseWriter, r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.byWebhook(w, r)
	if i == nil {
		return
	}
	if m := s.named(w, r, i); m != nil {
		s.remove(m)
		w.WriteHeader(http.StatusNoContent)
	}
}
