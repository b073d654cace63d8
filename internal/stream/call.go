// Carrying out one call: rendering, the platform, and what follows from its
// answer.

package stream

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"parley/internal/chat"
)

const (
	// callTimeout ends a call the platform does not answer.
	callTimeout = 20 * time.Second
	// The back-off after errors that may pass.
	shortestRetry = 250 * time.Millisecond
	longestRetry  = 10 * time.Second
)

// Remainders of an earlier attempt that was longer are deleted where the
// Responder is a chat.Remover, and say this elsewhere.
const surplusText = "_(continued above)_"

// call is one call in flight.
type call struct {
	a       *Answer
	purpose purpose
	post    bool
	own     *budget
	made    bool // the platform was called
}

// start begins the answer's next call. The lock is held.
func (s *Scheduler) start(a *Answer, p purpose, now time.Time) {
	a.busy = true
	c := &call{a: a, purpose: p}
	if a.owed == nil {
		c.post, c.own = a.posting(), a.budgetOf()
		c.own.begin()
		a.global.begin()
		if p == growth {
			c.own.grown = now
		}
		a.wrote = now
	}
	go c.run(s)
}

// run makes the call and hands the answer back to the schedule.
func (c *call) run(s *Scheduler) {
	rate, err := c.do(s)
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	a := c.a
	a.busy = false
	if a.over {
		close(a.ended)
	}
	if c.own != nil {
		for _, b := range []*budget{c.own, a.global} {
			if c.made {
				b.end(now)
			} else {
				b.cancel()
			}
		}
		c.own.hear(rate, now)
	}
	if err != nil && !a.over {
		c.failed(s, err, now)
	} else if err == nil {
		a.failures, a.retryAt = 0, time.Time{}
	}
	if a.final && a.owed == nil && !a.over && err == nil && !a.hasSurplus() {
		s.metrics.Final(a.job.Platform, now.Sub(a.lastTokenOr(now)))
		a.end(nil)
	}
	s.schedule(now)
}

func (a *Answer) lastTokenOr(now time.Time) time.Time {
	if a.lastToken.IsZero() {
		return now
	}
	return a.lastToken
}

// failed decides what an error means for the answer. The lock is held.
func (c *call) failed(s *Scheduler, err error, now time.Time) {
	a := c.a
	if limited, ok := errors.AsType[*chat.RateLimited](err); ok {
		s.metrics.Limited(a.job.Platform, c.kind())
		s.limitedBy(a, c.own, limited, now)
		return
	}
	if lost, ok := errors.AsType[*lostError](err); ok {
		a.fail(lost.err)
		return
	}
	if pointless(err) {
		a.fail(err)
		return
	}
	if _, ok := errors.AsType[*chat.Refusal](err); ok {
		a.fail(err)
		return
	}
	a.failures++
	wait := min(longestRetry, shortestRetry<<min(a.failures-1, 10))
	a.retryAt = now.Add(wait/2 + rand.N(wait/2+1))
	s.log.Warn("a platform call failed and will be tried again",
		"turn", a.job.Turn, "call", c.kind(), "attempt", a.failures, "wait", wait, "err", err)
}

func (c *call) kind() string {
	if c.post {
		return "post"
	}
	return "edit"
}

// lostError says that the answer belongs to someone else now.
type lostError struct{ err error }

func (e *lostError) Error() string { return "the answer is written elsewhere: " + e.err.Error() }

// draft is the content of one call.
type draft struct {
	text    string
	final   bool // no edit of this message is planned after it
	full    bool // a part with another behind it
	whole   bool // it ends the answer
	covered int  // bytes of the answer's text that it was made of
}

// do carries out the call. Only this goroutine touches the answer's messages
// and cuts while it runs.
func (c *call) do(s *Scheduler) (chat.Rate, error) {
	a := c.a
	if a.owed != nil {
		return chat.Rate{}, a.record(*a.owed)
	}
	if a.final {
		return c.tidy(s)
	}
	if a.part >= a.max {
		return c.upload(s)
	}
	if c.post {
		if err := a.announce(); err != nil {
			return chat.Rate{}, err
		}
	}
	d, ok := a.draft(s)
	if !ok {
		return chat.Rate{}, nil
	}
	return c.write(s, d)
}

