// The Web API: how a call is read, checked against the method lists, limited
// and answered.

package slack

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed testdata/methods/*.json
var methodFiles embed.FS

// methodSpec is one method as Slack's reference lists it.
type methodSpec struct {
	Name string `json:"name"`
	Args map[string]struct {
		Required bool `json:"required"`
		Type     any  `json:"type"`
	} `json:"args"`
	Errors []string `json:"errors"`
}

func loadSpecs() (map[string]methodSpec, error) {
	files, err := methodFiles.ReadDir("testdata/methods")
	if err != nil {
		return nil, err
	}
	specs := map[string]methodSpec{}
	for _, f := range files {
		data, err := methodFiles.ReadFile("testdata/methods/" + f.Name())
		if err != nil {
			return nil, err
		}
		var m methodSpec
		if err := json.Unmarshal(data, &m); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		specs[m.Name] = m
	}
	return specs, nil
}

// Call is one Web API call as it was answered.
type Call struct {
	At     time.Time
	Took   time.Duration // Options.Latency included
	Method string
	App    string // app id
	Args   map[string]string
	Bearer string // the token in the Authorization header
	Status int
	Error  string // Slack's error word; "" when ok
}

// Calls lists the calls of a method so far, oldest first; of every method when
// it is empty.
func (s *Server) Calls(method string) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Call
	for _, c := range s.calls {
		if method == "" || c.Method == method {
			out = append(out, c)
		}
	}
	return out
}

// Limited counts the calls that were told to slow down.
func (s *Server) Limited() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.calls {
		if c.Status == http.StatusTooManyRequests || c.Error == "ratelimited" {
			n++
		}
	}
	return n
}

// call is a request on its way through a method.
type call struct {
	app    *App
	method string
	args   map[string]string
}

// apiError is Slack's {"ok":false,"error":…}.
type apiError struct {
	word     string
	messages []string
	extra    map[string]any
}

func (e *apiError) Error() string { return e.word }

func fail(word string, messages ...string) error { return &apiError{word: word, messages: messages} }

type handler func(s *Server, c call) (map[string]any, error)

// needs is the scope a bot token must hold for a method; one of several where
// the document lists several.
func needs(method string) []string {
	return map[string][]string{
		"assistant.threads.setStatus":  {"chat:write", "assistant:write"},
		"bots.info":                    {"users:read"},
		"chat.appendStream":            {"chat:write"},
		"chat.delete":                  {"chat:write"},
		"chat.postEphemeral":           {"chat:write"},
		"chat.postMessage":             {"chat:write"},
		"chat.startStream":             {"chat:write"},
		"chat.stopStream":              {"chat:write"},
		"chat.update":                  {"chat:write"},
		"conversations.open":           {"im:write"},
		"files.completeUploadExternal": {"files:write"},
		"files.delete":                 {"files:write"},
		"files.getUploadURLExternal":   {"files:write"},
		"reactions.add":                {"reactions:write"},
		"reactions.remove":             {"reactions:write"},
		"usergroups.list":              {"usergroups:read"},
		"usergroups.users.list":        {"usergroups:read"},
		"users.info":                   {"users:read"},
	}[method]
}

func handlers() map[string]handler {
	return map[string]handler{
		"apps.connections.open":        (*Server).connectionsOpen,
		"assistant.threads.setStatus":  (*Server).setStatus,
		"auth.test":                    (*Server).authTest,
		"bots.info":                    (*Server).botsInfo,
		"chat.appendStream":            (*Server).appendStream,
		"chat.delete":                  (*Server).deleteMessage,
		"chat.postEphemeral":           (*Server).postEphemeral,
		"chat.postMessage":             (*Server).postMessage,
		"chat.startStream":             (*Server).startStream,
		"chat.stopStream":              (*Server).stopStream,
		"chat.update":                  (*Server).updateMessage,
		"conversations.history":        (*Server).history,
		"conversations.info":           (*Server).conversationInfo,
		"conversations.open":           (*Server).conversationsOpen,
		"conversations.replies":        (*Server).replies,
		"files.completeUploadExternal": (*Server).completeUpload,
		"files.delete":                 (*Server).deleteFile,
		"files.getUploadURLExternal":   (*Server).uploadURL,
		"reactions.add":                (*Server).addReaction,
		"reactions.remove":             (*Server).removeReaction,
		"usergroups.list":              (*Server).listGroups,
		"usergroups.users.list":        (*Server).listGroupMembers,
		"users.info":                   (*Server).userInfo,
		"views.open":                   (*Server).openView,
	}
}

func (s *Server) serveMethod(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	method := r.PathValue("method")
	s.mu.Lock()
	latency := s.latency
	s.mu.Unlock()
	if latency > 0 {
		t := time.NewTimer(latency)
		select {
		case <-t.C:
		case <-r.Context().Done():
			t.Stop()
			return
		}
	}
	args, token, err := readArgs(r)
	if err != nil {
		writeJSON(w, http.StatusOK, map[string]any{"ok": false, "error": "invalid_form_data"})
		return
	}

	s.mu.Lock()
	app := s.appByToken(method, token)
	record := Call{At: begun, Method: method, Args: args, Status: http.StatusOK, Bearer: strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")}
	if app != nil {
		record.App = app.ID
	}
	note := func() {
		record.Took = time.Since(begun)
		s.calls = append(s.calls, record)
		s.touch()
		s.mu.Unlock()
	}
	f := s.fault(method, record.App, args["channel"])
	if f != nil && !f.After {
		record.Status, record.Error = f.status(), f.word()
		note()
		f.answer(w, r)
		return
	}
	if wait, which := s.limit(method, app, args["channel"]); wait > 0 {
		form := s.limits.Form
		if form == Alternate && len(s.calls)%2 == 0 {
			form = InBody
		}
		record.Error = "ratelimited"
		if form != InBody {
			record.Status = http.StatusTooManyRequests
		}
		s.log.DebugContext(r.Context(), "rate limited", "method", method, "bucket", which, "after", wait)
		note()
		writeLimited(w, form, wait)
		return
	}
	result, err := s.run(call{app: app, method: method, args: args}, token)
	if err != nil {
		record.Error = err.Error()
	}
	note()
	if f != nil {
		panic(http.ErrAbortHandler) // done, but the answer is lost
	}
	if err != nil {
		writeJSON(w, http.StatusOK, errorBody(err))
		return
	}
	out := map[string]any{"ok": true}
	maps.Copy(out, result)
	writeJSON(w, http.StatusOK, out)
}

func errorBody(err error) map[string]any {
	out := map[string]any{"ok": false, "error": err.Error()}
	if e, ok := errors.AsType[*apiError](err); ok {
		if len(e.messages) > 0 {
			out["response_metadata"] = map[string]any{"messages": e.messages}
		}
		maps.Copy(out, e.extra)
	}
	return out
}

func writeLimited(w http.ResponseWriter, form Form, wait time.Duration) {
	seconds := max(1, int((wait+time.Second-1)/time.Second))
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	status := http.StatusTooManyRequests
	if form == InBody {
		status = http.StatusOK
	}
	writeJSON(w, status, map[string]any{"ok": false, "error": "ratelimited"})
}

// run checks and does a call; the caller holds s.mu.
func (s *Server) run(c call, token string) (map[string]any, error) {
	spec, known := s.specs[c.method]
	do, served := s.serve[c.method]
	if !known || !served {
		s.violate("%s: unknown method", c.method)
		return nil, fail("unknown_method")
	}
	switch {
	case token == "":
		return nil, fail("not_authed")
	case c.app == nil:
		return nil, fail("invalid_auth")
	}
	if need := needs(c.method); need != nil && c.app.Scopes != nil && !overlap(need, c.app.Scopes) {
		return nil, &apiError{word: "missing_scope", extra: map[string]any{"needed": need[0], "provided": strings.Join(c.app.Scopes, ",")}}
	}
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(c.args)) {
		if _, ok := spec.Args[name]; !ok {
			wrong = append(wrong, "unknown argument: "+name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Args)) {
		if spec.Args[name].Required && c.args[name] == "" && name != "status" {
			wrong = append(wrong, "missing required field: "+name)
		}
	}
	if len(wrong) > 0 {
		s.violate("%s: %s", c.method, strings.Join(wrong, "; "))
		return nil, fail("invalid_arguments", wrong...)
	}
	result, err := do(s, c)
	if e, ok := errors.AsType[*apiError](err); ok && !slices.Contains(spec.Errors, e.word) && !slices.Contains(shared(), e.word) {
		s.violate("%s: the fake itself answered %q, which the reference does not list", c.method, e.word)
	}
	return result, err
}

// shared are errors that any method may give.
func shared() []string {
	return []string{"invalid_arguments", "invalid_auth", "internal_error", "ratelimited", "missing_scope",
		// Seen by users of the method though its page does not list them.
		"invalid_trigger_id", "cannot_reply_to_message", "thread_not_found", "not_in_channel", "is_archived", "invalid_blocks", "msg_too_long", "streaming_state_conflict"}
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

func (s *Server) appByToken(method, token string) *App {
	for _, a := range s.apps {
		want := a.BotToken
		if method == "apps.connections.open" {
			want = a.AppToken
		}
		if want != "" && want == token {
			return a
		}
	}
	return nil
}

// readArgs takes the arguments of a call in any of the three forms that Slack
// reads: form, JSON, query. Values that are not strings come as JSON.
func readArgs(r *http.Request) (map[string]string, string, error) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	args := map[string]string{}
	take := func(v url.Values) {
		for name := range v {
			args[name] = v.Get(name)
		}
	}
	take(r.URL.Query())
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	body, err := io.ReadAll(io.LimitReader(r.Body, 4<<20))
	if err != nil {
		return nil, "", err
	}
	if kind == "application/json" && len(body) > 0 {
		var raw map[string]any
		if err := json.Unmarshal(body, &raw); err != nil {
			return nil, "", err
		}
		for name, v := range raw {
			if text, ok := v.(string); ok {
				args[name] = text
			} else {
				args[name] = string(mustJSON(v))
			}
		}
	} else if kind != "application/json" {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, "", err
		}
		take(form)
	}
	if t, ok := args["token"]; ok {
		token = t
		delete(args, "token")
	}
	return args, token, nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(mustJSON(v))
}
