// One Discord application: a token, the bots that share it, its shards.

package discord

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"parley/adapters/internal/background"
	"parley/adapters/internal/redact"
	"parley/bots"
	"parley/internal/chat"
	"parley/internal/telemetry"
)

// app is one Discord application.
type app struct {
	lead     bots.Bot
	bots     []bots.Bot
	ports    chat.Ports
	identity *identity
	rest     *rest
	cache    *cache
	trust    *trust
	drafts   *drafts
	sessions Sessions
	timing   timing
	log      *slog.Logger
	metrics  *telemetry.Metrics
	storing  *telemetry.Outage // storing messages in the inbox

	shards     []*shard
	identifies identifies
	registered atomic.Bool // this process has registered the commands

	own        sync.WaitGroup    // work that stops with the shards
	background *background.Group // work that is finished first
}

func newApp(o Options, group []bots.Bot, refused *refusals, work *background.Group) (*app, error) {
	lead := group[0]
	log := o.Log.With(slog.String("platform", platform), slog.String("bot", lead.ID))
	token := section(lead).App.Reveal()
	if strings.ContainsAny(token, " \t\r\n") {
		return nil, fmt.Errorf("bot %s: its Discord token holds white space", lead.ID)
	}
	one := &app{
		lead: lead, bots: group, ports: o.Ports, sessions: o.Sessions, timing: usualTiming, log: log, metrics: o.Metrics, background: work,
		storing: telemetry.NewOutage(log, "messages are not stored yet; trying again", "messages are stored again"),
		rest: &rest{
			base: strings.TrimRight(o.APIURL, "/"), token: token, secrets: redact.Of(token), http: o.HTTP, log: log, metrics: o.Metrics,
			limiter: newLimiter(o.GlobalLimit), refused: refused,
		},
	}
	one.identity = newIdentity(one.rest, token, group)
	one.cache, one.drafts = newCache(one.rest), newDrafts()
	one.trust = newTrust(one, o.Records)
	one.shards = newShards(one, 1)
	return one, nil
}

// scope is the application's rate-limit scope.
func (a *app) scope() string {
	user, _ := a.identity.known()
	return platform + ":" + user
}

// learnWait is how long connecting waits for the list of trusted servers.
const learnWait = 5 * time.Second

// run keeps the application connected until ctx ends.
func (a *app) run(ctx context.Context) {
	known := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		defer close(known)
		a.introduce(ctx)
		a.trust.keep(ctx)
	})
	// Until the list is known, everyone would be turned away.
	wait := time.NewTimer(learnWait)
	select {
	case <-known:
	case <-wait.C:
	case <-ctx.Done():
	}
	wait.Stop()
	for _, s := range a.shards {
		running.Go(func() { s.run(ctx) })
	}
	running.Wait()
	a.own.Wait()
}

// state reports whether the application can answer, and if not, why.
func (a *app) state() (ok bool, reason string) {
	if ok, reason = healthOf(a.shards); !ok {
		return false, reason
	}
	if known, why := a.trust.known(); !known {
		return false, why
	}
	return true, ""
}

// introduce logs a warning if anybody can invite the bot.
func (a *app) introduce(ctx context.Context) {
	out, err := a.identity.ask(ctx, true)
	switch {
	case err != nil && ctx.Err() == nil:
		a.log.WarnContext(ctx, "discord application not looked up, so it is not known whether anybody may invite the bot", slog.String("error", short(err)))
	case err == nil && out.Public:
		a.log.WarnContext(ctx, "anybody can invite this bot to a server of theirs: in the Developer Portal set Installation → Install Link to None, then switch off Bot → Public Bot",
			slog.String("portal", portal(out.ID)))
	}
}
