// Package discord is parley on Discord: the gateway's events in, posts and
// edits out, and the commands, menus and forms of the contract as Discord's
// application commands, components and modals.
//
// Facts about Discord are from its documentation for developers
// (discord.com/developers/docs) unless a comment names another source.
package discord

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/adapters/internal/background"
	"parley/adapters/internal/redact"
	"parley/bots"
	"parley/internal/chat"
	"parley/internal/telemetry"
)

// DefaultAPIURL is Discord's own REST API, version 10.
const DefaultAPIURL = "https://discord.com/api/v10"

// Options are what an Adapter is made of.
type Options struct {
	// Bots are all bots of the server; those without a Discord token are passed
	// over. Bots with the same token share one application, and the one marked
	// Default, else the first by id, leads it.
	Bots []bots.Bot
	// APIURL is the REST API's root; empty means DefaultAPIURL. The gateway's
	// address comes from its /gateway/bot.
	APIURL string
	// GlobalLimit is how many requests a second one bot may make over all
	// routes; 0 means no limit. Discord's own is 50.
	GlobalLimit int
	// Sessions keeps gateway sessions over a restart, so that what was said
	// meanwhile is replayed. Nil: a restart begins a new session.
	Sessions Sessions
	// Records keeps which servers are trusted. Nil: in this process only.
	Records Records
	// HTTP makes the REST calls; nil means a client of the adapter's own.
	HTTP    *http.Client
	Ports   chat.Ports   // for what Run and Handler bring in
	Log     *slog.Logger // nil discards
	Metrics *telemetry.Metrics
}

// Adapter serves every Discord application its bots name. It is safe for
// concurrent use.
type Adapter struct {
	apps  []*app
	byBot map[string]*app
	log   *slog.Logger
	// background is what people are still answered when the server stops.
	background *background.Group
}

var (
	_ chat.Adapter = (*Adapter)(nil)
	_ chat.Truster = (*Adapter)(nil)
)

// New makes the adapter; it does no call. An error means a value that can never
// work.
func New(o Options) (*Adapter, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.APIURL == "" {
		o.APIURL = DefaultAPIURL
	}
	base, err := url.Parse(o.APIURL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("DISCORD_API_URL %q is not an http or https URL", o.APIURL)
	}
	if o.GlobalLimit < 0 {
		return nil, fmt.Errorf("DISCORD_GLOBAL_LIMIT %d is negative", o.GlobalLimit)
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{}
		if usual, ok := http.DefaultTransport.(*http.Transport); ok {
			transport := usual.Clone()
			transport.MaxIdleConnsPerHost = 64
			o.HTTP.Transport = transport
		}
	}
	a := &Adapter{byBot: map[string]*app{}, log: o.Log, background: background.New(o.Log.With(slog.String("platform", platform)))}
	refused := &refusals{}
	for _, group := range bots.Apps(Platform(), o.Bots) {
		one, err := newApp(o, group, refused)
		if err != nil {
			return nil, err
		}
		one.background = a.background
		a.apps = append(a.apps, one)
		for _, b := range group {
			a.byBot[b.ID] = one
		}
	}
	return a, nil
}

// Platform describes Discord.
func (a *Adapter) Platform() chat.Platform { return Platform() }

// Run connects every application and returns once ctx has ended and all is
// closed. A bot that Discord refuses for good ends alone; Health says why.
func (a *Adapter) Run(ctx context.Context) error {
	var running sync.WaitGroup
	for _, one := range a.apps {
		running.Go(func() { one.run(ctx, &counter{app: one}) })
	}
	<-ctx.Done() // also where there is nothing to connect
	running.Wait()
	a.background.Finish(lastAnswers)
	return nil
}

// lastAnswers is how long answers to commands may take once the server stops.
const lastAnswers = 10 * time.Second

// Health is the state of every bot that has a Discord token.
func (a *Adapter) Health() []chat.Health {
	var out []chat.Health
	for _, one := range a.apps {
		ok, reason := one.state()
		for _, b := range one.bots {
			out = append(out, chat.Health{Bot: b.ID, Platform: platform, OK: ok, Reason: reason})
		}
	}
	slices.SortFunc(out, func(x, y chat.Health) int { return strings.Compare(x.Bot, y.Bot) })
	return out
}

// of finds the application that a bot belongs to.
func (a *Adapter) of(bot string) (*app, error) {
	if one := a.byBot[bot]; one != nil {
		return one, nil
	}
	return nil, fmt.Errorf("bot %q has no Discord application here", bot)
}

// app is one Discord application: a token and the bots that share it.
type app struct {
	lead     bots.Bot
	bots     []bots.Bot
	token    string
	ports    chat.Ports
	key      string // hex public key from the definition, if any
	rest     *rest
	world    *world
	trust    *trust
	sessions Sessions
	rhythm   rhythm
	log      *slog.Logger
	metrics  *telemetry.Metrics

	mu           sync.Mutex
	ok           bool
	reason       string
	userID       string
	id           string    // application id
	verify       string    // public key, once known
	verifyFailed time.Time // when asking for it failed last
	register     bool      // commands were registered by this process
	drafts       drafts

	sentences  chan struct{} // posts for those who are turned away
	background *background.Group
}

