// Package background runs work that outlives the request that started it: slow
// commands, forms, the indicator that an answer is being prepared.
package background

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"parley/internal/fault"
)

// Group is background work in progress. Its methods are safe for concurrent
// use.
type Group struct {
	log *slog.Logger

	mu    sync.Mutex
	open  map[*task]bool
	late  bool          // the grace period is over
	ended chan struct{} // closed when the last piece ends; nil while nobody waits
}

type task struct{ cancel context.CancelFunc }

// New makes a group that logs panics in its work.
func New(log *slog.Logger) *Group { return &Group{log: log, open: map[*task]bool{}} }

// Go runs work in a goroutine. Its context has the values of ctx but does not
// end with it: it ends after limit, or when the grace period is over. A panic
// is logged.
func (g *Group) Go(ctx context.Context, limit time.Duration, work func(ctx context.Context)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	t := &task{cancel}
	g.begin(t)
	go func() {
		defer g.end(t)
		if err := fault.Guard(func() error { work(ctx); return nil }); err != nil {
			g.log.ErrorContext(ctx, "a defect ended work in the background", "error", err)
		}
	}()
}

func (g *Group) begin(t *task) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open[t] = true
	if g.late {
		t.cancel()
	}
}

func (g *Group) end(t *task) {
	t.cancel()
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.open, t)
	if len(g.open) == 0 && g.ended != nil {
		close(g.ended)
		g.ended = nil
	}
}

// Finish waits for all work, including work that starts meanwhile. It cancels
// what is not done within grace, and waits for that too.
func (g *Group) Finish(grace time.Duration) {
	ended := g.idle()
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-ended:
		return
	case <-t.C:
	}
	g.mu.Lock()
	g.late = true
	for t := range g.open {
		t.cancel()
	}
	g.mu.Unlock()
	<-ended
}

// idle returns a channel that is closed once no work is running.
func (g *Group) idle() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended != nil {
		return g.ended
	}
	ended := make(chan struct{})
	if len(g.open) == 0 {
		close(ended)
	} else {
		g.ended = ended
	}
	return ended
}
