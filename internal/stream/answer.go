// One answer: what its writer sees of it.

package stream

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"parley/internal/chat"
	"parley/internal/stream/markdown"
)

// Answer is one answer being written. Append and Finish are called by one
// goroutine; the other methods are safe for concurrent use.
//
// Everything but the job and the lifeline is guarded by the scheduler's lock,
// except that pages is changed only by the one call in flight.
type Answer struct {
	sched *Scheduler
	job   Job
	lifeline
	limits

	phase phase
	busy  bool // a call is in flight
	writing
	pages
	progress
	faults
}

// lifeline is how an answer begins and ends.
type lifeline struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	detach func() bool
	done   chan struct{} // closed when writing has become pointless
	ended  chan struct{} // closed when the answer is over, whichever way
	err    error         // why it is leaving, or ended early
}

// limits are the budgets that the answer's calls draw on.
type limits struct {
	edits, posts, global  *budget
	starts, appends, ends *budget       // of the platform's own streaming
	native                chat.Streamer // nil where it is not used, or no more
}

// writing is the text as the model writes it.
type writing struct {
	text       strings.Builder
	words      int // code points so far, counted up to FirstWords
	arrivals   arrivals
	firstToken time.Time
	lastToken  time.Time
	finishedAt time.Time // zero while more may come
	whole      string    // the final text, once finished
	rewritten  bool      // the text was retracted, and what stands is still the old one
}

// finished reports whether the text is whole.
func (w *writing) finished() bool { return !w.finishedAt.IsZero() }

// pages are the messages that the text is cut into.
type pages struct {
	cut      *markdown.Splitter
	messages []message
	part     int // the part being written
	message  int // the message it is written into
	max      int
	chunks   int  // pieces posted early
	upload   bool // the rest is being uploaded
	file     bool // the rest went into a file
}

// progress is what stands on the platform, and what that means for the next call.
type progress struct {
	shown     bool      // something of this attempt stands there
	visibleAt time.Time // since when some message stands there; zero while none does
	covered   int       // bytes of text that stand there
	floor     int       // no growth before the text is longer than this
	alarm     int       // text of this length may be worth a call
	held      bool      // its first post had to wait
	wrote     time.Time // when the last write began
	recorded  time.Time // when it was last written down what stands
	owed      *Posted   // what is still to be written down
}

// visible reports whether some message of the answer stands there, from this
// process or an earlier one.
func (p *progress) visible() bool { return !p.visibleAt.IsZero() }

// faults are what went wrong so far.
type faults struct {
	retryAt  time.Time
	failures int       // in a row
	stopped  bool      // a person stopped the stream: no growth any more
	rejected rejection // what the platform calls invalid
}

// rejection is how much of a text a platform does not take.
type rejection int

const (
	accepted       rejection = iota
	growthRejected           // no growth: the text is tried again when it is whole
	textRejected             // the whole text too: it becomes a file
)

// message is one message of the answer.
type message struct {
	Posted
	old   bool      // of an earlier process, and not yet written by this one
	tried bool      // a post of it may have happened
	early bool      // it was announced before it was known what the post will say
	known bool      // text is what stands there
	wrong int       // how often the platform showed another text than it was sent
	text  string    // Markdown that stands there, when known
	final bool      // it was written as final
	tidy  bool      // it is stuck, and all that can be done about that was done
	began time.Time // when its stream was started here
}

// Append adds text to the answer. It never blocks on a platform and never fails.
func (a *Answer) Append(text string) {
	if text == "" {
		return
	}
	s := a.sched
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.phase == over || a.finished() {
		return
	}
	now := time.Now()
	a.text.WriteString(text)
	a.arrivals.add(a.text.Len(), now)
	a.lastToken = now
	before := a.words
	if before < FirstWords {
		if before == 0 {
			text = strings.TrimLeft(text, " \t\r\n")
		}
		a.words += utf8.RuneCountInString(text)
		if before == 0 && a.words > 0 {
			a.firstToken = now
		}
	}
	// Only what changes when something falls due needs a look at the schedule.
	due := before < FirstWords && (before == 0 || a.words >= FirstWords)
	if !a.busy && (due || a.text.Len() >= a.alarm) {
		s.schedule(now)
	}
}

// Retract takes back all that was appended: it was not the answer. The messages
// that stand are edited to what is appended from now on; those that are too many
// are taken back at the end. It never blocks on a platform and never fails.
func (a *Answer) Retract() {
	s := a.sched
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.phase == over || a.finished() {
		return
	}
	a.text.Reset()
	a.arrivals = arrivals{}
	a.rewritten = true
	if !a.visible() && !a.busy {
		a.words, a.firstToken = 0, time.Time{} // nobody has seen a word
	}
	if !a.busy {
		a.rewrite()
	}
}

