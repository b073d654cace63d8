// The lease on a scope: taking it, renewing it, and knowing when it is over.

package inbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// lease is one process's right to a scope.
type lease struct {
	token string // "epoch.nonce": fences every write

	// alive ends with ErrLost when the lease is over: from then on nothing may be
	// posted. work is its child, the handlers' context, and also ends when they
	// must hand over.
	alive   context.Context
	lost    context.CancelCauseFunc
	work    context.Context
	endWork context.CancelCauseFunc

	deadline atomic.Pointer[time.Time] // when the lease ends, less a margin
	expiry   *time.Timer               // calls lose at the deadline

	beat      int64 // number of the last renewal; keepLease's goroutine only
	confirmed int64 // the last renewal known to be stored; likewise
}

// margin is how much earlier than in Redis a lease ends here.
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
	n := newTenure(ctx, r, scope, token)
	n.extend(began)
	return n, nil
}

// extend moves the deadline after a call that set or renewed the lease and
// began at began.
func (n *tenure) extend(began time.Time) {
	end := began.Add(n.in.o.Lease - n.in.margin())
	n.deadline.Store(&end)
	n.expiry.Reset(time.Until(end))
}

// expired reports whether the lease may have ended. It compares both clocks: the
// monotonic one stops while a machine sleeps, the wall clock can be set.
func (l *lease) expired() bool {
	if l.alive.Err() != nil {
		return true
	}
	end, now := *l.deadline.Load(), time.Now()
	return now.After(end) || now.Round(0).After(end.Round(0))
}

// lose ends the tenure: the contexts of its handlers end with ErrLost.
func (l *lease) lose() { l.lost(ErrLost) }

// keepLease renews the lease until the tenure ends.
func (n *tenure) keepLease() {
	every := n.in.o.Lease / 4
	timer := time.NewTimer(every)
	defer timer.Stop()
	for failing := false; ; {
		select {
		case <-n.alive.Done():
			return
		case <-timer.C:
		}
		if n.expired() {
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

// renew renews the lease once. The reply also carries what this process may not
// have heard of: new messages, stopped turns, deleted questions.
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
		n.resync.Store(true)
		return err
	}
	n.extend(began)
	if len(reply) != 5 {
		return fmt.Errorf("unexpected reply of %d parts", len(reply))
	}
	n.compare(fmt.Sprint(reply[0]), fmt.Sprint(reply[2]), reply[3] == "1")
	for _, turn := range texts(reply[1]) {
		n.stopTurn(turn)
	}
	n.replaceWithdrawn(texts(reply[4]))
	return nil
}

func texts(reply any) []string {
	list, _ := reply.([]any)
	out := make([]string, len(list))
	for k, v := range list {
		out[k] = fmt.Sprint(v)
	}
	return out
}

// compare looks at what a renewal found: the number of the newest entry and the
// beat before this one. Where either is older than what was known, the store
// went back.
func (n *tenure) compare(newest, before string, kept bool) {
	last, err := strconv.ParseInt(newest, 10, 64)
	known := n.newest.Swap(last)
	beat, _ := strconv.ParseInt(strings.TrimPrefix(before, n.token+" "), 10, 64) // 0 for another owner's
	if err == nil && last < known || beat < n.confirmed {
		n.log.Warn("the store went back to an older state; the scope's messages are read again")
		n.resync.Store(true)
	}
	if kept {
		n.confirmed = n.beat
	}
	n.lookFor(last)
}

// release gives the lease up, so that nobody has to wait for its end. A lease
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
