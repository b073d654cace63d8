// One Slack app: what it is made of, how it connects, and whether it is well.

package slack

import (
	"context"
	"net/url"
	"sync/atomic"
	"time"

	"parley/adapters/internal/background"
	"parley/bots"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/telemetry"
)

// app is one Slack app with the bots that share it.
type app struct {
	*client
	identification
	ports  chat.Ports
	lead   bots.Bot
	groups []string // user groups that the bots' access rules name
	limit  UpdateLimit
	intake intake

	members    members
	indicators indicators
	streaming  streaming
	background *background.Group
	// historyFrom is when history may be asked for again: Slack said to slow down.
	historyFrom atomic.Pointer[time.Time]
}

func newApp(group []bots.Bot, apiURL *url.URL, o Options) *app {
	lead := group[0]
	o.Log = o.Log.With("platform", platform, "bot", lead.ID)
	in := newIntake(group, o.Log)
	a := &app{
		client: newClient(lead, in, apiURL, o),
		identification: identification{
			known: make(chan struct{}), outage: telemetry.NewOutage(o.Log, "slack app not connected; trying again", "Slack answers again"),
		},
		ports: o.Ports, lead: lead, limit: o.UpdateLimit, intake: in,
		streaming:  streaming{auto: o.StreamMode == "auto"},
		background: background.New(o.Log),
	}
	a.members = newMembers(a.background)
	for _, b := range group {
		a.groups = append(a.groups, b.NamedGroups()...)
	}
	a.historyFrom.Store(new(time.Time{}))
	return a
}

// run connects and keeps the app connected until ctx ends.
func (a *app) run(ctx context.Context) {
	if !a.identify(ctx) {
		return
	}
	if a.intake.wire == nil {
		if a.intake.signingSecret == "" {
			a.health.set("neither slack.app_token (Socket Mode) nor slack.signing_secret (HTTP) is set, so no event can arrive")
		}
		return
	}
	a.intake.wire.once.Do(func() { a.holdLines(ctx) })
}

// state is whether events reach the app and answers leave it. One Socket Mode
// connection of the two is enough.
func (a *app) state() chat.Health {
	if problem := a.health.get(); problem != "" {
		return chat.Health{Reason: problem}
	}
	if a.intake.wire != nil {
		return a.intake.wire.health()
	}
	return chat.Health{OK: true}
}

// guard keeps a defect in one request from ending the server; it gives false.
func (a *app) guard(ctx context.Context, f func()) bool {
	err := fault.Guard(func() error { f(); return nil })
	if err != nil {
		a.log.ErrorContext(ctx, "a defect ended a Slack request", "error", err)
	}
	return err == nil
}
