// Running an inbox: from the first scope it owns to stopping in good order.

package inbox

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
)

// Handler answers one message and closes its turn. When it returns without having
// closed it, the message is tried again after a pause that grows with each
// attempt. Its context ends with ErrLost, ErrHandedOver, chat.ErrStopped or
// chat.ErrWithdrawn as the cause.
type Handler func(ctx context.Context, t *Turn) error

// RunOptions bound what Run does.
type RunOptions struct {
	// Grace is how long running handlers may finish once Run's context has
	// ended, before theirs ends with ErrHandedOver.
	Grace time.Duration
	// Handlers is how many messages of one scope are handled at once, commands
	// apart. 0: 256.
	Handlers int
	// Serves reports whether this process can answer a message: in a rolling
	// deploy it may lack the bot. It makes no call. Nil: it can answer all.
	// A message that it cannot answer stays in the store and never reaches the
	// handler. A scope that holds no others is left to other processes for ForeignFor.
	Serves func(m chat.Message) bool
}

const defaultHandlers = 256

// runner is one call of Run.
type runner struct {
	in      *Inbox
	handler Handler
	o       RunOptions
	wait    sync.WaitGroup

	mu   sync.Mutex           // guards next and left
	next map[string]time.Time // scopes not owned here, and when to try again
	left map[string]left      // scopes left to others
	down bool                 // the store did not answer the last time; discover's goroutine only
	look chan struct{}        // capacity 1: a scope's time has come
}

func (r *runner) serves(m chat.Message) bool { return r.o.Serves == nil || r.o.Serves(m) }

// Run owns scopes and hands their messages to h until ctx ends. From then on it
// starts commands only. Scopes where nothing runs are given up at once, running
// handlers may finish for o.Grace, then the contexts of the rest end, everything
// is given up and Run returns nil. It waits a few seconds at most for handlers
// that ignore their context.
//
// Waiting for work takes one subscribed connection per process and no blocking
// read: a blocking XREAD would hold a connection for every scope.
func (i *Inbox) Run(ctx context.Context, h Handler, o RunOptions) error {
	if o.Handlers <= 0 {
		o.Handlers = defaultHandlers
	}
	r := &runner{in: i, handler: h, o: o, next: map[string]time.Time{}, left: map[string]left{}, look: make(chan struct{}, 1)}
	if !i.running.CompareAndSwap(false, true) {
		return errors.New("the inbox runs already")
	}
	defer i.running.Store(false)
	if err := i.CheckRing(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	// It listens until the last scope is given up, not only until ctx ends.
	serving, served := context.WithCancel(context.WithoutCancel(ctx))
	listener := i.o.Client.Subscribe(serving, i.channel())
	defer listener.Close()
	var listening sync.WaitGroup
	listening.Go(func() { r.listen(serving, listener) })
	r.discover(ctx)
	r.wait.Wait()
	served()
	listening.Wait()
	return nil
}

// listen follows what other processes publish.
func (r *runner) listen(ctx context.Context, s *redis.PubSub) {
	news := s.Channel(redis.WithChannelSize(1024))
	for {
		select {
		case <-ctx.Done():
			return
		case m, ok := <-news:
			if !ok {
				return
			}
			r.handleNews(m.Payload)
		}
	}
}

// handleNews acts on what another process published.
func (r *runner) handleNews(news string) {
	what, rest, _ := strings.Cut(news, " ")
	scope, id, _ := strings.Cut(rest, " ")
	if checkScope(scope) != nil {
		return
	}
	t := r.in.tenure(scope)
	switch {
	case what == "early":
		r.in.withdrawEarly(scope, id)
	case t != nil && what == "stop":
		t.stopTurn(id)
	case t != nil && what == "withdrawn":
		t.withdraw(id)
	case t != nil && what == "wake":
		entry, _ := strconv.ParseInt(id, 10, 64) // 0 from the release before
		t.lookFor(entry)
	case t != nil:
		t.look()
	case what == "free":
		r.consider(scope, true)
	case what == "wake":
		r.consider(scope, false)
	}
}
