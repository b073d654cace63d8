// Wiring the parts together.

package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"parley/adapters/playground"
	"parley/internal/chat"
	"parley/internal/completion"
	"parley/internal/console"
	"parley/internal/conversation"
	"parley/internal/door"
	"parley/internal/inbox"
	"parley/internal/language"
	"parley/internal/probe"
	"parley/internal/provider"
	"parley/internal/registry"
	"parley/internal/relay"
	"parley/internal/secret"
	"parley/internal/store"
	"parley/internal/stream"
	"parley/internal/telemetry"
	"parley/internal/usage"
)

// parts are what build needs to be open already.
type parts struct {
	store   *store.Store
	ring    *secret.Ring
	metrics *telemetry.Metrics
	traces  *telemetry.Traces
	base    string // this server's own address, "http://127.0.0.1:7070"
	token   secret.Text
}

// built is the server without its listener.
type built struct {
	settings
	kind     string
	registry *registry.Registry
	inbox    *inbox.Inbox
	relay    *relay.Relay
	client   *completion.Client
	ledger   *usage.Ledger
	guard    console.Guard
	demoKey  secret.Text // authenticates this process to its own demo
	memo     *store.Memo
	records  *store.Records
	adapters []chat.Adapter // of the enabled platforms
	local    *local
	// languages are those of what parley itself says to people.
	languages chat.Languages
}

// build makes every part. It connects only to the store.
func (s settings) build(ctx context.Context, p parts) (*built, error) {
	b := &built{settings: s, kind: p.store.Kind, demoKey: secret.New(secret.GenerateToken())}
	builtins := provider.Builtins(s.env.Get)
	if s.config.Loopback() {
		builtins = append(builtins, demoProvider(p.base, b.demoKey))
	}
	b.memo = store.NewMemo(p.store, s.config.RedisPrefix, p.ring)
	b.records = store.NewRecords(p.store, s.config.RedisPrefix, time.Duration(s.config.AuditKeep))
	d, err := door.New(door.Options{Token: p.token, Memory: b.memo, Log: s.log})
	if err != nil {
		return nil, err
	}
	b.guard = console.Guard{Door: d, Log: s.log}
	b.registry, err = registry.Open(ctx, registry.Options{
		Client: p.store.Client, Prefix: s.config.RedisPrefix, Ring: p.ring, Log: s.log,
		Builtins: builtins, File: s.file, FileDigest: s.digest, AuditKeep: time.Duration(s.config.AuditKeep),
	})
	if err != nil {
		return nil, err
	}
	b.client = completion.NewClient(completion.Options{
		Networks: s.networks, Log: s.log, Metrics: p.metrics,
		Learned: b.registry.Learned,
		Learn: func(ctx context.Context, id, model string, q provider.Quirks) {
			if err := b.registry.Learn(ctx, id, model, q); err != nil {
				s.log.WarnContext(ctx, "endpoint quirks not saved", "provider", id, "model", model, "error", err)
			}
		},
	})
	b.local = newLocal(b.client, b.registry, builtins, s.env.Get("OLLAMA_HOST"), s.config.DiscoverLocal == "auto" && s.config.Embedded())
	b.local.watch = s.config.PlaygroundServed()
	lease := inbox.DefaultLease
	if p.store.Kind == "embedded" {
		lease = inbox.LoneLease // no other process can hold the keys
	}
	b.inbox = inbox.New(inbox.Options{
		Client: p.store.Client, Urgent: p.store.Urgent, Lease: lease, Prefix: s.config.RedisPrefix, Ring: p.ring, Log: s.log, Metrics: p.metrics,
		WaitReplicas: s.config.RedisWaitReplicas,
	})
	book := conversation.New(p.store.Client, p.ring, b.inbox.ScopeKey, s.log)
	b.ledger = usage.New(p.store.Client, b.inbox.ScopeKey, b.inbox.Scopes)
	if b.languages, err = language.New(); err != nil {
		return nil, err
	}
	b.relay = relay.New(relay.Options{
		Bots: s.bots, Registry: b.registry, Inbox: b.inbox, Book: book, Ledger: b.ledger,
		Client: b.client, Endpoints: endpoints{b.client}, Memory: budgets{b.memo}, Log: s.log, Metrics: p.metrics,
		Tracer: p.traces.Tracer(), Languages: b.languages, Once: b.memo.Once,
	})
	return b, b.connect(p)
}

// connect makes the adapters of the enabled platforms.
func (b *built) connect(p parts) error {
	for _, row := range b.platforms {
		a, err := row.connect(b, p)
		if err != nil {
			return err
		}
		if a != nil {
			b.adapters = append(b.adapters, a)
		}
	}
	b.relay.Connect(b.adapters...)
	return nil
}

// elsewhere is the health of the bots on external platforms.
func (b *built) elsewhere() []chat.Health {
	var out []chat.Health
	for _, a := range b.adapters {
		if !a.Platform().Pages {
			out = append(out, a.Health()...)
		}
	}
	return out
}

