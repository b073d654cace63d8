// Package relay is the one path of a message: which bot answers, whether this
// person may, which model is asked, and how the answer gets back. It also
// answers the commands. It knows no platform.
package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
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

// Options are what a Relay is wired with; all are required but Metrics.
type Options struct {
	Bots      []bots.Bot
	Adapters  []chat.Adapter
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
		once:       o.Once,
		schedulers: map[string]*stream.Scheduler{},

		calibration: newCalibration(),
	}
	r.rounds = newRounds(o.Client, windows{learned: o.Registry.Learned, listed: r.catalog.maxInput, calibration: r.calibration}, o.Metrics, o.Tracer)
	for _, b := range o.Bots {
		r.bots[b.ID] = b
		r.ids = append(r.ids, b.ID)
	}
	for _, a := range o.Adapters {
		r.adapters[a.Platform().Name] = a
	}
	return r
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

// maxAttempts is after how many tries, restarts included, a turn is given up
// with a word to the person: something about it brings the process down.
const maxAttempts = 10

// Serves reports whether this process has the bot that m was sent to, and its
// platform: during a rolling deploy another replica may have more.
func (r *Relay) Serves(m chat.Message) bool {
	adapter, ok := r.adapters[m.Place.Platform]
	if !ok {
		return false
	}
	if _, ok := r.bots[m.Bot]; !ok {
		return false
	}
	_, err := adapter.Responder(m)
	return err == nil
}

// Handle answers one message. It is the inbox's handler: nil means the turn is
// closed, an error leaves it for another try.
func (r *Relay) Handle(ctx context.Context, t *inbox.Turn) error {
	m := t.Message
	ctx, span := r.tracer.Start(ctx, "turn", trace.WithAttributes(
		attribute.String("ref", t.Ref), attribute.String("platform", m.Place.Platform), attribute.String("bot", m.Bot), attribute.Int("attempt", t.Attempt)))
	defer span.End()
	log := r.log.With("ref", t.Ref, "platform", m.Place.Platform)
	adapter, ok := r.adapters[m.Place.Platform]
	if !ok && t.Attempt < maxAttempts {
		return fmt.Errorf("this process has no adapter for %s", m.Place.Platform)
	}
	if !ok {
		log.ErrorContext(ctx, "no adapter for this platform; the message is dropped")
		return t.Discard(ctx)
	}
	responder, err := adapter.Responder(m)
	if err != nil && t.Attempt < maxAttempts {
		return err // another replica may be able to, or a newer version of this one
	}
	if err != nil {
		log.ErrorContext(ctx, "this message cannot be answered any more; it is dropped", "error", err)
		return t.Discard(ctx)
	}
	if err = context.Cause(ctx); !errors.Is(err, chat.ErrWithdrawn) {
		err = r.respond(ctx, t, responder, log)
	}
	if withdrawn(ctx, err) {
		return r.takeBack(ctx, t, responder, log)
	}
	return err
}

// respond answers a command or a question.
func (r *Relay) respond(ctx context.Context, t *inbox.Turn, responder chat.Responder, log *slog.Logger) error {
	m := t.Message
	if t.Attempt > maxAttempts {
		log = log.With("bot", m.Bot)
		return r.decline(ctx, t, responder, fmt.Errorf("given up after %d attempts", t.Attempt-1), log)
	}
	if keeper, ok := r.adapters[m.Place.Platform].(chat.Doorkeeper); ok {
		if err := keeper.Admit(ctx, m); err != nil {
			return r.turnAway(ctx, t, responder, keeper, err, log)
		}
	}
	if c, ok := inlineCommand(m); ok {
		return r.answerCommand(ctx, t, responder, c, log)
	}
	return r.answer(ctx, t, responder, log)
}

// turnAway ends a turn from where the bot answers no more. One that has begun to
// answer gets its end; where nothing was said, the adapter says a sentence.
func (r *Relay) turnAway(ctx context.Context, t *inbox.Turn, pen chat.Responder, keeper chat.Doorkeeper, cause error, log *slog.Logger) error {
	if stop := interrupted(ctx); stop != nil {
		return stop
	}
	if !forPerson(cause) && t.Attempt < patientAttempts {
		return cause // it could not be looked up; later it can
	}
	r.metrics.Turn(t.Message.Place.Platform, t.Message.Bot, "refused")
	if len(t.Posted) > 0 {
		return r.decline(ctx, t, pen, cause, log.With("bot", t.Message.Bot))
	}
	keeper.TurnAway(ctx, t.Message, cause)
	return t.Close(ctx)
}

// bot finds who answers m: the bot the place was given to, else the lead.
func (r *Relay) bot(ctx context.Context, lead string, p chat.Place) (bots.Bot, error) {
	if given, ok, err := r.registry.BotFor(ctx, lead, p); err != nil {
		return bots.Bot{}, fmt.Errorf("who answers here: %w", err)
	} else if ok {
		if slices.Contains(r.family(p, lead), given) {
			return r.bots[given], nil
		}
	}
	b, ok := r.bots[lead]
	if !ok {
		return bots.Bot{}, chat.Tell("The bot %s is no longer set up here; ask your parley administrator.", lead)
	}
	return b, nil
}

// lookupTime is how long a person may wait for what the platform knows of them.
const lookupTime = 2 * time.Second

// person gathers what a bot's rules need to know of an author. Where the
// platform does not tell just now, and the rules need no more than their id, the
// person goes on as no admin, and unsure says why.
func (r *Relay) person(ctx context.Context, b bots.Bot, p chat.Place, a chat.Author) (who bots.Person, unsure, err error) {
	adapter, ok := r.adapters[p.Platform]
	if !ok {
		return bots.Person{}, nil, fmt.Errorf("this process has no adapter for %s", p.Platform)
	}
	who = bots.Person{ID: a.ID, Channel: p.Channel, Insider: !hasOutsiders(adapter)}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	member, err := adapter.Member(ctx, b.ID, p, a)
	if err != nil && needsMember(adapter, b, a) {
		return who, nil, unknown(err)
	}
	if err != nil {
		r.log.WarnContext(ctx, "whether a person is an admin could not be looked up; they go on as none", "platform", p.Platform, "bot", b.ID, "error", err)
		return who, unknown(err), nil
	}
	who.Groups, who.Admin, who.Untold = member.Groups, member.Admin, member.Untold
	if hasOutsiders(adapter) {
		who.Insider, who.Guest, who.Gone, who.Unsure = member.Insider, member.Guest, member.Gone, member.Unsure
	}
	return who, nil, nil
}

// hasOutsiders reports whether people who are not of the workspace can write to
// a bot of the platform.
func hasOutsiders(a chat.Adapter) bool {
	_, ok := a.(chat.Outsiders)
	return ok
}

// needsMember reports whether the rules need more of a person than their id.
func needsMember(adapter chat.Adapter, b bots.Bot, a chat.Author) bool {
	return b.NeedsGroups() || hasOutsiders(adapter) && b.NeedsStanding(a.ID)
}

// errUnknown marks that the platform did not tell who a person is just now.
var errUnknown = errors.New("the person could not be looked up")

// unknown is for a person of whom the platform did not tell enough.
func unknown(err error) error {
	return &chat.UserError{Text: "I could not look up your groups, roles and workspace just now. Try again in a moment.", Err: fmt.Errorf("%w: %w", errUnknown, err)}
}
