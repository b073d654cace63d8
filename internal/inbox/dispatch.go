// Handing messages to handlers: in order within a lane, at once across lanes,
// commands past everyone.

package inbox

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/secret"
)

const (
	// firstPause doubles with every failed attempt, up to longestPause.
	firstPause   = time.Second
	longestPause = time.Minute
	// patientAttempts is how often a message may fail before those behind it in
	// its lane no longer wait for it.
	patientAttempts = 5
	// suspectAttempts is how many attempts may have ended in a crash before a
	// new owner waits a little: a message that kills its process must not do so
	// in a tight loop.
	suspectAttempts = 4
	// offerLocked is how soon a scope is offered in which a message waits whose
	// key this process lacks; while it waits, that is doubled.
	offerLocked = 3 * time.Second
	// offerAgain is when a scope is offered that was busy when it was due.
	offerAgain = time.Minute
)

// item is an open message in memory.
type item struct {
	entry, turn, ref string
	message          chat.Message
	lane             string // "" for a command, and for what gave up its place: neither waits nor is waited for
	command          bool
	attempts         int // begun before
	journal          journal
}

// dispatch is the part of a tenure that orders messages.
type dispatch struct {
	last string // id of the last entry read; serve's goroutine only

	mu      sync.Mutex
	halted  bool               // no answer begins any more, only commands
	shut    bool               // nothing begins any more
	running int                // handlers running, those of commands too
	idle    chan struct{}      // capacity 1: halted, and nothing runs
	lanes   map[string][]*item // waiting, the head being handled or paused
	ready   []*item            // heads that wait for a free handler
	active  int                // handlers running, commands apart
	past    map[string]past    // what an earlier owner recorded, by turn, until read
	stopped map[string]bool    // turns stopped by a person
	cancels map[string]context.CancelCauseFunc
	refs    map[string]string // of running turns
	turnOf  map[string]string // running turns, by the digest of their message's key
	// withdrawn holds the messages that were taken back, by digest.
	withdrawn map[string]bool
	taken     int  // messages for this process
	strange   int  // messages that wait for another process
	overdue   int  // those that have waited for ForeignFor before this tenure
	told      bool // that there are such
	known     known
	offer     *time.Timer // sets due
	offerAt   time.Time   // when it does so the first time
	due       bool        // the scope is to be offered to others once nothing runs
}

func (d *dispatch) init() {
	d.last = "0-0"
	d.lanes = map[string][]*item{}
	d.past = map[string]past{}
	d.stopped = map[string]bool{}
	d.cancels = map[string]context.CancelCauseFunc{}
	d.refs = map[string]string{}
	d.turnOf = map[string]string{}
	d.withdrawn = map[string]bool{}
	d.idle = make(chan struct{}, 1)
	d.known.init()
}

// halt lets no further answer begin. Commands go on: they never wait behind an
// answer, not even behind the last ones of this process.
func (n *tenure) halt() {
	n.dispatch.mu.Lock()
	defer n.dispatch.mu.Unlock()
	n.halted = true
	n.quiet()
}

// shutIf lets nothing begin any more, unless something runs and must not.
func (n *tenure) shutIf(running bool) (shut bool) {
	n.dispatch.mu.Lock()
	defer n.dispatch.mu.Unlock()
	n.shut = n.shut || running || n.running == 0
	return n.shut
}

// quiet tells drain when nothing runs any more. Called with mu held.
func (n *tenure) quiet() {
	if n.halted && n.running == 0 {
		select {
		case n.idle <- struct{}{}:
		default:
		}
	}
}

func (n *tenure) runningRefs() []string {
	n.dispatch.mu.Lock()
	defer n.dispatch.mu.Unlock()
	var refs []string
	for _, ref := range n.refs {
		refs = append(refs, ref)
	}
	return refs
}

// take decodes an entry and puts it in its lane.
func (n *tenure) take(ctx context.Context, entry redis.XMessage) {
	field := func(name string) string {
		s, _ := entry.Values[name].(string)
		return s
	}
	it := &item{entry: entry.ID, turn: field("t"), ref: field("r")}
	if open, known := n.knows(it); known {
		if !open {
			n.discard(ctx, it)
		}
		return
	}
	plain, _, err := n.in.o.Ring.Open([]byte(field("m")), n.in.eventPlace(n.scope, it.turn))
	if err == nil {
		err = json.Unmarshal(plain, &it.message)
	}
	if errors.Is(err, secret.ErrUnknownKey) {
		n.locked(ctx, it, err)
		return
	}
	if err != nil {
		n.bury(ctx, it, entry, err)
		return
	}
	if !n.receive(ctx, it) {
		n.discard(ctx, it)
	}
}

// receive puts an item in its lane, or leaves it to others. False means that
// this process has taken the same message before: the store has forgotten that
// it had seen it.
func (n *tenure) receive(ctx context.Context, it *item) bool {
	n.dispatch.mu.Lock()
	defer n.dispatch.mu.Unlock()
	if !n.known.take(it.message.Key, it, time.Now()) {
		return false
	}
	it.attempts, it.journal = n.past[it.turn].attempts, n.past[it.turn].journal
	delete(n.past, it.turn)
	if !n.r.serves(it.message) {
		n.log.DebugContext(ctx, "this process cannot answer a message; it waits for one that can", "ref", it.ref, "bot", it.message.Bot)
		n.leave(it.message.At, 0)
		return true
	}
	n.taken++
	n.enter(it)
	return true
}

