// A JSON scanner for the few fields of a stream's events. It reads bytes where
// they lie, skips what it does not know, and keeps lone surrogates so that the
// halves of an emoji sent in two deltas can be joined.

package completion

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// maxDepth is how deep values may nest.
const maxDepth = 200

// scanner walks one JSON text. After a mistake it stays failed; short says
// that the text ended too early.
type scanner struct {
	b      []byte
	i      int
	failed bool
	short  bool
}

func (s *scanner) fail() {
	if !s.failed {
		s.failed = true
		s.short = s.i >= len(s.b)
	}
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

// peek returns the next byte that is no white space, or 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.i >= len(s.b) {
		return 0
	}
	return s.b[s.i]
}

// take consumes c.
func (s *scanner) take(c byte) bool {
	if s.failed || s.peek() != c {
		s.fail()
		return false
	}
	s.i++
	return true
}

// key goes to the next member of an object and returns its name as it stands
// between the quotes. First must be true before the first member; the opening
// brace is consumed with it, the closing one with the last.
func (s *scanner) key(first *bool) ([]byte, bool) {
	if !s.next('{', '}', first) {
		return nil, false
	}
	name, _ := s.str()
	if !s.take(':') {
		return nil, false
	}
	return name, true
}

// elem goes to the next element of an array, like key.
func (s *scanner) elem(first *bool) bool { return s.next('[', ']', first) }

func (s *scanner) next(open, end byte, first *bool) bool {
	if s.failed {
		return false
	}
	if *first {
		*first = false
		if !s.take(open) {
			return false
		}
		if s.peek() == end {
			s.i++
			return false
		}
		return true
	}
	switch s.peek() {
	case ',':
		s.i++
		return true
	case end:
		s.i++
		return false
	}
	s.fail()
	return false
}

// str consumes a string and returns what stands between its quotes, and
// whether that holds escapes.
func (s *scanner) str() (raw []byte, escaped bool) {
	if !s.take('"') {
		return nil, false
	}
	start := s.i
	end := bytes.IndexByte(s.b[s.i:], '"')
	if end >= 0 && bytes.IndexByte(s.b[s.i:s.i+end], '\\') < 0 {
		s.i += end + 1
		return s.b[start : start+end], false
	}
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case '"':
			s.i++
			return s.b[start : s.i-1], true
		case '\\':
			s.i++
		}
		s.i++
	}
	s.i = len(s.b)
	s.fail()
	return nil, false
}

func (s *scanner) word(w string) {
	n := min(len(w), len(s.b)-s.i)
	if string(s.b[s.i:s.i+n]) != w[:n] {
		s.fail()
		return
	}
	s.i += n
	if n < len(w) {
		s.fail()
	}
}

// num consumes a number and returns its bytes.
func (s *scanner) num() []byte {
	s.space()
	start := s.i
	for s.i < len(s.b) {
		c := s.b[s.i]
		if (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' {
			break
		}
		s.i++
	}
	if s.i == start {
		s.fail()
	}
	return s.b[start:s.i]
}

// integer consumes a value and returns it when it is a number, else 0.
func (s *scanner) integer() int {
	if c := s.peek(); c != '-' && (c < '0' || c > '9') {
		s.skip(0)
		return 0
	}
	raw := s.num()
	n, err := strconv.Atoi(string(raw))
	if err != nil {
		f, _ := strconv.ParseFloat(string(raw), 64)
		if f < 0 || f > 1e15 {
			return 0
		}
		return int(f)
	}
	return n
}

// skip consumes any value.
func (s *scanner) skip(depth int) {
	if s.failed {
		return
	}
	if depth > maxDepth {
		s.failed = true
		return
	}
	first := true
	switch c := s.peek(); {
	case c == '"':
		s.str()
	case c == '{':
		for {
			if _, ok := s.key(&first); !ok {
				return
			}
			s.skip(depth + 1)
		}
	case c == '[':
		for s.elem(&first) {
			s.skip(depth + 1)
		}
	case c == 't':
		s.word("true")
	case c == 'f':
		s.word("false")
	case c == 'n':
		s.word("null")
	case c == '-' || c >= '0' && c <= '9':
		s.num()
	default:
		s.fail()
	}
}

