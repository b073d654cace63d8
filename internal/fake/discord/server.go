// Package discord is a Discord to test against: REST and gateway on real HTTP
// and WebSocket, built from Discord's documents. It checks what it is sent
// against the published OpenAPI document and the limits that document does not
// hold, limits rates as Discord does, and keeps a timeline of what a person
// would have seen. It is for tests and benchmarks alone.
package discord

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Options describe the Discord to start. The zero value is a quiet one: the
// limits Discord is known to have, no latency, one app.
type Options struct {
	Addr      string        // where REST and gateway listen; default 127.0.0.1:0
	Apps      []AppOptions  // default: one app called Helper
	Latency   time.Duration // of every REST call
	Limits    Limits
	Heartbeat time.Duration // interval told in HELLO; default 41.25 s
	Identify  IdentifyLimits

	// GuildsPerSession is how many guilds one session may serve; a bot in more
	// must shard. Default 2,500.
	GuildsPerSession int

	// AnswerWithin is how long an app has for its initial response to an
	// interaction; default 3 s. Tests that do not measure it give more, so that
	// a busy machine does not fail them.
	AnswerWithin time.Duration

	// NoGuild leaves the apps out of every guild until Join or Invite.
	NoGuild bool
}

// AppOptions describe one application and its bot.
type AppOptions struct {
	Name             string
	Token            string // default: one made up, of the usual form
	NoMessageContent bool   // the privileged intent is not switched on
	Private          bool   // "Public Bot" is switched off
	InteractionsURL  string // set: interactions come as signed HTTP requests
}

// IdentifyLimits are the session start limits; zero values mean Discord's.
type IdentifyLimits struct {
	Total          int           // identifies a day; default 1,000
	MaxConcurrency int           // buckets, of one identify per Window each, by shard id; default 1
	Window         time.Duration // default 5 s
}

// App is one application with its bot.
type App struct {
	Name  string
	ID    string // application id, which differs from the bot's user id here on purpose
	Token string

	s        *Server
	user     *User
	role     *Role // the managed role that came with the bot in the first guild
	content  bool
	private  bool
	url      string
	key      ed25519.PrivateKey
	commands []map[string]any
	puts     int          // bulk overwrites of commands
	starts   []identified // of the last day
	dead     bool         // the token was reset
}

// UserID is the id of the bot's user.
func (a *App) UserID() string { return a.user.ID }

// PublicKey is the hex key that HTTP interactions are signed for.
func (a *App) PublicKey() string {
	return hex.EncodeToString(a.key.Public().(ed25519.PublicKey))
}

// SetInteractionsURL makes Discord send interactions there from now on; empty:
// over the gateway.
func (a *App) SetInteractionsURL(url string) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.url = url
}

// Server is a running fake Discord. Its methods are safe for concurrent use.
type Server struct {
	options Options
	schemas *schemas
	http    *http.Server
	resume  *http.Server
	addr    string
	resumes string // address of resume_gateway_url

	mu           sync.Mutex
	changed      chan struct{} // closed and replaced at every change
	lastID       uint64
	lastMoment   time.Time
	apps         []*App
	users        map[string]*User
	channels     map[string]*channel
	messages     map[string]*message
	guild        *guild            // the first
	guilds       map[string]*guild // by id
	sessions     map[string]*session
	connections  []*Connection
	interactions map[string]*Interaction // by token
	open         map[*conn]bool
	limiter      *limiter
	faults       []*Fault
	calls        []Call
	problems     []string
	closed       bool
	work         sync.WaitGroup
}