// entryNumber is the number of an entry "n-0", and the time it was stored.
func entryNumber(entry string) int64 {
	ms, _, _ := strings.Cut(entry, "-")
	n, _ := strconv.ParseInt(ms, 10, 64)
	return n
}

// locked leaves a message that was sealed with a key this process lacks to
// those that have it. The scope is offered to them soon, and again as the
// message grows older.
func (n *tenure) locked(ctx context.Context, it *item, err error) {
	if n.in.logLocked(it.turn) {
		n.log.ErrorContext(ctx, "a stored message was sealed with a key this process lacks; it waits for one that has it. Give every replica the same MASTER_KEYS, and a new key to all before it becomes the first", "ref", it.ref, "entry", it.entry, "error", err)
	}
	n.dispatch.mu.Lock()
	defer n.dispatch.mu.Unlock()
	n.known.take("", it, time.Now())
	stored := time.UnixMilli(entryNumber(it.entry))
	n.leave(stored, max(offerLocked, time.Since(stored)))
}

// leave lets a message of time at wait in the stream for a process that can
// answer it. After soon, or ForeignFor when that is 0, and each time ForeignFor
// has passed again, the scope is offered to others. Called with mu held.
func (n *tenure) leave(at time.Time, soon time.Duration) {
	n.strange++
	wait := min(time.Until(at.Add(ForeignFor)), ForeignFor)
	if wait <= 0 {
		n.overdue++
		wait = ForeignFor
	} else if soon > 0 {
		wait = min(wait, soon)
	}
	if n.offer != nil {
		n.offerBy(time.Now().Add(wait))
		return
	}
	n.offerAt = time.Now().Add(wait)
	timer := time.AfterFunc(wait, func() {
		n.dispatch.mu.Lock()
		n.due = true
		n.dispatch.mu.Unlock()
		n.look()
	})
	n.offer = timer
	context.AfterFunc(n.alive, func() { timer.Stop() })
}

// offerBy makes the offer come no later than at. Called with mu held.
func (n *tenure) offerBy(at time.Time) {
	if at.Before(n.offerAt) && n.offer.Stop() {
		n.offerAt = at
		n.offer.Reset(time.Until(at))
	}
}

// tell logs once that messages wait for another process.
func (n *tenure) tell() {
	n.dispatch.mu.Lock()
	defer n.dispatch.mu.Unlock()
	if n.strange == 0 || n.told {
		return
	}
	n.told = true
	if n.overdue > 0 {
		n.log.Warn("this process cannot answer some messages, and no other has for long; they wait for one with their bots", "messages", n.strange, "overdue", n.overdue)
		return
	}
	n.log.Info("this process cannot answer some messages; they wait for one that can", "messages", n.strange)
}

// foreigners reports whether the scope is to be left to other processes: because
// every message is for them, or because it is time to offer it. What has waited
// for ForeignFor is no reason any more to leave the scope unserved.
func (n *tenure) foreigners() bool {
	n.dispatch.mu.Lock()
	defer n.dispatch.mu.Unlock()
	if n.due && (n.running > 0 || len(n.lanes) > 0) {
		n.due = false
		n.offer.Reset(offerAgain)
	}
	return n.due || n.strange > n.overdue && n.taken == 0
}

// enter puts an item behind others of its lane, a command before everyone.
// Called with mu held.
func (n *tenure) enter(it *item) {
	if _, _, it.command = it.message.Command(); it.command {
		n.begin(it)
		return
	}
	it.lane = it.message.Lane()
	n.lanes[it.lane] = append(n.lanes[it.lane], it)
	if len(n.lanes[it.lane]) == 1 {
		n.begin(it)
	}
}

// begin starts the head of a lane, or a command, when it may start. Called
// with mu held.
func (n *tenure) begin(it *item) {
	if it.attempts >= suspectAttempts {
		n.later(it, min(250*time.Millisecond<<(it.attempts-suspectAttempts), 10*time.Second))
		return
	}
	n.start(it)
}

// start runs the handler now, or when one is free. Called with mu held.
func (n *tenure) start(it *item) {
	if n.shut || n.halted && !it.command {
		return
	}
	if it.lane != "" {
		if n.active >= n.r.o.Handlers {
			n.ready = append(n.ready, it)
			return
		}
		n.active++
	}
	n.running++
	n.handlerWait.Go(func() {
		n.finished(it, n.handle(it))
	})
}

// later starts an item after a pause.
func (n *tenure) later(it *item, pause time.Duration) {
	time.AfterFunc(pause, func() {
		n.dispatch.mu.Lock()
		defer n.dispatch.mu.Unlock()
		if n.alive.Err() == nil {
			n.start(it)
		}
	})
}

