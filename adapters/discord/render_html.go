// The HTML that models write in Markdown, which Discord would show as it is.

package discord

import (
	"cmp"
	"regexp"
	"strings"
)

// tags are the tags whose text is shown, with the marks around it.
var tags = map[string]string{
	"b": "**", "strong": "**", "summary": "**", "i": "*", "em": "*", "u": "__", "ins": "__", "s": "~~", "del": "~~", "strike": "~~",
	"code": "`", "kbd": "`", "samp": "`", "tt": "`",
	"sub": "", "sup": "", "small": "", "big": "", "mark": "", "span": "", "font": "", "center": "", "p": "", "div": "",
}

var (
	tag   = regexp.MustCompile(`^<(/?)([A-Za-z][A-Za-z0-9]*)((?:\s[^<>]*)?)/?>`)
	alone = regexp.MustCompile(`^</?(?i:details|p|div|center|span|hr|summary)(?:\s[^<>]*)?/?>$`)
	value = regexp.MustCompile(`(?i)\b(href|src|alt)\s*=\s*(?:"([^"]*)"|'([^']*)')`)
)

// standsAlone reports whether a line consists of a tag that only groups others.
func standsAlone(line string) bool {
	return strings.HasPrefix(line, "<") && (alone.MatchString(line) || strings.HasPrefix(line, "<!--") && strings.HasSuffix(line, "-->"))
}

// angle translates what begins with "<": a comment, a tag up to its end, an address.
// All else is Discord's markup, or text.
func (in inlines) angle(s string, i int) (string, int) {
	rest := s[i:]
	if strings.HasPrefix(rest, "<!--") {
		if end := strings.Index(rest, "-->"); end >= 0 {
			return "", i + end + 3
		}
	}
	if end := strings.IndexByte(rest, '>'); end > 0 && !strings.ContainsAny(rest[1:end], " \n<") {
		inside := rest[1:end]
		switch mail := strings.TrimPrefix(inside, "mailto:"); {
		case strings.HasPrefix(inside, "http://"), strings.HasPrefix(inside, "https://"):
			if in.plain {
				return inside, i + end + 1
			}
			return rest[:end+1], i + end + 1
		case strings.Contains(mail, "@") && mail[0] != '@' && !strings.ContainsAny(mail, ":/&"):
			return mail, i + end + 1
		}
	}
	found := tag.FindStringSubmatch(rest)
	if found == nil || found[1] != "" && !strings.EqualFold(found[2], "details") {
		return "<", i + 1
	}
	after, name := i+len(found[0]), strings.ToLower(found[2])
	switch name {
	case "details":
		return "", after // its end is usually in another paragraph
	case "br":
		return cmp.Or(in.newline, " "), after + len(s[after:]) - len(strings.TrimPrefix(s[after:], "\n"))
	case "img":
		return in.linked(attribute(found[3], "alt"), attribute(found[3], "src"), s[after:]), after
	}
	marks, known := tags[name]
	if !known && name != "a" {
		return "<", i + 1
	}
	end := strings.Index(strings.ToLower(s[after:]), "</"+name+">")
	if end < 0 {
		return "<", i + 1
	}
	inner, past := s[after:after+end], after+end+len(name)+3
	switch text := strings.TrimSpace(inner); {
	case name == "a":
		return in.linked(in.render(text), attribute(found[3], "href"), s[past:]), past
	case in.plain || text == "":
		return in.render(inner), past
	case marks == "`":
		return "`" + strings.ReplaceAll(text, "`", "") + "`", past
	default:
		return marks + in.render(text) + marks, past
	}
}

// attribute is the value of an attribute of a tag.
func attribute(list, name string) string {
	for _, found := range value.FindAllStringSubmatch(list, -1) {
		if strings.EqualFold(found[1], name) {
			return found[2] + found[3]
		}
	}
	return ""
}
