// Package slack is a Slack workspace for tests: the Web API, signed event
// delivery, Socket Mode, slash commands, buttons and modals on the real wire,
// written from Slack's reference. It keeps a timeline of what a person would
// have seen, so that a test can say that an answer grew, what it ended with,
// and that nobody was pinged.
//
// It is strict where Slack is vague: an argument that a method does not list
// is refused, so that a typo cannot hide.
package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// App is one Slack app installed in a workspace. Apps with the same AppToken
// are installations of one app, which share its Socket Mode connections.
type App struct {
	ID            string // "A0HELPER"
	Name          string
	BotID         string // "B0HELPER"
	BotUser       string // "U0HELPER"
	BotToken      string // "xoxb-…"
	AppToken      string // "xapp-…"; with it the app may open Socket Mode connections
	SigningSecret string
	Team          string // default: the workspace's
	Enterprise    string // the organisation that the workspace is of, where it is of one
	// Scopes of the bot token; nil grants every scope.
	Scopes []string
	// Events the app subscribed to ("app_mention", "message.channels" …); nil is
	// all that Slack could send a chat bot.
	Events []string
	// BaseURL is where events, commands and interactions are posted, without
	// the last part: "http://127.0.0.1:7070/slack/helper". Empty: Socket Mode.
	BaseURL string
}

// Options say how the workspace behaves. The zero value is a workspace with one
// app (DefaultApp), documented rate limits and no latency.
type Options struct {
	Addr   string // default 127.0.0.1:0
	Team   string // default T0TEAM
	Apps   []App  // default DefaultApp()
	Limits Limits
	// Latency is slept before a Web API call is looked at.
	Latency time.Duration
	// Pace divides the platform's long waits (event retries after a minute and
	// five, trigger and response_url expiry, status and stream life): 60 makes a
	// minute a second. Default 1.
	Pace float64
	// EventTimeout is how long Slack waits for an answer to a delivery; default
	// 3 s.
	EventTimeout time.Duration
	// TriggerLife is how long a form can be opened after an act; default 3 s.
	TriggerLife time.Duration
	// Copies is how often every event is delivered, whatever was answered;
	// default once.
	Copies int
	// NoEcho leaves out the events about what apps themselves post and edit,
	// which Slack sends to every app in the channel, theirs included.
	NoEcho bool
	// PingEvery is the interval of WebSocket pings; default 5 s.
	PingEvery time.Duration
	// Log receives what the server notices; default none.
	Log *slog.Logger
}

// DefaultApp is the app of a workspace that names none.
func DefaultApp() App {
	return App{
		ID: "A0HELPER", Name: "Helper", BotID: "B0HELPER", BotUser: "U0HELPER",
		BotToken: "xoxb-1-helper", AppToken: "xapp-1-helper", SigningSecret: "shhh-helper",
	}
}

// Server is a running workspace. Every method is safe for concurrent use.
type Server struct {
	o      Options
	log    *slog.Logger
	specs  map[string]methodSpec
	serve  map[string]handler
	http   *http.Server
	lis    net.Listener
	ctx    context.Context
	cancel context.CancelCauseFunc
	work   sync.WaitGroup
	client *http.Client
	lines  chan struct{} // requests to apps under way at once
	base   string

	mu         sync.Mutex
	changed    chan struct{} // closed at each change, and made anew
	apps       []*App
	users      map[string]*User
	groups     map[string]*Group
	channels   map[string]*channel
	messages   map[string]*Message // by ts: unique over the workspace
	timelines  map[string][]Seen
	lastTS     int64
	serial     int
	calls      []Call
	faults     []*Fault
	violations []string
	buckets    map[string]*bucket
	limits     Limits
	latency    time.Duration
	deliveries []Delivery
	sent       int                  // events
	sockets    map[string][]*socket // by app id
	nextSocket map[string]int
	opened     int
	triggers   map[string]*trigger
	hooks      map[string]*hook // response_urls
	views      []*View
	uploads    map[string]*upload
	statuses   []Status
}

