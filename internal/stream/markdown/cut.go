// Where a part that is full ends.

package markdown

import (
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

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
