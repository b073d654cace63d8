// Reasoning inside the content, in the marks that models and chat templates
// use, with marks cut anywhere.

package completion

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// block is one pair of marks around reasoning. They match in any case.
type block struct {
	open, close string
	// sure says that what follows the opening mark is reasoning even where
	// nothing closes it. The others may be the first word of an answer.
	sure bool
}

// blocks count at the very beginning of an answer, so that no prose about them
// is lost. The first counts in the middle too, where it is closed.
var blocks = []block{
	{"<think>", "</think>", true},
	{"<thinking>", "</thinking>", false},
	{"<thought>", "</thought>", false},
	{"<reasoning>", "</reasoning>", false},
	{"[think]", "[/think]", false},
	{bareOpen, "assistantfinal", false},
}

// bareOpen is what is left of gpt-oss's channels where a server drops their
// control marks: "analysisThe user asks …assistantfinalIt is …". No answer
// begins with that word in lower case and a capital right behind it.
const bareOpen = "analysis"

var (
	thinkOpen  = blocks[0].open
	thinkClose = blocks[0].close
)

// thinkSplitter separates reasoning from the answer. A mark inside code is
// quoted, not meant. A block that opens in the middle of the answer and never
// closes was not one: its text comes back at the end.
type thinkSplitter struct {
	// hold keeps the beginning of the answer back until a closing mark that
	// nothing opened, because this model's earlier answers had one.
	hold     bool
	kept     []byte // what is kept back so
	unopened bool   // such a closing mark came
	given    bool   // text was given out as the answer
	retract  bool   // and it was reasoning

	held     []byte // text whose meaning the next piece decides
	inside   *block // whose closing mark is waited for
	opened   bool   // reasoning was marked: a later closing mark alone is text
	begun    bool   // the answer has begun: something but white space came
	led      int    // where the white space before the answer was cut; 0: it was not
	trim     bool   // drop white space until the answer begins
	doubtful []byte // a block that may turn out to be the answer, its mark included
	code     codeState
	harmony  *harmony
}

// maxLead is how much white space is kept before an answer begins.
const maxLead = 256

// split takes the next piece of content and returns what of it, and of what
// was held, is answer and what is reasoning. Both may share piece's memory.
func (t *thinkSplitter) split(piece []byte) (answer, reasoning []byte) {
	if t.begun && !t.hold && t.harmony == nil && t.inside == nil && len(t.held) == 0 && t.code.plain() && bytes.IndexByte(piece, '<') < 0 && bytes.IndexByte(piece, '`') < 0 {
		t.code.scan(piece)
		t.given = true
		return piece, nil
	}
	b := t.lead(append(t.held, piece...))
	t.held = nil
	for len(b) > 0 {
		var whole bool
		switch {
		case t.harmony != nil:
			b, whole = t.channels(b, &answer, &reasoning)
		case t.inside != nil:
			b, whole = t.reason(b, &reasoning)
		default:
			b, whole = t.prose(b, &answer, &reasoning)
		}
		if !whole {
			t.held = bytes.Clone(b)
			break
		}
	}
	if len(t.kept) > MaxAnswer {
		answer = append(answer, t.release()...) // no reasoning is as long as that
	}
	t.given = t.given || len(answer) > 0
	return answer, reasoning
}

