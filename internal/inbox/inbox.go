// Package inbox keeps work that must not be lost: messages, the lease that says
// which process answers for a scope, and the journal of what was done for each
// message so far.
//
// # Keys
//
// All of a scope lies under "<prefix>:{<scope>}:", one slot of a Redis Cluster.
//
//	events        stream of open messages: fields t (turn), r (reference), m (sealed message)
//	events:last   the newest id "n-0": the time of Put in milliseconds, or one more than the id before
//	seen:<n>      set of message keys of half-day n; kept two days
//	joined:<n>    set of threads the bot takes part in, by 30-day span n; kept 120 days
//	owner         "epoch.nonce" of the newest lease: the fencing token
//	owner:lease   the same while the lease runs, then gone
//	owner:beat:lease  token and number of the owner's last renewal, to tell whether the store went back
//	turns         hash: <turn>:a attempts, <turn>:r sealed running record, <turn>:s0, <turn>:s1, …
//	              sealed steps, <turn>:p sealed parts as the release before reads them
//	stops         set of turns a person has stopped
//	withdrawn     messages whose question was deleted, by when; kept an hour
//	dead          list of entries nobody can read, newest first, at most 1,000
//
// Beside them "<prefix>:{inbox}:scopes" is the set of all scopes,
// "<prefix>:{inbox}:ring" a sealed mark that tells whether MASTER_KEYS fit, and
// the channel "<prefix>:inbox" carries "wake <scope> <id>", "free <scope>",
// "stop <scope> <turn>", "withdrawn <scope> <message>" and "early <scope> <message>".
// All but the last only save time: polling finds the same.
//
// # Why nothing is lost and nothing is answered twice
//
// Put stores a message, and that it was seen, in one script: it is in the stream
// once or not at all, and a second delivery within 24 hours finds it seen. Only
// Close takes an entry out of the stream. In the same script it compares the
// fencing token, stores what the answer brings about and deletes the turn's
// journal. A turn whose entry is gone is closed, so Close may be repeated.
//
// Until then every owner finds the entry again. A new lease changes the token
// first, so a former owner, however late, changes nothing more in Redis. Redis
// cannot fence calls to the platform. Guard ends each of them before the lease
// ends, by this machine's own clocks. The journal says before a post that it is
// tried and before the next call that it was made, so that the next owner knows
// what was posted and what may have been.
//
// A Redis that was restored from an older snapshot, or a replica that lagged and
// was promoted, has forgotten some of this. Entry ids are times, so that none
// comes twice. The owner notices by its beat, by an error, or within rereadEvery,
// and reads the whole stream: it takes what is new to it and takes out what it has
// closed.
package inbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/internal/secret"
	"parley/internal/telemetry"
)

// ErrLost means that another process may own the scope by now: nothing more may
// be posted or stored for its turns.
var ErrLost = errors.New("the lease on this scope is lost")

// ErrHandedOver is the cause of a handler's context that ended because this
// process shuts down. The next owner continues the turn.
var ErrHandedOver = errors.New("handed over to another process")

// DefaultLease is how long a scope stays with a process that died. A lease is
// renewed four times in its length.
const DefaultLease = 3500 * time.Millisecond

// LoneLease is the lease of a process that no other can take over from, as on the
// embedded store: a machine that is overloaded for seconds loses nothing.
const LoneLease = 15 * time.Second

// putsAtOnce is how many calls of Put use the store at a time. In a burst the
// others wait here instead of for a connection or the journal, so that leases are
// renewed and answers recorded meanwhile.
const putsAtOnce = 32

// Options are what an Inbox needs. Client, Prefix and Ring are required.
type Options struct {
	Client  redis.UniversalClient
	Prefix  string // REDIS_PREFIX
	Ring    *secret.Ring
	Log     *slog.Logger
	Metrics *telemetry.Metrics // may be nil
	// WaitReplicas is how many replicas must hold a message before Put returns nil
	// (REDIS_WAIT_REPLICAS).
	WaitReplicas int
	Lease        time.Duration // 0: DefaultLease
	// Urgent is Client over connections of its own, so that a lease is renewed
	// however many answers wait for the store; nil: Client.
	Urgent redis.UniversalClient
}

// Inbox takes messages and hands them out. It is safe for concurrent use.
type Inbox struct {
	o       Options
	scripts scripts
	puts    chan struct{} // holds one token per Put that uses the store
	outage  *telemetry.Outage
	running atomic.Bool // Run runs
	early   early

	mu     sync.Mutex
	known  map[string]time.Time // scopes this process has announced, and when
	locked map[string]bool      // turns whose key this process lacks and that were logged
	owned  map[string]*tenure
	closes map[string]chan struct{} // by scope: who waits for the next close
	runner *runner                  // while Run runs
}

