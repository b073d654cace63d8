// Finding scopes that have no owner, and owning them.

package inbox

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// scopesEvery is how often the set of scopes is read. A new scope is published
	// as well.
	scopesEvery = time.Second
	// retryOwned is the pause after a failed attempt to own a scope.
	retryOwned = 200 * time.Millisecond
	// foreignPause is how long a scope is left to others when nothing in it can be
	// answered here. It doubles up to longestForeignPause while nothing else comes.
	foreignPause        = 5 * time.Second
	longestForeignPause = 30 * time.Second
)

// left says how a scope is left to others.
type left struct {
	pause time.Duration
	until time.Time // zero: it is not
	news  time.Time // from when on a new message ends it
}

// consider notes news of a scope that is not owned here. Now means that its owner
// has just given it up.
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

// discover claims scopes as their leases end, until ctx does.
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

// note adds a scope that was not known.
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

// pause is how long to wait for the next scope that is due.
func (r *runner) pause() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	pause := scopesEvery
	for _, at := range r.next {
		pause = min(pause, time.Until(at))
	}
	return max(pause, time.Millisecond)
}

// claim tries to own every scope that is due.
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
			r.tryAgain(scope, retryOwned)
		case left > 0:
			r.tryAgain(scope, left+time.Millisecond)
		default:
			r.own(ctx, scope)
		}
	}
}

// tryAgain sets when to look at a scope again.
func (r *runner) tryAgain(scope string, in time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next[scope] = time.Now().Add(in)
}

// own tries to acquire scope and serves it in the background until it is lost.
func (r *runner) own(ctx context.Context, scope string) {
	t, err := r.acquire(ctx, scope)
	r.report(ctx, err)
	if err != nil || t == nil {
		r.tryAgain(scope, retryOwned)
		return
	}
	r.mu.Lock()
	delete(r.next, scope)
	before := r.left[scope].pause
	delete(r.left, scope)
	r.mu.Unlock()
	r.in.setTenure(scope, t)
	t.log.DebugContext(ctx, "scope taken", "lease", t.token)
	r.wait.Go(func() { r.serve(ctx, t, before) })
}

// serve serves a scope that was left to others for the time of before, if at all.
func (r *runner) serve(ctx context.Context, t *tenure, before time.Duration) {
	taken := time.Now()
	t.serve(ctx, r.o.Grace)
	if t.yielded {
		if time.Since(taken) > foreignPause {
			before = 0 // there was something to do here
		}
		r.leave(t.scope, before)
	}
	r.in.setTenure(t.scope, nil)
	if ctx.Err() != nil {
		return
	}
	if t.yielded {
		t.log.DebugContext(ctx, "scope left to others: this process has no bot for it")
	} else {
		t.log.WarnContext(ctx, "scope lost", "reason", fmt.Sprint(context.Cause(t.alive)))
	}
	r.consider(t.scope, true)
}

// leave leaves a scope to others, for longer than the last time.
func (r *runner) leave(scope string, before time.Duration) {
	pause := min(max(2*before, foreignPause), longestForeignPause)
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left[scope] = left{pause: pause, until: now.Add(pause), news: now.Add(foreignPause)}
}
