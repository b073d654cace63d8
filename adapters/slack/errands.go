// Work that outlives the request that began it: slow commands, forms, the signs
// that an answer is being prepared.

package slack

import (
	"context"
	"sync"
	"time"
)

// errands are the pieces of such work under way.
type errands struct {
	mu   sync.Mutex
	next int
	open map[int]context.CancelFunc
	idle chan struct{} // closed when the last one ends; nil while nobody waits
}

// begin notes one more; its cancel is called when the time to finish is over.
// The result must be called at its end.
func (e *errands) begin(cancel context.CancelFunc) (done func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.open == nil {
		e.open = map[int]context.CancelFunc{}
	}
	e.next++
	n := e.next
	e.open[n] = cancel
	return func() {
		cancel()
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.open, n)
		if len(e.open) == 0 && e.idle != nil {
			close(e.idle)
			e.idle = nil
		}
	}
}

// finish waits for all of them, cancels what is not done within grace, and
// waits for that too.
func (e *errands) finish(grace time.Duration) {
	e.mu.Lock()
	if len(e.open) == 0 {
		e.mu.Unlock()
		return
	}
	if e.idle == nil {
		e.idle = make(chan struct{})
	}
	idle := e.idle
	e.mu.Unlock()
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-idle:
		return
	case <-t.C:
	}
	e.mu.Lock()
	for _, cancel := range e.open {
		cancel()
	}
	e.mu.Unlock()
	<-idle
}
