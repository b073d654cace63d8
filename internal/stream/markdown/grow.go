// What an unfinished answer looks like while it grows.

package markdown

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Growing is the open part of text as it may be shown before it is finished:
// half a link, half a fence or a lone list marker at the end is held back, and
// open emphasis and fences are closed. It is empty when nothing can be shown
// yet. What is too long for one message ends where the part probably will;
// covered is how much of text is shown but for what is held back.
func (s *Splitter) Growing(text string) (show string, covered int) {
	show = s.growing(text)
	if s.Fits(show) {
		return show, len(text)
	}
	at, ok := s.end(text, true)
	if !ok {
		return "", len(text)
	}
	suffix, _ := s.seam(text, at)
	return Part{s.open.text, text[s.start:at], suffix}.Text(), at
}

func (s *Splitter) growing(text string) string {
	s.scan(text)
	text = trimPartial(text)
	last := text[min(s.scanned, len(text)):] // the incomplete line
	if s.now.fence.n > 0 {
		return s.growingFence(text, last)
	}
	end := len(text)
	k := len(s.lines)
	if holdLine(last, s.now) && !(k == 0 && s.middle) {
		end -= len(last)
		// A table's header is no table before the row of dashes has come.
		if k > 0 && strings.HasPrefix(strings.TrimSpace(s.now.row), "|") {
			end = s.lines[k-1].from
		}
	}
	show := strings.TrimRightFunc(text[s.start:end], unicode.IsSpace)
	if show == "" {
		return ""
	}
	show = text[:s.start+len(show)]
	from := max(strings.LastIndexByte(show, '\n')+1, s.start)
	if before, _ := s.at(from); before.fence.n == 0 {
		from = s.paragraph(text, from)
		show = show[:from] + closed(s.carried(from), show[from:])
	}
	body := strings.TrimRightFunc(show[s.start:], unicode.IsSpace)
	if body == "" {
		return ""
	}
	return s.open.text + body
}

// closed is the text of one block, in which carried is open already, without
// its unfinished tail and with its open emphasis closed.
func closed(carried, block string) string {
	block = carried + block
	in := scanInline(block)
	for in.hold < len(block) { // each round, an opening mark may have moved to the end
		block = strings.TrimRightFunc(block[:in.hold], unicode.IsSpace)
		in = scanInline(block)
	}
	if len(block) <= len(carried) {
		return ""
	}
	closers, _ := in.closers()
	return block[len(carried):] + closers
}

// growingFence is Growing inside a code fence.
func (s *Splitter) growingFence(text, last string) string {
	_, rest := lead(last)
	body := text[s.start:]
	if runLength(rest, s.now.fence.char) == len(rest) {
		body = text[s.start:s.scanned]
		if s.now.opened {
			body = text[s.start:s.lines[len(s.lines)-1].from]
			if strings.TrimSpace(body) == "" {
				return ""
			}
			return s.open.text + strings.TrimRightFunc(body, unicode.IsSpace)
		}
	}
	body = strings.TrimRightFunc(body, unicode.IsSpace)
	if body == "" {
		return ""
	}
	return s.open.text + body + "\n" + s.now.fence.close()
}

// holdLine reports whether the unfinished line could still become something
// else: a marker without text, a fence, a rule, a row of a table.
func holdLine(last string, before state) bool {
	_, rest := lead(last)
	if marker, ok := listMarker(rest); ok {
		_, rest = lead(rest[len(marker):])
	}
	rest = strings.TrimRight(rest, " \t\r")
	if rest == "" {
		return true
	}
	if rest[0] == '|' || before.table != "" && strings.Contains(rest, "|") {
		return true
	}
	if n := runLength(rest, '`'); n >= 3 || n == len(rest) {
		return true
	}
	if n := runLength(rest, '~'); n >= 3 || n == len(rest) {
		return true
	}
	digits := strings.Trim(rest, "0123456789") == ""
	return digits && len(rest) <= 3 || !digits && len(rest) < 80 && strings.Trim(rest, "#-=*_+.:)| \t0123456789") == ""
}

// trimPartial cuts an incomplete code point off the end.
func trimPartial(text string) string {
	for k := 1; k <= utf8.UTFMax && k <= len(text); k++ {
		c := text[len(text)-k]
		if utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRuneInString(text[len(text)-k:]) {
				return text[:len(text)-k]
			}
			break
		}
	}
	return text
}