// announce makes sure that a message stands for the next post and that the
// post is announced.
func (a *Answer) announce() error {
	for a.message < len(a.messages) && a.messages[a.message].stuck {
		a.message++
	}
	if a.message == len(a.messages) {
		key := a.job.Turn + "-" + strconv.Itoa(a.message)
		a.messages = append(a.messages, message{Posted: Posted{Key: key}})
	}
	m := &a.messages[a.message]
	if m.Pending || a.job.Announce == nil {
		return nil
	}
	if err := a.job.Announce(a.ctx, m.Key); err != nil {
		return err
	}
	m.Pending = true
	return nil
}

// draft renders what the current message is to say now; ok is false when
// there is nothing new to be said.
func (a *Answer) draft(s *Scheduler) (d draft, ok bool) {
	s.mu.Lock()
	text, finished := a.text.String(), a.finished
	if finished {
		text = a.whole
	}
	s.mu.Unlock()
	d.covered = len(text)
	a.cut.Advance(text, finished)
	switch {
	case a.part < a.cut.Full():
		d.text, d.final, d.full = a.cut.Part(text, a.part).Text(), true, true
		d.covered = a.cut.To(a.part)
	case finished:
		d.text, d.final = a.cut.Rest(text).Text(), true
	default:
		d.text = a.cut.Growing(text)
		if !a.cut.Fits(d.text) {
			d.text = ""
		}
	}
	d.whole = finished && !d.full
	blank := strings.TrimSpace(d.text) == ""
	m := a.current()
	switch {
	case blank && d.full:
		s.mu.Lock()
		a.part++
		s.mu.Unlock()
		return d, false
	case blank && d.whole:
		s.mu.Lock()
		a.final = true
		s.mu.Unlock()
		return d, false
	case blank:
		s.mu.Lock()
		a.floor = d.covered
		s.mu.Unlock()
		return d, false
	case m != nil && m.ID != "" && a.stands(m, d):
		s.mu.Lock()
		a.floor = d.covered
		if m.known {
			a.saw(d.covered)
		}
		if d.final {
			a.settle(d)
		}
		s.mu.Unlock()
		return d, false
	}
	return d, true
}

// current is the message the current part is written into, if there is one.
func (a *Answer) current() *message {
	if a.message < len(a.messages) {
		return &a.messages[a.message]
	}
	return nil
}

// stands reports whether message m needs no change for draft d.
func (a *Answer) stands(m *message, d draft) bool {
	if d.final {
		return m.known && m.final && m.text == d.text
	}
	if m.known && m.text == d.text {
		return true
	}
	return m.old && utf8.RuneCountInString(d.text) <= m.Length
}

// write posts or edits the current message.
func (c *call) write(s *Scheduler, d draft) (chat.Rate, error) {
	a := c.a
	for !c.post && a.messages[a.message].stuck {
		a.message++
	}
	m := &a.messages[a.message]
	content := chat.Content{
		Markdown: d.text, Key: m.Key, Final: d.final,
		Menu: a.job.Menu, Buttons: a.job.Buttons, Only: a.job.Only,
	}
	if a.job.Stop && !d.final {
		content.Stop = a.job.Turn
	}
	again := m.announced
	content.Again = c.post && again
	receipt, err := c.platform(func(ctx context.Context) (chat.Receipt, error) {
		s.metrics.Call(a.job.Platform, c.kind(), c.label(a))
		if c.post {
			m.announced = true
			return a.job.Responder.Post(ctx, content)
		}
		return a.job.Responder.Edit(ctx, m.ID, content)
	})
	if err != nil {
		if _, limited := errors.AsType[*chat.RateLimited](err); limited && c.post && !again {
			m.announced = false // it was not posted, for certain
		}
		return receipt.Rate, err
	}
	now := time.Now()
	if c.post {
		m.ID = receipt.ID
	}
	// A post that may have been made before need not say what was sent now.
	m.known = !c.post || !again
	m.text, m.stop, m.final, m.old = d.text, content.Stop != "", d.final, m.old && !m.known
	m.Length, m.Pending = utf8.RuneCountInString(d.text), false
	s.mu.Lock()
	if !a.shown && !a.firstToken.IsZero() {
		s.metrics.FirstVisible(a.job.Platform, now.Sub(a.firstToken))
	}
	a.visible, a.shown = true, true
	if m.known {
		a.saw(d.covered)
		if d.final {
			a.settle(d)
		}
	}
	s.mu.Unlock()
	return receipt.Rate, a.record(m.Posted)
}

