// Reading a scope's stream, and asking the store again when it fails.

package inbox

import (
	"context"
	"errors"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// rereadEvery is how often the whole stream is read, in case the store went back
// unnoticed. It holds only what is open.
const rereadEvery = 30 * time.Second

// patientLeases is for how many leases Client may fail before the scope is left
// to others. The lease is renewed over connections of its own, so that it says
// nothing about those that the work needs.
const patientLeases = 3

// reader is a tenure's place in the stream.
type reader struct {
	wakeup chan struct{} // capacity 1
	wanted atomic.Int64  // the newest entry that wakeup is about
	seen   atomic.Int64  // the newest entry read
	newest atomic.Int64  // the newest entry, as the last renewal said
	resync atomic.Bool   // the store may have gone back: read everything again

	last   string    // id of the last entry read; serve's goroutine only
	reread time.Time // when to read the whole stream again; likewise
}

// lookFor asks for a look at the stream, unless the entry with this number has
// been read when it comes to that; 0 where the number is not known. A message
// is announced more than once: by this process, by the channel, by a renewal.
func (s *reader) lookFor(entry int64) {
	if entry == 0 {
		entry = math.MaxInt64
	}
	for {
		wanted := s.wanted.Load()
		if entry <= wanted || s.wanted.CompareAndSwap(wanted, entry) {
			break
		}
	}
	select {
	case s.wakeup <- struct{}{}:
	default:
	}
}

// look asks for a look at the stream.
func (s *reader) look() { s.lookFor(0) }

// follow hands out messages whenever there may be new ones, until ctx ends or
// the scope should be left to other processes.
func (n *tenure) follow(ctx context.Context) {
	n.look()
	again := time.NewTicker(rereadEvery)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		case <-n.wakeup:
			if n.wanted.Swap(0) <= n.seen.Load() && !n.resync.Load() {
				continue
			}
		}
		if err := n.retry(ctx, "reading messages", n.read); err != nil {
			return
		}
		n.reportForeign()
		if n.yielded = n.shouldYield(); n.yielded {
			return
		}
	}
}

// read hands out every entry after the last one read. It starts from the
// beginning when that is due, or when the store may have gone back.
func (n *tenure) read(ctx context.Context) error {
	if now := time.Now(); n.resync.Load() || !now.Before(n.reread) {
		if n.resync.Swap(false) {
			n.in.forgetScope(n.scope)
		}
		if err := n.recall(ctx); err != nil {
			n.resync.Store(true)
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

// entryNumber is the number of an entry "n-0", which is the time it was stored.
func entryNumber(entry string) int64 {
	ms, _, _ := strings.Cut(entry, "-")
	n, _ := strconv.ParseInt(ms, 10, 64)
	return n
}

// noteStoreResult keeps track of whether Client does what it is asked. A Redis
// that is full or grants too little counts as working: no other process would
// fare better. After a call without a reply, the store may be in another state.
func (n *tenure) noteStoreResult(err error) {
	if _, replied := errors.AsType[redis.Error](err); err != nil && !replied && !errors.Is(err, context.Canceled) {
		n.resync.Store(true)
	}
	if err == nil || redis.HasErrorPrefix(err, "OOM") || redis.HasErrorPrefix(err, "NOPERM") {
		n.answered.Store(new(time.Now()))
	}
}

// retry repeats a call to the store until it succeeds, ctx ends or the lease is
// over. The lease is given up when no call has succeeded for long.
func (n *tenure) retry(ctx context.Context, what string, call func(ctx context.Context) error) error {
	began := time.Now()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := call(ctx)
		n.noteStoreResult(err)
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
