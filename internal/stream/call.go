// Carrying out one call, and what follows from the platform's answer.

package stream

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"parley/internal/chat"
	"parley/internal/fault"
)

const (
	// callTimeout ends a call the platform does not answer.
	callTimeout = 20 * time.Second
	// The back-off after errors that may pass.
	shortestRetry = 250 * time.Millisecond
	longestRetry  = 10 * time.Second
	// smallest is the size below which a message is not cut further after the
	// platform found it too long.
	smallest = 100
)

// call is one call in flight. Only its goroutine touches the answer's messages
// and cuts while it runs.
type call struct {
	candidate
	claim    // nothing when only a record is owed
	s        *Scheduler
	post     bool // the message does not stand yet
	size     int  // what a message measures that was found too long
	tidying  bool // the answer stands: the call is about what is left beside it
	mustEnd  bool // it found that the stream must be ended first
	panicked bool // the call did not come back, and would not another time
}

// start begins a call. The lock is held.
func (s *Scheduler) start(best candidate, now time.Time) {
	a := best.a
	c := &call{candidate: best, s: s}
	a.busy = true
	if a.owed == nil {
		c.post, c.claim = a.posting(), claimOf(a.budget(best.way), a.global, now)
		if best.purpose == growth {
			c.own.grown = now
		}
		a.wrote = now
		switch {
		case best.way == byStart:
			a.enter(streaming)
			a.appends.owed++
			a.ends.owed++
		case c.post && !best.chunk && !a.finished() && a.phase == unposted:
			a.enter(growing)
			a.edits.owed++
		}
	}
	c.tidying = a.phase == tidying
	s.calls.Go(func() {
		c.done(c.guarded())
		s.remember(context.WithoutCancel(a.ctx))
	})
}

// guarded is do. A defect in rendering one answer ends that answer, not the
// process and everybody's with it.
func (c *call) guarded() (err error) {
	defer func() {
		if defect := fault.Recovered(recover()); defect != nil {
			c.s.log.Error("a platform call panicked", "turn", c.a.job.Turn, "error", defect)
			err = &chat.Refusal{Reason: chat.Invalid, Err: errors.New("panic")}
			c.panicked = true
		}
	}()
	return c.do()
}

// done hands the answer back to the schedule.
func (c *call) done(err error) {
	s, a := c.s, c.a
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(&c.claim, err, now)
	a.busy = false
	if a.rewritten {
		a.rewrite()
	}
	switch {
	case a.phase == over:
		close(a.ended)
	case c.panicked:
		a.fail(err)
	case a.phase == leaving:
		a.fail(a.err)
	case err != nil:
		c.failed(err, now)
	default:
		a.failures, a.retryAt = 0, time.Time{}
		if c.mustEnd {
			a.enter(closing)
		}
		if a.phase == tidying && a.owed == nil && a.message >= len(a.messages) && a.leftover() == nil {
			if !a.lastToken.IsZero() {
				s.metrics.Final(a.job.Platform, now.Sub(a.lastToken))
			}
			a.end(nil)
		}
	}
	a.look()
	s.schedule(now)
}

// failed decides what an error means for the answer. The lock is held.
func (c *call) failed(err error, now time.Time) {
	a := c.a
	if _, ok := errors.AsType[*chat.RateLimited](err); ok {
		return // the limit waits, and the answer with it
	}
	if lost, ok := errors.AsType[*lostError](err); ok {
		a.fail(lost.err)
		return
	}
	if c.made && a.owed == nil && c.way.native() && c.unstreamed(err) {
		return
	}
	if refusal, ok := errors.AsType[*chat.Refusal](err); ok {
		c.refused(refusal)
		return
	}
	a.failures++
	wait := backoff(a.failures)
	a.retryAt = now.Add(wait)
	c.s.log.Warn("a platform call failed and will be tried again",
		"turn", a.job.Turn, "call", c.kind(), "attempt", a.failures, "wait", wait, "error", err)
}

