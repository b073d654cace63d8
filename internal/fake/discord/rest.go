// The REST API: routing, authorization, limits, faults, and the answers'
// forms.

package discord

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Permission bits that matter here.
const (
	administrator = 1 << 3
	manageGuild   = 1 << 5
	viewChannel   = 1 << 10
	sendMessages  = 1 << 11
	readHistory   = 1 << 16
)

// Call is one REST request that was made.
type Call struct {
	At     time.Time
	Took   time.Duration
	App    string
	Method string
	Path   string // below /api/v10
	Status int
	Body   string // of the request; multipart bodies are left out
}

// Fault makes matching calls fail.
type Fault struct {
	Method string        // empty: every
	Path   string        // part of the path; empty: every
	Times  int           // how often; 0 means once
	Delay  time.Duration // before the answer
	Status int           // answer with this status …
	Body   string        // … and body; "{" at its start makes it JSON, else HTML
	Shared time.Duration // 429 of scope "shared", asking for this wait
	Global time.Duration // 429 of scope "global"
	Cut    bool          // the call is done, but the connection breaks before its answer
	Halve  bool          // the message keeps the first half of its text, as the answer shows
}

// Fail arranges a fault; faults are used up in order.
func (s *Server) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	s.faults = append(s.faults, &f)
}

// Heal forgets the faults that did not happen yet.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Calls are the REST requests so far, oldest first.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Count counts calls of a method whose path holds part, by status; 0 counts
// every status.
func (s *Server) Count(method, part string, status int) int {
	n := 0
	for _, c := range s.Calls() {
		if c.Method == method && strings.Contains(c.Path, part) && (status == 0 || c.Status == status) {
			n++
		}
	}
	return n
}

// request is what a handler works with.
type request struct {
	*http.Request
	app   *App
	body  []byte
	path  string
	halve bool
}

type handler func(w http.ResponseWriter, r *request)

// perSecond is a generous limit for routes whose own nobody measured.
var perSecond = func(name string) limit { return limit{name: name, calls: 50, window: time.Second} }

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /gateway", s.gatewayHandler("gateway"))
	mux.HandleFunc("GET /attachments/{id}/{name}", s.attachment)
	route := func(pattern, major string, rule limit, h handler) {
		mux.Handle(pattern, s.call(major, rule, h, strings.Contains(pattern, "/interactions/") || strings.Contains(pattern, "/webhooks/")))
	}
	const api = "/api/v10"
	route("GET "+api+"/gateway/bot", "", perSecond("gateway"), s.getGateway)
	route("GET "+api+"/applications/@me", "", perSecond("application"), s.getApplication)
	route("GET "+api+"/users/@me/guilds", "", perSecond("my guilds"), s.getMyGuilds)
	route("GET "+api+"/users/@me", "", perSecond("me"), s.getMe)
	route("POST "+api+"/users/@me/channels", "", perSecond("dm"), s.createDM)
	route("GET "+api+"/applications/{app}/commands", "", perSecond("commands get"), s.getCommands)
	route("PUT "+api+"/applications/{app}/commands", "", perSecond("commands put"), s.putCommands)
	route("GET "+api+"/channels/{channel}", "channel", perSecond("channel"), s.getChannel)
	route("GET "+api+"/channels/{channel}/messages", "channel", perSecond("history"), s.getMessages)
	route("GET "+api+"/channels/{channel}/messages/{message}", "channel", perSecond("message"), s.getMessage)
	route("POST "+api+"/channels/{channel}/messages", "channel", limit{name: "create"}, s.createMessage)
	route("PATCH "+api+"/channels/{channel}/messages/{message}", "channel", limit{name: "edit"}, s.editMessage)
	route("DELETE "+api+"/channels/{channel}/messages/{message}", "channel", perSecond("delete"), s.deleteMessage)
	route("POST "+api+"/channels/{channel}/typing", "channel", limit{name: "typing"}, s.typing)
	route("GET "+api+"/guilds/{guild}", "guild", perSecond("guild"), s.getGuild)
	route("GET "+api+"/guilds/{guild}/roles", "guild", perSecond("roles"), s.getRoles)
	route("GET "+api+"/guilds/{guild}/members/{user}", "guild", perSecond("member"), s.getMember)
	route("POST "+api+"/interactions/{id}/{token}/callback", "token", perSecond("callback"), s.callback)
	route("POST "+api+"/webhooks/{app}/{token}", "token", limit{name: "webhook"}, s.followup)
	route("GET "+api+"/webhooks/{app}/{token}/messages/{message}", "token", limit{name: "webhook"}, s.getOriginal)
	route("PATCH "+api+"/webhooks/{app}/{token}/messages/{message}", "token", limit{name: "webhook"}, s.editOriginal)
	route("DELETE "+api+"/webhooks/{app}/{token}/messages/{message}", "token", limit{name: "webhook"}, s.deleteOriginal)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.problem("%s %s: no such route", r.Method, r.URL.Path)
		s.mu.Unlock()
		refuse(w, http.StatusNotFound, 0, "404: Not Found")
	})
	return mux
}

