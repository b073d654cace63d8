// Posting and editing the message of the current part.

package stream

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"parley/internal/chat"
)

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
	last := c.stands(d, m.known)
	return c.note(*m, d, last)
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

// before is the last message before the one at index end that stays.
func (a *Answer) before(end int) chat.MessageID {
	for k := end - 1; k >= 0; k-- {
		if m := a.messages[k]; m.ID != "" && !m.Stuck {
			return m.ID
		}
	}
	return ""
}

// stands notes that a draft has become visible. Last means that the answer ends
// with it.
func (c *call) stands(d draft, known bool) (last bool) {
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
		return false
	}
	a.saw(d.covered)
	a.settle(d)
	return a.phase == tidying && a.message >= len(a.messages) && a.leftover() == nil
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
