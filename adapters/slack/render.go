// Markdown as Slack gets it: the blocks of a message, the short text beside
// them, and nothing in either that pings anybody.

package slack

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/slack-go/slack"

	"parley/internal/chat"
)

// pings matches exactly the markup by which a message notifies people. Slack
// obeys it in markdown blocks too, inside code as well.
var pings = regexp.MustCompile(`<(?:![Hh][Ee][Rr][Ee]|![Cc][Hh][Aa][Nn][Nn][Ee][Ll]|![Ee][Vv][Ee][Rr][Yy][Oo][Nn][Ee]|!subteam\^[^<>|]*|@[UW][A-Z0-9]+)(?:\|[^<>]*)?>`)

// gap is a zero-width space: it breaks the markup and shows nothing.
const gap = "\u200b"

// Neutralise takes the power to notify people out of Markdown: a zero-width
// space after the "<" of every mention. Everything else stays as it is.
func Neutralise(markdown string) string {
	if !strings.Contains(markdown, "<!") && !strings.Contains(markdown, "<@") {
		return markdown
	}
	return pings.ReplaceAllStringFunc(markdown, func(m string) string { return "<" + gap + m[1:] })
}

// Measure is the size of Markdown once rendered, in UTF-16 units: never less
// than what Slack counts.
func Measure(markdown string) int {
	n := 0
	for _, r := range Neutralise(markdown) {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

// blocks are the blocks of a message: the text and, below it, its controls.
func blocks(c chat.Content) []slack.Block {
	markdown := Neutralise(c.Markdown)
	if strings.TrimSpace(markdown) == "" {
		markdown = gap // a markdown block must hold something
	}
	out := []slack.Block{slack.NewMarkdownBlock("", markdown)}
	if c.Menu != nil || len(c.Buttons) > 0 {
		out = append(out, controls(c.Menu, c.Buttons)...)
	}
	if c.Stop != "" {
		stop := slack.NewButtonBlockElement(actionRun, commandValue("stop", c.Stop), plainObject("Stop", 75))
		out = append(out, slack.NewActionBlock("parley.stop", stop))
	}
	return out
}

// notification is the plain text that goes with blocks: what a phone shows, and
// what a screen reader reads. Slack takes at most 4,000 characters of it.
func notification(markdown string) string {
	const most = 3_500
	text := plain(cutRunes(markdown, 2*most))
	text = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
	if len(text) > most {
		text = cutEntity(cutRunes(text, most-1)) + "…"
	}
	if strings.TrimSpace(text) == "" {
		return "…"
	}
	return text
}

// cutEntity drops an escape that a cut left unfinished.
func cutEntity(s string) string {
	if i := strings.LastIndexByte(s, '&'); i >= 0 && len(s)-i < 5 && !strings.Contains(s[i:], ";") {
		return s[:i]
	}
	return s
}

var (
	fenceLine = regexp.MustCompile("(?m)^[ \t]*(```|~~~)[^\n]*\n?")
	heading   = regexp.MustCompile(`(?m)^#{1,6}[ \t]+`)
	link      = regexp.MustCompile(`!?\[([^\[\]]*)\]\([^()\s]*\)`)
	strong    = strings.NewReplacer("**", "", "__", "", "`", "")
)

// plain is Markdown without its most common signs.
func plain(markdown string) string {
	text := fenceLine.ReplaceAllString(markdown, "")
	text = heading.ReplaceAllString(text, "")
	text = link.ReplaceAllString(text, "$1")
	return strings.TrimSpace(strong.Replace(text))
}

// cutRunes is the longest start of s with at most n bytes that ends on a
// character's border.
func cutRunes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// plainObject is a plain_text object of at most n characters.
func plainObject(s string, n int) *slack.TextBlockObject {
	if utf8.RuneCountInString(s) > n {
		s = string([]rune(s)[:n-1]) + "…"
	}
	if s == "" {
		s = " "
	}
	return slack.NewTextBlockObject(slack.PlainTextType, s, false, false)
}