// value consumes any value and returns its bytes.
func (s *scanner) value() []byte {
	s.space()
	start := s.i
	s.skip(0)
	if s.failed {
		return nil
	}
	return s.b[start:s.i]
}

// appendString appends the text of a JSON string to dst. Lone surrogates
// become three bytes each, as in WTF-8; a joiner makes text of them.
func appendString(dst, raw []byte, escaped bool) []byte {
	if !escaped {
		return append(dst, raw...)
	}
	for i := 0; i < len(raw); {
		c := raw[i]
		if c != '\\' || i+1 >= len(raw) {
			next := bytes.IndexByte(raw[i:], '\\')
			if next <= 0 {
				next = len(raw) - i
			}
			dst = append(dst, raw[i:i+next]...)
			i += next
			continue
		}
		i += 2
		switch e := raw[i-1]; e {
		case 'n':
			dst = append(dst, '\n')
		case 't':
			dst = append(dst, '\t')
		case 'r':
			dst = append(dst, '\r')
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'u':
			code, ok := hex4(raw[i:])
			if !ok {
				dst = utf8.AppendRune(dst, utf8.RuneError)
				continue
			}
			i += 4
			dst = appendUnit(dst, code)
		default: // \" \\ \/ and what should not be there
			dst = append(dst, e)
		}
	}
	return dst
}

func hex4(b []byte) (uint16, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var n uint16
	for _, c := range b[:4] {
		n <<= 4
		switch {
		case c >= '0' && c <= '9':
			n |= uint16(c - '0')
		case c >= 'a' && c <= 'f':
			n |= uint16(c-'a') + 10
		case c >= 'A' && c <= 'F':
			n |= uint16(c-'A') + 10
		default:
			return 0, false
		}
	}
	return n, true
}

// appendUnit appends one UTF-16 code unit, a surrogate as its own three bytes.
func appendUnit(dst []byte, u uint16) []byte {
	if u >= 0xd800 && u <= 0xdfff {
		return append(dst, 0xe0|byte(u>>12), 0x80|byte(u>>6)&0x3f, 0x80|byte(u)&0x3f)
	}
	return utf8.AppendRune(dst, rune(u))
}

// joiner makes valid text of pieces whose cuts may go through a character:
// between two surrogates, or between the bytes of one code point.
type joiner struct {
	held [6]byte
	n    int
}

// join returns the text of what was held and piece, and holds back a character
// that is not whole yet. The result may be piece itself or share its memory.
func (j *joiner) join(piece []byte) []byte {
	if j.n == 0 && utf8.Valid(piece) {
		return piece
	}
	b := append(append(make([]byte, 0, j.n+len(piece)), j.held[:j.n]...), piece...)
	j.n = 0
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		if high, ok := surrogate(b[i:]); ok {
			switch low, pair := surrogate(b[i+3:]); {
			case high >= 0xdc00: // a low one without its high one
			case pair && low >= 0xdc00:
				out = utf8.AppendRune(out, 0x10000+(rune(high)-0xd800)<<10+(rune(low)-0xdc00))
				i += 6
				continue
			case partial(b[i+3:]):
				j.n = copy(j.held[:], b[i:])
				return out
			}
			out = utf8.AppendRune(out, utf8.RuneError)
			i += 3
			continue
		}
		if partial(b[i:]) {
			j.n = copy(j.held[:], b[i:])
			return out
		}
		r, size := utf8.DecodeRune(b[i:])
		out = utf8.AppendRune(out, r)
		i += size
	}
	return out
}

// partial reports whether b is a beginning of a code point or surrogate, or
// empty.
func partial(b []byte) bool {
	return !utf8.FullRune(b) || len(b) == 2 && b[0] == 0xed && b[1] >= 0xa0 && b[1] < 0xc0
}

// rest returns what is held at the end of the stream: something unreadable, or
// nothing.
func (j *joiner) rest() []byte {
	if j.n == 0 {
		return nil
	}
	j.n = 0
	return []byte(string(utf8.RuneError))
}

// surrogate returns the surrogate whose three bytes b begins with.
func surrogate(b []byte) (uint16, bool) {
	if len(b) < 3 || b[0] != 0xed || b[1] < 0xa0 || b[1] > 0xbf || b[2]&0xc0 != 0x80 {
		return 0, false
	}
	return 0xd000 | uint16(b[1]&0x3f)<<6 | uint16(b[2]&0x3f), true
}
