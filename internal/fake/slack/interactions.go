// Slash commands, buttons, menus and response_urls.

package slack

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

// trigger is a trigger_id that can open one modal, or a Socket Mode ticket.
type trigger struct {
	app     string
	user    string
	expires time.Time
	used    bool
}

// hook is a response_url: five uses in thirty minutes.
type hook struct {
	app     string
	user    string
	channel string
	thread  string
	message string // ts of the message whose button was pressed
	uses    int
	expires time.Time
}

// Command is a slash command as typed.
type Command struct {
	App     string // empty: the first
	Channel string
	User    string
	Command string // with the slash
	Text    string
}

// Answered is how an app answered an interaction within three seconds.
type Answered struct {
	Status  int
	Took    time.Duration
	Body    string
	Problem string // "timeout" when the person saw operation_timeout
	// TriggerID and ResponseURL are what the app was given.
	TriggerID   string
	ResponseURL string
}

// Slash types a slash command and waits for the app's answer. What it says
// becomes a message of the channel: ephemeral, or for all.
func (s *Server) Slash(c Command) Answered {
	s.mu.Lock()
	a := s.app(c.App)
	u := s.userFor(c.User)
	ch := s.channelFor(c.Channel)
	triggerID, hookID := s.tokens(a, hook{app: a.ID, user: c.User, channel: c.Channel})
	s.mu.Unlock()
	fields := map[string]string{
		"token": "deprecated", "team_id": a.Team, "team_domain": "fake", "channel_id": c.Channel, "channel_name": ch.Name,
		"user_id": c.User, "user_name": u.Name, "command": c.Command, "text": c.Text, "api_app_id": a.ID,
		"is_enterprise_install": "false", "response_url": s.base + "/commands/" + hookID, "trigger_id": triggerID,
	}
	out := s.ask(a, "/commands", "slash_commands", fields, nil)
	out.TriggerID, out.ResponseURL = triggerID, fields["response_url"]
	if out.Problem == "" && strings.TrimSpace(out.Body) != "" {
		if err := s.say(hookID, []byte(out.Body), true); err != nil {
			out.Problem = err.Error()
		}
	}
	return out
}

// Told says whether the person has seen what came of a command or a click: an
// answer at once, one at the response_url, or a form.
func (s *Server) Told(a Answered) bool {
	if strings.TrimSpace(a.Body) != "" {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h, t := s.hooks[path.Base(a.ResponseURL)], s.triggers[a.TriggerID]
	return h != nil && h.uses > 0 || t != nil && t.used
}

// tokens makes a trigger_id and a response_url; the caller holds s.mu.
func (s *Server) tokens(a *App, h hook) (string, string) {
	t, k := s.newID("trig."), s.newID("hook")
	s.triggers[t] = &trigger{app: a.ID, user: h.user, expires: time.Now().Add(s.paced(s.o.TriggerLife))}
	h.expires = time.Now().Add(s.paced(30 * time.Minute))
	s.hooks[k] = &h
	return t, k
}

// ask sends an interaction by HTTP or socket and takes the answer.
func (s *Server) ask(a *App, path, kind string, form map[string]string, payload map[string]any) Answered {
	begun := time.Now()
	s.mu.Lock()
	base, secret := a.BaseURL, a.SigningSecret
	s.mu.Unlock()
	var out Answered
	if base == "" {
		var answer json.RawMessage
		var body any = payload
		if payload == nil {
			body = form
		}
		out.Status, out.Problem = s.sendEnvelope(a, kind, body, 0, &answer)
		out.Body = string(answer)
		if out.Body == "null" {
			out.Body = ""
		}
		out.Took = time.Since(begun)
		return out
	}
	values := url.Values{}
	for k, v := range form {
		values.Set(k, v)
	}
	if payload != nil {
		values.Set("payload", string(mustJSON(payload)))
	}
	status, body, err := s.send(base+path, secret, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, []byte(values.Encode()))
	out.Status, out.Body, out.Took = status, string(body), time.Since(begun)
	switch {
	case err != nil:
		out.Problem = "timeout"
	case status/100 != 2:
		out.Problem = "http_error"
	}
	return out
}

func (s *Server) serveHook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err == nil {
		err = s.say(r.PathValue("hook"), body, false)
	}
	if err != nil {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, err.Error())
		return
	}
	_, _ = io.WriteString(w, "ok")
}

