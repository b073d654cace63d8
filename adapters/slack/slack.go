// Package slack connects bots to Slack: events in over signed HTTP or Socket
// Mode, answers out through the Web API, slash commands, buttons and modals.
//
// Bots with the same bot token are one Slack app. An app that cannot connect is
// reported by Health and tried again; the others run on.
package slack

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/telemetry"
)

// DefaultAPIURL is Slack's Web API.
const DefaultAPIURL = "https://slack.com/api/"

// finishGrace is how long commands under way may finish when the server stops.
const finishGrace = 5 * time.Second

// Options say which bots to connect and to what.
type Options struct {
	// Bots are all bots of the server; those without a Slack section are left
	// out.
	Bots []bots.Bot
	// APIURL is SLACK_API_URL; empty is Slack's own.
	APIURL string
	// UpdateLimit is SLACK_UPDATE_LIMIT; the zero value is its default, 50/10.
	UpdateLimit UpdateLimit
	// StreamMode is STREAM_MODE: "edit" (the default) or "auto".
	StreamMode string
	Log        *slog.Logger
	Metrics    *telemetry.Metrics
	Ports      chat.Ports // for what Run and Handler bring in
	// HTTPClient makes every call to Slack; nil is a client of its own that
	// keeps enough connections open for many answers at once.
	HTTPClient *http.Client
}

// Adapter is Slack as the rest of parley sees it.
type Adapter struct {
	apps  []*app
	byBot map[string]*app
	log   *slog.Logger
}

var _ chat.Adapter = (*Adapter)(nil)

// New groups the bots into apps. It makes no network call; its error names the
// setting that cannot work.
func New(o Options) (*Adapter, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.APIURL == "" {
		o.APIURL = DefaultAPIURL
	}
	o.APIURL = strings.TrimRight(o.APIURL, "/") + "/"
	u, err := url.Parse(o.APIURL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("SLACK_API_URL %q is not an http or https address", o.APIURL)
	}
	if o.StreamMode != "" && o.StreamMode != "edit" && o.StreamMode != "auto" {
		return nil, fmt.Errorf("STREAM_MODE %q is neither edit nor auto", o.StreamMode)
	}
	if o.HTTPClient == nil {
		o.HTTPClient = newHTTPClient()
	}
	a := &Adapter{byBot: map[string]*app{}, log: o.Log}
	for _, group := range bots.Apps(Platform(), o.Bots) {
		app := newApp(group, u, o)
		a.apps = append(a.apps, app)
		for _, b := range group {
			a.byBot[b.ID] = app
		}
	}
	share(a.apps)
	return a, nil
}

// Platform describes Slack.
func (a *Adapter) Platform() chat.Platform { return Platform() }

// Run connects every app and supervises it until ctx ends, then waits for
// requests under way to be answered.
func (a *Adapter) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, app := range a.apps {
		all.Go(func() { app.run(ctx) })
	}
	<-ctx.Done()
	all.Wait()
	for _, app := range a.apps {
		all.Go(func() { app.background.Finish(finishGrace) })
	}
	all.Wait()
	return nil
}

// Responder writes the answer to m. It fails only for a bot that is not
// connected to Slack here.
func (a *Adapter) Responder(m chat.Message) (chat.Responder, error) {
	app, ok := a.byBot[m.Bot]
	if !ok {
		return nil, fmt.Errorf("bot %q has no Slack app here", m.Bot)
	}
	return &responder{app: app, to: m}, nil
}

// Health lists the bots with a Slack app and whether events can reach them.
func (a *Adapter) Health() []chat.Health {
	var out []chat.Health
	for id, app := range a.byBot {
		h := app.state()
		h.Bot, h.Platform = id, platform
		out = append(out, h)
	}
	slices.SortFunc(out, func(x, y chat.Health) int { return cmp.Compare(x.Bot, y.Bot) })
	return out
}