// finished makes room for what waits: the next of the lane when the item is
// closed, or the item again after a pause.
func (n *tenure) finished(it *item, err error) {
	n.dispatch.mu.Lock()
	defer n.dispatch.mu.Unlock()
	delete(n.cancels, it.turn)
	delete(n.refs, it.turn)
	delete(n.turnOf, digest(it.message.Key))
	n.running--
	n.quiet()
	if it.lane != "" {
		n.active--
	}
	if n.alive.Err() != nil || n.halted {
		return
	}
	if err == nil {
		delete(n.stopped, it.turn)
		n.known.close(it.turn)
		n.advance(it)
	} else {
		pause := backoff(it.attempts)
		n.log.Warn("a message could not be answered; it is tried again", "ref", it.ref, "attempt", it.attempts, "pause", pause, "error", err)
		if it.lane != "" && it.attempts >= patientAttempts {
			n.advance(it)
			it.lane = "" // those behind it wait no longer
		}
		n.later(it, pause)
	}
	for len(n.ready) > 0 && n.active < n.r.o.Handlers {
		next := n.ready[0]
		n.ready = n.ready[1:]
		n.start(next)
	}
}

// advance takes the head off its lane and begins the next. Called with mu held.
func (n *tenure) advance(it *item) {
	if it.lane == "" {
		return
	}
	rest := n.lanes[it.lane][1:]
	if len(rest) == 0 {
		delete(n.lanes, it.lane)
		return
	}
	n.lanes[it.lane] = rest
	n.begin(rest[0])
}

func backoff(attempts int) time.Duration {
	pause := longestPause
	if attempts < 7 {
		pause = min(pause, firstPause<<max(0, attempts-1))
	}
	return pause*9/10 + rand.N(pause/5)
}

// handle runs one attempt. Nil means that the turn is closed.
func (n *tenure) handle(it *item) error {
	record, err := json.Marshal(Running{Place: it.message.Place, Author: it.message.Author, Bot: it.message.Bot, Ref: it.ref, Started: time.Now()})
	if err != nil {
		return err
	}
	sealed := n.in.o.Ring.Seal(record, n.in.runningPlace(n.scope, it.turn))
	err = n.insist(n.handlers, "beginning a turn", func(ctx context.Context) error {
		attempt, err := n.in.scripts.begin.Run(ctx, n.in.o.Client, []string{n.key("owner"), n.key("turns")}, n.token, it.turn, sealed).Int()
		if err != nil {
			return err
		}
		if attempt < 0 {
			n.lose()
			return ErrLost
		}
		it.attempts = attempt
		return nil
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(n.handlers)
	defer cancel(nil)
	n.dispatch.mu.Lock()
	n.cancels[it.turn], n.refs[it.turn] = cancel, it.ref
	id := digest(it.message.Key)
	n.turnOf[id] = it.turn
	switch {
	case n.withdrawn[id]:
		cancel(chat.ErrWithdrawn)
	case n.stopped[it.turn]:
		cancel(chat.ErrStopped)
	}
	n.dispatch.mu.Unlock()

	t := &Turn{ID: it.turn, Ref: it.ref, Message: it.message, Posted: it.journal.parts(), Attempt: it.attempts, tenure: n, entry: it.entry, journal: it.journal}
	err = guardPanic(ctx, n.r.handler, t)
	t.mu.Lock()
	defer t.mu.Unlock()
	it.journal = t.journal
	if t.closed {
		return nil
	}
	if err == nil {
		err = errors.New("the handler returned without closing the turn")
	}
	return err
}

func guardPanic(ctx context.Context, h Handler, t *Turn) (err error) {
	defer func() {
		if defect := fault.Recovered(recover()); defect != nil {
			err = defect
		}
	}()
	return h(ctx, t)
}

// bury sets an entry aside that cannot be read, so that it blocks nobody.
func (n *tenure) bury(ctx context.Context, it *item, entry redis.XMessage, reason error) {
	n.log.ErrorContext(ctx, "a stored message cannot be read; it is set aside", "ref", it.ref, "entry", entry.ID, "list", n.key("dead"), "error", reason)
	report, err := json.Marshal(map[string]any{"entry": entry.ID, "fields": encodeFields(entry.Values), "error": reason.Error(), "at": time.Now()})
	if err != nil {
		n.log.ErrorContext(ctx, "an unreadable message cannot be set aside", "entry", entry.ID, "error", err)
		return
	}
	_ = n.insist(ctx, "setting a message aside", func(ctx context.Context) error {
		kept, err := n.in.scripts.bury.Run(ctx, n.in.o.Client,
			[]string{n.key("owner"), n.key("events"), n.key("turns"), n.key("dead")}, n.token, entry.ID, it.turn, report).Int64()
		if err == nil && kept < 0 {
			n.lose()
		}
		return err
	})
}

// encodeFields keeps sealed bytes whole in JSON.
func encodeFields(values map[string]any) map[string][]byte {
	fields := map[string][]byte{}
	for k, v := range values {
		s, _ := v.(string)
		fields[k] = []byte(s)
	}
	return fields
}