// say makes a message of an answer to an interaction: the answer's own body or
// one posted to the response_url.
func (s *Server) say(hookID string, body []byte, direct bool) error {
	var in struct {
		ResponseType    string          `json:"response_type"`
		Text            string          `json:"text"`
		Blocks          json.RawMessage `json:"blocks"`
		ThreadTS        string          `json:"thread_ts"`
		ReplaceOriginal bool            `json:"replace_original"`
		DeleteOriginal  bool            `json:"delete_original"`
		Metadata        json.RawMessage `json:"metadata"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		in.Text = string(body) // plain text is allowed as the answer
		if !direct {
			return errors.New("invalid_payload")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hooks[hookID]
	switch {
	case h == nil || time.Now().After(h.expires):
		return errors.New("expired_url")
	case !direct && h.uses >= 5:
		return errors.New("used_url")
	}
	if !direct {
		h.uses++
	}
	m := &Message{Channel: h.channel, ThreadTS: in.ThreadTS, Text: in.Text, App: h.app, User: s.app(h.app).BotUser, Metadata: in.Metadata}
	if m.ThreadTS == "" {
		m.ThreadTS = h.thread
	}
	if len(in.Blocks) > 0 && string(in.Blocks) != "null" {
		blocks, problems := checkBlocks(string(in.Blocks), "message")
		if len(problems) > 0 {
			s.violate("response: %s", strings.Join(problems, "; "))
			return errors.New("invalid_blocks")
		}
		m.fixed, m.Blocks = blocks, in.Blocks
	}
	original := s.messages[h.message]
	if in.DeleteOriginal && original != nil {
		original.Deleted = true
		s.show(original)
		return nil
	}
	if m.Text == "" && len(m.fixed) == 0 {
		return errors.New("no_text")
	}
	if in.ReplaceOriginal && original != nil {
		original.Text, original.fixed, original.Blocks = m.Text, m.fixed, m.Blocks
		s.show(original)
		return nil
	}
	if in.ResponseType != "in_channel" {
		m.Only = h.user
	}
	s.add(m)
	return nil
}

// Press is a click on a button, or a choice in a menu.
type Press struct {
	Message string // ts
	User    string
	// Button is the label or action_id of a button; Choose the value or label
	// of a menu's option. One of them.
	Button string
	Choose string
}

// Press clicks and waits for the app to take it.
func (s *Server) Press(p Press) (Answered, error) {
	s.mu.Lock()
	m := s.messages[p.Message]
	if m == nil || m.Deleted {
		s.mu.Unlock()
		return Answered{}, errors.New("no such message")
	}
	action := map[string]any{"action_ts": s.newTS()}
	found := false
	for _, c := range m.Controls {
		if p.Button != "" && c.Kind == "button" && (c.Label == p.Button || c.ActionID == p.Button) {
			action["type"], action["action_id"], action["block_id"], action["value"] = c.Kind, c.ActionID, c.BlockID, c.Value
			action["text"] = map[string]any{"type": "plain_text", "text": c.Label}
			found = true
			break
		}
		if i := slices.IndexFunc(c.Options, func(o Option) bool { return o.Value == p.Choose || o.Label == p.Choose }); p.Choose != "" && i >= 0 {
			action["type"], action["action_id"], action["block_id"] = c.Kind, c.ActionID, c.BlockID
			action["selected_option"] = map[string]any{"text": map[string]any{"type": "plain_text", "text": c.Options[i].Label}, "value": c.Options[i].Value}
			found = true
			break
		}
	}
	if !found {
		s.mu.Unlock()
		return Answered{}, errors.New("the message has no such control")
	}
	a := s.app(m.App)
	u := s.userFor(p.User)
	triggerID, hookID := s.tokens(a, hook{app: a.ID, user: p.User, channel: m.Channel, thread: m.ThreadTS, message: m.TS})
	container := map[string]any{"type": "message", "message_ts": m.TS, "channel_id": m.Channel, "is_ephemeral": m.Only != ""}
	if m.ThreadTS != "" {
		container["thread_ts"] = m.ThreadTS
	}
	payload := map[string]any{
		"type": "block_actions", "token": "deprecated", "api_app_id": a.ID, "trigger_id": triggerID,
		"team": map[string]any{"id": cmp.Or(u.Team, a.Team), "domain": "fake"}, "enterprise": nil, "is_enterprise_install": false,
		"user":         map[string]any{"id": u.ID, "username": u.Name, "name": u.Name, "team_id": cmp.Or(u.Team, a.Team)},
		"channel":      map[string]any{"id": m.Channel, "name": s.channels[m.Channel].Name},
		"container":    container,
		"response_url": s.base + "/commands/" + hookID,
		"actions":      []any{action},
		"state":        map[string]any{"values": map[string]any{}},
	}
	if m.Only == "" {
		payload["message"] = s.wire(m, false)
	}
	s.mu.Unlock()
	out := s.ask(a, "/interactions", "interactive", nil, payload)
	out.TriggerID, out.ResponseURL = triggerID, str(payload["response_url"])
	return out, nil
}
