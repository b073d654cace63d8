// Modals: opened with a trigger, filled, submitted.

package slack

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
)

// View is an open or closed modal.
type View struct {
	ID         string
	App        string
	User       string
	CallbackID string
	Title      string
	Metadata   string // private_metadata
	Inputs     []Input
	Open       bool
	Errors     map[string]string // what the last submission was told, by block_id
	Raw        json.RawMessage

	hash string
}

// Input is one field of a modal.
type Input struct {
	BlockID, ActionID    string
	Label, Hint, Initial string
	Placeholder          string
	Optional, Multiline  bool
	MaxLength            int
}

// View is the modal a person has open, if any.
func (s *Server) View(user string) (View, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range slices.Backward(s.views) {
		if v.User == user && v.Open {
			return *v, true
		}
	}
	return View{}, false
}

func (s *Server) openView(c call) (map[string]any, error) {
	id := c.args["trigger_id"]
	t := s.triggers[id]
	switch {
	case t == nil || t.app != c.app.ID:
		return nil, fail("invalid_trigger_id")
	case t.used:
		return nil, fail("exchanged_trigger_id")
	case time.Now().After(t.expires):
		return nil, fail("expired_trigger_id")
	}
	v, problems := readView(c.args["view"])
	if len(problems) > 0 {
		s.violate("views.open: %s", strings.Join(problems, "; "))
		return nil, fail("invalid_arguments", problems...)
	}
	t.used = true
	v.ID, v.App, v.User, v.Open, v.hash = s.newID("V"), c.app.ID, t.user, true, s.newID("hash")
	s.views = append(s.views, v)
	return map[string]any{"view": s.wireView(v, nil)}, nil
}

func readView(raw string) (*View, []string) {
	var in map[string]any
	if err := json.Unmarshal([]byte(raw), &in); err != nil {
		return nil, []string{"view is not a JSON object"}
	}
	k := checker{surface: "modal"}
	if in["type"] != "modal" {
		k.problem("type is %v", in["type"])
	}
	k.textObject("title", in["title"], 24, "plain_text")
	for _, name := range []string{"submit", "close"} {
		if t, ok := in[name]; ok {
			k.textObject(name, t, 24, "plain_text")
		}
	}
	k.most("private_metadata", str(in["private_metadata"]), 3000)
	k.most("callback_id", str(in["callback_id"]), 255)
	blocks, problems := checkBlocks(string(mustJSON(in["blocks"])), "modal")
	k.problems = append(k.problems, problems...)
	v := &View{CallbackID: str(in["callback_id"]), Title: text(in["title"]), Metadata: str(in["private_metadata"]), Raw: json.RawMessage(raw)}
	hasInput := false
	for _, b := range blocks {
		block, _ := b.(map[string]any)
		if block["type"] != "input" {
			continue
		}
		hasInput = true
		e, _ := block["element"].(map[string]any)
		most, _ := e["max_length"].(float64)
		optional, _ := block["optional"].(bool)
		multi, _ := e["multiline"].(bool)
		v.Inputs = append(v.Inputs, Input{BlockID: str(block["block_id"]), ActionID: str(e["action_id"]), Label: text(block["label"]),
			Hint: text(block["hint"]), Placeholder: text(e["placeholder"]), Initial: str(e["initial_value"]), Optional: optional, Multiline: multi, MaxLength: int(most)})
	}
	if hasInput && text(in["submit"]) == "" {
		k.problem("submit is required with input blocks")
	}
	return v, k.problems
}

func (s *Server) wireView(v *View, values map[string]any) map[string]any {
	var raw map[string]any
	_ = json.Unmarshal(v.Raw, &raw)
	a := s.app(v.App)
	out := map[string]any{"id": v.ID, "team_id": a.Team, "app_id": v.App, "app_installed_team_id": a.Team, "bot_id": a.BotID, "type": "modal", "hash": v.hash,
		"callback_id": v.CallbackID, "private_metadata": v.Metadata, "title": raw["title"], "blocks": raw["blocks"],
		"state": map[string]any{"values": values}, "root_view_id": v.ID, "previous_view_id": nil}
	if b, ok := raw["submit"]; ok {
		out["submit"] = b
	}
	return out
}

// SubmitView fills the modal a person has open (values by label or block_id)
// and submits it. Slack itself refuses an empty required field, and one over
// its max_length; otherwise the app is asked.
func (s *Server) SubmitView(user string, values map[string]string) (View, Answered, error) {
	s.mu.Lock()
	var v *View
	for _, open := range slices.Backward(s.views) {
		if open.User == user && open.Open {
			v = open
			break
		}
	}
	if v == nil {
		s.mu.Unlock()
		return View{}, Answered{}, errors.New("no modal is open")
	}
	state := map[string]any{}
	for _, in := range v.Inputs {
		value, ok := values[in.Label]
		if !ok {
			value, ok = values[in.BlockID]
		}
		if !ok {
			value = in.Initial
		}
		if value == "" && !in.Optional {
			s.mu.Unlock()
			return *v, Answered{}, errors.New("Slack itself asks to fill in " + in.Label)
		}
		if in.MaxLength > 0 && length(value) > in.MaxLength {
			s.mu.Unlock()
			return *v, Answered{}, errors.New("Slack itself says that this is too long: " + in.Label)
		}
		entry := map[string]any{"type": "plain_text_input", "value": value}
		if value == "" {
			entry["value"] = nil
		}
		state[in.BlockID] = map[string]any{in.ActionID: entry}
	}
	a := s.app(v.App)
	u := s.userFor(user)
	triggerID, _ := s.tokens(a, hook{app: a.ID, user: user})
	payload := map[string]any{
		"type": "view_submission", "token": "deprecated", "api_app_id": a.ID, "trigger_id": triggerID,
		"team": map[string]any{"id": cmp.Or(u.Team, a.Team), "domain": "fake"}, "user": map[string]any{"id": u.ID, "username": u.Name, "name": u.Name, "team_id": cmp.Or(u.Team, a.Team)},
		"view": s.wireView(v, state), "response_urls": []any{}, "is_enterprise_install": false, "enterprise": nil,
	}
	s.mu.Unlock()

	out := s.ask(a, "/interactions", "interactive", nil, payload)
	out.TriggerID = triggerID
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.touch()
	if out.Problem != "" {
		return *v, out, nil
	}
	var answer struct {
		Action string            `json:"response_action"`
		Errors map[string]string `json:"errors"`
		View   json.RawMessage   `json:"view"`
	}
	if strings.TrimSpace(out.Body) != "" {
		if err := json.Unmarshal([]byte(out.Body), &answer); err != nil {
			s.violate("view_submission: the answer is not JSON")
		}
	}
	v.Errors = nil
	switch answer.Action {
	case "errors":
		for block := range answer.Errors {
			if !slices.ContainsFunc(v.Inputs, func(in Input) bool { return in.BlockID == block }) {
				s.violate("view_submission: an error for %q, which is no input", block)
			}
		}
		v.Errors = answer.Errors
	case "", "clear":
		v.Open = false
	case "update", "push":
		next, problems := readView(string(answer.View))
		if len(problems) > 0 {
			s.violate("view_submission: %s", strings.Join(problems, "; "))
			break
		}
		next.ID, next.App, next.User, next.Open, next.hash = v.ID, v.App, v.User, true, s.newID("hash")
		*v = *next
	default:
		s.violate("view_submission: response_action %q", answer.Action)
	}
	return *v, out, nil
}
