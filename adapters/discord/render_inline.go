// Inside a paragraph: links, images, code, HTML, and the bars between which Discord
// hides text.

package discord

import (
	"cmp"
	"html"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// inlines translates the text of a paragraph.
type inlines struct {
	links   map[string]string // targets of reference links
	newline string            // what replaces a line break; empty means a space
	plain   bool              // for a code block, where markup has no effect
}

// render translates a text. It leaves alone what Discord renders itself.
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

// special are the characters at which something may begin.
var special = [256]bool{'\\': true, '`': true, '|': true, '!': true, '[': true, '<': true, '&': true, 'h': true, '*': true, '_': true, '~': true}

// escape copies a backslash with the character that it escapes. At the end of a line
// it stands for a line break, which Discord shows anyway.
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

// code copies a code span, or backticks that begin none.
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

// bars escapes two or more bars: Discord hides what is between them.
func bars(s string, i int) (string, int) {
	n := run(s[i:], '|')
	if n == 1 {
		return "|", i + 1
	}
	return strings.Repeat(`\|`, n), i + n
}

// emphasis removes marks of emphasis in a code block. A single mark or one between
// spaces is none.
func (in inlines) emphasis(s string, i int) (string, int) {
	n := run(s[i:], s[i])
	lone := (i == 0 || s[i-1] == ' ') && (i+n == len(s) || s[i+n] == ' ')
	if in.plain && n >= 2 && !lone && strings.Count(s, s[i:i+n]) > 1 {
		return "", i + n
	}
	return s[i : i+n], i + n
}

// address copies a URL: it contains no markup.
func address(s string, i int) (string, int) {
	if !strings.HasPrefix(s[i:], "http://") && !strings.HasPrefix(s[i:], "https://") {
		return s[i : i+1], i + 1
	}
	end := i + strings.IndexAny(s[i:]+" ", " \t\n<")
	return s[i:end], end
}

var entities = regexp.MustCompile(`^&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,9});`)

// entity replaces an HTML entity, which Discord would show as it is.
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

// link translates a link or an image.
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

// label translates a link's label, which in Discord can contain no other link.
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

// bracket is the end of the bracket that opens at i, or -1.
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

// target parses (address "title") at i.
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
		return "", 0, false // a number in brackets refers to a source
	}
	target = in.links[strings.ToLower(name)]
	return target, after, target != ""
}

// linked is a link in Discord's syntax. If the label contains a URL, or the target
// is no web address, Discord shows the link's source instead.
func (in inlines) linked(label, target, next string) string {
	scheme, _, _ := strings.Cut(strings.ToLower(target), ":")
	switch {
	case scheme == "data":
		return cmp.Or(label, "image")
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

// address is a URL as text, followed by next.
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

// sameAddress reports whether a label only repeats the target.
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
