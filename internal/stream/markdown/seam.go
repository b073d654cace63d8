// What a cut needs besides the text: closed before it, opened again behind it.

package markdown

import (
	"slices"
	"strings"
)

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
	for _, l := range slices.Backward(s.lines) {
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
