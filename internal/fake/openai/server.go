// Package openai is a scriptable model server that speaks chat completions
// over real HTTP, for tests and benchmarks. It records every request, answers
// with what it was told to, and can fail in every way a real service does.
// A Profile makes it behave like one service by name.
package openai

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options says how a Server starts. The zero value is an OpenAI-like server on
// a free loopback port that accepts any key and any model.
type Options struct {
	Addr     string        // listen address; empty: 127.0.0.1 and a free port
	Profile  string        // name of a service profile; empty: "openai"
	Key      string        // when set, requests must carry it as the profile's service wants it
	Models   []string      // when set, only these exist; others get the service's "no such model"
	Answer   string        // the answer to every request; empty: a short default
	Interval time.Duration // pause between two deltas
	Words    int           // words per delta; 0: 1
}

// TB is the part of testing.TB that New needs.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Message is one entry of a request's messages.
type Message struct {
	Role    string          `json:"role"`
	Content string          `json:"-"`
	Raw     json.RawMessage `json:"content"`
}

// Request is what a client sent.
type Request struct {
	Method   string
	Path     string
	Query    string
	Header   http.Header
	Body     []byte         // exactly as received
	Fields   map[string]any // the body's top-level fields; nil if it is no JSON object
	Model    string
	Stream   bool
	Messages []Message
	At       time.Time
}

// Prompt is the text of the last message with role "user".
func (r Request) Prompt() string {
	for _, m := range slices.Backward(r.Messages) {
		if m.Role == "user" {
			return m.Content
		}
	}
	return ""
}

// System is the text of the first message with role "system".
func (r Request) System() string {
	for _, m := range r.Messages {
		if m.Role == "system" || m.Role == "developer" {
			return m.Content
		}
	}
	return ""
}

// Server is a running model server. All methods are safe for concurrent use.
type Server struct {
	profile  Profile
	listener net.Listener
	http     *http.Server
	stop     chan struct{}

	mu       sync.Mutex
	opts     Options
	queue    []Reply
	choose   func(Request) Reply
	refused  map[string]string
	requests []Request
	changed  chan struct{} // closed and replaced whenever something was recorded
	open     int
	most     int
	canceled int
	conns    int
}

// New starts a server with the default options, and stops it when the test
// ends.
func New(t TB) *Server {
	t.Helper()
	return NewWith(t, Options{})
}

// NewWith is New with options.
func NewWith(t TB, o Options) *Server {
	t.Helper()
	s, err := Start(o)
	if err != nil {
		t.Fatalf("start model server: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// Start starts a server. The caller closes it.
func Start(o Options) (*Server, error) {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Profile == "" {
		o.Profile = "openai"
	}
	profile, ok := ProfileNamed(o.Profile)
	if !ok {
		return nil, fmt.Errorf("no service profile %q", o.Profile)
	}
	l, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &Server{
		profile: profile, listener: l, stop: make(chan struct{}),
		opts: o, refused: map[string]string{}, changed: make(chan struct{}),
	}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0), ConnState: func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.record(func() { s.conns++ })
		}
	}}
	go func() { _ = s.http.Serve(l) }()
	return s, nil
}

// Close breaks off every open answer and frees the port.
func (s *Server) Close() {
	_ = s.http.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.stop:
	default:
		close(s.stop)
	}
}

// URL is the server's base, "http://127.0.0.1:PORT".
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Addr is the server's host and port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Endpoint is the full URL of chat completions, as a provider record has it.
func (s *Server) Endpoint() string { return s.URL() + s.profile.Path }

// Answer sets the text of every answer that nothing else was scripted for.
func (s *Server) Answer(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opts.Answer = text
}

// Pace sets the pause between two deltas.
func (s *Server) Pace(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opts.Interval = d
}

// Next scripts the coming requests, one reply each, in order; after them the
// server is as before. A request that is refused for its key, its model or a
// field uses none up.
func (s *Server) Next(replies ...Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, replies...)
}

// Func answers every request that Next has no reply for. A nil f takes it back.
func (s *Server) Func(f func(Request) Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.choose = f
}

// Refuse makes the server answer 400 (or what its profile's service does) to
// requests that hold the named field. Instead, where not empty, is the field
// the message recommends.
func (s *Server) Refuse(field, instead string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused[field] = instead
}

// SetModels says which models exist.
func (s *Server) SetModels(ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opts.Models = ids
}

// Requests returns the chat-completion requests received so far, in order.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Last returns the latest chat-completion request.
func (s *Server) Last() (Request, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) == 0 {
		return Request{}, false
	}
	return s.requests[len(s.requests)-1], true
}

// Open is the number of requests being answered now.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// MostOpen is the largest number of requests that were answered at once.
func (s *Server) MostOpen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// Canceled is the number of requests whose client went away before the end.
func (s *Server) Canceled() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.canceled
}

// Connections is the number of connections clients have opened so far.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

