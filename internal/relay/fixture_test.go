// The relay alone: a real inbox on a store in memory, a platform in memory, and
// models that do what a test writes down.

package relay

import (
	"bytes"
	"context"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/trace/noop"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/completion"
	"parley/internal/conversation"
	"parley/internal/inbox"
	"parley/internal/inbox/inboxtest"
	"parley/internal/provider"
	"parley/internal/registry"
	"parley/internal/telemetry"
	"parley/internal/usage"
)

// fixture is a store, a platform and the models behind one bot.
type fixture struct {
	*inboxtest.Kit
	t        *testing.T
	platform *platform
	// adapter serves the platform; the platform itself, unless a test says otherwise.
	adapter chat.Adapter
	bot     bots.Bot
	others  []bots.Bot // of the same app
	// model answers every request, m1's and its fallback m2's.
	model func(ctx context.Context, r completion.Request) iter.Seq2[completion.Delta, error]
	// shelf is where transcripts are read; the store, unless a test says otherwise.
	shelf redis.UniversalClient
	// attempt, unless it is 0, is the number that every attempt is taken for.
	attempt int

	mu       sync.Mutex
	requests []completion.Request
	owner    *process // whose handler began last
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{Kit: inboxtest.New(t), t: t, platform: &platform{}}
	f.shelf, f.adapter = f.Store.Client, f.platform
	f.bot = bots.Bot{ID: "helper", Name: "Helper", Provider: "lab", Model: "m1", Fallbacks: []bots.ModelRef{{Provider: "lab", Model: "m2"}}, System: "Be brief.", MaxMessages: 5}
	f.model = func(context.Context, completion.Request) iter.Seq2[completion.Delta, error] {
		return words("Hello.").wire()
	}
	return f
}

// Stream is the client of every process.
func (f *fixture) Stream(ctx context.Context, _ provider.Provider, r completion.Request) iter.Seq2[completion.Delta, error] {
	f.mu.Lock()
	f.requests = append(f.requests, r)
	f.mu.Unlock()
	return f.model(ctx, r)
}

// asked are the models that were asked, in order.
func (f *fixture) asked() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var models []string
	for _, r := range f.requests {
		models = append(models, r.Model)
	}
	return strings.Join(models, " ")
}

// process is one replica.
type process struct {
	*Relay
	in      *inbox.Inbox
	ended   <-chan inboxtest.Ended
	stop    func() // hands over what runs
	log     *written
	metrics http.Handler
	f       *fixture
}

