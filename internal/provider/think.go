// Reasoning inside the content: <think>…</think>, with tags cut anywhere.

package provider

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	thinkOpen  = "<think>"
	thinkClose = "</think>"
)

// thinkSplitter separates reasoning from the answer. A tag inside code is
// quoted, not meant. A block that opens in the middle of the answer and never
// closes was not one: its text comes back at the end.
type thinkSplitter struct {
	held     []byte // text whose meaning the next piece decides
	inside   bool   // between the tags
	begun    bool   // the answer has begun: something but white space came
	led      int    // where the white space before the answer was cut; 0: it was not
	trim     bool   // drop white space until the answer begins
	doubtful []byte // the content of a block that opened in mid-answer, tag included
	code     codeState
}

// maxLead is how much white space is kept before an answer begins.
const maxLead = 256

// split takes the next piece of content and returns what of it, and of what
// was held, is answer and what is reasoning. Both may share piece's memory.
func (t *thinkSplitter) split(piece []byte) (answer, reasoning []byte) {
	if len(t.held) == 0 && !t.inside && t.begun && t.code.plain() && bytes.IndexByte(piece, '<') < 0 && bytes.IndexByte(piece, '`') < 0 {
		t.code.scan(piece)
		return piece, nil
	}
	b := t.lead(append(t.held, piece...))
	t.held = nil
	for len(b) > 0 {
		if t.inside {
			var whole bool
			b, whole = t.reason(b, &reasoning)
			if !whole {
				t.held = bytes.Clone(b)
				break
			}
			continue
		}
		i, whole := t.find(b)
		if i < 0 {
			answer = t.emit(answer, b)
			break
		}
		if !t.begun && len(bytes.TrimSpace(b[:i])) == 0 && whole {
			t.trim = true // the white space before a first block goes with it
		}
		if whole || t.begun || len(bytes.TrimSpace(b[:i])) > 0 {
			answer = t.emit(answer, b[:i])
			b = b[i:]
		}
		if !whole {
			t.held = bytes.Clone(b)
			break
		}
		b = b[len(thinkOpen):]
		t.inside = true
		if t.begun {
			t.doubtful = append(t.doubtful[:0], thinkOpen...)
		}
	}
	return answer, reasoning
}

// lead drops the white space beyond maxLead from b, where the answer has not
// begun: it is held, and looked through anew with every piece.
func (t *thinkSplitter) lead(b []byte) []byte {
	if t.begun || t.inside {
		return b
	}
	n := len(b) - len(bytes.TrimLeftFunc(b, unicode.IsSpace))
	if t.led == 0 && n > maxLead {
		for t.led = maxLead; !utf8.RuneStart(b[t.led]); {
			t.led--
		}
	}
	if t.led == 0 || n <= t.led {
		return b
	}
	return append(b[:t.led], b[n:]...)
}

// find returns where in b an opening tag, or at its end the beginning of one,
// stands outside code; -1 if nowhere. White space before an answer that has
// not begun counts as a beginning.
func (t *thinkSplitter) find(b []byte) (at int, whole bool) {
	code := t.code
	for i := range b {
		if b[i] == '<' && code.plain() {
			rest := b[i:]
			if bytes.HasPrefix(rest, []byte(thinkOpen)) {
				return i, true
			}
			if strings.HasPrefix(thinkOpen, string(rest)) {
				return i, false
			}
		}
		code.scan(b[i : i+1])
	}
	if !t.begun && len(bytes.TrimSpace(b)) == 0 {
		return 0, false
	}
	return -1, false
}

// emit appends answer text and keeps the books.
func (t *thinkSplitter) emit(answer, b []byte) []byte {
	if t.trim {
		b = bytes.TrimLeft(b, " \t\r\n")
	}
	if len(bytes.TrimSpace(b)) > 0 {
		t.begun, t.trim = true, false
	}
	t.code.scan(b)
	return append(answer, b...)
}

// reason consumes reasoning up to the closing tag; whole is false when all
// that is left of b may be the beginning of that tag.
func (t *thinkSplitter) reason(b []byte, reasoning *[]byte) (rest []byte, whole bool) {
	text, rest, closed := bytes.Cut(b, []byte(thinkClose))
	if !closed {
		keep := tagStart(b, thinkClose)
		text, rest = b[:len(b)-keep], b[len(b)-keep:]
	}
	if t.begun {
		t.doubtful = append(t.doubtful, text...)
	} else {
		*reasoning = append(*reasoning, text...)
	}
	if !closed {
		return rest, false
	}
	if t.begun {
		*reasoning = append(*reasoning, t.doubtful[len(thinkOpen):]...)
		t.doubtful = nil
	}
	t.inside = false
	t.trim = !t.begun
	return rest, true
}

// tagStart is the length of b's longest end that begins tag.
func tagStart(b []byte, tag string) int {
	for n := min(len(tag)-1, len(b)); n > 0; n-- {
		if string(b[len(b)-n:]) == tag[:n] {
			return n
		}
	}
	return 0
}

// rest returns what was held at the end of the stream.
func (t *thinkSplitter) rest() (answer, reasoning []byte) {
	switch {
	case t.inside && t.begun:
		answer = append(t.doubtful, t.held...)
	case t.inside:
		reasoning = t.held
	default:
		answer = t.emit(nil, t.held)
	}
	t.held, t.doubtful, t.inside = nil, nil, false
	return answer, reasoning
}

// codeState knows whether text stands inside Markdown code. It follows runs of
// backticks: a run opens code that a run of the same length closes; inline
// code ends with its paragraph at the latest.
type codeState struct {
	run   int  // length of the run of backticks being read
	open  int  // length of the run that opened the code; 0 outside
	fence bool // the code is a fenced block
	line  int  // bytes of the line so far that are no white space
	ticks int  // line's value when the run began
}

// plain reports whether a character that is no backtick would stand outside
// code here.
func (c codeState) plain() bool {
	if c.run > 0 {
		c.endRun()
	}
	return c.open == 0
}

func (c *codeState) scan(b []byte) {
	for _, ch := range b {
		if ch == '`' {
			if c.run == 0 {
				c.ticks = c.line
			}
			c.run++
			c.line++
			continue
		}
		if c.run > 0 {
			c.endRun()
		}
		switch ch {
		case '\n':
			if c.line == 0 && !c.fence {
				c.open = 0
			}
			c.line = 0
		case ' ', '\t', '\r':
		default:
			c.line++
		}
	}
}

func (c *codeState) endRun() {
	run := c.run
	c.run = 0
	switch {
	case c.open == 0:
		c.open, c.fence = run, run >= 3 && c.ticks == 0
	case c.fence:
		if run >= c.open && c.ticks == 0 {
			c.open, c.fence = 0, false
		}
	case run == c.open:
		c.open = 0
	}
}
