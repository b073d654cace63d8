// Answers that the platform streams by itself: when one begins so, and when it
// goes on by edits.

package stream

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"parley/internal/chat"
)

const (
	// A stream older than rollFrom gives way to a new message at the next
	// paragraph, and from rollBy on to edits of the same one: Slack ends a stream
	// after five minutes (reported by users, not in its reference).
	rollFrom = 4 * time.Minute
	rollBy   = 4*time.Minute + 40*time.Second
	// spillAfter is how long an append may have to wait for its limit before the
	// message goes on by edits, and how long a fair turn may be for one more
	// answer to be streamed.
	spillAfter = 3 * time.Second
)

// way is how a call brings text into a message.
type way int

const (
	byPost way = iota
	byEdit
	byStart  // a message that the platform streams
	byAppend // more of it
	byEnd    // it becomes an ordinary message
)

func (w way) native() bool { return w >= byStart }

func (w way) String() string { return [...]string{"post", "edit", "start", "append", "end"}[w] }

// choose is the way of the answer's next call.
func (a *Answer) choose(c candidate, now time.Time) way {
	switch {
	case a.posting() && !c.chunk && a.mayStream(now):
		return byStart
	case a.posting():
		return byPost
	case a.phase != streaming && a.phase != closing:
		return byEdit
	case a.finished() || a.phase == closing || !a.current().known || a.spills(now):
		return byEnd
	}
	return byAppend
}

// budget is the limit a call draws on.
func (a *Answer) budget(w way) *budget {
	return [...]*budget{a.posts, a.edits, a.starts, a.appends, a.ends}[w]
}

// growthBudget is the limit that the growth of the answer draws on.
func (a *Answer) growthBudget() *budget {
	if a.phase == streaming || a.phase == closing {
		return a.appends
	}
	return a.edits
}

// mayStream reports whether the next message may be one that the platform
// streams: it will grow, can be started now, its end is certain to be
// affordable, and it would get its share of the appends.
func (a *Answer) mayStream(now time.Time) bool {
	if a.native == nil || a.finished() || a.stopped || a.job.Only != "" {
		return false
	}
	if m := a.current(); m != nil && m.tried {
		return false
	}
	at, ok := a.starts.when(1, now)
	if !ok || at.After(now) || float64(a.ends.owed+1) > a.ends.left(now) {
		return false
	}
	if a.appends.paused.After(now) {
		return false
	}
	return !a.appends.limited || float64(a.appends.owed+1) <= a.appends.rate*spillAfter.Seconds()
}

// spills reports whether a stream is to go on by edits: it is about to die of
// age, or there are no appends for it.
func (a *Answer) spills(now time.Time) bool {
	if now.Sub(a.current().began) >= rollBy {
		return true
	}
	at, ok := a.appends.when(1, now)
	return ok && at.Sub(now) > spillAfter
}

// streamed is a draft as a stream takes it: only ever longer, so without the
// marks that close what is unfinished; ok is false when it says nothing new.
func (c *call) streamed(d draft, text string) (_ draft, ok bool) {
	a, m := c.a, c.a.current()
	if !d.final {
		rest := a.cut.Rest(text)
		d.text = commonPrefix(d.text, rest.Text())
		d.raw = strings.TrimPrefix(d.text, rest.Prefix)
	}
	switch {
	case c.way == byStart:
		// The end has its own call, should the text be whole already.
		d.final, d.full, d.whole = false, false, false
		return d, strings.TrimSpace(d.text) != ""
	case c.way == byAppend && d.final:
		c.mustEnd = true
		return d, false
	case c.way == byAppend:
		return d, len(d.text) > len(m.text) && strings.HasPrefix(d.text, m.text)
	case !d.final && len(d.text) < len(m.text):
		d.text, d.raw = m.text, m.Text
	}
	return d, true
}

func commonPrefix(a, b string) string {
	n := min(len(a), len(b))
	for k := range n {
		if a[k] != b[k] {
			n = k
			break
		}
	}
	for n > 0 && n < len(a) && !utf8.RuneStart(a[n]) {
		n--
	}
	return a[:n]
}

// rollOver ends the part of an old stream at a paragraph behind what stands
// there, if there is one.
func (c *call) rollOver(text string) {
	a, m := c.a, c.a.current()
	if time.Since(m.began) < rollFrom {
		return
	}
	prefix := len(a.cut.Rest(text).Prefix)
	a.cut.BreakSoon(text, max(1, len(m.text)-prefix))
}

// close ends a stream as it stands; what it says is put right by edits.
func (c *call) close(ctx context.Context) error {
	a, m := c.a, c.a.current()
	_, err := c.platform(ctx, func(ctx context.Context) (chat.Receipt, error) {
		return a.native.End(ctx, m.ID, "", chat.Content{Key: m.Key, Final: true})
	})
	if err != nil {
		return err
	}
	m.Streaming, m.known = false, false
	return a.record(a.ctx, m.Posted)
}

// unstreamed says what the failure of a streaming call means for the message,
// and reports whether it means nothing more. The lock is held.
func (c *call) unstreamed(err error) bool {
	a, m := c.a, c.a.current()
	_, refused := errors.AsType[*chat.Refusal](err)
	switch {
	case errors.Is(err, chat.ErrStopped):
		m.Streaming = false
		if !a.finished() && !a.stopped {
			c.s.log.Info("a person stopped the stream", "turn", a.job.Turn)
			a.stopped = true
			close(a.done)
		}
		return true
	case chat.Refused(err, chat.Gone) && c.way != byStart:
		return false
	case refused:
		c.s.log.Info("the platform streams no more; the answer goes on by edits", "turn", a.job.Turn, "call", c.way, "error", err)
		a.native = nil
		if c.way != byStart {
			m.Streaming, m.known = false, false
		}
		return true
	case c.way != byStart:
		m.known = false // it may have happened
	}
	return false
}
