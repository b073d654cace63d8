// A tenure: the time in which this process owns a scope.

package inbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
)

// tenure owns one scope until its lease is lost or given up. Its goroutines
// are serve, which reads and hands out, keep, which renews the lease, and one
// per running handler.
type tenure struct {
	in     *Inbox
	r      *runner
	scope  string
	token  string
	log    *slog.Logger
	wakeup chan struct{} // capacity 1
	wanted atomic.Int64  // the newest entry that wakeup is about
	seen   atomic.Int64  // the newest entry read

	// alive ends with ErrLost when the lease is over: nothing may be posted any
	// more. handlers is its child and ends also when they are to hand over.
	alive       context.Context
	lost        context.CancelCauseFunc
	handlers    context.Context
	cancel      context.CancelCauseFunc
	deadline    atomic.Pointer[time.Time] // of the lease, less a margin
	expiry      *time.Timer
	newest      atomic.Int64              // id of the newest entry, as the last renewal said
	beat        int64                     // number of the last renewal; keep's goroutine only
	confirmed   int64                     // of the last renewal that is known to be stored; likewise
	doubt       atomic.Bool               // the store may not be in the state it was in
	reread      time.Time                 // when the whole stream is read again; serve's goroutine only
	answered    atomic.Pointer[time.Time] // when Client last did what it was asked
	handlerWait sync.WaitGroup
	foreign     bool // it ends for the sake of messages that others can answer; serve's goroutine only

	dispatch
}

func (n *tenure) key(parts ...string) string { return n.in.ScopeKey(n.scope, parts...) }

// lease is the lease's length and the margin by which everything here ends
// before Redis lets it expire.
func (i *Inbox) margin() time.Duration { return i.o.Lease / 10 }

// acquire tries to own scope. It returns nil when another process does.
func (r *runner) acquire(ctx context.Context, scope string) (*tenure, error) {
	i := r.in
	began := time.Now()
	token, err := i.scripts.acquire.Run(ctx, i.o.Urgent,
		[]string{i.ScopeKey(scope, "owner", "lease"), i.ScopeKey(scope, "owner")},
		rand.Text(), i.o.Lease.Milliseconds()).Text()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	n := &tenure{in: i, r: r, scope: scope, token: token, wakeup: make(chan struct{}, 1)}
	n.log = i.o.Log.With("scope", scope)
	n.alive, n.lost = context.WithCancelCause(context.WithoutCancel(ctx))
	n.handlers, n.cancel = context.WithCancelCause(n.alive)
	n.expiry = time.AfterFunc(time.Hour, n.lose)
	n.extend(began)
	n.heard(nil)
	n.dispatch.init()
	return n, nil
}

// extend moves the deadline: the lease was set or renewed by a call that began
// at began.
func (n *tenure) extend(began time.Time) {
	end := began.Add(n.in.o.Lease - n.in.margin())
	n.deadline.Store(&end)
	n.expiry.Reset(time.Until(end))
}

// over reports whether the lease may have ended. Both clocks are asked: the
// monotonic one stands still while a machine sleeps, the wall clock can be set.
func (n *tenure) over() bool {
	if n.alive.Err() != nil {
		return true
	}
	end, now := *n.deadline.Load(), time.Now()
	return now.After(end) || now.Round(0).After(end.Round(0))
}

// lose ends the tenure: handlers' contexts end with ErrLost.
func (n *tenure) lose() { n.lost(ErrLost) }

// lookFor asks for a look at the stream, unless the entry with this number has
// been read when it comes to that; 0 where the number is not known. A message
// is announced more than once: by this process, by the channel, by a renewal.
func (n *tenure) lookFor(entry int64) {
	if entry == 0 {
		entry = math.MaxInt64
	}
	for {
		wanted := n.wanted.Load()
		if entry <= wanted || n.wanted.CompareAndSwap(wanted, entry) {
			break
		}
	}
	select {
	case n.wakeup <- struct{}{}:
	default:
	}
}

// look asks for a look at the stream.
func (n *tenure) look() { n.lookFor(0) }