// mount registers every handler.
func (b *built) mount(mux *http.ServeMux) {
	options := console.Options{
		Registry: b.registry, Bots: b.bots, Guard: b.guard,
		Probe: func(ctx context.Context, p provider.Provider, model string) any {
			return probe.Run(ctx, b.client, p, model)
		},
		Models: b.client.Models, Manifest: func(platform, bot, base string) (any, error) { return describe(b.settings, platform, bot, base) },
		Usage: report{b.ledger}, Log: b.log,
	}
	for _, a := range b.adapters {
		p := a.Platform()
		options.Platforms = append(options.Platforms, p)
		if t, ok := a.(chat.Truster); ok && options.Guilds == nil {
			options.Guilds = t
		}
		path := "/" + p.Name + "/"
		if p.Pages {
			path = "/"
		}
		if h := a.Handler(); h != nil {
			mux.Handle(path, h)
		}
	}
	mux.Handle("/api/", console.New(options))
	if b.config.Loopback() {
		mux.Handle("/demo/", serveDemo(b.guard, b.demoKey))
	}
}

// health holds the checks of /readyz.
func (b *built) health(st *store.Store) *telemetry.Health {
	return telemetry.NewHealth(map[string]telemetry.Check{
		"store": func(ctx context.Context) []telemetry.State {
			state := telemetry.State{Name: "store", OK: true}
			if err := st.Ready(ctx); err != nil {
				state.OK, state.Reason = false, err.Error()
			}
			return []telemetry.State{state}
		},
		"bots": func(context.Context) []telemetry.State {
			var states []telemetry.State
			for _, a := range b.adapters {
				group := "platforms" // ready if one bot is connected; those of the pages do not count
				if p := a.Platform(); p.Pages {
					group = p.Name
				}
				for _, h := range a.Health() {
					states = append(states, telemetry.State{Name: h.Platform + "/" + h.Bot, OK: h.OK, Reason: h.Reason, Group: group, Public: true})
				}
			}
			return states
		},
	})
}

// demoProvider is this server's own demo, which streams canned text.
func demoProvider(base string, key secret.Text) provider.Provider {
	p := provider.Provider{
		ID: "demo", Name: "Demo", Endpoint: base + "/demo/v1/chat/completions",
		Models: provider.Models{List: []provider.Model{{ID: "demo", Name: "Demo"}}},
	}
	p.Normalize()
	return p.Own(base+"/demo/", key)
}

// listProviders is the registry as the pages show it.
func (b *built) listProviders(context.Context) ([]playground.Provider, error) {
	var out []playground.Provider
	for _, e := range b.registry.Providers() {
		row := playground.Provider{
			ID: e.ID, Name: e.Name, Endpoint: provider.ShownURL(e.Endpoint), Source: e.Source, Discover: e.Models.Discover,
			KeySet: !e.APIKey.IsZero(), Usable: e.Problem == "", Hint: e.Problem, Silent: e.ID != "demo" && b.local.silent(e.Endpoint),
		}
		for _, m := range e.Models.List {
			row.Models = append(row.Models, m.ID)
		}
		out = append(out, row)
	}
	return out, nil
}

// using is the provider and model that a bot uses in a place.
func (b *built) using(ctx context.Context, bot string, p chat.Place) (providerID, model string) {
	ref, err := b.relay.Using(ctx, bot, p)
	if err != nil {
		b.log.WarnContext(ctx, "model of a place not read", "bot", bot, "error", err)
	}
	return ref.Provider, ref.Model
}

// endpoints adapts the client to the relay's interface.
type endpoints struct{ *completion.Client }

func (e endpoints) Diagnose(ctx context.Context, p provider.Provider, model string) string {
	return probe.Run(ctx, e.Client, p, model).Diagnosis
}

// budgets stores learned rate limits.
type budgets struct{ memo *store.Memo }

// budgetAge is how long a learned limit is kept: platforms change their limits.
const budgetAge = 7 * 24 * time.Hour

func (b budgets) Load(ctx context.Context, key string) (stream.Learned, bool, error) {
	data, err := b.memo.Load(ctx, "budget/"+url.PathEscape(key))
	if err != nil || data == nil {
		return stream.Learned{}, false, err
	}
	var l stream.Learned
	err = json.Unmarshal(data, &l)
	return l, err == nil, err
}

func (b budgets) Save(ctx context.Context, key string, l stream.Learned) error {
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return b.memo.Save(ctx, "budget/"+url.PathEscape(key), data, budgetAge)
}

// report adapts the ledger to the admin API.
type report struct{ ledger *usage.Ledger }

func (r report) Usage(ctx context.Context, q console.UsageQuery) ([]console.UsageRow, error) {
	rows, err := r.ledger.Report(ctx, usage.By(q.By), usage.Filter{}, q.Since, q.Until)
	if err != nil {
		return nil, err
	}
	out := make([]console.UsageRow, 0, len(rows))
	for _, row := range rows {
		out = append(out, console.UsageRow(row))
	}
	return out, nil
}