var _ chat.Inbox = (*Inbox)(nil)

// New makes an Inbox. It makes no call.
func New(o Options) *Inbox {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Lease == 0 {
		o.Lease = DefaultLease
	}
	if o.Urgent == nil {
		o.Urgent = o.Client
	}
	return &Inbox{
		o:       o,
		scripts: newScripts(),
		puts:    make(chan struct{}, putsAtOnce),
		outage:  telemetry.NewOutage(o.Log, "the store does not do what it is asked; trying again", "the store does what it is asked again"),
		known:   map[string]time.Time{},
		locked:  map[string]bool{},
		owned:   map[string]*tenure{},
		closes:  map[string]chan struct{}{},
	}
}

// ScopeKey is a Redis key of scope. All keys of a scope share a hash tag, so that
// a script can use several of them on a Cluster.
func (i *Inbox) ScopeKey(scope string, parts ...string) string {
	return i.o.Prefix + ":{" + scope + "}:" + strings.Join(parts, ":")
}

func (i *Inbox) scopesKey() string { return i.o.Prefix + ":{inbox}:scopes" }

func (i *Inbox) channel() string { return i.o.Prefix + ":inbox" }

func checkScope(scope string) error {
	if scope == "" || strings.ContainsAny(scope, "{} \n") {
		return fmt.Errorf("%w: %q is no scope: it is empty or holds a brace or a space", chat.ErrUnstorable, scope)
	}
	return nil
}

// newTurnID names a turn: unique, and short enough to be part of a Discord
// nonce (25 characters).
func newTurnID() string { return strings.ToLower(rand.Text()[:16]) }

// Scopes lists every scope that ever took a message.
func (i *Inbox) Scopes(ctx context.Context) ([]string, error) {
	scopes, err := i.o.Client.SMembers(ctx, i.scopesKey()).Result()
	if err != nil {
		return nil, fmt.Errorf("list scopes: %w", err)
	}
	return scopes, nil
}

// announceScope makes a scope known to all processes. It is repeated now and
// then, in case the set was lost.
func (i *Inbox) announceScope(ctx context.Context, scope string) error {
	i.mu.Lock()
	at, ok := i.known[scope]
	i.mu.Unlock()
	if ok && time.Since(at) < 10*time.Minute {
		return nil
	}
	if err := i.o.Client.SAdd(ctx, i.scopesKey(), scope).Err(); err != nil {
		return err
	}
	i.mu.Lock()
	i.known[scope] = time.Now()
	i.mu.Unlock()
	return nil
}

// forgetScope makes the next Put announce scope again.
func (i *Inbox) forgetScope(scope string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.known, scope)
}

// CheckRing makes sure that this process can read what others sealed in the same
// store: with other MASTER_KEYS it would set their messages aside as unreadable.
// The first process leaves a sealed mark to try. Errors of the store are retried
// until ctx ends; any other error is for the operator.
func (i *Inbox) CheckRing(ctx context.Context) error {
	key := i.o.Prefix + ":{inbox}:ring"
	for {
		err := i.checkRing(ctx, key)
		if err == nil {
			i.outage.Note(ctx, nil)
		}
		if err == nil || errors.Is(err, secret.ErrSealed) {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx) // stopped, which is not the store's fault
		}
		i.outage.Note(ctx, err)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
}

func (i *Inbox) checkRing(ctx context.Context, key string) error {
	mark, err := i.o.Client.Get(ctx, key).Bytes()
	if errors.Is(err, redis.Nil) {
		fresh, setErr := i.o.Client.SetNX(ctx, key, i.o.Ring.Seal([]byte("parley"), key), 0).Result()
		if setErr != nil || fresh {
			return setErr
		}
		mark, err = i.o.Client.Get(ctx, key).Bytes()
	}
	if err != nil {
		return err
	}
	_, stale, err := i.o.Ring.Open(mark, key)
	if err != nil {
		return fmt.Errorf("MASTER_KEYS: this process cannot read what is stored under the prefix %q: %w; give every replica the same keys, and keep a replaced one behind the new one", i.o.Prefix, err)
	}
	if stale {
		return i.o.Client.Set(ctx, key, i.o.Ring.Seal([]byte("parley"), key), 0).Err()
	}
	return nil
}

// setTenure notes that this process owns a scope, or no more where t is nil.
func (i *Inbox) setTenure(scope string, t *tenure) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if t == nil {
		delete(i.owned, scope)
		return
	}
	i.owned[scope] = t
}

// tenure is this process's ownership of a scope, nil where it has none.
func (i *Inbox) tenure(scope string) *tenure {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.owned[scope]
}