func newApp(o Options, group []bots.Bot, refused *refusals) (*app, error) {
	lead := group[0]
	log := o.Log.With(slog.String("platform", platform), slog.String("bot", lead.ID))
	token := section(lead).App.Reveal()
	if strings.ContainsAny(token, " \t\r\n") {
		return nil, fmt.Errorf("bot %s: its Discord token holds white space", lead.ID)
	}
	one := &app{
		ports: o.Ports, lead: lead, bots: group, token: token, sessions: o.Sessions, rhythm: usualRhythm, log: log, metrics: o.Metrics, reason: "not connected yet",
		rest: &rest{
			base: strings.TrimRight(o.APIURL, "/"), token: token, secrets: redact.Of(token), http: o.HTTP, log: log, metrics: o.Metrics,
			pace: newPace(o.GlobalLimit), refused: refused,
		},
	}
	one.world = newWorld(one.rest)
	one.trust = newTrust(one, o.Records)
	one.sentences = make(chan struct{}, sentencesAt)
	for _, b := range group {
		if key := section(b).Value(publicKey); key != "" {
			one.key = key
		}
	}
	one.userID = userOf(token)
	return one, nil
}

// userOf reads the bot's user id out of a token: its first part is the id in
// base64. Empty when the token has another form.
func userOf(token string) string {
	first, _, _ := strings.Cut(token, ".")
	id, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(first, "="))
	if err != nil || !isSnowflake(string(id)) {
		return ""
	}
	return string(id)
}

func isSnowflake(s string) bool {
	if len(s) < 5 || len(s) > 20 {
		return false
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func (a *app) state() (bool, string) {
	a.mu.Lock()
	ok, reason := a.ok, a.reason
	a.mu.Unlock()
	if known, why := a.trust.known(); ok && !known {
		return false, why
	}
	return ok, reason
}

func (a *app) setState(ok bool, reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ok, a.reason = ok, reason
}

// identity is the bot's user id and application id, asked from Discord when
// the gateway has not told them. With an error, what is known is returned.
func (a *app) identity(ctx context.Context) (user, application string, err error) {
	a.mu.Lock()
	user, application = a.userID, a.id
	a.mu.Unlock()
	if user != "" && application != "" {
		return user, application, nil
	}
	if _, err = a.describe(ctx); err != nil {
		return user, application, err
	}
	user, application = a.known()
	return user, application, nil
}

// application is what matters of Discord's application object.
type application struct {
	ID     string `json:"id"`
	Verify string `json:"verify_key"`
	Public bool   `json:"bot_public"`
	Bot    struct {
		ID string `json:"id"`
	} `json:"bot"`
}

// describe asks Discord for the application and notes who it is.
func (a *app) describe(ctx context.Context) (application, error) {
	var out application
	if _, err := a.rest.do(ctx, call{method: http.MethodGet, path: "/applications/@me", name: "application", wait: true}, &out); err != nil {
		return out, err
	}
	if out.ID == "" {
		return out, errors.New("discord named no application")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.id, a.verify = out.ID, out.Verify
	if out.Bot.ID != "" {
		a.userID = out.Bot.ID
	}
	return out, nil
}

// introduce warns where anybody may invite the bot.
func (a *app) introduce(ctx context.Context) {
	out, err := a.describe(ctx)
	switch {
	case err != nil && ctx.Err() == nil:
		a.log.WarnContext(ctx, "discord application not looked up, so it is not known whether anybody may invite the bot", slog.String("error", short(err)))
	case err == nil && out.Public:
		a.log.WarnContext(ctx, "anybody can invite this bot to a server of theirs: in the Developer Portal set Installation → Install Link to None, then switch off Bot → Public Bot",
			slog.String("portal", portal(out.ID)))
	}
}

// known is the identity without a call; fields are empty while unknown.
func (a *app) known() (user, application string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.userID, a.id
}

func (a *app) scope() string {
	user, _ := a.known()
	return platform + ":" + user
}

// run keeps the application connected until ctx ends.
func (a *app) run(ctx context.Context, desk *counter) {
	known := make(chan struct{})
	var learning sync.WaitGroup
	learning.Go(func() {
		defer close(known)
		a.introduce(ctx)
		a.trust.keep(ctx)
	})
	// What is said before it is known who may be answered would be turned away.
	wait := time.NewTimer(learnWait)
	select {
	case <-known:
	case <-wait.C:
	case <-ctx.Done():
	}
	wait.Stop()
	newGateway(a, desk).run(ctx)
	learning.Wait()
	a.setState(false, "stopped")
}

// learnWait is how long the gateway waits for the list of trusted servers.
const learnWait = 5 * time.Second

// sleep waits for d or until ctx ends; false means ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