// recorder keeps the status, and holds the answer back for faults that lose it.
type recorder struct {
	http.ResponseWriter
	status int
	held   bool
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	if !r.held {
		r.ResponseWriter.WriteHeader(status)
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	if r.held {
		return len(b), nil
	}
	return r.ResponseWriter.Write(b)
}

// call wraps a route with everything that happens before and after it.
func (s *Server) call(major string, rule limit, h handler, interaction bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		in := &request{Request: r, path: strings.TrimPrefix(r.URL.Path, "/api/v10")}
		in.body, _ = io.ReadAll(io.LimitReader(r.Body, 32<<20))
		out := &recorder{ResponseWriter: w}
		defer func() { s.record(in, out, started) }()
		if s.options.Latency > 0 && !pause(r, s.options.Latency) {
			return
		}
		fault := s.fault(r.Method, in.path)
		if fault != nil && fault.Delay > 0 && !pause(r, fault.Delay) {
			return
		}
		s.mu.Lock()
		in.app = s.byToken(strings.TrimPrefix(r.Header.Get("Authorization"), "Bot "))
		banned := s.limiter.banned(started)
		if agent := r.Header.Get("User-Agent"); !strings.HasPrefix(agent, "DiscordBot (") {
			s.problem("%s %s: User-Agent %q is not of the form DiscordBot (url, version)", r.Method, in.path, agent)
		}
		s.mu.Unlock()
		if banned {
			out.Header().Set("Retry-After", "3600")
			out.Header().Set("Content-Type", "text/html; charset=UTF-8")
			out.WriteHeader(http.StatusTooManyRequests)
			_, _ = out.Write([]byte("<!doctype html><title>Access denied | discord.com used Cloudflare to restrict access</title>error code: 1015"))
			return
		}
		if in.app == nil && !interaction {
			refuse(out, http.StatusUnauthorized, 0, "401: Unauthorized")
			return
		}
		if fault != nil && s.applyFault(out, fault) {
			return
		}
		owner := "anonymous"
		if in.app != nil {
			owner = in.app.ID
		}
		if !s.admit(out, owner, r.PathValue(major), rule, interaction) {
			return
		}
		in.halve = fault != nil && fault.Halve
		if fault != nil && fault.Cut {
			out.held = true
			h(out, in)
			panic(http.ErrAbortHandler) // the connection breaks
		}
		h(out, in)
	})
}

func pause(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

func (s *Server) fault(method, path string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if (f.Method == "" || f.Method == method) && strings.Contains(path, f.Path) {
			f.Times--
			if f.Times <= 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
			return f
		}
	}
	return nil
}

func (s *Server) applyFault(w http.ResponseWriter, f *Fault) bool {
	switch {
	case f.Shared > 0:
		w.Header().Set("X-RateLimit-Scope", "shared")
		tooMany(w, "The resource is being rate limited.", f.Shared, false)
	case f.Global > 0:
		w.Header().Set("X-RateLimit-Global", "true")
		w.Header().Set("X-RateLimit-Scope", "global")
		tooMany(w, "You are being rate limited.", f.Global, true)
	case f.Status > 0:
		kind := "text/html"
		if strings.HasPrefix(f.Body, "{") {
			kind = "application/json"
		}
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte(f.Body))
	default:
		return false
	}
	return true
}

func (s *Server) record(in *request, out *recorder, started time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	call := Call{At: started, Took: time.Since(started), Method: in.Method, Path: in.path, Status: out.status}
	if in.app != nil {
		call.App = in.app.Name
	}
	if !strings.HasPrefix(in.Header.Get("Content-Type"), "multipart/") {
		call.Body = string(in.body)
	}
	s.calls = append(s.calls, call)
	switch out.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		s.limiter.invalidRequest(started)
	case http.StatusTooManyRequests:
		if out.Header().Get("X-RateLimit-Scope") != "shared" {
			s.limiter.invalidRequest(started)
		}
	}
	s.change()
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	_ = json.NewEncoder(&b).Encode(v)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

func refuse(w http.ResponseWriter, status, code int, text string) {
	writeJSON(w, status, map[string]any{"message": text, "code": code})
}

// invalidForm is code 50035 with one error at a field.
func invalidForm(w http.ResponseWriter, field, code, text string) {
	var at any = map[string]any{"_errors": []any{map[string]any{"code": code, "message": text}}}
	for _, part := range slices.Backward(strings.Split(field, ".")) {
		at = map[string]any{part: at}
	}
	writeJSON(w, http.StatusBadRequest, map[string]any{"message": "Invalid Form Body", "code": 50035, "errors": at})
}

func (s *Server) getGateway(w http.ResponseWriter, r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.options.Identify.Total - len(r.app.starts)
	shards := 1 + max(len(s.guildsOf(r.app))-1, 0)/s.options.GuildsPerSession
	writeJSON(w, http.StatusOK, map[string]any{
		"url": "ws://" + s.addr + "/gateway", "shards": shards,
		"session_start_limit": map[string]any{"total": s.options.Identify.Total, "remaining": max(left, 0), "reset_after": 86400000, "max_concurrency": s.options.Identify.MaxConcurrency},
	})
}

func (s *Server) getApplication(w http.ResponseWriter, r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	flags := 0
	if r.app.content {
		flags = 1 << 19 // GATEWAY_MESSAGE_CONTENT_LIMITED
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"id": r.app.ID, "name": r.app.Name, "verify_key": r.app.PublicKey(), "bot": s.userJSON(r.app.user), "flags": flags,
		"bot_public": !r.app.private, "bot_require_code_grant": false, "description": "", "icon": nil,
	})
}

func (s *Server) getMe(w http.ResponseWriter, r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	writeJSON(w, http.StatusOK, s.userJSON(r.app.user))
}

func (s *Server) attachment(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		for _, a := range m.attachments {
			if a.ID == r.PathValue("id") {
				w.Header().Set("Content-Type", a.Type)
				_, _ = w.Write(a.Data)
				return
			}
		}
	}
	http.NotFound(w, r)
}
