// Running: finding scopes without an owner, owning them, and stopping in good
// order.

package inbox

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
)

// Handler answers one message. It ends by t.Close; when it returns without
// having closed the turn, the message is tried again after a pause that grows
// with each attempt. Its context ends with ErrLost, ErrHandedOver or
// chat.ErrStopped as the cause.
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
	// deploy it may lack the bot. It does no call. Nil: it can answer all.
	// A message that cannot be answered stays in the store and never gets to the
	// handler. A scope with no others is left to other processes for ForeignFor.
	Serves func(m chat.Message) bool
}

const (
	defaultHandlers = 256
	// scopesEvery is how often the set of scopes is read; a new one is
	// published as well.
	scopesEvery = time.Second
	// retryOwned is the pause after a failed attempt to own a scope.
	retryOwned = 200 * time.Millisecond
	// foreignPause is how long a scope is left to others of which nothing can be
	// answered here. It doubles up to longestForeignPause while nothing else
	// comes.
	foreignPause        = 5 * time.Second
	longestForeignPause = 30 * time.Second
)

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

// left says how a scope is left to others.
type left struct {
	pause time.Duration
	until time.Time // zero: it is not
	news  time.Time // when a new message may end it
}

// Run owns scopes and hands their messages to h until ctx ends. Then it takes
// commands only, gives up scopes where nothing runs at once, lets running
// handlers finish for o.Grace, ends the context of the rest, gives up what it
// still owns and returns nil. It waits at most a few seconds more for handlers
// that do not heed their context.
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
	// Scopes are served, and so listened for, until the last is given up.
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

// handleNews does what another process has published.
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

// consider notes a scope that is not owned here; now says that its owner has
// just given it up.
func (r *runner) consider(scope string, now bool) {
	r.mu.Lock()
	at, known := r.next[scope]
	l := r.left[scope]
	sooner := !now && time.Now().Before(l.until) && l.news.Before(at)
	switch {
	case now || !known:
		r.next[scope] = l.until
	case sooner:
		r.next[scope] = l.news
	}
	r.mu.Unlock()
	if now || !known || sooner {
		select {
		case r.look <- struct{}{}:
		default:
		}
	}
}

// discover tries to own scopes as their leases end.
func (r *runner) discover(ctx context.Context) {
	var listed time.Time
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.look:
		case <-timer.C:
		}
		if time.Since(listed) >= scopesEvery {
			scopes, err := r.in.o.Client.SMembers(ctx, r.in.scopesKey()).Result()
			r.report(ctx, err)
			for _, s := range scopes {
				r.note(s)
			}
			listed = time.Now()
		}
		r.claim(ctx)
		timer.Reset(r.pause())
	}
}

// report logs when the store stops answering and when it answers again, not
// every attempt in between.
func (r *runner) report(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	switch {
	case err != nil && !r.down:
		r.in.o.Log.ErrorContext(ctx, "the store does not answer; scopes are taken once it does", "error", err)
	case err == nil && r.down:
		r.in.o.Log.InfoContext(ctx, "the store answers again")
	}
	r.down = err != nil
}

// note adds a scope unless it is known.
func (r *runner) note(scope string) {
	if r.in.tenure(scope) != nil || checkScope(scope) != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.next[scope]; !ok {
		r.next[scope] = r.left[scope].until
	}
}

// pause is until the next scope's time comes.
func (r *runner) pause() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	pause := scopesEvery
	for _, at := range r.next {
		pause = min(pause, time.Until(at))
	}
	return max(pause, time.Millisecond)
}

// claim tries to own every scope whose time has come.
func (r *runner) claim(ctx context.Context) {
	now := time.Now()
	var due []string
	r.mu.Lock()
	for scope, at := range r.next {
		if !at.After(now) {
			due = append(due, scope)
		}
	}
	r.mu.Unlock()
	if len(due) == 0 {
		return
	}
	leases := make(map[string]*redis.DurationCmd, len(due))
	_, err := r.in.o.Client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, scope := range due {
			leases[scope] = p.PTTL(ctx, r.in.ScopeKey(scope, "owner", "lease"))
		}
		return nil
	})
	r.report(ctx, err)
	for scope, lease := range leases {
		left, err := lease.Result()
		switch {
		case err != nil:
			r.again(scope, retryOwned)
		case left > 0:
			r.again(scope, left+time.Millisecond)
		default:
			r.own(ctx, scope)
		}
	}
}

func (r *runner) again(scope string, in time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next[scope] = time.Now().Add(in)
}

// own tries to acquire scope and serves it until it is lost.
func (r *runner) own(ctx context.Context, scope string) {
	t, err := r.acquire(ctx, scope)
	r.report(ctx, err)
	if err != nil {
		r.again(scope, retryOwned)
		return
	}
	if t == nil {
		r.again(scope, retryOwned)
		return
	}
	r.mu.Lock()
	delete(r.next, scope)
	before := r.left[scope].pause
	delete(r.left, scope)
	r.mu.Unlock()
	taken := time.Now()
	r.in.mu.Lock()
	r.in.owned[scope] = t
	r.in.mu.Unlock()
	t.log.DebugContext(ctx, "scope taken", "lease", t.token)
	r.wait.Go(func() {
		t.serve(ctx, r.o.Grace)
		if t.yielded {
			if time.Since(taken) > foreignPause {
				before = 0 // it was of use meanwhile
			}
			r.leave(scope, before)
		}
		r.in.mu.Lock()
		delete(r.in.owned, scope)
		r.in.mu.Unlock()
		if ctx.Err() != nil {
			return
		}
		if t.yielded {
			t.log.DebugContext(ctx, "scope left to others: this process has no bot for it")
		} else {
			t.log.WarnContext(ctx, "scope lost", "reason", fmt.Sprint(context.Cause(t.alive)))
		}
		r.consider(scope, true)
	})
}

// leave notes that a scope is left to others, longer than before.
func (r *runner) leave(scope string, before time.Duration) {
	pause := min(max(2*before, foreignPause), longestForeignPause)
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left[scope] = left{pause: pause, until: now.Add(pause), news: now.Add(foreignPause)}
}

func (r *runner) serves(m chat.Message) bool { return r.o.Serves == nil || r.o.Serves(m) }
