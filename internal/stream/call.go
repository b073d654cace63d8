// Carrying out one call, and what follows from the platform's answer.

package stream

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

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

// The words of the scheduler itself, for people.
const (
	// surplusText is what the messages of an earlier, longer attempt say when
	// they cannot be taken back.
	surplusText = "_(The answer ends above.)_"
	fileName    = "answer.md"
	fileComment = "The rest of the answer is in this file."
)

// call is one call in flight. Only its goroutine touches the answer's messages
// and cuts while it runs.
type call struct {
	candidate
	s        *Scheduler
	post     bool    // the message does not stand yet
	own      *budget // nil when only a record is owed
	left     float64 // what the limit seemed to allow, this call included
	made     bool    // the platform was called
	rate     chat.Rate
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
		c.post, c.own = a.posting(), a.budget(best.way)
		c.left = c.own.left(now)
		c.own.begin()
		a.global.begin()
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
	if c.own != nil {
		c.account(err, now)
	}
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

// account settles the limits. A refused call counts against none. The lock is
// held.
func (c *call) account(err error, now time.Time) {
	limited, refused := errors.AsType[*chat.RateLimited](err)
	for _, b := range []*budget{c.own, c.a.global} {
		if c.made && !refused {
			b.end(now)
		} else {
			b.cancel()
		}
	}
	switch {
	case !c.made:
	case refused:
		c.s.limited(c, limited, now)
	default:
		if err == nil || chat.Refused(err) {
			c.own.passed(c.left, now)
		}
		if c.rate.Known {
			c.s.told(c.own, c.rate, now)
		}
	}
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
	wait := min(longestRetry, shortestRetry<<min(a.failures-1, 10))
	a.retryAt = now.Add(wait/2 + rand.N(wait/2+1))
	c.s.log.Warn("a platform call failed and will be tried again",
		"turn", a.job.Turn, "call", c.kind(), "attempt", a.failures, "wait", wait, "error", err)
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

// announce makes sure that there is a message for the next post, which will say
// text, and that the post is announced.
func (a *Answer) announce(ctx context.Context, text string) error {
	a.skipStuck()
	if a.message == len(a.messages) {
		key := a.job.Turn + "-" + strconv.Itoa(a.message)
		a.messages = append(a.messages, message{Posted: Posted{Key: key}})
	}
	m := &a.messages[a.message]
	if m.Pending || a.job.Announce == nil {
		return nil
	}
	if err := a.job.Announce(ctx, m.Key, text); err != nil {
		return err
	}
	m.Pending = true
	return nil
}

func (a *Answer) skipStuck() {
	for a.message < len(a.messages) && a.messages[a.message].Stuck {
		a.message++
	}
}

// write posts or edits the current message.
func (c *call) write(ctx context.Context, d draft) error {
	a := c.a
	a.skipStuck()
	m := &a.messages[a.message]
	content := chat.Content{
		Markdown: d.text, Key: m.Key, Final: d.final, Again: c.post && m.tried,
		Menu: a.job.Menu, Buttons: a.job.Buttons, Only: a.job.Only,
	}
	if a.job.Stop && !d.final {
		content.Stop = a.job.Turn
	}
	if c.post {
		content.After = a.before(a.message)
	}
	receipt, err := c.platform(ctx, func(ctx context.Context) (chat.Receipt, error) {
		switch c.way {
		case byPost:
			return a.job.Responder.Post(ctx, content)
		case byStart:
			return a.native.Start(ctx, content)
		case byAppend:
			return a.native.Append(ctx, m.ID, m.text, d.text)
		case byEnd:
			return a.native.End(ctx, m.ID, m.text, content)
		}
		return a.job.Responder.Edit(ctx, m.ID, content)
	})
	if err != nil {
		// Unless the platform said no, a post may have happened.
		_, limited := errors.AsType[*chat.RateLimited](err)
		m.tried = m.tried || c.post && !limited && !chat.Refused(err)
		if chat.Refused(err, chat.TooLong) {
			c.size = a.cut.Measure(d.text)
		}
		return err
	}
	// A post that may have been made before need not say what was sent now.
	m.known = !content.Again && !c.differs(m, receipt)
	m.text, m.final = d.text, d.final
	m.old = m.old && !m.known
	if c.post {
		m.ID = receipt.ID
	}
	m.Text = d.raw
	m.Length, m.Pending, m.tried = utf8.RuneCountInString(d.text), false, false
	m.Streaming = c.way == byStart || c.way == byAppend
	if c.way == byStart {
		m.began = a.wrote
	}
	c.stands(d, m.known)
	return a.note(*m, c.post)
}

// mostCorrections is how often a message is written again because the platform
// shows another text than it was sent. A platform that changes texts by itself
// would otherwise never be content.
const mostCorrections = 2

// differs reports whether m has to be written again because the platform shows
// another text.
func (c *call) differs(m *message, r chat.Receipt) bool {
	if !r.Differs {
		return false
	}
	m.wrong++
	if m.wrong > mostCorrections {
		return false
	}
	c.s.log.Warn("the platform shows another text than it was sent; writing it again", "turn", c.a.job.Turn, "call", c.kind(), "attempt", m.wrong)
	return true
}

// leftover is what can be edited no more and can be taken back: a message with
// a piece of the answer and a Stop button, or the file of an earlier process;
// nil when there is none.
func (a *Answer) leftover() *message {
	if _, ok := a.job.Responder.(chat.Remover); !ok {
		return nil
	}
	for k := range a.messages {
		if m := &a.messages[k]; m.Stuck && !m.tidy && (m.ID != "" || m.tried) {
			return m
		}
	}
	return nil
}

// before is the last message before the one at index end that stays.
func (a *Answer) before(end int) chat.MessageID {
	for k := end - 1; k >= 0; k-- {
		if m := a.messages[k]; m.ID != "" && !m.Stuck {
			return m.ID
		}
	}
	return ""
}

// stands notes that a draft has become visible.
func (c *call) stands(d draft, known bool) {
	s, a := c.s, c.a
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !a.shown && !a.firstToken.IsZero() {
		s.metrics.FirstVisible(a.job.Platform, now.Sub(a.firstToken))
	}
	if !a.visible() {
		a.visibleAt = now
	}
	a.shown = true
	if !known {
		return
	}
	a.saw(d.covered)
	a.settle(d)
}

// saw notes that the first covered bytes of the text stand there. The lock is held.
func (a *Answer) saw(covered int) {
	a.covered = covered
	a.arrivals.seen(covered)
}

// settle notes that the current part stands as it will stay, if it does. The
// lock is held.
func (a *Answer) settle(d draft) {
	switch {
	case d.full:
		a.part++
		a.message++
		if d.chunk {
			a.chunks++
		}
	case d.whole:
		a.message++
		a.enter(tidying)
	}
}

// note records what stands in m: always after a post; after an edit, at once
// where edits are rationed, and about once a second where they are not.
func (a *Answer) note(m message, posted bool) error {
	now := time.Now()
	if !posted && !m.final && !a.edits.limited && now.Sub(a.recorded) < time.Second {
		return nil
	}
	a.recorded = now
	return a.record(a.ctx, m.Posted)
}

// record writes down what stands; what could not be written is owed.
func (a *Answer) record(ctx context.Context, p Posted) error {
	var err error
	if a.job.Record != nil {
		err = a.job.Record(ctx, p)
	}
	a.sched.mu.Lock()
	defer a.sched.mu.Unlock()
	a.owed = nil
	if err != nil {
		a.owed = &p
	}
	return err
}

// file uploads what does not fit into the messages.
func (c *call) file(ctx context.Context) error {
	s, a := c.s, c.a
	s.mu.Lock()
	text := a.whole
	a.upload = true
	s.mu.Unlock()
	a.cut.Advance(text, true)
	rest := a.cut.Tail(text, a.part)
	if strings.TrimSpace(rest) == "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		a.enter(tidying)
		return nil
	}
	f, err := a.expectFile(ctx)
	if err != nil {
		return err
	}
	receipt, err := c.platform(ctx, func(ctx context.Context) (chat.Receipt, error) {
		return a.uploadOnce(ctx, f, rest)
	})
	if err != nil {
		_, limited := errors.AsType[*chat.RateLimited](err)
		f.tried = f.tried || !limited && !chat.Refused(err)
		return err
	}
	for k := range a.messages {
		if m := &a.messages[k]; m.File != "" && m.ID == receipt.ID {
			m.ID = "" // the platform shows the new bytes in the old place
		}
	}
	f.ID, f.Pending = receipt.ID, false
	a.skipStuck()
	s.mu.Lock()
	a.enter(tidying)
	a.file = true
	s.mu.Unlock()
	return a.record(a.ctx, f.Posted)
}

// uploadOnce uploads the file, unless an attempt whose answer got lost has. Where an
// earlier process left a file too, nobody can tell which of them is found.
func (a *Answer) uploadOnce(ctx context.Context, f *message, rest string) (chat.Receipt, error) {
	remover, ok := a.job.Responder.(chat.Remover)
	old := func(m message) bool { return m.File != "" && m.old }
	if ok && f.tried && !slices.ContainsFunc(a.messages, old) {
		id, err := remover.Find(ctx, chat.Sought{Key: f.Key, File: f.File})
		if id != "" || err != nil {
			return chat.Receipt{ID: id}, err
		}
	}
	return a.job.Responder.Upload(ctx, fileName, []byte(rest), fileComment)
}

// expectFile writes down that a file is about to be uploaded, once.
func (a *Answer) expectFile(ctx context.Context) (*message, error) {
	k := slices.IndexFunc(a.messages, func(m message) bool { return m.File != "" && !m.old })
	if k >= 0 {
		return &a.messages[k], nil
	}
	p := Posted{Key: a.job.Turn + "-" + strconv.Itoa(len(a.messages)), File: fileName, Stuck: true, Pending: true}
	if a.job.Record != nil {
		if err := a.job.Record(ctx, p); err != nil {
			return nil, err
		}
	}
	a.messages = append(a.messages, message{Posted: p, tidy: true})
	return &a.messages[len(a.messages)-1], nil
}

// tidy deals with one message that is no part of the answer: it takes back one
// that can be edited no more, now that the answer stands elsewhere; one that an
// earlier, longer attempt left is taken back where that is possible, and
// otherwise says that nothing follows.
func (c *call) tidy(ctx context.Context) error {
	a := c.a
	remover, canRemove := a.job.Responder.(chat.Remover)
	if m := a.leftover(); m != nil {
		if m.ID == "" {
			return c.find(ctx, remover, m)
		}
		_, err := c.platform(ctx, func(ctx context.Context) (chat.Receipt, error) { return remover.Remove(ctx, m.ID) })
		switch {
		case err == nil:
			m.ID = ""
		case !chat.Refused(err):
			return err
		}
		m.tidy = true
		return nil
	}
	a.skipStuck()
	if a.message == len(a.messages) {
		return nil
	}
	m := &a.messages[a.message]
	if m.ID == "" && canRemove {
		m.Stuck = true // a leftover, if it was posted at all
		return nil
	}
	receipt, err := c.platform(ctx, func(ctx context.Context) (chat.Receipt, error) {
		content := chat.Content{Markdown: surplusText, Key: m.Key, Final: true}
		switch {
		case m.ID == "": // perhaps posted: find it, and it says where the answer ends
			content.Again = true
			return a.job.Responder.Post(ctx, content)
		case canRemove:
			return remover.Remove(ctx, m.ID)
		}
		return a.job.Responder.Edit(ctx, m.ID, content)
	})
	if err != nil && !chat.Refused(err) {
		return err
	}
	if err == nil && m.ID == "" {
		m.ID = receipt.ID
		return nil
	}
	m.ID, m.Stuck = "", true // no part of the answer any more
	a.skipStuck()
	return nil
}

// find looks for a leftover of which nobody knows whether it was posted. The
// next call takes it back. Nothing is posted to be removed.
func (c *call) find(ctx context.Context, remover chat.Remover, m *message) error {
	a := c.a
	at := slices.IndexFunc(a.messages, func(other message) bool { return other.Key == m.Key })
	receipt, err := c.platform(ctx, func(ctx context.Context) (chat.Receipt, error) {
		id, err := remover.Find(ctx, chat.Sought{Key: m.Key, After: a.before(at), File: m.File})
		return chat.Receipt{ID: id}, err
	})
	if err != nil && !chat.Refused(err) {
		return err
	}
	mine := func(other message) bool { return other.ID == receipt.ID && other.Key != m.Key }
	if slices.ContainsFunc(a.messages, mine) {
		receipt.ID = ""
	}
	m.ID, m.tried, m.tidy = receipt.ID, false, receipt.ID == ""
	return nil
}
