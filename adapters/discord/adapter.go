// Package discord connects parley to Discord: gateway events come in, posts and
// edits go out, and commands, menus and forms are application commands,
// components and modals.
//
// Facts about Discord come from discord.com/developers/docs unless a comment
// names another source.
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

// Options configure an Adapter.
type Options struct {
	// Bots are all bots of this server; those without a Discord token are ignored.
	// Bots with the same token share one application. The one marked Default leads
	// it, or the first by id.
	Bots []bots.Bot
	// APIURL is the root of the REST API; empty means DefaultAPIURL. Its
	// /gateway/bot says where the gateway is.
	APIURL string
	// GlobalLimit is the number of requests per second that one bot may make over
	// all routes; 0 means no limit. Discord's own limit is 50.
	GlobalLimit int
	// Sessions keeps gateway sessions across restarts, so that Discord replays what
	// was said in between. With nil, a restart begins a new session.
	Sessions Sessions
	// Records stores which servers are trusted.
	Records Records
	// HTTP makes the REST calls; nil means a new client.
	HTTP    *http.Client
	Ports   chat.Ports   // where messages and commands go
	Log     *slog.Logger // nil discards
	Metrics *telemetry.Metrics
}

// Adapter serves the Discord applications of all bots. It is safe for
// concurrent use.
type Adapter struct {
	apps  []*app
	byBot map[string]*app
	log   *slog.Logger
	// background holds the replies that are finished when the server stops.
	background *background.Group
}

var (
	_ chat.Adapter = (*Adapter)(nil)
	_ chat.Truster = (*Adapter)(nil)
)

// New makes an adapter without calling Discord. An error means an option that
// can never work.
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

// Run connects every application and returns when ctx has ended and everything
// is closed. If Discord refuses a bot for good, only that bot stops; Health says
// why.
func (a *Adapter) Run(ctx context.Context) error {
	var running sync.WaitGroup
	for _, one := range a.apps {
		running.Go(func() { one.run(ctx) })
	}
	<-ctx.Done() // even if there is nothing to connect
	running.Wait()
	a.background.Finish(lastAnswers)
	return nil
}

// lastAnswers is how long replies to commands may take after the server stops.
const lastAnswers = 10 * time.Second

// Health reports the state of every bot that has a Discord token.
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

// of is the application of a bot.
func (a *Adapter) of(bot string) (*app, error) {
	if one := a.byBot[bot]; one != nil {
		return one, nil
	}
	return nil, fmt.Errorf("bot %q has no Discord application here", bot)
}
