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

// pings matches the opening of the markup by which a message notifies people.
// Slack obeys it in markdown blocks too, inside code as well. What follows does
// not matter: a label may hold anything, "<" included.
var pings = regexp.MustCompile(`<(?:!(?i:here|channel|everyone)\b|!subteam\^|@[UW][A-Z0-9]+\b)`)

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
// Owner is whose thread the message stands in, if that is known; the speaker is
// for what the controls say themselves.
func blocks(c chat.Content, owner string, speaker chat.Speaker) []slack.Block {
	markdown := Neutralise(c.Markdown)
	if strings.TrimSpace(markdown) == "" {
		markdown = gap // a markdown block must hold something
	}
	out := []slack.Block{slack.NewMarkdownBlock("", markdown)}
	if c.Menu != nil || len(c.Buttons) > 0 {
		out = append(out, controls(c.Menu, c.Buttons, owner, speaker)...)
	}
	if c.Stop != "" {
		stop := slack.NewButtonBlockElement(actionRun, chat.ControlText(chat.ActionStop, c.Stop), plainObject(speaker.Say(chat.Say("Stop")), 75))
		out = append(out, slack.NewActionBlock("parley.stop", stop))
	}
	return out
}

// maxNotification bounds the text beside blocks, in bytes: Slack takes at most
// 4,000 characters of it.
const maxNotification = 3_500

// notification is the plain text that goes with blocks: what a phone shows, and
// what a screen reader reads. It is Markdown without its most common signs,
// escaped, in one pass: it is made for every edit.
func notification(markdown string) string {
	markdown = strings.TrimSpace(markdown)
	var out strings.Builder
	out.Grow(min(len(markdown)+16, maxNotification+16))
	skip, to := -1, -1 // the address of a link, behind its text
	for at := 0; at < len(markdown); {
		if at == skip {
			at = to
			continue
		}
		if at == 0 || markdown[at-1] == '\n' {
			if at = lineStart(markdown, at); at == len(markdown) {
				break
			}
		}
		if out.Len() >= maxNotification-8 {
			return out.String() + "…"
		}
		c := markdown[at]
		switch c {
		case '`':
			at++
			continue
		case '*', '_':
			if at+1 < len(markdown) && markdown[at+1] == c {
				at += 2
				continue
			}
		case '!', '[':
			if from, end, after := linkAt(markdown, at); after > 0 {
				at, skip, to = from, end, after
				continue
			}
		}
		switch c {
		case '&':
			out.WriteString("&amp;")
		case '<':
			out.WriteString("&lt;")
		case '>':
			out.WriteString("&gt;")
		default:
			_, n := utf8.DecodeRuneInString(markdown[at:])
			out.WriteString(markdown[at : at+n])
			at += n
			continue
		}
		at++
	}
	if text := strings.TrimSpace(out.String()); text != "" {
		return text
	}
	return "…"
}

// lineStart skips what only Markdown needs at the start of a line: a heading's
// signs, and a whole line that opens or closes a code block.
func lineStart(s string, at int) int {
	rest := strings.TrimLeft(s[at:], " \t")
	if strings.HasPrefix(rest, "```") || strings.HasPrefix(rest, "~~~") {
		end := strings.IndexByte(rest, '\n')
		if end < 0 {
			return len(s)
		}
		return lineStart(s, len(s)-len(rest)+end+1)
	}
	if title := strings.TrimLeft(rest, "#"); len(rest)-len(title) > 0 && len(rest)-len(title) <= 6 && strings.HasPrefix(title, " ") {
		return len(s) - len(title) + 1
	}
	return at
}

// linkAt reads "[text](address)", or an image, at s[at:]: where its text is, and
// where it ends; 0 for no link.
func linkAt(s string, at int) (from, end, after int) {
	from = at + 1
	if s[at] == '!' {
		if !strings.HasPrefix(s[from:], "[") {
			return 0, 0, 0
		}
		from++
	}
	n := strings.IndexAny(s[from:], "[]\n")
	if n < 0 || !strings.HasPrefix(s[from+n:], "](") {
		return 0, 0, 0
	}
	end = from + n
	address := end + 2
	n = strings.IndexAny(s[address:], "() \t\n")
	if n < 0 || s[address+n] != ')' {
		return 0, 0, 0
	}
	return from, end, address + n + 1
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