// keep renews the lease until the tenure ends.
func (n *tenure) keep() {
	every := n.in.o.Lease / 4
	timer := time.NewTimer(every)
	defer timer.Stop()
	for failing := false; ; {
		select {
		case <-n.alive.Done():
			return
		case <-timer.C:
		}
		if n.over() {
			n.lose()
			return
		}
		err := n.renew()
		switch {
		case errors.Is(err, ErrLost):
			n.lose()
			return
		case err != nil:
			if !failing {
				n.log.Warn("the lease could not be renewed; trying again until it ends", "error", err)
			}
			failing = true
			timer.Reset(every / 8)
		default:
			failing = false
			timer.Reset(every)
		}
	}
}

func (n *tenure) renew() error {
	began := time.Now()
	n.beat++
	ctx, cancel := context.WithTimeout(n.alive, n.in.o.Lease/3)
	defer cancel()
	reply, err := n.in.scripts.renew.Run(ctx, n.in.o.Urgent,
		[]string{n.key("owner", "lease"), n.key("owner"), n.key("stops"), n.key("events", "last"), n.key("owner", "beat", "lease"), n.key("withdrawn")},
		n.token, n.in.o.Lease.Milliseconds(), n.token+" "+strconv.FormatInt(n.beat, 10)).Slice()
	if errors.Is(err, redis.Nil) {
		return ErrLost
	}
	if err != nil {
		n.doubt.Store(true)
		return err
	}
	n.extend(began)
	if len(reply) != 5 {
		return fmt.Errorf("unexpected reply of %d parts", len(reply))
	}
	n.compare(fmt.Sprint(reply[0]), fmt.Sprint(reply[2]), reply[3] == "1")
	stopped, _ := reply[1].([]any)
	for _, turn := range stopped {
		n.stopTurn(fmt.Sprint(turn))
	}
	withdrawn, _ := reply[4].([]any)
	digests := make([]string, len(withdrawn))
	for k, id := range withdrawn {
		digests[k] = fmt.Sprint(id)
	}
	n.withdrawnNow(digests)
	return nil
}

// compare notes what a renewal found: the id of the newest entry and the beat
// before this one. Where they are older than what was known, the store went
// back.
func (n *tenure) compare(newest, before string, kept bool) {
	last, err := strconv.ParseInt(newest, 10, 64)
	known := n.newest.Swap(last)
	beat, _ := strconv.ParseInt(strings.TrimPrefix(before, n.token+" "), 10, 64) // 0 for another's
	if err == nil && last < known || beat < n.confirmed {
		n.log.Warn("the store went back to an older state; the scope's messages are read again")
		n.doubt.Store(true)
	}
	if kept {
		n.confirmed = n.beat
	}
	n.lookFor(last)
}

// serve works for the scope until the tenure or run ends; then it lets handlers
// finish, for grace at most, and gives the lease up.
func (n *tenure) serve(run context.Context, grace time.Duration) {
	go n.keep()
	ctx, cancel := context.WithCancel(n.alive)
	defer cancel()
	defer context.AfterFunc(run, cancel)()
	n.attend(ctx)
	n.drain(grace)
}

// patientLeases is for how many leases Client may fail before the scope is left
// to others. The lease itself is renewed by connections of its own, so it says
// nothing about those that the work needs.
const patientLeases = 3

// heard notes that Client did what it was asked. A Redis that is full or grants
// too little counts as well: no other process would fare better. Where no reply
// came, what answers next may be a store in another state.
func (n *tenure) heard(err error) {
	if _, replied := errors.AsType[redis.Error](err); err != nil && !replied && !errors.Is(err, context.Canceled) {
		n.doubt.Store(true)
	}
	if err == nil || redis.HasErrorPrefix(err, "OOM") || redis.HasErrorPrefix(err, "NOPERM") {
		n.answered.Store(new(time.Now()))
	}
}

