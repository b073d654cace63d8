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

	"github.com/rivo/uniseg"
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

// Start is where in the text the open part begins.
func (s *Splitter) Start() int { return s.start }

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
	for k := len(s.lines) - 1; k > 0; k-- {
		at := s.lines[k].from
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
	s.size = max(size, 16)
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

// seam is what closes at a cut and what opens again behind it.
func (s *Splitter) seam(text string, at int) (suffix string, next opening) {
	before, middle := s.at(at)
	suffix, next = s.marks(text, at, before, middle)
	if s.measure(suffix)+s.measure(next.text) > s.size/2 {
		return "", opening{} // more frame than picture
	}
	return suffix, next
}

func (s *Splitter) marks(text string, at int, before state, middle bool) (suffix string, next opening) {
	if f := before.fence; f.n > 0 {
		suffix = f.close()
		if middle {
			suffix = "\n" + suffix
		}
		return suffix, opening{text: parents(before.items, width(indentOf(f.lead))) + f.open()}
	}
	if !middle {
		rest := firstLine(text[at:])
		if before.table != "" && strings.Contains(rest, "|") {
			return "", opening{text: before.table}
		}
		indent, _ := lead(rest)
		return "", opening{text: parents(before.items, width(indentOf(indent)))}
	}
	from := max(strings.LastIndexByte(text[:at], '\n')+1, s.start)
	quote, _ := lead(text[from:at])
	if !strings.Contains(quote, ">") {
		quote = ""
	}
	from = s.paragraph(text, from)
	suffix, again := scanInline(s.carried(from) + text[from:at]).closers()
	return suffix, opening{text: quote + again, marks: again}
}

// carried is the emphasis that was open before the block at from.
func (s *Splitter) carried(from int) string {
	if from == s.start && s.middle {
		return s.open.marks
	}
	return ""
}

// paragraph is where the block begins that holds the line at from.
func (s *Splitter) paragraph(text string, from int) int {
	for k := len(s.lines) - 1; k >= 0; k-- {
		l := s.lines[k]
		if l.from >= from {
			continue
		}
		_, rest := lead(firstLine(text[from:]))
		if _, ok := listMarker(rest); ok || l.before.fence.n > 0 || isHeading(rest) {
			break
		}
		above := text[l.from:l.to]
		if strings.TrimSpace(above) == "" || isHeading(above) {
			break
		}
		from = l.from
	}
	return from
}

// parents opens again the list items that text indented by indent is part of.
func parents(items []item, indent int) string {
	var b strings.Builder
	for _, it := range items {
		if it.indent < indent {
			b.WriteString(strings.Repeat(" ", it.indent) + it.marker + " …\n")
		}
	}
	return b.String()
}

func indentOf(lead string) string {
	if strings.Contains(lead, ">") {
		return ""
	}
	return lead
}

func firstLine(text string) string {
	text, _, _ = strings.Cut(text[:min(len(text), lookahead)], "\n")
	return text
}

// fits reports whether the open part, cut at at, fits a message.
func (s *Splitter) fits(text string, at int) bool {
	suffix, _ := s.seam(text, at)
	return s.measure(Part{s.open.text, text[s.start:at], suffix}.Text()) <= s.size
}

// end is where the open part must end, if text fills it.
func (s *Splitter) end(text string, final bool) (int, bool) {
	s.scan(text)
	most, ok := s.most(text, final)
	if !ok {
		return 0, false
	}
	half := s.start + (most-s.start)/2
	best, found := 0, none
	for k := len(s.lines); k > 0 && found < atParagraph; k-- {
		at := s.lineStart(k)
		if at <= half {
			break
		}
		if at > most || at >= len(text) {
			continue
		}
		if r := s.rank(text, k); r > found && s.fits(text, at) {
			best, found = at, r
		}
	}
	if found > none {
		return best, true
	}
	return s.inside(text, half, most), true
}

// lineStart is where line k of the open part begins; the incomplete line is
// the one behind the last.
func (s *Splitter) lineStart(k int) int {
	if k < len(s.lines) {
		return s.lines[k].from
	}
	return s.scanned
}

// stateAt is the state before line k.
func (s *Splitter) stateAt(k int) state {
	if k < len(s.lines) {
		return s.lines[k].before
	}
	return s.now
}

// The ranks of a line's start as a place to cut, worst first.
type rank int

const (
	none        rank = iota
	inNest           // inside a nested list, a table or a code fence
	atLine           // any line
	atParagraph      // a block begins
)

// rank says how well the text can be cut at the start of line k.
func (s *Splitter) rank(text string, k int) rank {
	before := s.stateAt(k)
	rest := firstLine(text[s.lineStart(k):])
	indent, body := lead(rest)
	switch {
	case before.opened || before.row != "" && isDelimiterRow(rest):
		return none // behind the opening of a fence, between a table's header and its dashes
	case before.fence.n > 0:
		return inNest
	case strings.TrimSpace(rest) == "":
		return none // blank lines stay with what is before them
	case before.table != "" && strings.Contains(rest, "|"):
		return inNest
	case before.head:
		return inNest // a heading belongs to what follows
	case len(before.items) > 0 && width(indent) > 0:
		return inNest
	}
	_, fenced := fenceIn(rest)
	if before.blank && !s.headingBefore(text, k) || fenced || isHeading(body) || s.fenceEnded(k) {
		return atParagraph
	}
	return atLine
}

func (s *Splitter) fenceEnded(k int) bool {
	return k > 0 && s.lines[k-1].before.fence.n > 0 && s.stateAt(k).fence.n == 0
}

// headingBefore reports whether the last line with text before line k is a heading.
func (s *Splitter) headingBefore(text string, k int) bool {
	for k--; k >= 0; k-- {
		l := text[s.lines[k].from:s.lines[k].to]
		if strings.TrimSpace(l) != "" {
			return s.lines[k].before.fence.n == 0 && isHeading(l)
		}
	}
	return false
}

// most is the furthest the open part can reach; ok is false when text does not
// fill it. The places it measures depend on the text before them alone.
func (s *Splitter) most(text string, final bool) (at int, ok bool) {
	if s.good <= s.start {
		s.good, s.weight = s.start, s.measure(s.open.text)
	}
	bad := 0
	for bad == 0 {
		next := s.good + max(lookahead, (s.size-s.weight)/2)
		if next > len(text) {
			if !final || s.measure(s.open.text+text[s.start:]) <= s.size {
				return 0, false
			}
			bad = next
			break
		}
		next = runeStart(text, next)
		if weight := s.roughly(text, next); weight <= s.size {
			s.good, s.weight = next, weight
		} else {
			bad = next
		}
	}
	good := s.good
	if !final && len(text) < bad+lookahead {
		return 0, false
	}
	for good+1 < bad {
		mid := (good + bad) / 2
		if mid > len(text) || s.roughly(text, runeStart(text, mid)) > s.size {
			bad = mid
		} else {
			good = mid
		}
	}
	return runeStart(text, good), true
}

// roughly is what the open part measures, cut at at, without the marks that
// close emphasis: those cost a walk over the paragraph.
func (s *Splitter) roughly(text string, at int) int {
	before, middle := s.at(at)
	suffix := ""
	if before.fence.n > 0 {
		suffix = before.fence.close()
		if middle {
			suffix = "\n" + suffix
		}
	}
	return s.measure(s.open.text + text[s.start:at] + suffix)
}

// inside finds a place between low and high to cut within a line: behind a
// sentence, else a word, else a character. Links and mentions stay whole
// unless one alone is too long.
func (s *Splitter) inside(text string, low, high int) int {
	from := max(strings.LastIndexByte(text[:high], '\n')+1, s.start)
	window := text[from:min(len(text), high+lookahead)]
	before, _ := s.at(high)
	var atoms []span
	if before.fence.n == 0 {
		atoms = scanInline(window).atoms
	}
	var found [3]int // sentence, word, character
	state, rest, at := -1, window, from
	for rest != "" && at < high {
		var cluster string
		var bounds int
		cluster, rest, bounds, state = uniseg.StepString(rest, state)
		at += len(cluster)
		if at > high || at <= s.start || within(atoms, at-from) {
			continue
		}
		if bounds&uniseg.MaskLine != uniseg.LineDontBreak {
			found[1] = at
			if bounds&uniseg.MaskSentence != 0 && at > low {
				found[0] = at
			}
		}
		found[2] = at
	}
	for k, at := range found {
		if at <= s.start || k < 2 && at <= low {
			continue
		}
		if s.fits(text, at) {
			return at
		}
	}
	// The marks that close emphasis do not fit either: a little earlier, then.
	for back := 1; back < high-s.start; back *= 2 {
		if at := s.character(text, high-back); at > s.start && s.fits(text, at) {
			return at
		}
	}
	return s.character(text, high)
}

// character is the last boundary between characters at or before high, or the
// first one of the open part where even that lies beyond.
func (s *Splitter) character(text string, high int) int {
	from := max(strings.LastIndexByte(text[:high], '\n')+1, s.start)
	state, rest, at, last := -1, text[from:min(len(text), high+lookahead)], from, from
	for rest != "" {
		var cluster string
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if at += len(cluster); at > high && last > s.start {
			break
		}
		last = at
	}
	return last
}

func within(atoms []span, at int) bool {
	for _, a := range atoms {
		if at > a.from && at < a.to {
			return true
		}
	}
	return false
}

// runeStart moves at back to where a code point begins.
func runeStart(text string, at int) int {
	for at > 0 && at < len(text) && !utf8.RuneStart(text[at]) {
		at--
	}
	return min(at, len(text))
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
