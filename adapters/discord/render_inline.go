// What is within a paragraph: links, images, code, HTML, and the bars that
// Discord would hide text between.

package discord

import (
	"html"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// inlines renders the text of a paragraph.
type inlines struct {
	links   map[string]string // targets of reference links
	newline string            // begins a new line of the paragraph; empty: a space does
	plain   bool              // for a code block, where markup shows as written
}

// render translates a text. What Discord shows itself is left as it is.
func (in inlines) render(s string) string {
	if !in.plain && !strings.ContainsAny(s, "|[<&\\") {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := 0; i < len(s); {
		from := i
		var out string
		switch s[i] {
		case '\\':
			out, i = in.escape(s, i)
		case '`':
			out, i = in.code(s, i)
		case '|':
			out, i = bars(s, i)
			if in.plain {
				out = s[from:i]
			}
		case '!', '[':
			out, i = in.link(s, i)
		case '<':
			out, i = in.angle(s, i)
		case '&':
			out, i = entity(s, i, in.plain)
		case 'h':
			out, i = address(s, i)
		case '*', '_', '~':
			out, i = in.emphasis(s, i)
		default:
			i++
			for i < len(s) && !special[s[i]] {
				i++
			}
			out = s[from:i]
		}
		b.WriteString(out)
	}
	return b.String()
}

// special are the characters that inlines look at.
var special = [256]bool{'\\': true, '`': true, '|': true, '!': true, '[': true, '<': true, '&': true, 'h': true, '*': true, '_': true, '~': true}

// escape takes a backslash with what it escapes. At the end of a line it makes
// a new line, which Discord does anyway.
func (in inlines) escape(s string, i int) (string, int) {
	if i+1 == len(s) {
		return `\`, i + 1
	}
	if s[i+1] == '\n' {
		return "", i + 1
	}
	_, n := utf8.DecodeRuneInString(s[i+1:])
	if in.plain && unicode.IsPunct(rune(s[i+1])) {
		return s[i+1 : i+1+n], i + 1 + n
	}
	return s[i : i+1+n], i + 1 + n
}

// code takes a code span, or marks that open none.
func (in inlines) code(s string, i int) (string, int) {
	n := run(s[i:], '`')
	for j := i + n; j < len(s); {
		if s[j] != '`' {
			j++
			continue
		}
		m := run(s[j:], '`')
		if m == n && in.plain {
			return strings.TrimSpace(strings.ReplaceAll(s[i+n:j], "`", "")), j + m
		}
		if m == n {
			return s[i : j+m], j + m
		}
		j += m
	}
	if in.plain {
		return "", i + n
	}
	return s[i : i+n], i + n
}

func run(s string, c byte) int {
	n := 0
	for n < len(s) && s[n] == c {
		n++
	}
	return n
}

// bars escapes two bars or more: Discord hides what is between two such.
func bars(s string, i int) (string, int) {
	n := run(s[i:], '|')
	if n == 1 {
		return "|", i + 1
	}
	return strings.Repeat(`\|`, n), i + n
}

// emphasis takes marks of emphasis, which a code block does not have. What
// stands between spaces, or once, is none.
func (in inlines) emphasis(s string, i int) (string, int) {
	n := run(s[i:], s[i])
	lone := (i == 0 || s[i-1] == ' ') && (i+n == len(s) || s[i+n] == ' ')
	if in.plain && n >= 2 && !lone && strings.Count(s, s[i:i+n]) > 1 {
		return "", i + n
	}
	return s[i : i+n], i + n
}

// address takes a URL as it is: in there nothing is markup.
func address(s string, i int) (string, int) {
	if !strings.HasPrefix(s[i:], "http://") && !strings.HasPrefix(s[i:], "https://") {
		return s[i : i+1], i + 1
	}
	end := i + strings.IndexAny(s[i:]+" ", " \t\n<")
	return s[i:end], end
}

var entities = regexp.MustCompile(`^&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,9});`)

// entity says an HTML entity, which Discord would show as written.
func entity(s string, i int, plain bool) (string, int) {
	found := entities.FindString(s[i:min(len(s), i+12)])
	said := html.UnescapeString(found)
	switch {
	case said == found:
		return "&", i + 1
	case said == "\u00a0":
		said = " "
	case !plain && len(said) == 1 && strings.Contains("\\`*_~|<>[]()#-", said):
		said = `\` + said
	}
	return said, i + len(found)
}

// link takes a link or an image.
func (in inlines) link(s string, i int) (string, int) {
	at := i
	if s[i] == '!' {
		if at++; at == len(s) || s[at] != '[' {
			return "!", i + 1
		}
	}
	end := bracket(s, at)
	if end < 0 {
		return s[i : at+1], at + 1
	}
	label := s[at+1 : end-1]
	target, after, ok := target(s, end)
	if !ok {
		if target, after, ok = in.reference(s, label, end); !ok {
			return s[i : at+1], at + 1
		}
	}
	return in.linked(strings.Join(strings.Fields(in.label(label)), " "), target, s[after:]), after
}

// label renders a link's label, in which Discord knows no other link.
func (in inlines) label(s string) string {
	if !in.plain && strings.Contains(s, "![") {
		if end := bracket(s, 1); strings.HasPrefix(s, "![") && end > 0 {
			if _, after, ok := target(s, end); ok && after == len(s) {
				return s[2 : end-1] // a badge
			}
		}
	}
	return in.render(s)
}

// bracket is the end of the brackets that open at i, or -1.
func bracket(s string, i int) int {
	depth := 0
	for j := i; j < len(s); j++ {
		switch s[j] {
		case '\\':
			j++
		case '`':
			if end := strings.Index(s[j+1:], "`"); end >= 0 {
				j += end + 1
			}
		case '[':
			depth++
		case ']':
			if depth--; depth == 0 {
				return j + 1
			}
		}
	}
	return -1
}

// target reads "(address "title")" at i.
func target(s string, i int) (target string, after int, ok bool) {
	if i >= len(s) || s[i] != '(' {
		return "", 0, false
	}
	j := i + 1 + len(s[i+1:]) - len(strings.TrimLeft(s[i+1:], " \n"))
	from, depth := j, 0
	if j < len(s) && s[j] == '<' {
		end := strings.IndexAny(s[j:], ">\n")
		if end < 0 || s[j+end] != '>' {
			return "", 0, false
		}
		target, j = strings.ReplaceAll(s[j+1:j+end], " ", "%20"), j+end+1
	} else {
		for j < len(s) && s[j] != ' ' && s[j] != '\n' && (s[j] != ')' || depth > 0) {
			switch s[j] {
			case '(':
				depth++
			case ')':
				depth--
			}
			j++
		}
		target = s[from:j]
	}
	rest := strings.TrimLeft(s[j:], " \n")
	if rest != "" && strings.IndexByte(`"'`, rest[0]) >= 0 {
		end := strings.IndexByte(rest[1:], rest[0])
		if end < 0 {
			return "", 0, false
		}
		rest = strings.TrimLeft(rest[end+2:], " \n")
	}
	if !strings.HasPrefix(rest, ")") {
		return "", 0, false
	}
	return target, len(s) - len(rest) + 1, true
}

// reference finds the target of "[label][name]", "[label][]" or "[label]".
func (in inlines) reference(s, label string, end int) (target string, after int, ok bool) {
	if len(in.links) == 0 {
		return "", 0, false
	}
	name, after := label, end
	if end < len(s) && s[end] == '[' {
		if close := bracket(s, end); close > 0 {
			if after = close; close > end+2 {
				name = s[end+1 : close-1]
			}
		}
	}
	if after == end && numeric(name) {
		return "", 0, false // a number in brackets is the mark of a source
	}
	target = in.links[strings.ToLower(name)]
	return target, after, target != ""
}

// linked is a link as Discord shows one. A label that holds a URL it shows as
// written, with brackets and all; and it links to nothing but web addresses.
func (in inlines) linked(label, target, next string) string {
	scheme, _, _ := strings.Cut(strings.ToLower(target), ":")
	switch {
	case scheme == "data":
		return orElse(label, "image")
	case target == "" || strings.HasPrefix(target, "#"):
		return label
	case scheme == "mailto" || scheme == "tel":
		if target = target[len(scheme)+1:]; label == "" || label == target {
			return target
		}
		return label + " (" + target + ")"
	case label == "" || sameAddress(label, target):
		if scheme != "http" && scheme != "https" {
			return target
		}
		return in.address(target, next)
	case scheme != "http" && scheme != "https", in.plain, holdsAddress(label):
		return label + " (" + target + ")"
	}
	return "[" + label + "](" + target + ")"
}

// address is a URL that stands for itself before next.
func (in inlines) address(u, next string) string {
	first, _ := utf8.DecodeRuneInString(next)
	if in.plain || next == "" || unicode.IsSpace(first) || strings.ContainsRune(".,:;!?)]}*_~|\"'", first) {
		if strings.IndexByte(".,:;!?'\"*_~|", u[len(u)-1]) < 0 {
			return u
		}
	}
	if in.plain || strings.ContainsAny(u, "<> ") {
		return u
	}
	return "<" + u + ">"
}

// holdsAddress reports whether Discord sees a URL in a label.
func holdsAddress(label string) bool {
	label = strings.ToLower(label)
	return strings.Contains(label, "://") || strings.HasPrefix(label, "www.") || strings.Contains(label, " www.")
}

// sameAddress reports whether a label says no more than the target does.
func sameAddress(label, target string) bool {
	if label != target && !strings.ContainsAny(label, ".:") {
		return false
	}
	short := func(s string) string {
		s = strings.ToLower(strings.Trim(strings.ReplaceAll(s, `\`, ""), "<>*_`"))
		s = strings.TrimPrefix(strings.TrimPrefix(s, "https://"), "http://")
		return strings.TrimSuffix(strings.TrimPrefix(s, "www."), "/")
	}
	label, target = short(label), short(target)
	host, _, _ := strings.Cut(target, "/")
	return label == target || label == host
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
