// What a message says, of an event, a reply, a forward and history alike: its
// text, its embeds and text components, polls and stickers, as Markdown.

package discord

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bwmarrin/discordgo"
)

const (
	// mostSaid bounds what one message says, in bytes.
	mostSaid = 40_000
	// deepestSaid bounds how far components may lie within each other.
	deepestSaid = 8
	// mostParts bounds the embeds, fields, components and answers of one list.
	mostParts = 100
)

// content is what a message says, beside who said it. What an app can write in
// many forms is kept raw: Discord extends those at any time, and a field of
// another kind than expected must cost nothing else.
type content struct {
	Type        discordgo.MessageType          `json:"type"`
	Content     string                         `json:"content"`
	Mentions    []mention                      `json:"mentions"`
	Roles       []string                       `json:"mention_roles"`
	Attachments []*discordgo.MessageAttachment `json:"attachments"`
	Embeds      json.RawMessage                `json:"embeds"`
	Components  json.RawMessage                `json:"components"`
	Poll        json.RawMessage                `json:"poll"`
	Stickers    json.RawMessage                `json:"sticker_items"`
	Snapshots   []struct {
		Message content `json:"message"`
	} `json:"message_snapshots"` // of a forwarded message
}

// origin is what is known of who wrote a message: Discord shows a person's
// links as embeds, and only apps write embeds.
type origin int

const (
	fromUnknown origin = iota // a forward does not say
	fromPerson
	fromApp
)

// said is what the message says in its own words, forwards left out.
func (c *content) said(k knowledge, by origin) string {
	parts := []string{c.words(c.Content, k)}
	for _, e := range decodeObjects(c.Embeds) {
		if !c.preview(e, by) {
			parts = append(parts, c.embed(e, k))
		}
	}
	parts = append(parts, c.components(decodeObjects(c.Components), k, 0), poll(c.Poll))
	for _, s := range decodeObjects(c.Stickers) {
		if name := s.text("name"); name != "" {
			parts = append(parts, "[sticker: "+name+"]")
		}
	}
	return bounded(join("\n\n", parts...), mostSaid)
}

// whole is all that the message says: what it forwards, then its own words.
func (c *content) whole(k knowledge, by origin) string {
	return bounded(join("\n\n", c.forwards(k), c.said(k, by)), mostSaid)
}

// forwards are the messages that this one forwards, as quotations.
func (c *content) forwards(k knowledge) string {
	var parts []string
	for _, s := range c.Snapshots[:min(len(c.Snapshots), mostParts)] {
		parts = append(parts, quotation("Forwarded:", s.Message.said(k, fromUnknown)))
	}
	return join("\n\n", parts...)
}

// allFiles are the files of the message and of those it forwards.
func (c *content) allFiles() []*discordgo.MessageAttachment {
	out := slices.Clone(c.Attachments)
	for _, s := range c.Snapshots[:min(len(c.Snapshots), mostParts)] {
		out = append(out, s.Message.Attachments...)
	}
	return out
}

// quotation is a text as a Markdown quotation below a line that introduces it;
// empty where there is no text.
func quotation(intro, text string) string {
	if text == "" {
		return ""
	}
	return intro + "\n> " + strings.ReplaceAll(text, "\n", "\n> ")
}

// preview reports whether an embed is what Discord shows of a link. Those of
// other types than "rich" always are; some sites' previews are of that type.
func (c *content) preview(e object, by origin) bool {
	switch {
	case e.text("type") != "rich" && e.text("type") != "":
		return true
	case by == fromUnknown:
		return e.text("url") != "" && strings.Contains(c.Content, e.text("url"))
	}
	return by == fromPerson
}

// embed is an alert, most often.
func (c *content) embed(e object, k knowledge) string {
	title := c.words(e.text("title"), k)
	if link := e.text("url"); title != "" && link != "" {
		title = "[" + title + "](" + link + ")"
	} else if title != "" {
		title = "**" + title + "**"
	}
	var fields []string
	for _, f := range e.list("fields") {
		fields = append(fields, join(": ", c.words(f.text("name"), k), c.words(f.text("value"), k)))
	}
	return join("\n", e.object("author").text("name"), title, c.words(e.text("description"), k), join("\n", fields...),
		c.components(e.list("components"), k, 1), e.object("footer").text("text"))
}

// The component types that say something.
const (
	componentTextDisplay  = 10
	componentThumbnail    = 11
	componentMediaGallery = 12
)

