// What a message says, of an event and of history alike: its text, its blocks,
// the messages it shares and the alerts of other apps, as Markdown.

package slack

import (
	"cmp"
	"encoding/json"
	"regexp"
	"strings"
	"unicode"

	"parley/adapters/internal/loose"
)

// content is what a message says, beside who said it.
type content struct {
	Text        string          `json:"text"`
	Blocks      json.RawMessage `json:"blocks"`
	Attachments json.RawMessage `json:"attachments"`
}

// reader says what messages hold, to a bot.
type reader struct {
	bot     string // whose own mentions are left out
	channel string // where the message was said
	app     bool   // an app wrote it
}

// said gives the message's own words, and the messages that it shares as
// quotations with their authors.
func (r reader) said(c content) (own, shared string) {
	var quotes, rest []string
	for _, a := range loose.Decode(c.Attachments) {
		switch {
		case r.shares(a):
			quotes = append(quotes, r.quotation(a, 0))
		case !r.preview(a):
			rest = append(rest, r.attachment(a, 0))
		}
	}
	own = loose.Join("\n\n", append([]string{r.body(c.Text, loose.Decode(c.Blocks), 0)}, rest...)...)
	return loose.Bounded(own), loose.Bounded(loose.Join("\n\n", quotes...))
}

// whole is all that the message says: what it shares, then its own words.
func (r reader) whole(c content) string {
	own, shared := r.said(c)
	return loose.Bounded(loose.Join("\n\n", shared, own))
}

// body is a text with its blocks. Slack writes the same into both, in part or
// whole: it is said once.
func (r reader) body(text string, blocks []loose.Object, depth int) string {
	own := toMarkdown(text, r.bot)
	var shown, news []string
	all := plainWords(own)
	for _, b := range blocks {
		s := r.block(b, depth)
		if s == "" {
			continue
		}
		shown = append(shown, s)
		if words := plainWords(s); words == "" || !strings.Contains(all, words) {
			news = append(news, s)
		}
	}
	if len(news) > 0 && strings.Contains(plainWords(strings.Join(shown, "\n")), all) {
		return loose.Join("\n\n", shown...) // the text is a shorter form of the blocks
	}
	return loose.Join("\n\n", append([]string{own}, news...)...)
}

var names = regexp.MustCompile(`[@#][\pL\pN._-]+`)

// plainWords is what is compared of two renderings of a text: letters and digits
// only, without the names that one may write as ids.
func plainWords(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsLetter(c) || unicode.IsDigit(c) {
			return unicode.ToLower(c)
		}
		return -1
	}, names.ReplaceAllString(s, ""))
}

// shares reports whether a person shared or forwarded a message. The preview of
// a link to one counts in the channel that both are in.
func (r reader) shares(a loose.Object) bool {
	if a.Is("is_app_unfurl") {
		return false
	}
	return a.Is("is_share") || a.Is("is_msg_unfurl") && r.channel != "" && a.Text("channel_id") == r.channel
}

// preview reports whether an attachment is what Slack or an app shows of a link.
// A person can attach nothing else, but for a table.
func (r reader) preview(a loose.Object) bool {
	if a.Is("is_app_unfurl") || a.Is("is_msg_unfurl") || a.Text("from_url") != "" || a.Text("original_url") != "" {
		return true
	}
	return !r.app && len(a.List("blocks")) == 0
}

// attachment is an alert of another app, or a table.
func (r reader) attachment(a loose.Object, depth int) string {
	title := toMarkdown(a.Text("title"), r.bot)
	if link := a.Text("title_link"); title != "" && link != "" {
		title = "[" + title + "](" + link + ")"
	} else if title != "" {
		title = "**" + title + "**"
	}
	var fields []string
	for _, f := range a.List("fields") {
		fields = append(fields, loose.Join(": ", toMarkdown(f.Text("title"), r.bot), toMarkdown(f.Text("value"), r.bot)))
	}
	out := loose.Join("\n", toMarkdown(a.Text("pretext"), r.bot), toMarkdown(a.Text("author_name"), r.bot), title,
		r.body(a.Text("text"), a.List("blocks"), depth), loose.Join("\n", fields...), filesOf(a), toMarkdown(a.Text("footer"), r.bot))
	if out == "" {
		out = toMarkdown(a.Text("fallback"), r.bot)
	}
	return out
}

// quotation is a shared message below the name of who wrote it.
func (r reader) quotation(a loose.Object, depth int) string {
	if depth > loose.Deepest {
		return ""
	}
	blocks := a.List("blocks")
	for _, b := range a.List("message_blocks") {
		blocks = append(blocks, b.Object("message").List("blocks")...)
	}
	parts := []string{r.body(a.Text("text"), blocks, depth), filesOf(a)}
	for _, inner := range a.List("attachments") {
		if r.shares(inner) {
			parts = append(parts, r.quotation(inner, depth+1))
		} else if !inner.Is("is_app_unfurl") {
			parts = append(parts, r.attachment(inner, depth+1))
		}
	}
	text := loose.Join("\n", parts...)
	if text == "" {
		text = toMarkdown(a.Text("fallback"), r.bot)
	}
	if text == "" {
		return ""
	}
	return "> " + strings.ReplaceAll(source(a)+"\n"+text, "\n", "\n> ")
}

// source says who wrote a shared message, and where.
func source(a loose.Object) string {
	who := cmp.Or(a.Text("author_name"), a.Text("author_subname"), a.Text("author_id"), "Somebody")
	if channel := cmp.Or(a.Text("channel_name"), a.Text("channel_id")); channel != "" && !strings.HasPrefix(channel, "D") {
		return who + " wrote in #" + strings.TrimPrefix(channel, "#") + ":"
	}
	return who + " wrote:"
}

// filesOf names the files that came with an attachment.
func filesOf(a loose.Object) string {
	var lines []string
	for _, f := range a.List("files") {
		if name := cmp.Or(f.Text("name"), f.Text("title")); name != "" {
			lines = append(lines, "[attached file: "+name+"]")
		} else {
			lines = append(lines, "[attached: a file]")
		}
	}
	return loose.Join("\n", lines...)
}