// backoff is how long to wait after so many failures in a row.
func backoff(failures int) time.Duration {
	wait := min(longestRetry, shortestRetry<<min(failures-1, 10))
	return wait/2 + rand.N(wait/2+1)
}

// refused turns a platform's permanent no into another way, where there is
// one. The lock is held.
func (c *call) refused(r *chat.Refusal) {
	a, m := c.a, c.a.current()
	log := c.s.log.With("turn", a.job.Turn, "call", c.kind(), "reason", r.Reason)
	switch {
	case a.upload && r.Reason != chat.Gone && r.Reason != chat.Blocked && a.rejected != textRejected:
		log.Warn("no file could be uploaded; the rest is posted", "error", r.Err)
		a.upload, a.max = false, math.MaxInt
	case r.Reason == chat.TooLong && c.size > smallest:
		log.Info("a message was too long; it is cut smaller", "size", c.size)
		a.cut.Shrink(a.part, c.size*3/4)
		a.floor = 0
	case r.Reason == chat.EditClosed && m != nil && !c.post:
		log.Info("a message can be edited no more; the text is posted anew")
		// Whoever goes on with this answer must know before it is taken back.
		m.Stuck = true
		owed := m.Posted
		a.owed = &owed
		a.covered, a.floor = a.cut.From(a.part), 0
	case r.Reason == chat.Gone, r.Reason == chat.NoAccess, r.Reason == chat.Blocked, a.rejected == textRejected:
		a.fail(r)
	case !a.finished():
		log.Error("the platform calls the text invalid; it is tried again when it is whole", "error", r.Err)
		a.rejected = growthRejected
	default:
		log.Error("the platform calls the text invalid; it becomes a file", "error", r.Err)
		a.rejected, a.max = textRejected, a.part
	}
}

func (c *call) kind() string {
	switch {
	case c.a.upload:
		return "upload"
	case c.way.native():
		return c.way.String()
	case c.post:
		return "post"
	}
	return "edit"
}

// label is what the call is for, in the words of the metrics.
func (c *call) label() string {
	if c.post && c.a.shown {
		return "continuation"
	}
	return c.purpose.String()
}

// lostError says that the answer belongs to someone else now.
type lostError struct{ err error }

func (e *lostError) Error() string { return "the answer is written elsewhere: " + e.err.Error() }

// do carries out the call.
func (c *call) do() error {
	a := c.a
	if a.owed != nil {
		return a.record(a.ctx, *a.owed)
	}
	ctx, cancel := context.WithTimeout(a.ctx, callTimeout)
	defer cancel()
	if a.job.Guard != nil {
		guarded, release, err := a.job.Guard(ctx)
		if err != nil {
			return &lostError{err}
		}
		defer release()
		ctx = guarded
	}
	if a.outdated() {
		return nil
	}
	switch {
	case c.tidying:
		return c.tidy(ctx)
	case a.part >= a.max:
		return c.file(ctx)
	}
	if c.way == byEnd && !a.current().known {
		return c.close(ctx)
	}
	d, ok := c.draft()
	if !ok {
		return nil
	}
	if c.way == byEnd && !strings.HasPrefix(d.text, a.current().text) {
		return c.close(ctx) // and an edit puts it right
	}
	if c.post {
		if err := a.announce(ctx, d.raw); err != nil {
			return err
		}
	}
	return c.write(ctx, d)
}

// outdated reports whether the text was retracted since the call was chosen.
func (a *Answer) outdated() bool {
	a.sched.mu.Lock()
	defer a.sched.mu.Unlock()
	return a.rewritten
}

// platform makes one call.
func (c *call) platform(ctx context.Context, f func(ctx context.Context) (chat.Receipt, error)) (chat.Receipt, error) {
	c.s.metrics.Call(c.a.job.Platform, c.kind(), c.label())
	c.made = true
	receipt, err := f(ctx)
	c.rate = receipt.Rate
	return receipt, err
}