// rewrite begins the answer again in the messages that stand there. The lock is
// held and no call is in flight.
func (a *Answer) rewrite() {
	a.rewritten = false
	size, limits := a.cut.Size(), a.job.Responder.Limits()
	a.cut = markdown.New(size, limits.Measure)
	a.part, a.message, a.chunks = 0, 0, 0
	a.covered, a.floor, a.alarm = 0, 0, 0
	a.rejected = accepted
	for k := range a.messages {
		m := &a.messages[k]
		m.final = false
		if m.Streaming {
			m.known = false // only ever longer: it is ended as it stands, and edited
		}
	}
	a.look()
}

// Finish ends the text and blocks until every message of the answer holds its
// final content, confirmed by the platform, or the platform has said a
// permanent no. Rate limits are waited for and errors that may pass are tried
// again for as long as both ctx and the answer's own context live.
func (a *Answer) Finish(ctx context.Context, e End) (Result, error) {
	s := a.sched
	s.mu.Lock()
	if !a.finished() && a.phase != over {
		now := time.Now()
		a.finishedAt = now
		a.whole = withNote(a.text.String(), e.Note)
		a.retryAt = time.Time{}
		s.schedule(now)
	}
	s.mu.Unlock()
	select {
	case <-a.ended:
	case <-ctx.Done():
		s.mu.Lock()
		a.fail(context.Cause(ctx))
		s.mu.Unlock()
		<-a.ended
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return a.result(), a.err
}

// Abandon gives the answer up as it stands, with err. It begins no further call
// and waits until the one in flight is back and recorded, so that who goes on
// with the answer finds what it posted; when ctx ends first, that call is cut.
func (a *Answer) Abandon(ctx context.Context, err error) {
	s := a.sched
	s.mu.Lock()
	if a.phase != over {
		a.enter(leaving)
		a.err = err
	}
	if !a.busy {
		a.fail(err)
	}
	s.mu.Unlock()
	select {
	case <-a.ended:
	case <-ctx.Done():
		s.mu.Lock()
		a.fail(err)
		s.mu.Unlock()
		<-a.ended
	}
}

// withNote puts a note below a text, outside a fence the text left open.
func withNote(text, note string) string {
	switch {
	case note == "":
		return text
	case strings.TrimSpace(text) == "":
		return note
	}
	return text + markdown.Closing(text) + "\n\n" + note
}

// Shown reports whether something of the answer is visible already, from this
// process or an earlier one.
func (a *Answer) Shown() bool {
	a.sched.mu.Lock()
	defer a.sched.mu.Unlock()
	return a.visible()
}

// Done is closed when writing has become pointless: a message of the answer
// was deleted, access was lost, a person stopped it with the platform's own
// button, or the answer's context ended. Err says why.
func (a *Answer) Done() <-chan struct{} { return a.done }

// Err is why the answer ended early: nil while it is open and after it was
// finished. A *chat.Refusal carries the platform's reason; after
// chat.ErrStopped the answer is still to be finished.
func (a *Answer) Err() error {
	a.sched.mu.Lock()
	defer a.sched.mu.Unlock()
	if a.err == nil && a.stopped {
		return chat.ErrStopped
	}
	return a.err
}

func (a *Answer) result() Result {
	r := Result{File: a.file}
	for _, m := range a.messages {
		if m.ID != "" && m.File == "" {
			r.Messages = append(r.Messages, m.Posted)
		}
	}
	return r
}

// fail ends the answer early. The scheduler's lock is held.
func (a *Answer) fail(err error) {
	if a.phase != over {
		a.end(err)
		if !a.stopped {
			close(a.done)
		}
	}
}

// end takes the answer out of the schedule. The scheduler's lock is held.
func (a *Answer) end(err error) {
	if a.phase == over {
		return
	}
	a.enter(over)
	a.err = err
	if a.detach != nil {
		a.detach()
	}
	a.cancel(err)
	a.sched.release(a.edits, a.posts, a.global, a.starts, a.appends, a.ends)
	open := a.sched.open
	for i, other := range open {
		if other == a {
			a.sched.open = append(open[:i], open[i+1:]...)
			open[len(open)-1] = nil
			break
		}
	}
	if !a.busy {
		close(a.ended) // else the call in flight does when it is back
	}
}

// arrivals remembers when text came, coarsely, to tell how old unseen text is.
type arrivals struct {
	list []arrival
}

type arrival struct {
	upTo int // bytes of text
	at   time.Time
}

const arrivalGrain = 20 * time.Millisecond

func (r *arrivals) add(upTo int, at time.Time) {
	if n := len(r.list); n > 0 && at.Sub(r.list[n-1].at) < arrivalGrain {
		r.list[n-1].upTo = upTo
		return
	}
	r.list = append(r.list, arrival{upTo, at})
}

// seen forgets what lies before offset covered.
func (r *arrivals) seen(covered int) {
	k := 0
	for k < len(r.list) && r.list[k].upTo <= covered {
		k++
	}
	r.list = append(r.list[:0], r.list[k:]...)
}

// oldest is when the oldest unseen text came.
func (r *arrivals) oldest() time.Time {
	if len(r.list) == 0 {
		return time.Time{}
	}
	return r.list[0].at
}