// start runs a process that ends with the test.
func (f *fixture) start() *process {
	f.t.Helper()
	p := &process{in: f.Inbox(), log: &written{to: f.t.Output()}, f: f}
	log := slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	series := telemetry.NewRegistry("test")
	p.metrics = telemetry.MetricsHandler(series, log)
	known, err := registry.Open(f.t.Context(), registry.Options{
		Client: f.Store.Client, Prefix: "parley", Ring: f.Ring, Log: log,
		Builtins: []provider.Provider{{ID: "lab", Models: provider.Models{List: []provider.Model{{ID: "m1"}, {ID: "m2"}}}}},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	p.Relay = New(Options{
		Bots: append(f.others, f.bot), Registry: known, Inbox: p.in,
		Book:   conversation.New(f.shelf, f.Ring, p.in.ScopeKey, log),
		Ledger: usage.New(f.Store.Client, p.in.ScopeKey, p.in.Scopes),
		Client: f, Endpoints: noEndpoints{}, Log: log, Metrics: telemetry.NewMetrics(series),
		Tracer: noop.NewTracerProvider().Tracer(""),
	})
	p.Connect(f.adapter)
	f.t.Cleanup(p.Close)
	p.ended, p.stop = f.Run(p.in, func(ctx context.Context, t *inbox.Turn) error {
		f.mu.Lock()
		f.owner = p
		f.mu.Unlock()
		if f.attempt > 0 {
			t.Attempt = f.attempt
		}
		return p.Handle(ctx, t)
	})
	return p
}

type noEndpoints struct{}

func (noEndpoints) Models(context.Context, provider.Provider) ([]provider.Model, error) {
	return nil, nil
}

func (noEndpoints) Diagnose(context.Context, provider.Provider, string) string { return "" }

// written is a log that can be read while it is written.
type written struct {
	to   io.Writer
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *written) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	return l.to.Write(p)
}

func (l *written) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// put sends a message.
func (p *process) put(m chat.Message) {
	p.f.t.Helper()
	p.f.Put(p.in, m)
}

// end waits for one attempt of a turn to end.
func (p *process) end() inboxtest.Ended {
	p.f.t.Helper()
	return inboxtest.Next(p.f.t, p.ended)
}

// closed waits for an attempt that closes its turn.
func (p *process) closed() {
	p.f.t.Helper()
	if e := p.end(); e.Err != nil {
		p.f.t.Fatalf("attempt %d ended with %v", e.Turn.Attempt, e.Err)
	}
	if n := p.f.Open(p.in, "memory:1"); n != 0 {
		p.f.t.Errorf("%d messages are open", n)
	}
}

// ends is how many turns ended with an outcome.
func (p *process) ends(outcome string) string {
	p.f.t.Helper()
	return scraped(p.f.t, p.metrics, `parley_turns_total{bot="helper",outcome="`+outcome+`",platform="memory"}`)
}

// transcript is what the thread of asked's messages remembers.
func (f *fixture) transcript(p *process) []conversation.Exchange {
	f.t.Helper()
	t, err := conversation.New(f.Store.Client, f.Ring, p.in.ScopeKey, discard).Load(f.t.Context(), "memory:1", asked("").Place)
	if err != nil {
		f.t.Fatal(err)
	}
	return t.Exchanges
}

// used is the number of answers and tokens that are counted for a model.
func (f *fixture) used(p *process, model string) (answers, in, out int) {
	f.t.Helper()
	rows, err := p.ledger.Report(f.t.Context(), usage.ByModel, usage.Filter{Scope: "memory:1"}, time.Now().AddDate(0, 0, -1), time.Now())
	if err != nil {
		f.t.Fatal(err)
	}
	for _, r := range rows {
		if r.Key == "lab/"+model {
			return r.Answers, r.In, r.Out
		}
	}
	return 0, 0, 0
}

// until waits for a condition.
func (f *fixture) until(what string, ok func() bool) {
	f.t.Helper()
	for give := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(give) {
			f.t.Fatalf("waited for a minute: %s; people see %q", what, f.platform.texts())
		}
	}
}

// shows waits for the texts that people see.
func (f *fixture) shows(texts ...string) {
	f.t.Helper()
	f.until("people see "+strings.Join(texts, " | "), func() bool { return strings.Join(f.platform.texts(), "\n") == strings.Join(texts, "\n") })
}

// hold is a model that writes text and then waits, until it is let go or stopped.
func hold(text string, let <-chan struct{}, rest ...string) func(context.Context, completion.Request) iter.Seq2[completion.Delta, error] {
	return func(ctx context.Context, _ completion.Request) iter.Seq2[completion.Delta, error] {
		return func(yield func(completion.Delta, error) bool) {
			if text != "" && !yield(completion.Delta{Text: text}, nil) {
				return
			}
			select {
			case <-let:
			case <-ctx.Done():
				yield(completion.Delta{}, context.Cause(ctx))
				return
			}
			for d, err := range words(rest...).wire() {
				if !yield(d, err) {
					return
				}
			}
		}
	}
}

// oneTurn hands a turn of a real inbox to do, and gives the store it leaves.
func oneTurn(t *testing.T, do func(ctx context.Context, turn *inbox.Turn)) redis.UniversalClient {
	t.Helper()
	k := inboxtest.New(t)
	in := k.Inbox()
	ended, _ := k.Run(in, func(ctx context.Context, turn *inbox.Turn) error {
		do(ctx, turn)
		return turn.Close(context.WithoutCancel(ctx))
	})
	k.Put(in, asked("Hi"))
	if e := inboxtest.Next(t, ended); e.Err != nil {
		t.Error(e.Err)
	}
	return k.Store.Client
}