// Start runs a workspace until Close.
func Start(o Options) (*Server, error) {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Team == "" {
		o.Team = "T0TEAM"
	}
	if len(o.Apps) == 0 {
		o.Apps = []App{DefaultApp()}
	}
	if o.Pace <= 0 {
		o.Pace = 1
	}
	if o.TriggerLife <= 0 {
		o.TriggerLife = 3 * time.Second
	}
	if o.EventTimeout <= 0 {
		o.EventTimeout = 3 * time.Second
	}
	if o.Copies < 1 {
		o.Copies = 1
	}
	if o.PingEvery <= 0 {
		o.PingEvery = 5 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	specs, err := loadSpecs()
	if err != nil {
		return nil, err
	}
	lis, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	s := &Server{
		o: o, log: o.Log, specs: specs, serve: handlers(), lis: lis, ctx: ctx, cancel: cancel,
		base:    "http://" + lis.Addr().String(),
		client:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
		lines:   make(chan struct{}, 64),
		changed: make(chan struct{}),
		users:   map[string]*User{}, groups: map[string]*Group{}, channels: map[string]*channel{},
		messages: map[string]*Message{}, timelines: map[string][]Seen{},
		buckets: map[string]*bucket{}, limits: o.Limits, latency: o.Latency,
		sockets: map[string][]*socket{}, nextSocket: map[string]int{},
		triggers: map[string]*trigger{}, hooks: map[string]*hook{}, uploads: map[string]*upload{},
	}
	for _, a := range o.Apps {
		if a.Team == "" {
			a.Team = o.Team
		}
		s.apps = append(s.apps, &a)
		s.users[a.BotUser] = &User{ID: a.BotUser, Name: a.Name, Bot: true}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/{method}", s.serveMethod)
	mux.HandleFunc("/link/{ticket}", s.serveSocket)
	mux.HandleFunc("POST /commands/{hook}", s.serveHook)
	mux.HandleFunc("POST /upload/{file}", s.serveUpload)
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	s.work.Go(func() { _ = s.http.Serve(lis) })
	return s, nil
}

// Close ends every connection and waits for what is under way.
func (s *Server) Close() {
	s.cancel(http.ErrServerClosed)
	s.mu.Lock()
	open := slices.Concat(slices.Collect(maps.Values(s.sockets))...)
	s.mu.Unlock()
	for _, k := range open {
		k.close()
	}
	_ = s.http.Close()
	s.client.CloseIdleConnections()
	s.work.Wait()
}

// APIURL is the address of the Web API, with a trailing slash, as in
// SLACK_API_URL.
func (s *Server) APIURL() string { return s.base + "/api/" }

// Team is the workspace's id.
func (s *Server) Team() string { return s.o.Team }

// App returns the app of that id; with an empty id the first one.
func (s *Server) App(id string) App {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.app(id)
}

func (s *Server) app(id string) *App {
	for _, a := range s.apps {
		if id == "" || a.ID == id {
			return a
		}
	}
	panic("fake slack: no app " + id)
}

// Serve tells the workspace where the app of that id (empty: the first) is
// reached by HTTP: base + "/events", "/commands" and "/interactions".
func (s *Server) Serve(appID, base string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.app(appID).BaseURL = strings.TrimSuffix(base, "/")
}

// SetLatency changes Options.Latency while running.
func (s *Server) SetLatency(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = d
}

// SetLimits changes Options.Limits while running and empties every counter.
func (s *Server) SetLimits(l Limits) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits, s.buckets = l, map[string]*bucket{}
}

// Await waits until cond is true, asking again after every change in the
// workspace, and gives the context's error when that comes first.
func (s *Server) Await(ctx context.Context, cond func() bool) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if cond() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// touch wakes Await; the caller holds s.mu.
func (s *Server) touch() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Violations are the requests that Slack's own documents would not allow; an
// honest client leaves it empty.
func (s *Server) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.violations)
}

func (s *Server) violate(format string, args ...any) {
	s.violations = append(s.violations, fmt.Sprintf(format, args...))
}

// slack's long waits, compressed by Options.Pace.
func (s *Server) paced(d time.Duration) time.Duration {
	return time.Duration(float64(d) / s.o.Pace)
}

// newTS gives a timestamp id: unique over the workspace and rising, as Slack's
// are within a channel.
func (s *Server) newTS() string {
	now := time.Now().UnixMicro()
	if now <= s.lastTS {
		now = s.lastTS + 1
	}
	s.lastTS = now
	return fmt.Sprintf("%d.%06d", now/1e6, now%1e6)
}

func (s *Server) newID(prefix string) string {
	s.serial++
	return fmt.Sprintf("%s%05d%04X", prefix, s.serial, rand.IntN(1<<16))
}

func mustJSON(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
