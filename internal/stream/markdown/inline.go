// The inline structure of Markdown as far as splitting and closing need it:
// what must not be cut, and which emphasis is still open.

package markdown

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// How many bytes an unfinished link, mention or address may hold back while
// an answer grows. Longer ones are taken for text.
const (
	longestLabel  = 200
	longestTarget = 500
)

// span is a stretch [from, to) that must stay in one piece.
type span struct{ from, to int }

// open is emphasis or a code span that has begun and not ended.
type open struct {
	char byte
	n    int
	at   int
}

func (o open) marks() string { return strings.Repeat(string(o.char), o.n) }

// inline is what a walk over the text of one block found.
type inline struct {
	atoms []span
	opens []open
	// hold is where an unfinished tail begins (a link without its end, half of
	// a closing mark), or the length of the text.
	hold int
}

// scanInline walks over the text of one block.
func scanInline(b string) inline {
	in := inline{hold: len(b)}
	for i := 0; i < len(b); {
		switch b[i] {
		case '\\':
			if i+1 == len(b) {
				in.hold = min(in.hold, i)
			}
			i++
			if i < len(b) {
				_, n := utf8.DecodeRuneInString(b[i:])
				i += n
			}
		case '`':
			i = in.code(b, i)
		case '[', '!':
			i = in.link(b, i)
		case '<':
			i = in.angle(b, i)
		case 'h':
			i = in.address(b, i)
		case '*', '_', '~':
			i = in.emphasis(b, i)
		default:
			i++
		}
	}
	return in
}

// code takes a code span at i, or notes that one is open.
func (in *inline) code(b string, i int) int {
	n := runLength(b[i:], '`')
	for j := i + n; j < len(b); {
		if b[j] != '`' {
			j++
			continue
		}
		m := runLength(b[j:], '`')
		if m == n {
			in.atoms = append(in.atoms, span{i, j + m})
			return j + m
		}
		if j+m == len(b) {
			in.hold = min(in.hold, j) // half of the closing mark
		}
		j += m
	}
	if i+n == len(b) {
		in.hold = min(in.hold, i)
	}
	in.opens = append(in.opens, open{'`', n, i})
	return len(b)
}

// link takes a link or an image at i.
func (in *inline) link(b string, i int) int {
	at := i
	if b[i] == '!' {
		if i+1 == len(b) {
			in.hold = min(in.hold, i)
		}
		if i+1 == len(b) || b[i+1] != '[' {
			return i + 1
		}
		i++
	}
	end := matching(b, i, '[', ']')
	if end < 0 {
		if len(b)-i <= longestLabel {
			in.hold = min(in.hold, at)
		}
		return i + 1
	}
	if end == len(b) {
		in.hold = min(in.hold, at)
		return end
	}
	if b[end] != '(' {
		return i + 1
	}
	target := matching(b, end, '(', ')')
	if target < 0 {
		if len(b)-end <= longestTarget && !strings.Contains(b[end:], "\n") {
			in.hold = min(in.hold, at)
			return len(b)
		}
		return i + 1
	}
	in.atoms = append(in.atoms, span{at, target})
	return target
}

// matching is the offset behind the bracket that closes the one at i, or -1.
func matching(b string, i int, from, to byte) int {
	depth := 0
	for ; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case from:
			depth++
		case to:
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// angle takes a mention, an address in angle brackets or a tag at i.
func (in *inline) angle(b string, i int) int {
	rest := b[i+1:]
	if rest != "" && !strings.ContainsRune("@#!/:", rune(rest[0])) && !isLetter(rest[0]) {
		return i + 1
	}
	j := strings.IndexAny(rest, "> \n<")
	switch {
	case j < 0 && len(rest) <= longestLabel:
		in.hold = min(in.hold, i)
	case j >= 0 && rest[j] == '>':
		in.atoms = append(in.atoms, span{i, i + 1 + j + 1})
		return i + 1 + j + 1
	}
	return i + 1
}

// address takes a bare address at i.
func (in *inline) address(b string, i int) int {
	if i > 0 && isLetter(b[i-1]) {
		return i + 1
	}
	rest := b[i:]
	if strings.HasPrefix("https://", rest) || strings.HasPrefix("http://", rest) {
		in.hold = min(in.hold, i)
	}
	if !strings.HasPrefix(rest, "http://") && !strings.HasPrefix(rest, "https://") {
		return i + 1
	}
	n := strings.IndexAny(rest, " \n\t<>\"`*")
	if n < 0 {
		n = len(rest)
		if n <= longestTarget {
			in.hold = min(in.hold, i)
		}
	}
	in.atoms = append(in.atoms, span{i, i + n})
	return i + n
}

// emphasis takes a run of emphasis marks at i: it closes what is open, or opens.
func (in *inline) emphasis(b string, i int) int {
	c := b[i]
	n := runLength(b[i:], c)
	end := i + n
	if end == len(b) {
		in.hold = min(in.hold, i)
	}
	if c == '~' && n != 2 || n > 3 {
		return end
	}
	before, _ := utf8.DecodeLastRuneInString(b[:i])
	after, _ := utf8.DecodeRuneInString(b[end:])
	canOpen := end < len(b) && !unicode.IsSpace(after)
	canClose := i > 0 && !unicode.IsSpace(before)
	inWord := i > 0 && end < len(b) && isWordRune(before) && isWordRune(after)
	if inWord && (c == '_' || n == 1) {
		return end // snake_case, 2*3
	}
	if canClose {
		n = in.closeEmphasis(c, n)
	}
	if n > 0 && canOpen && (c != '_' || i == 0 || !isWordRune(before)) {
		in.opens = append(in.opens, open{c, n, i})
	}
	return end
}

// closeEmphasis ends open emphasis with n marks c and returns the marks left.
func (in *inline) closeEmphasis(c byte, n int) int {
	for k := len(in.opens) - 1; k >= 0 && n > 0; k-- {
		o := &in.opens[k]
		if o.char != c {
			continue
		}
		used := min(n, o.n)
		n -= used
		o.n -= used
		if o.n == 0 {
			in.opens = in.opens[:k]
		} else {
			in.opens = in.opens[:k+1]
		}
	}
	return n
}

// closers ends what is open, innermost first; openers begins it again.
func (in inline) closers() (closers, openers string) {
	var head, tail strings.Builder
	for _, o := range in.opens {
		head.WriteString(o.marks())
	}
	for _, o := range slices.Backward(in.opens) {
		tail.WriteString(o.marks())
	}
	return tail.String(), head.String()
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isWordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' }