// Start starts a server. Close ends it.
func Start(o Options) (*Server, error) {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = 41250 * time.Millisecond
	}
	if o.AnswerWithin == 0 {
		o.AnswerWithin = 3 * time.Second
	}
	if o.Identify.Total == 0 {
		o.Identify.Total = 1000
	}
	if o.Identify.MaxConcurrency == 0 {
		o.Identify.MaxConcurrency = 1
	}
	if o.Identify.Window == 0 {
		o.Identify.Window = 5 * time.Second
	}
	if o.GuildsPerSession == 0 {
		o.GuildsPerSession = 2500
	}
	if len(o.Apps) == 0 {
		o.Apps = []AppOptions{{Name: "Helper"}}
	}
	parsed, err := loadSchemas()
	if err != nil {
		return nil, err
	}
	s := &Server{
		options: o, schemas: parsed, changed: make(chan struct{}), users: map[string]*User{}, channels: map[string]*channel{}, guilds: map[string]*guild{},
		messages: map[string]*message{}, sessions: map[string]*session{}, interactions: map[string]*Interaction{}, limiter: newLimiter(o.Limits),
	}
	s.build()
	listener, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	resumeListener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen: %w", err), listener.Close())
	}
	s.addr, s.resumes = listener.Addr().String(), resumeListener.Addr().String()
	s.http = &http.Server{Handler: s.routes(), ReadHeaderTimeout: 10 * time.Second}
	s.resume = &http.Server{Handler: s.gatewayHandler("resume"), ReadHeaderTimeout: 10 * time.Second}
	s.work.Go(func() { _ = s.http.Serve(listener) })
	s.work.Go(func() { _ = s.resume.Serve(resumeListener) })
	return s, nil
}

// build makes the world everyone starts with: one guild, its owner, the
// channel "general", the bots with their managed roles.
func (s *Server) build() {
	owner := &User{ID: s.snowflake(), Username: "owner", GlobalName: "Owner"}
	s.users[owner.ID] = owner
	s.guild = s.found(s.snowflake(), "Fake Guild", owner)
	s.place("general")
	for _, o := range s.options.Apps {
		_, key, _ := ed25519.GenerateKey(rand.Reader)
		app := &App{s: s, Name: o.Name, ID: s.snowflake(), content: !o.NoMessageContent, private: o.Private, url: o.InteractionsURL, key: key}
		app.user = &User{ID: s.snowflake(), Username: o.Name, Bot: true}
		app.Token = o.Token
		if app.Token == "" {
			app.Token = base64.RawStdEncoding.EncodeToString([]byte(app.user.ID)) + ".Gfake0.not-a-real-token-" + rand.Text()
		}
		s.users[app.user.ID] = app.user
		if !s.options.NoGuild {
			app.role = s.add(app, s.guild)
		}
		s.apps = append(s.apps, app)
	}
}

// Close ends every connection and stops listening.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for _, one := range s.sessions {
		if one.conn != nil {
			one.conn.drop()
		}
	}
	for _, i := range s.interactions {
		i.stop()
	}
	s.change()
	s.mu.Unlock()
	_ = s.http.Close()
	_ = s.resume.Close()
	s.dropAll()
	s.work.Wait()
}

// APIURL is what DISCORD_API_URL takes.
func (s *Server) APIURL() string { return "http://" + s.addr + "/api/v10" }

// App is the app with that name; the empty name is the first.
func (s *Server) App(name string) *App {
	for _, a := range s.apps {
		if name == "" || a.Name == name {
			return a
		}
	}
	return nil
}

// Token is the first app's bot token.
func (s *Server) Token() string { return s.apps[0].Token }

// GuildID is the id of the first guild.
func (s *Server) GuildID() string { return s.guild.ID }

// change wakes whoever waits; mu is held.
func (s *Server) change() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Wait blocks until ok holds or ctx ends; ok is asked anew after every change
// and may use the server's methods.
func (s *Server) Wait(ctx context.Context, ok func() bool) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if ok() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Problems are the requests that broke Discord's rules (malformed bodies,
// broken limits that the sender could know), oldest first. A good client leaves
// none.
func (s *Server) Problems() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.problems)
}

// problem notes a broken rule; mu is held.
func (s *Server) problem(format string, args ...any) {
	s.problems = append(s.problems, fmt.Sprintf(format, args...))
}
