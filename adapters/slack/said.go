// What a message says, of an event and of history alike: its text, its blocks,
// the messages it shares and the alerts of other apps, as Markdown.

package slack

import (
	"encoding/json"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// mostSaid bounds what one message says, in bytes.
	mostSaid = 40_000
	// deepestSaid bounds how far messages and blocks may lie within each other.
	deepestSaid = 8
	// mostParts bounds the blocks, attachments, elements and rows of one list.
	mostParts = 200
)

// content is what a message says, beside who said it.
type content struct {
	Text        string          `json:"text"`
	Blocks      json.RawMessage `json:"blocks"`
	Attachments json.RawMessage `json:"attachments"`
}

// object is a JSON object that Slack may extend at any time: a field of another
// kind than expected reads as absent and costs nothing else.
type object map[string]any

func (o object) text(name string) string { s, _ := o[name].(string); return s }

func (o object) is(name string) bool { b, _ := o[name].(bool); return b }

func (o object) object(name string) object { m, _ := o[name].(map[string]any); return m }

// list gives the objects of a list; what is none is passed over.
func (o object) list(name string) []object {
	all, _ := o[name].([]any)
	return objects(all)
}

func objects(all []any) []object {
	var out []object
	for _, v := range all[:min(len(all), mostParts)] {
		if m, ok := v.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

func decodeObjects(raw json.RawMessage) []object {
	var all []any
	if json.Unmarshal(raw, &all) != nil {
		return nil
	}
	return objects(all)
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
	for _, a := range decodeObjects(c.Attachments) {
		switch {
		case r.shares(a):
			quotes = append(quotes, r.quotation(a, 0))
		case !r.preview(a):
			rest = append(rest, r.attachment(a, 0))
		}
	}
	own = join("\n\n", append([]string{r.body(c.Text, decodeObjects(c.Blocks), 0)}, rest...)...)
	return bounded(own, mostSaid), bounded(join("\n\n", quotes...), mostSaid)
}

// whole is all that the message says: what it shares, then its own words.
func (r reader) whole(c content) string {
	own, shared := r.said(c)
	return bounded(join("\n\n", shared, own), mostSaid)
}

// body is a text with its blocks. Slack writes the same into both, in part or
// whole: it is said once.
func (r reader) body(text string, blocks []object, depth int) string {
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
		return join("\n\n", shown...) // the text is a shorter form of the blocks
	}
	return join("\n\n", append([]string{own}, news...)...)
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
func (r reader) shares(a object) bool {
	if a.is("is_app_unfurl") {
		return false
	}
	return a.is("is_share") || a.is("is_msg_unfurl") && r.channel != "" && a.text("channel_id") == r.channel
}

// preview reports whether an attachment is what Slack or an app shows of a link.
// A person can attach nothing else, but for a table.
func (r reader) preview(a object) bool {
	if a.is("is_app_unfurl") || a.is("is_msg_unfurl") || a.text("from_url") != "" || a.text("original_url") != "" {
		return true
	}
	return !r.app && len(a.list("blocks")) == 0
}

// attachment is an alert of another app, or a table.
func (r reader) attachment(a object, depth int) string {
	title := toMarkdown(a.text("title"), r.bot)
	if link := a.text("title_link"); title != "" && link != "" {
		title = "[" + title + "](" + link + ")"
	} else if title != "" {
		title = "**" + title + "**"
	}
	var fields []string
	for _, f := range a.list("fields") {
		fields = append(fields, join(": ", toMarkdown(f.text("title"), r.bot), toMarkdown(f.text("value"), r.bot)))
	}
	out := join("\n", toMarkdown(a.text("pretext"), r.bot), toMarkdown(a.text("author_name"), r.bot), title,
		r.body(a.text("text"), a.list("blocks"), depth), join("\n", fields...), filesOf(a), toMarkdown(a.text("footer"), r.bot))
	if out == "" {
		out = toMarkdown(a.text("fallback"), r.bot)
	}
	return out
}

// quotation is a shared message below the name of who wrote it.
func (r reader) quotation(a object, depth int) string {
	if depth > deepestSaid {
		return ""
	}
	blocks := a.list("blocks")
	for _, b := range a.list("message_blocks") {
		blocks = append(blocks, b.object("message").list("blocks")...)
	}
	parts := []string{r.body(a.text("text"), blocks, depth), filesOf(a)}
	for _, inner := range a.list("attachments") {
		if r.shares(inner) {
			parts = append(parts, r.quotation(inner, depth+1))
		} else if !inner.is("is_app_unfurl") {
			parts = append(parts, r.attachment(inner, depth+1))
		}
	}
	text := join("\n", parts...)
	if text == "" {
		text = toMarkdown(a.text("fallback"), r.bot)
	}
	if text == "" {
		return ""
	}
	return "> " + strings.ReplaceAll(source(a)+"\n"+text, "\n", "\n> ")
}

// source says who wrote a shared message, and where.
func source(a object) string {
	who := orElse(a.text("author_name"), orElse(a.text("author_subname"), orElse(a.text("author_id"), "Somebody")))
	if channel := orElse(a.text("channel_name"), a.text("channel_id")); channel != "" && !strings.HasPrefix(channel, "D") {
		return who + " wrote in #" + strings.TrimPrefix(channel, "#") + ":"
	}
	return who + " wrote:"
}

// filesOf names the files that came with an attachment.
func filesOf(a object) string {
	var lines []string
	for _, f := range a.list("files") {
		if name := orElse(f.text("name"), f.text("title")); name != "" {
			lines = append(lines, "[attached file: "+name+"]")
		} else {
			lines = append(lines, "[attached: a file]")
		}
	}
	return join("\n", lines...)
}

// join puts what is not empty together.
func join(between string, parts ...string) string {
	var out strings.Builder
	for _, p := range parts {
		p = strings.TrimSpace(p)
		if p == "" || out.Len() > 2*mostSaid {
			continue
		}
		if out.Len() > 0 {
			out.WriteString(between)
		}
		out.WriteString(p)
	}
	return out.String()
}

// bounded cuts a text to a number of bytes, between characters.
func bounded(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}
