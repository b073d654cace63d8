// A turn: one message being answered, and its calls to the platform.

package inbox

import (
	"context"
	"sync"

	"parley/internal/chat"
)

// Turn is a message to answer, and the means to answer it only once.
type Turn struct {
	ID      string // unique, stable over takeovers; 16 letters and digits
	Ref     string // "ref-" and 8 digits, stable too: for the person and the log
	Message chat.Message
	Posted  []Part // what an earlier process or attempt posted, in order
	Attempt int    // 1 the first time; grows over errors, crashes and handovers

	tenure *tenure
	entry  string

	mu      sync.Mutex
	journal journal
	closed  bool
}

// Guard returns a context for one call to the platform. It ends before this
// process's lease does, with ErrLost as its cause. The error is ErrLost when the
// lease is already over.
func (t *Turn) Guard(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if t.tenure.expired() {
		t.tenure.lose()
		return ctx, func() {}, ErrLost
	}
	guarded, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(t.tenure.alive, func() { cancel(ErrLost) })
	return guarded, func() {
		stop()
		cancel(context.Canceled)
	}, nil
}
