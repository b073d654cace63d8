// A tenure: the time in which this process owns a scope, from taking it to
// giving it up.

package inbox

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// tenure owns one scope until its lease is lost or given up. Its goroutines
// are serve, which reads and hands out, keepLease, and one per running handler.
type tenure struct {
	in    *Inbox
	r     *runner
	scope string
	log   *slog.Logger

	lease
	reader
	answered atomic.Pointer[time.Time] // when Client last did what it was asked
	yielded  bool                      // it ends because others should have the scope; serve's goroutine only

	dispatch
	handlers sync.WaitGroup
}

// newTenure is the tenure of a lease that was just taken.
func newTenure(ctx context.Context, r *runner, scope, token string) *tenure {
	n := &tenure{in: r.in, r: r, scope: scope, log: r.in.o.Log.With("scope", scope), dispatch: newDispatch()}
	n.token = token
	n.alive, n.lost = context.WithCancelCause(context.WithoutCancel(ctx))
	n.work, n.endWork = context.WithCancelCause(n.alive)
	n.expiry = time.AfterFunc(time.Hour, n.lose)
	n.wakeup, n.last = make(chan struct{}, 1), "0-0"
	n.noteStoreResult(nil)
	return n
}

func (n *tenure) key(parts ...string) string { return n.in.ScopeKey(n.scope, parts...) }

// serve works for the scope until the tenure or run ends; then it lets handlers
// finish, for grace at most, and gives the lease up.
func (n *tenure) serve(run context.Context, grace time.Duration) {
	go n.keepLease()
	ctx, cancel := context.WithCancel(n.alive)
	defer cancel()
	defer context.AfterFunc(run, cancel)()
	n.follow(ctx)
	n.drain(grace)
}

// handlerPatience is how long handlers may go on after their context ended.
const handlerPatience = 5 * time.Second

// drain ends the tenure in good order: answers may finish, for grace at most,
// and commands are still carried out meanwhile.
func (n *tenure) drain(grace time.Duration) {
	n.halt()
	n.finish(grace)
	n.shutIf(true)
	done := make(chan struct{})
	go func() {
		n.handlers.Wait()
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
// the handlers' context has ended with ErrHandedOver.
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
			_ = n.retry(ctx, "reading messages", n.read) // ends with ctx, which the next round sees
		case <-ctx.Done():
			if n.alive.Err() == nil {
				n.endWork(ErrHandedOver)
			}
			return
		}
	}
}