// lead drops the white space beyond maxLead from b, where the answer has not
// begun: it is held, and looked through again with every piece.
func (t *thinkSplitter) lead(b []byte) []byte {
	if t.begun || t.inside != nil || t.harmony != nil {
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

// prose consumes b up to and including the next mark; whole is false when what
// is left of b may be the beginning of one.
func (t *thinkSplitter) prose(b []byte, answer, reasoning *[]byte) (rest []byte, whole bool) {
	at, mark, whole := t.find(b)
	if at < 0 {
		*answer = t.emit(*answer, b)
		return nil, true
	}
	blank := len(bytes.TrimSpace(b[:at])) == 0
	if mark == thinkClose && whole {
		*answer = t.emit(*answer, b[:at])
		t.close(answer, reasoning)
		return b[at+len(mark):], true
	}
	if !t.begun && blank && whole {
		t.trim = true // the white space before a first block goes with it
	}
	if whole || t.begun || !blank {
		*answer = t.emit(*answer, b[:at])
		b = b[at:]
	}
	if !whole {
		return b, false
	}
	if isHarmony(mark) {
		t.harmony, t.opened = &harmony{}, true
		return b, true
	}
	t.open(mark)
	return b[len(mark):], true
}

// find returns where in b a mark, or at its end the beginning of one, stands
// outside code; -1 if nowhere. White space before an answer that has not begun
// counts as a beginning.
func (t *thinkSplitter) find(b []byte) (at int, mark string, whole bool) {
	code, first := t.code, !t.begun
	for i := range b {
		if (b[i] == '<' || first && (b[i] == '[' || b[i] == bareOpen[0])) && code.plain() {
			if mark, whole := t.markAt(b[i:], first); mark != "" {
				return i, mark, whole
			}
		}
		first = first && isBlank(b[i])
		code.scan(b[i : i+1])
	}
	if !t.begun && len(bytes.TrimSpace(b)) == 0 {
		return 0, "", false
	}
	return -1, "", false
}

// markAt is the mark that b begins with, or may go on to be. First says that
// only white space came before it.
func (t *thinkSplitter) markAt(b []byte, first bool) (mark string, whole bool) {
	try := func(m string) bool {
		n := min(len(m), len(b))
		if !foldPrefix(b, m[:n]) {
			return false
		}
		mark, whole = m, n == len(m)
		return true
	}
	if try(thinkOpen) || !t.opened && try(thinkClose) || !first {
		return mark, whole
	}
	for _, one := range blocks[1:] {
		if one.open == bareOpen && !isBare(b) {
			continue
		}
		if try(one.open) {
			return mark, whole && (mark != bareOpen || len(b) > len(bareOpen))
		}
	}
	for _, m := range harmonyOpenings {
		if try(m) {
			return mark, whole
		}
	}
	return "", false
}

// isBare reports whether b begins with bareOpen and a capital, or may go on to.
// Less than half of the word is not waited with: it is a single token.
func isBare(b []byte) bool {
	n := min(len(b), len(bareOpen))
	return n >= len(bareOpen)/2 && string(b[:n]) == bareOpen[:n] && (len(b) <= len(bareOpen) || b[len(bareOpen)] >= 'A' && b[len(bareOpen)] <= 'Z')
}

// foldPrefix reports whether b begins with the ASCII text prefix, which is in
// lower case, in any case.
func foldPrefix(b []byte, prefix string) bool {
	if len(b) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if lower(b[i]) != prefix[i] {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// open begins a block.
func (t *thinkSplitter) open(mark string) {
	for i := range blocks {
		if blocks[i].open == mark {
			t.inside, t.opened = &blocks[i], true
		}
	}
	if t.begun || !t.inside.sure {
		t.doubtful = append(t.doubtful[:0], mark...)
	}
}

// close takes a closing mark that nothing opened: all before it was reasoning.
func (t *thinkSplitter) close(answer, reasoning *[]byte) {
	*reasoning = append(append(*reasoning, t.kept...), *answer...)
	t.retract, t.given = t.given, false
	*answer, t.kept = nil, nil
	t.unopened, t.opened, t.hold = true, true, false
	t.begun, t.trim, t.code = false, true, codeState{}
}

// release gives up waiting for a closing mark.
func (t *thinkSplitter) release() []byte {
	kept := t.kept
	t.kept, t.hold, t.given = nil, false, t.given || len(kept) > 0
	return kept
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
	if t.hold && !t.opened {
		t.kept = append(t.kept, b...)
		return answer
	}
	return append(answer, b...)
}

// reason consumes reasoning up to the closing mark; whole is false when all
// that is left of b may be the beginning of that mark.
func (t *thinkSplitter) reason(b []byte, reasoning *[]byte) (rest []byte, whole bool) {
	mark := t.inside.close
	at := foldIndex(b, mark)
	closed := at >= 0
	if !closed {
		at = len(b) - markStart(b, mark)
	}
	doubtful := len(t.doubtful) > 0
	if doubtful {
		t.doubtful = append(t.doubtful, b[:at]...)
	} else {
		*reasoning = append(*reasoning, b[:at]...)
	}
	if !closed {
		return b[at:], false
	}
	if doubtful {
		*reasoning = append(*reasoning, t.doubtful[len(t.inside.open):]...)
		t.doubtful = nil
	}
	t.inside = nil
	t.trim = !t.begun
	return b[at+len(mark):], true
}

// foldIndex is where the mark stands in b, in any case, or -1.
func foldIndex(b []byte, mark string) int {
	for from := 0; ; {
		i := bytes.IndexByte(b[from:], mark[0])
		if i < 0 {
			return -1
		}
		if foldPrefix(b[from+i:], mark) {
			return from + i
		}
		from += i + 1
	}
}

// markStart is the length of b's longest end that begins mark.
func markStart(b []byte, mark string) int {
	for n := min(len(mark)-1, len(b)); n > 0; n-- {
		if foldPrefix(b[len(b)-n:], mark[:n]) {
			return n
		}
	}
	return 0
}

// rest returns what was held at the end of the stream. Whole says that the
// stream came to its end, cut that this was the model's length limit: what was
// never closed as reasoning may then be the answer.
func (t *thinkSplitter) rest(whole, cut bool) (answer, reasoning []byte) {
	switch {
	case t.harmony != nil:
		answer, reasoning = t.lastOfChannels()
	case t.inside != nil && len(t.doubtful) > 0 && (t.begun || whole && !cut):
		answer = append(t.doubtful, t.held...)
	case t.inside != nil:
		reasoning = append(t.doubtful, t.held...)
	default:
		answer = t.emit(nil, t.held)
	}
	if len(t.kept) > 0 {
		if whole {
			answer = append(t.kept, answer...)
		} else {
			answer, reasoning = nil, append(append(t.kept, answer...), reasoning...)
		}
	}
	t.held, t.doubtful, t.inside, t.kept = nil, nil, nil, nil
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