// components are the texts of a message made of components, in their order.
// A type that is not known may hold others.
func (c *content) components(list []object, k knowledge, depth int) string {
	if depth > deepestSaid {
		return ""
	}
	var parts []string
	for _, one := range list {
		switch one.number("type") {
		case componentTextDisplay:
			parts = append(parts, c.words(one.text("content"), k))
		case componentThumbnail:
			parts = append(parts, picture(one, k, c))
		case componentMediaGallery:
			for _, item := range one.list("items") {
				parts = append(parts, picture(item, k, c))
			}
		default:
			parts = append(parts, c.components(one.list("components"), k, depth+1))
		}
		for _, beside := range []string{"accessory", "component"} {
			if inner := one.object(beside); inner != nil {
				parts = append(parts, c.components([]object{inner}, k, depth+1))
			}
		}
	}
	return join("\n", parts...)
}

// picture is what the description of a picture says.
func picture(o object, k knowledge, c *content) string {
	if about := c.words(o.text("description"), k); about != "" {
		return "[image: " + about + "]"
	}
	return ""
}

// poll is a poll's question with its answers, and the votes so far where they
// are told.
func poll(raw json.RawMessage) string {
	var p object
	if json.Unmarshal(raw, &p) != nil || p == nil {
		return ""
	}
	votes := map[int]int{}
	for _, n := range p.object("results").list("answer_counts") {
		votes[n.number("id")] = n.number("count")
	}
	var lines []string
	for _, a := range p.list("answers") {
		media := a.object("poll_media")
		line := "- " + join(" ", media.object("emoji").text("name"), media.text("text"))
		switch n, counted := votes[a.number("answer_id")]; {
		case n == 1:
			line += " (1 vote)"
		case counted:
			line += fmt.Sprintf(" (%d votes)", n)
		}
		lines = append(lines, line)
	}
	question := p.object("question").text("text")
	if question == "" && len(lines) == 0 {
		return ""
	}
	return join("\n", "Poll: "+question, join("\n", lines...))
}

// object is a JSON object: a field of another kind than expected reads as
// absent.
type object map[string]any

func (o object) text(name string) string { s, _ := o[name].(string); return s }

func (o object) number(name string) int { n, _ := o[name].(float64); return int(n) }

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
	if len(raw) == 0 || json.Unmarshal(raw, &all) != nil {
		return nil
	}
	return objects(all)
}

// join puts what is not empty together.
func join(between string, parts ...string) string {
	var out strings.Builder
	for _, p := range parts {
		if p = strings.TrimSpace(p); p == "" || out.Len() > mostSaid {
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

// markup is Discord's way to write mentions of users, roles, channels and
// commands, custom emoji and times.
var markup = regexp.MustCompile(`<(?:@[!&]?(\d{5,20})|#(\d{5,20})|/([^:<>]{1,110}):\d{5,20}|a?(:\w{2,32}:)\d{5,20}|t:(-?\d{1,13})(?::[tTdDfFRsS])?)>`)

// words is a text with Discord's markup said in words and the mention of the
// bot left out.
func (c *content) words(text string, k knowledge) string {
	if !strings.Contains(text, "<") {
		return strings.TrimSpace(text)
	}
	users := map[string]string{}
	for _, m := range c.Mentions {
		users[m.ID] = displayName(&m.User, m.Member)
	}
	out := text
	for _, own := range c.own(k) {
		out = without(out, own)
	}
	out = markup.ReplaceAllStringFunc(out, func(found string) string {
		g := markup.FindStringSubmatch(found)
		switch {
		case g[1] != "" && strings.HasPrefix(found, "<@&"):
			if name := k.role(g[1]).name; name != "" {
				return "@" + strings.TrimPrefix(name, "@")
			}
		case g[1] != "":
			if name := users[g[1]]; name != "" {
				return "@" + name
			}
		case g[2] != "":
			if name := k.channel(g[2]); name != "" {
				return "#" + name
			}
		case g[3] != "":
			return "/" + g[3]
		case g[4] != "":
			return g[4]
		case g[5] != "":
			return readTime(g[5], found)
		}
		return found
	})
	return strings.TrimSpace(out)
}

// without takes a mention away, at the front with what follows it, elsewhere
// with the space before it.
func without(text, mention string) string {
	for {
		before, after, ok := strings.Cut(text, mention)
		if !ok {
			return text
		}
		if before = strings.TrimRight(before, " "); before == "" {
			after = strings.TrimLeft(after, " ,:\n\t")
		}
		text = before + after
	}
}

// own are the ways the message names the bot.
func (c *content) own(k knowledge) []string {
	out := []string{"<@" + k.self + ">", "<@!" + k.self + ">"}
	for _, id := range c.Roles {
		if k.role(id).bot == k.self {
			out = append(out, "<@&"+id+">")
		}
	}
	return out
}

// readTime says a timestamp (<t:unix:style>) in words; found is returned when
// it is none.
func readTime(unix, found string) string {
	seconds, err := strconv.ParseInt(unix, 10, 64)
	if err != nil {
		return found
	}
	at := time.Unix(seconds, 0).UTC()
	if at.Year() < 1 || at.Year() > 9999 {
		return found
	}
	return at.Format("2006-01-02 15:04 MST")
}
