// Package markdown cuts a growing Markdown text into messages and closes what
// is unfinished in it.
//
// A cut loses nothing: the bodies of all parts, one after the other, are the
// text, byte for byte. What a cut needs besides (a code fence closed and opened
// again, a table's header repeated) stands in a part's Prefix and Suffix.
package markdown

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// lookahead is how far, in bytes, the text must reach beyond a full part
// before its end is fixed: so far a cut may look ahead. A cut therefore
// depends on the text alone, not on how it arrived.
const lookahead = 64

// Part is the text of one message.
type Part struct {
	Prefix string // opened again: fence, table header, list items, emphasis
	Body   string // the text itself
	Suffix string // closed at the cut
}

// Text is what the message says. Space at the end of Body comes after closed
// emphasis, where the marks would otherwise not close it.
func (p Part) Text() string {
	if p.Suffix == "" {
		return p.Prefix + p.Body
	}
	body, space := p.Body, ""
	if p.Suffix[0] != '\n' && !strings.HasSuffix(body, "\n") {
		body = strings.TrimRightFunc(p.Body, unicode.IsSpace)
		space = p.Body[len(body):]
	}
	return p.Prefix + body + p.Suffix + space
}

// Splitter cuts one growing text into parts that fit a platform's message. A
// part that is full never changes again. The text is given anew with each
// call and may only have grown. A Splitter is not safe for concurrent use.
type Splitter struct {
	size    int
	measure func(string) int

	full   []cut
	start  int // where the open part begins
	open   opening
	middle bool // the open part begins in the middle of a line

	lines   []line // complete lines of the open part
	scanned int    // where the first incomplete line begins
	now     state  // before that line
	good    int    // the open part may reach so far at least …
	weight  int    // … and measures this then
}

// cut is one full part.
type cut struct {
	from, to int
	open     opening
	suffix   string
	before   state // at from, and whether that is inside a line
	middle   bool
}

// opening is what is opened again at the start of a part.
type opening struct {
	text  string
	marks string // the end of text that is emphasis
}

// line is one complete line with the state before it; to is behind its newline.
type line struct {
	from, to int
	before   state
}

// New makes a Splitter for messages of at most size, measured by measure; nil
// counts code points. A size below 16 is taken for 16.
func New(size int, measure func(markdown string) int) *Splitter {
	if measure == nil {
		measure = utf8.RuneCountInString
	}
	return &Splitter{size: max(size, 16), measure: measure}
}

// Full is the number of parts that are full.
func (s *Splitter) Full() int { return len(s.full) }

// Part is full part i of text.
func (s *Splitter) Part(text string, i int) Part {
	c := s.full[i]
	return Part{Prefix: c.open.text, Body: text[c.from:c.to], Suffix: c.suffix}
}

// Rest is the open part of text as its last message, nothing closed.
func (s *Splitter) Rest(text string) Part {
	return Part{Prefix: s.open.text, Body: text[s.start:]}
}

// Advance fixes the end of every part that text fills. With final, text is
// whole, and what remains open fits one message.
func (s *Splitter) Advance(text string, final bool) {
	for {
		at, ok := s.end(text, final)
		if !ok {
			return
		}
		s.fix(text, at)
	}
}

// Break ends the open part early, at the last paragraph that lies at least
// least bytes behind its start, and reports whether there was one.
func (s *Splitter) Break(text string, least int) bool {
	s.scan(text)
	return s.breakAt(text, least, len(s.lines)-1)
}

// BreakSoon is Break that takes a paragraph whose first line is still growing.
func (s *Splitter) BreakSoon(text string, least int) bool {
	s.scan(text)
	return s.breakAt(text, least, len(s.lines))
}

// breakAt ends the open part before line last or an earlier one.
func (s *Splitter) breakAt(text string, least, last int) bool {
	for k := last; k > 0; k-- {
		at := s.lineStart(k)
		if at-s.start < least {
			return false
		}
		if s.rank(text, k) == atParagraph && s.fits(text, at) {
			s.fix(text, at)
			return true
		}
	}
	return false
}

// Shrink opens part i and all after it again and cuts them to a smaller size.
func (s *Splitter) Shrink(i, size int) {
	s.size, s.good = max(size, 16), 0
	if i < len(s.full) {
		c := s.full[i]
		s.full = s.full[:i]
		s.begin(c.from, c.open, c.before, c.middle)
	}
}

// Size is the size messages are cut to.
func (s *Splitter) Size() int { return s.size }

// Fits reports whether markdown fits one message.
func (s *Splitter) Fits(markdown string) bool {
	return len(markdown) == 0 || s.measure(markdown) <= s.size
}

// fix ends the open part at at and begins the next.
func (s *Splitter) fix(text string, at int) {
	suffix, next := s.seam(text, at)
	first, _ := s.at(s.start)
	s.full = append(s.full, cut{s.start, at, s.open, suffix, first, s.middle})
	before, middle := s.at(at)
	if middle {
		before = before.within(text[max(strings.LastIndexByte(text[:at], '\n')+1, s.start):at])
		s.begin(at, next, before, true)
		return
	}
	k := sort.Search(len(s.lines), func(k int) bool { return s.lines[k].from >= at })
	s.lines = s.lines[k:]
	s.start, s.open, s.middle = at, next, false
	s.good = 0
}

// begin begins a part whose lines are not known.
func (s *Splitter) begin(at int, open opening, before state, middle bool) {
	s.start, s.open, s.middle = at, open, middle
	s.lines, s.scanned, s.now = nil, at, before
	s.good = 0
}

// scan notes the complete lines of the open part.
func (s *Splitter) scan(text string) {
	for {
		n := strings.IndexByte(text[s.scanned:], '\n')
		if n < 0 {
			return
		}
		to := s.scanned + n + 1
		s.lines = append(s.lines, line{s.scanned, to, s.now})
		s.now = s.now.next(strings.TrimSuffix(text[s.scanned:to-1], "\r"))
		s.scanned = to
	}
}

// at is the state at offset at of the open part: before its line, and whether
// the offset lies inside that line.
func (s *Splitter) at(at int) (before state, middle bool) {
	k := sort.Search(len(s.lines), func(k int) bool { return s.lines[k].to > at })
	if k < len(s.lines) {
		l := s.lines[k]
		return l.before, at > l.from || k == 0 && s.middle
	}
	return s.now, at > s.scanned || len(s.lines) == 0 && s.middle
}

// Closing is what ends a code fence that text leaves open, with a newline
// before it; empty when none is open.
func Closing(text string) string {
	s := New(1<<30, nil)
	s.scan(text)
	now := s.now
	if s.scanned < len(text) {
		now = now.next(text[s.scanned:])
	}
	if now.fence.n == 0 {
		return ""
	}
	if strings.HasSuffix(text, "\n") {
		return now.fence.close()
	}
	return "\n" + now.fence.close()
}

// Measure is the size of markdown in the platform's unit.
func (s *Splitter) Measure(markdown string) int { return s.measure(markdown) }

// From is where in the text part i begins: a full one, or the open one.
func (s *Splitter) From(i int) int {
	if i < len(s.full) {
		return s.full[i].from
	}
	return s.start
}

// To is where in the text full part i ends.
func (s *Splitter) To(i int) int { return s.full[i].to }

// Tail is everything from part i on, as one text.
func (s *Splitter) Tail(text string, i int) string {
	if i < len(s.full) {
		return s.full[i].open.text + text[s.full[i].from:]
	}
	return s.open.text + text[s.start:]
}
