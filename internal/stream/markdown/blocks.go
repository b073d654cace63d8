// The block structure of Markdown as far as splitting needs it: which code
// fence, list items and table are open at the start of a line.

package markdown

import "strings"

// state is what is open at the start of a line.
type state struct {
	fence  fence
	opened bool   // the line before opened the fence
	items  []item // open list items, outermost first; never changed in place
	table  string // header and delimiter row of the table we are in, each with its newline
	row    string // the line before, where it could be a table's header
	blank  bool   // the line before was blank
	head   bool   // the line before was a heading
}

// fence is an open code fence; n is 0 when there is none.
type fence struct {
	lead string // what stands before the fence's characters: indent and quote marks, list marks as spaces
	char byte
	n    int
	info string
}

func (f fence) marks() string { return strings.Repeat(string(f.char), f.n) }

// open is the line that opens the fence again in the next message.
func (f fence) open() string { return f.lead + f.marks() + f.info + "\n" }

// close is the line that ends the fence.
func (f fence) close() string { return f.lead + f.marks() }

// item is one open list item.
type item struct {
	indent int
	marker string // "-", "3."
}

// next is the state after line, which is complete and comes without its newline.
func (s state) next(line string) state {
	out := state{items: s.items}
	if s.fence.n > 0 {
		if !s.fence.closedBy(line) {
			out.fence = s.fence
		}
		return out
	}
	if strings.TrimSpace(line) == "" {
		out.blank = true
		return out
	}
	out.items = s.listAfter(line)
	if f, ok := fenceIn(line); ok {
		out.fence, out.opened = f, true
		return out
	}
	switch {
	case s.table != "" && strings.Contains(line, "|"):
		out.table = s.table
	case s.row != "" && isDelimiterRow(line):
		out.table = s.row + "\n" + line + "\n"
	case strings.Contains(line, "|"):
		out.row = line
	}
	out.head = isHeading(line)
	return out
}

// within is the state inside a line of which piece was cut off: what follows
// goes on with the block that piece belongs to.
func (s state) within(piece string) state {
	if s.fence.n > 0 {
		return s
	}
	return state{items: s.next(piece).items}
}

// closedBy reports whether line is the closing line of f.
func (f fence) closedBy(line string) bool {
	_, rest := lead(line)
	if strings.Contains(f.lead, ">") && !strings.Contains(line[:len(line)-len(rest)], ">") {
		return true // the quote ended, and the fence with it
	}
	n := runLength(rest, f.char)
	return n >= f.n && strings.TrimSpace(rest[n:]) == ""
}

// lead cuts the indent and the quote marks off a line.
func lead(line string) (before, rest string) {
	i := 0
	for i < len(line) && (line[i] == ' ' || line[i] == '\t' || line[i] == '>') {
		i++
	}
	return line[:i], line[i:]
}

// fenceIn finds the fence that line opens, behind list markers too.
func fenceIn(line string) (fence, bool) {
	before, rest := lead(line)
	for {
		marker, ok := listMarker(rest)
		if !ok {
			break
		}
		before += strings.Repeat(" ", len(marker))
		rest = rest[len(marker):]
		more, after := lead(rest)
		before, rest = before+more, after
	}
	if rest == "" || rest[0] != '`' && rest[0] != '~' {
		return fence{}, false
	}
	n := runLength(rest, rest[0])
	info := strings.TrimRight(rest[n:], " \t\r")
	if n < 3 || rest[0] == '`' && strings.Contains(info, "`") {
		return fence{}, false
	}
	return fence{lead: before, char: rest[0], n: n, info: info}, true
}

// listMarker is the list marker at the start of rest, without the space after
// it; ok only when a space, a tab or the end follows.
func listMarker(rest string) (marker string, ok bool) {
	i := 0
	for i < len(rest) && i < 9 && rest[i] >= '0' && rest[i] <= '9' {
		i++
	}
	switch {
	case i > 0 && i < len(rest) && (rest[i] == '.' || rest[i] == ')'):
		i++
	case i == 0 && rest != "" && strings.IndexByte("-*+", rest[0]) >= 0:
		i = 1
	default:
		return "", false
	}
	if i < len(rest) && rest[i] != ' ' && rest[i] != '\t' {
		return "", false
	}
	return rest[:i], true
}

// listAfter is the list items open after line.
func (s state) listAfter(line string) []item {
	before, rest := lead(line)
	indent := width(before)
	marker, isItem := listMarker(rest)
	if isItem && isRule(rest) {
		isItem = false
	}
	if !isItem && indent == 0 && !s.blank {
		return s.items // text that goes on lazily
	}
	k := len(s.items)
	for k > 0 && s.items[k-1].indent >= indent {
		k--
	}
	if !isItem {
		return s.items[:k:k]
	}
	return append(s.items[:k:k], item{indent: indent, marker: marker})
}

// width is the number of columns of an indent.
func width(indent string) int {
	n := 0
	for i := range len(indent) {
		if indent[i] == '\t' {
			n += 4 - n%4
		} else {
			n++
		}
	}
	return n
}

func runLength(s string, c byte) int {
	n := 0
	for n < len(s) && s[n] == c {
		n++
	}
	return n
}

func isHeading(line string) bool {
	_, rest := lead(line)
	n := runLength(rest, '#')
	return n > 0 && n < 7 && (n == len(rest) || rest[n] == ' ')
}

// isRule reports whether line is a thematic break.
func isRule(line string) bool {
	n, mark := 0, byte(0)
	for i := range len(line) {
		switch c := line[i]; {
		case c == ' ' || c == '\t':
		case n == 0 && (c == '-' || c == '*' || c == '_') || n > 0 && c == mark:
			n, mark = n+1, c
		default:
			return false
		}
	}
	return n >= 3
}

// isDelimiterRow reports whether line is the row of dashes below a table's header.
func isDelimiterRow(line string) bool {
	dash, bar := false, false
	for i := range len(line) {
		switch line[i] {
		case '-':
			dash = true
		case '|':
			bar = true
		case ':', ' ', '\t', '\r', '>':
		default:
			return false
		}
	}
	return dash && bar
}
