// Package discord is parley on Discord: the gateway's events in, posts and
// edits out, and the commands, menus and forms of the contract as Discord's
// application commands, components and modals.
//
// Facts about Discord are from its documentation for developers
// (discord.com/developers/docs) unless a comment names another source.
package discord

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/adapters/internal/background"
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
	// Records keeps which servers are trusted.
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
		one, err := newApp(o, group, refused, a.background)
		if err != nil {
			return nil, err
		}
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
		running.Go(func() { one.run(ctx) })
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
