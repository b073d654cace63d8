// What a message is to say when its turn has come.

package stream

import (
	"strings"
	"unicode/utf8"
)

// draft is the content of one call.
type draft struct {
	text    string
	raw     string // what it says of the answer's own text
	next    string // what is known of the part behind it, where it is full
	final   bool   // no edit of this message is planned after it
	full    bool   // another part comes behind it
	chunk   bool   // it was made a part of its own early
	whole   bool   // it ends the answer
	covered int    // bytes of the answer's text that stand when it does
}

// draft renders what the current message is to say now; ok is false when there
// is nothing new to be said.
func (c *call) draft() (d draft, ok bool) {
	text, own, finished, ok := c.a.written()
	if !ok {
		return d, false
	}
	d = c.render(text, finished)
	d.raw = between(text[:own], c.a.cut.From(c.a.part), d.covered)
	if d.full {
		d.next = c.a.partBehind(text[:own])
	}
	if c.way.native() {
		if d, ok = c.streamed(d, text); ok || c.mustEnd {
			return d, ok
		}
	} else if c.ready(d) {
		return d, true
	}
	c.leave(d, len(text))
	return d, false
}

// written is the text so far, of which the first own bytes are the answer's own,
// without a note; ok is false when it was retracted.
func (a *Answer) written() (text string, own int, finished, ok bool) {
	a.sched.mu.Lock()
	defer a.sched.mu.Unlock()
	text, own, finished = a.text.String(), a.text.Len(), a.finished()
	if finished {
		text = a.whole
	}
	return text, own, finished, !a.rewritten
}

// render cuts the text anew and gives what the current part says of it.
func (c *call) render(text string, finished bool) (d draft) {
	a := c.a
	a.cut.Advance(text, finished)
	if c.chunk && !finished && a.part == a.cut.Full() {
		d.chunk = a.cut.Break(text, a.chunkSize())
	}
	if c.way == byAppend && !finished && a.part == a.cut.Full() {
		c.rollOver(text)
	}
	switch {
	case a.part < a.cut.Full():
		d.text, d.final, d.full = a.cut.Part(text, a.part).Text(), true, true
		d.covered = a.cut.To(a.part)
	case finished:
		d.text, d.final, d.whole = a.cut.Rest(text).Text(), true, true
		d.covered = len(text)
	case c.chunk:
		d.covered = len(text) // no place to break yet
	default:
		d.text, d.covered = a.cut.Growing(text)
	}
	return d
}

// partBehind is what text holds of the part behind the current one, which is full.
func (a *Answer) partBehind(text string) string {
	end := len(text)
	if a.part+1 < a.cut.Full() {
		end = a.cut.To(a.part + 1)
	}
	return between(text, a.cut.From(a.part+1), end)
}

// between is a part of text, as far as text goes.
func between(text string, from, to int) string {
	from = min(from, len(text))
	return text[from:max(from, min(to, len(text)))]
}

// leave sends nothing: growth waits until there is more than this much text, a
// part that is settled already is left behind.
func (c *call) leave(d draft, length int) {
	a := c.a
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if !d.final {
		a.floor = length
		if m := a.current(); m != nil && m.known && m.text == d.text {
			a.saw(d.covered)
		}
		return
	}
	switch blank := strings.TrimSpace(d.text) == ""; {
	case blank && d.full: // space alone makes no message
		a.part++
		a.saw(d.covered)
	case blank:
		a.enter(tidying)
	default:
		a.saw(d.covered)
		a.settle(d)
	}
}

// ready reports whether d says something that does not stand already.
func (c *call) ready(d draft) bool {
	if strings.TrimSpace(d.text) == "" {
		return false
	}
	m := c.a.current()
	switch {
	case m == nil || m.ID == "":
		return true
	case d.final:
		return !m.known || !m.final || m.text != d.text
	case m.known && m.text == d.text:
		return false
	}
	// What an earlier process wrote stays until there is more to say.
	return !m.old || utf8.RuneCountInString(d.text) > m.Length
}

// current is the message the current part is written into, if there is one.
func (a *Answer) current() *message {
	for k := a.message; k < len(a.messages); k++ {
		if !a.messages[k].Stuck {
			return &a.messages[k]
		}
	}
	return nil
}