// insist repeats a call to the store until it succeeds, ctx ends or the lease is
// over, which is lost when nothing of the kind has succeeded for long.
func (n *tenure) insist(ctx context.Context, what string, call func(ctx context.Context) error) error {
	began := time.Now()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := call(ctx)
		n.heard(err)
		if err == nil {
			n.in.outage.Note(ctx, nil)
			return context.Cause(ctx)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n.in.outage.Note(ctx, err, "scope", n.scope, "for", what)
		if patience := patientLeases * n.in.o.Lease; time.Since(began) > patience && time.Since(*n.answered.Load()) > patience {
			n.log.ErrorContext(ctx, "the lease is renewed, but nothing else can be asked of the store; the scope is left to others", "for", patience)
			n.lose()
			return ErrLost
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// attend reads the stream whenever something may be new.
func (n *tenure) attend(ctx context.Context) {
	n.look()
	again := time.NewTicker(rereadEvery)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		case <-n.wakeup:
			if n.wanted.Swap(0) <= n.seen.Load() && !n.doubt.Load() {
				continue
			}
		}
		if err := n.insist(ctx, "reading messages", n.read); err != nil {
			return
		}
		n.tell()
		if n.foreign = n.foreigners(); n.foreign {
			return
		}
	}
}

// rereadEvery is how often the whole stream is read, should the store have gone
// back unnoticed. It holds only what is open.
const rereadEvery = 30 * time.Second

// read hands out every entry after the last one read; from the beginning when
// it is time for that, or when the store may have gone back.
func (n *tenure) read(ctx context.Context) error {
	if now := time.Now(); n.doubt.Load() || !now.Before(n.reread) {
		if n.doubt.Swap(false) {
			n.in.forgetScope(n.scope)
		}
		if err := n.recall(ctx); err != nil {
			n.doubt.Store(true)
			return err
		}
		n.last, n.reread = "0-0", now.Add(rereadEvery)
	}
	return n.readOn(ctx)
}

func (n *tenure) readOn(ctx context.Context) error {
	const most = 256
	for {
		streams, err := n.in.o.Client.XRead(ctx, &redis.XReadArgs{
			Streams: []string{n.key("events"), n.last}, Count: most, Block: -1,
		}).Result()
		if errors.Is(err, redis.Nil) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, entry := range streams[0].Messages {
			n.last = entry.ID
			n.seen.Store(entryNumber(entry.ID))
			n.take(ctx, entry)
		}
		if len(streams[0].Messages) < most {
			return nil
		}
	}
}

// handlerPatience is how long handlers may go on after their context ended.
const handlerPatience = 5 * time.Second

// drain ends the tenure in good order: answers may finish, for grace at most,
// and commands are carried out meanwhile.
func (n *tenure) drain(grace time.Duration) {
	n.halt()
	n.finish(grace)
	n.shutIf(true)
	done := make(chan struct{})
	go func() {
		n.handlerWait.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(handlerPatience):
		n.log.Error("a handler does not end although its context has", "turns", n.runningRefs())
	}
	n.lose() // before the next owner can begin: a handler that lingers must do nothing more
	n.release()
	n.expiry.Stop()
}

// finish returns when no handler runs, the lease is lost, or grace is over; then
// it has told the handlers that others go on.
func (n *tenure) finish(grace time.Duration) {
	ctx, cancel := context.WithTimeoutCause(n.alive, grace, ErrHandedOver)
	defer cancel()
	for n.alive.Err() == nil {
		select {
		case <-n.idle:
			if n.shutIf(false) {
				return
			}
		case <-n.wakeup:
			_ = n.insist(ctx, "reading messages", n.read) // ends with ctx, which the next round sees
		case <-ctx.Done():
			if n.alive.Err() == nil {
				n.cancel(ErrHandedOver)
			}
			return
		}
	}
}

// release gives the lease up, so that nobody need wait for its end. A lease
// that another process holds by now is left alone.
func (n *tenure) release() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(n.alive), n.in.o.Lease)
	defer cancel()
	_, err := n.in.scripts.release.Run(ctx, n.in.o.Urgent,
		[]string{n.key("owner", "lease"), n.key("owner")}, n.token, n.in.channel(), n.scope).Int64()
	if err != nil {
		n.log.WarnContext(ctx, "the lease could not be given up; it ends by itself", "error", err)
	}
}

// stopTurn cancels a running handler because a person asked for it.
func (n *tenure) stopTurn(turn string) {
	n.dispatch.mu.Lock()
	defer n.dispatch.mu.Unlock()
	n.stopped[turn] = true
	if cancel := n.cancels[turn]; cancel != nil {
		cancel(chat.ErrStopped)
	}
}
