// Package relay is the one path of a message: which bot answers, whether this
// person may, which model is asked, and how the answer gets back. It also
// answers the commands. It knows no platform.
package relay

import (
	"context"
	"log/slog"
	"sync"

	"go.opentelemetry.io/otel/trace"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/inbox"
	"parley/internal/provider"
	"parley/internal/registry"
	"parley/internal/stream"
	"parley/internal/telemetry"
	"parley/internal/usage"
)

// Endpoints answers what a person asks about an endpoint: which models it
// lists, and in a sentence how it is.
type Endpoints interface {
	Models(ctx context.Context, p provider.Provider) ([]provider.Model, error)
	// Diagnose asks the model, or where it is empty the first that is listed.
	Diagnose(ctx context.Context, p provider.Provider, model string) string
}

// Options are what a Relay is wired with; all are required but Metrics and
// Languages.
type Options struct {
	Bots      []bots.Bot
	Registry  *registry.Registry
	Inbox     *inbox.Inbox
	Book      *conversation.Book
	Ledger    *usage.Ledger
	Client    Client
	Endpoints Endpoints
	Memory    stream.Memory
	Log       *slog.Logger
	Metrics   *telemetry.Metrics
	Tracer    trace.Tracer
	Languages chat.Languages // nil: English for everybody
	// Once reports true to the first who asks for a key, over all processes.
	Once func(ctx context.Context, key string) (bool, error)
}

// Relay answers messages and commands.
type Relay struct {
	bots      map[string]bots.Bot
	ids       []string // of the bots, sorted
	adapters  map[string]chat.Adapter
	registry  *registry.Registry
	inbox     *inbox.Inbox
	book      *conversation.Book
	ledger    *usage.Ledger
	rounds    completer
	endpoints Endpoints
	catalog   *catalog
	memory    stream.Memory
	log       *slog.Logger
	metrics   *telemetry.Metrics
	tracer    trace.Tracer
	languages chat.Languages
	once      func(ctx context.Context, key string) (bool, error)

	calibration *calibration
	refusals    refusals

	mu         sync.Mutex
	schedulers map[string]*stream.Scheduler // one per rate-limit scope
}

// New wires a Relay. Close it when no turn runs any more.
func New(o Options) *Relay {
	r := &Relay{
		bots:       map[string]bots.Bot{},
		adapters:   map[string]chat.Adapter{},
		registry:   o.Registry,
		inbox:      o.Inbox,
		book:       o.Book,
		ledger:     o.Ledger,
		endpoints:  o.Endpoints,
		catalog:    newCatalog(o.Endpoints, o.Log),
		memory:     o.Memory,
		log:        o.Log,
		metrics:    o.Metrics,
		tracer:     o.Tracer,
		languages:  o.Languages,
		once:       o.Once,
		schedulers: map[string]*stream.Scheduler{},

		calibration: newCalibration(),
	}
	r.rounds = newRounds(o.Client, windows{learned: o.Registry.Learned, listed: r.catalog.maxInput, calibration: r.calibration}, o.Metrics, o.Tracer)
	if r.languages == nil {
		r.languages = chat.English{}
	}
	for _, b := range o.Bots {
		r.bots[b.ID] = b
		r.ids = append(r.ids, b.ID)
	}
	return r
}

// Connect gives the relay its platforms, before anything runs: an adapter is
// made with the relay as its desk, and so after it.
func (r *Relay) Connect(adapters ...chat.Adapter) {
	for _, a := range adapters {
		r.adapters[a.Platform().Name] = a
	}
}

// Close ends the schedulers.
func (r *Relay) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.schedulers {
		s.Close()
	}
	r.schedulers = map[string]*stream.Scheduler{}
}

// scheduler is the one that owns the budgets of a scope.
func (r *Relay) scheduler(scope string) *stream.Scheduler {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.schedulers[scope]
	if !ok {
		s = stream.NewScheduler(stream.Options{Log: r.log.With("scope", scope), Metrics: r.metrics, Memory: r.memory})
		r.schedulers[scope] = s
	}
	return s
}
