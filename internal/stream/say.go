// A message that says one thing and never grows.

package stream

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"parley/internal/chat"
)

// Say says c for a turn that has no answer, or none any more, and blocks until
// the platform has it or has said a permanent no, a *chat.Refusal. Rate limits
// are waited for, and errors that may pass are tried again for as long as ctx
// lives. As a rule it is one post, recorded before and after as an answer's
// are. Where earlier attempts have posted, c is the end of their
// messages, below stood, which people have read of the answer; what does not fit
// one message, or is not taken as one, goes the way of an answer too. Of c, Key
// and After are set here.
func (s *Scheduler) Say(ctx context.Context, j Job, stood string, c chat.Content) error {
	j.Stop, j.Menu, j.Buttons, j.Only = false, c.Menu, c.Buttons, c.Only
	if len(j.Posted) == 0 && fits(j.Responder.Limits(), c.Markdown) {
		p, err := s.say(ctx, j, c)
		if !errors.Is(err, errAltered) && !chat.Refused(err, chat.TooLong, chat.Invalid) {
			return err
		}
		j.Posted = []Posted{p}
	}
	a := s.Open(ctx, j)
	a.Append(stood)
	_, err := a.Finish(ctx, End{Note: c.Markdown})
	return err
}

func fits(l chat.Limits, text string) bool {
	size := utf8.RuneCountInString(text)
	if l.Measure != nil {
		size = l.Measure(text)
	}
	return size <= l.Size
}

// errAltered says that a message stands with another text than was posted.
var errAltered = errors.New("the platform shows another text than it was sent")

// plain is one post on its way.
type plain struct {
	s           *Scheduler
	job         Job
	content     chat.Content
	own, global *budget

	posted  Posted
	altered bool
}

// say posts a message and gives what was written down of it, also with an error.
func (s *Scheduler) say(ctx context.Context, j Job, c chat.Content) (Posted, error) {
	limits := j.Responder.Limits()
	learned := s.recall(ctx, limits)
	s.mu.Lock()
	own, global := s.limit("posts", limits.Posts, learned), s.limit("global", limits.Global, learned)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.release(own, global)
		s.mu.Unlock()
	}()
	c.Key, c.Final = j.Turn+"-0", true
	p := &plain{s: s, job: j, content: c, own: own, global: global, posted: Posted{Key: c.Key, Pending: true}}
	for _, step := range []func(context.Context) error{p.record, p.post, p.record} {
		if err := p.insist(ctx, step); err != nil {
			return p.posted, err
		}
	}
	if p.altered {
		return p.posted, errAltered
	}
	return p.posted, nil
}

// insist takes a step until it succeeds or never will.
func (p *plain) insist(ctx context.Context, step func(context.Context) error) error {
	for failures := 0; ; {
		err := step(ctx)
		if _, limited := errors.AsType[*chat.RateLimited](err); limited {
			continue // the limit waits
		}
		if lost, ok := errors.AsType[*lostError](err); ok {
			return lost.err
		}
		switch {
		case err == nil, chat.Refused(err), errors.Is(err, ErrClosed):
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		failures++
		pause := backoff(failures)
		p.s.log.Warn("a platform call failed and will be tried again",
			"turn", p.job.Turn, "call", "post", "attempt", failures, "wait", pause, "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// record writes down that the post is about to be made, and that it was: as the
// last of the turn unless it shows another text.
func (p *plain) record(ctx context.Context) error {
	switch {
	case p.posted.ID != "" && !p.altered && p.job.Hold != nil:
		p.job.Hold(p.posted)
		return nil
	case p.job.Record != nil:
		return p.job.Record(ctx, p.posted)
	}
	return nil
}

// post makes one call, once the limits allow it.
func (p *plain) post(ctx context.Context) (err error) {
	s := p.s
	taken, err := s.take(ctx, p.own, p.global)
	if err != nil {
		return err
	}
	defer s.calls.Done()
	err = errors.New("the call did not come back")
	defer func() {
		s.mu.Lock()
		now := time.Now()
		s.settle(&taken, err, now)
		s.schedule(now)
		s.mu.Unlock()
		s.remember(context.WithoutCancel(ctx))
	}()
	receipt, err := p.call(ctx, &taken)
	if err != nil {
		_, limited := errors.AsType[*chat.RateLimited](err)
		p.content.Again = p.content.Again || taken.made && !limited && !chat.Refused(err) // it may have happened
		return err
	}
	p.altered = receipt.Differs
	p.posted = Posted{Key: p.posted.Key, ID: receipt.ID, Length: utf8.RuneCountInString(p.content.Markdown)}
	return nil
}

func (p *plain) call(ctx context.Context, taken *claim) (chat.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if p.job.Guard != nil {
		guarded, release, err := p.job.Guard(ctx)
		if err != nil {
			return chat.Receipt{}, &lostError{err}
		}
		defer release()
		ctx = guarded
	}
	p.s.metrics.Call(p.job.Platform, "post", finish.String())
	taken.made = true
	receipt, err := p.job.Responder.Post(ctx, p.content)
	taken.rate = receipt.Rate
	return receipt, err
}

// take waits until a call may begin that draws on two limits, and begins it. The
// caller settles the claim, and tells calls that it is done.
func (s *Scheduler) take(ctx context.Context, own, global *budget) (claim, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		now := time.Now()
		first, ok := global.when(1, now)
		at, free := own.when(1, now)
		switch at = later(at, first); {
		case s.closed:
			return claim{}, ErrClosed
		case ctx.Err() != nil:
			return claim{}, context.Cause(ctx)
		case ok && free && !at.After(now):
			s.calls.Add(1)
			return claimOf(own, global, now), nil
		}
		var due <-chan time.Time // nil while it hangs on a call in flight
		if ok && free {
			due = time.After(at.Sub(now))
		}
		ended := make(chan struct{})
		s.waiting = append(s.waiting, ended)
		s.mu.Unlock()
		select {
		case <-due:
		case <-ended:
		case <-ctx.Done():
		}
		s.mu.Lock()
	}
}

// wakeWaiting lets those who wait for a limit look again. The lock is held.
func (s *Scheduler) wakeWaiting() {
	for _, ended := range s.waiting {
		close(ended)
	}
	s.waiting = nil
}