func (c *call) label(a *Answer) string {
	if c.purpose == growth && c.post {
		return "continuation"
	}
	return c.purpose.String()
}

// settle notes that the current part stands as it will stay. The lock is held.
func (a *Answer) settle(d draft) {
	if d.full {
		a.part++
		a.message++
		return
	}
	if d.whole {
		a.message++
		a.final = true
	}
}

// record writes down what stands; what could not be written is owed.
func (a *Answer) record(p Posted) error {
	a.owed = nil
	if a.job.Record == nil {
		return nil
	}
	if err := a.job.Record(a.ctx, p); err != nil {
		a.owed = &p
		return err
	}
	return nil
}

// platform makes one call under the answer's context and guard.
func (c *call) platform(f func(ctx context.Context) (chat.Receipt, error)) (chat.Receipt, error) {
	ctx, cancel := context.WithTimeout(c.a.ctx, callTimeout)
	defer cancel()
	if c.a.job.Guard != nil {
		guarded, release, err := c.a.job.Guard(ctx)
		if err != nil {
			return chat.Receipt{}, &lostError{err}
		}
		defer release()
		ctx = guarded
	}
	c.made = true
	return f(ctx)
}

// upload sends what does not fit into the messages as a file.
func (c *call) upload(s *Scheduler) (chat.Rate, error) {
	a := c.a
	s.mu.Lock()
	text := a.whole
	s.mu.Unlock()
	a.cut.Advance(text, true)
	from := a.cut.Rest(text)
	if a.part < a.cut.Full() {
		from = a.cut.From(text, a.part)
	}
	if strings.TrimSpace(from.Body) == "" {
		s.mu.Lock()
		a.final = true
		s.mu.Unlock()
		return chat.Rate{}, nil
	}
	receipt, err := c.platform(func(ctx context.Context) (chat.Receipt, error) {
		s.metrics.Call(a.job.Platform, "upload", "final")
		return a.job.Responder.Upload(ctx, "answer.md", []byte(from.Text()), "The rest of the answer is in this file.")
	})
	if err != nil {
		return receipt.Rate, err
	}
	s.mu.Lock()
	a.final, a.file = true, true
	s.mu.Unlock()
	return receipt.Rate, nil
}

// hasSurplus reports whether messages of an earlier, longer attempt are left.
func (a *Answer) hasSurplus() bool { return a.message < len(a.messages) }

// saw notes that the first covered bytes of the text stand there. The lock is held.
func (a *Answer) saw(covered int) {
	a.covered = covered
	a.arrivals.seen(covered)
}

// tidy deals with one message that an earlier, longer attempt left.
func (c *call) tidy(s *Scheduler) (chat.Rate, error) {
	a := c.a
	if !a.hasSurplus() {
		return chat.Rate{}, nil
	}
	m := &a.messages[a.message]
	if m.stuck {
		a.message++
		return chat.Rate{}, nil
	}
	receipt, err := c.platform(func(ctx context.Context) (chat.Receipt, error) {
		content := chat.Content{Markdown: surplusText, Key: m.Key, Final: true, Again: true}
		if m.ID == "" {
			return a.job.Responder.Post(ctx, content)
		}
		return a.job.Responder.Edit(ctx, m.ID, content)
	})
	if err == nil || chat.Refused(err) {
		a.message++
		err = nil
	}
	return receipt.Rate, err
}

// hear takes in what the platform said of a limit.
func (b *budget) hear(r chat.Rate, now time.Time) {
	if !r.Known || !b.limited || !b.sliding {
		return
	}
	b.told = told{left: r.Remaining, reset: now.Add(r.Reset)}
}