// Wait blocks until what holds, looking again whenever a request came or
// ended. It returns ctx's error when that ends first, and gives up after 30
// seconds.
func (s *Server) Wait(ctx context.Context, what func(*Server) bool) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if what(s) {
			return nil
		}
		select {
		case <-changed:
		case <-s.stop:
			return errors.New("server closed")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// record runs f under the lock and wakes everyone in Wait.
func (s *Server) record(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

// ServeHTTP is the server's handler, for mounting it elsewhere.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodGet && r.URL.Path == s.profile.modelsPath():
		if !s.authorized(r) {
			s.profile.Errors.auth(w)
			return
		}
		s.listModels(w)
	case r.Method == http.MethodPost && r.URL.Path == s.profile.Path:
		s.complete(w, r)
	default:
		s.profile.Errors.path(w, r)
	}
}

func (s *Server) authorized(r *http.Request) bool {
	s.mu.Lock()
	key := s.opts.Key
	s.mu.Unlock()
	if key == "" {
		return true
	}
	if s.profile.KeyHeader != "" {
		return r.Header.Get(s.profile.KeyHeader) == key
	}
	return r.Header.Get("Authorization") == "Bearer "+key
}

func (s *Server) complete(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 32<<20))
	if err != nil {
		return
	}
	req := parseRequest(r, body)
	s.record(func() {
		s.requests = append(s.requests, req)
		s.open++
		s.most = max(s.most, s.open)
	})
	ended := sync.OnceFunc(func() {
		gone := r.Context().Err() != nil
		s.record(func() {
			s.open--
			if gone {
				s.canceled++
			}
		})
	})
	defer ended()
	if !s.authorized(r) {
		s.profile.Errors.auth(w)
		return
	}
	if s.refuse(w, req) {
		return
	}
	s.answer(w, r, req, s.pick(req), ended)
}

// pick chooses the reply to a request that nothing is wrong with.
func (s *Server) pick(req Request) Reply {
	reply, choose := s.scripted()
	if choose != nil {
		reply = choose(req)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if reply.Text == "" && len(reply.Chunks) == 0 && !reply.Empty {
		reply.Text = s.opts.Answer
		if reply.Text == "" {
			reply.Text = "Hello! This is the answer."
		}
	}
	if reply.Interval == 0 {
		reply.Interval = s.opts.Interval
	}
	if reply.Words == 0 {
		reply.Words = max(1, s.opts.Words)
	}
	return reply
}

// scripted is the next reply in the queue, or else the function that makes one.
func (s *Server) scripted() (Reply, func(Request) Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return Reply{}, s.choose
	}
	next := s.queue[0]
	s.queue = s.queue[1:]
	return next, nil
}

// refuse answers a request for a model that does not exist or with a field the
// service does not take.
func (s *Server) refuse(w http.ResponseWriter, req Request) bool {
	s.mu.Lock()
	models := slices.Clone(s.opts.Models)
	refused := map[string]string{}
	maps.Copy(refused, s.profile.Refuses)
	maps.Copy(refused, s.refused)
	s.mu.Unlock()
	if len(models) > 0 && !slices.Contains(models, req.Model) && !s.profile.AnyModel {
		s.profile.Errors.model(w, req.Model)
		return true
	}
	for _, field := range slices.Sorted(maps.Keys(req.Fields)) {
		value := req.Fields[field]
		if instead, no := refused[field]; no {
			s.profile.Errors.param(w, field, instead, s.profile.RefuseText[field])
			return true
		}
		if why := s.profile.check(field, value); why != "" {
			s.profile.Errors.value(w, field, why)
			return true
		}
	}
	return false
}

func (s *Server) listModels(w http.ResponseWriter) {
	s.mu.Lock()
	ids := slices.Clone(s.opts.Models)
	s.mu.Unlock()
	if len(ids) == 0 {
		ids = []string{"test-model", "test-model-mini"}
	}
	if s.profile.NoModels {
		http.NotFound(w, nil)
		return
	}
	data := []map[string]any{}
	for _, id := range ids {
		m := map[string]any{"id": id, "object": "model", "created": 1700000000, "owned_by": cmp.Or(s.profile.OwnedBy, s.profile.Name)}
		maps.Copy(m, s.profile.ModelFields)
		data = append(data, m)
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": data})
}

func parseRequest(r *http.Request, body []byte) Request {
	req := Request{
		Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery,
		Header: r.Header.Clone(), Body: body, At: time.Now(),
	}
	_ = json.Unmarshal(body, &req.Fields)
	var known struct {
		Model    string    `json:"model"`
		Stream   bool      `json:"stream"`
		Messages []Message `json:"messages"`
	}
	_ = json.Unmarshal(body, &known)
	for i, m := range known.Messages {
		known.Messages[i].Content = contentText(m.Raw)
	}
	req.Model, req.Stream, req.Messages = known.Model, known.Stream, known.Messages
	return req
}

// contentText is a message's text, given as a string or as parts.
func contentText(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var parts []struct {
		Text string `json:"text"`
	}
	_ = json.Unmarshal(raw, &parts)
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Text)
	}
	return b.String()
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
