// What a message says, as Markdown: its text, embeds, text components, polls and
// stickers. Events, replies, forwards and history all use this.

package discord

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bwmarrin/discordgo"

	"parley/adapters/internal/loose"
)

// content is the part of a message that says something. Fields that apps can fill
// in many ways stay raw: Discord extends them at any time, and an unexpected kind of
// value must not lose the rest.
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

// origin is the kind of author. Apps write embeds; in messages of people Discord
// adds them as previews of links.
type origin int

const (
	fromUnknown origin = iota // of a forward
	fromPerson
	fromApp
)

// said is what the message itself says, without forwards.
func (c *content) said(k knowledge, by origin) string {
	parts := []string{c.words(c.Content, k)}
	for _, e := range loose.Decode(c.Embeds) {
		if !c.preview(e, by) {
			parts = append(parts, c.embed(e, k))
		}
	}
	parts = append(parts, c.components(loose.Decode(c.Components), k, 0), poll(c.Poll))
	for _, s := range loose.Decode(c.Stickers) {
		if name := s.Text("name"); name != "" {
			parts = append(parts, "[sticker: "+name+"]")
		}
	}
	return loose.Bounded(loose.Join("\n\n", parts...))
}

// whole is everything the message says: forwards first.
func (c *content) whole(k knowledge, by origin) string {
	return loose.Bounded(loose.Join("\n\n", c.forwards(k), c.said(k, by)))
}

// forwards quotes the messages that this one forwards.
func (c *content) forwards(k knowledge) string {
	var parts []string
	for _, s := range c.Snapshots[:min(len(c.Snapshots), loose.MostParts)] {
		parts = append(parts, quotation("Forwarded:", s.Message.said(k, fromUnknown)))
	}
	return loose.Join("\n\n", parts...)
}

// allFiles are the files of the message and of its forwards.
func (c *content) allFiles() []*discordgo.MessageAttachment {
	out := slices.Clone(c.Attachments)
	for _, s := range c.Snapshots[:min(len(c.Snapshots), loose.MostParts)] {
		out = append(out, s.Message.Attachments...)
	}
	return out
}

// quotation is a text as a Markdown quote after an introduction, or "" without a
// text.
func quotation(intro, text string) string {
	if text == "" {
		return ""
	}
	return intro + "\n> " + strings.ReplaceAll(text, "\n", "\n> ")
}

// preview reports whether an embed is Discord's preview of a link. All types but
// "rich" are, and "rich" is for some sites.
func (c *content) preview(e loose.Object, by origin) bool {
	switch {
	case e.Text("type") != "rich" && e.Text("type") != "":
		return true
	case by == fromUnknown:
		return e.Text("url") != "" && strings.Contains(c.Content, e.Text("url"))
	}
	return by == fromPerson
}

// embed is the text of an embed: mostly an alert.
func (c *content) embed(e loose.Object, k knowledge) string {
	title := c.words(e.Text("title"), k)
	if link := e.Text("url"); title != "" && link != "" {
		title = "[" + title + "](" + link + ")"
	} else if title != "" {
		title = "**" + title + "**"
	}
	var fields []string
	for _, f := range e.List("fields") {
		fields = append(fields, loose.Join(": ", c.words(f.Text("name"), k), c.words(f.Text("value"), k)))
	}
	return loose.Join("\n", e.Object("author").Text("name"), title, c.words(e.Text("description"), k), loose.Join("\n", fields...),
		c.components(e.List("components"), k, 1), e.Object("footer").Text("text"))
}

// Component types with a text.
const (
	componentTextDisplay  = 10
	componentThumbnail    = 11
	componentMediaGallery = 12
)

// components are the texts of components, in order. A component of an unknown type
// may hold others.
func (c *content) components(list []loose.Object, k knowledge, depth int) string {
	if depth > loose.Deepest {
		return ""
	}
	var parts []string
	for _, one := range list {
		switch one.Number("type") {
		case componentTextDisplay:
			parts = append(parts, c.words(one.Text("content"), k))
		case componentThumbnail:
			parts = append(parts, picture(one, k, c))
		case componentMediaGallery:
			for _, item := range one.List("items") {
				parts = append(parts, picture(item, k, c))
			}
		default:
			parts = append(parts, c.components(one.List("components"), k, depth+1))
		}
		for _, beside := range []string{"accessory", "component"} {
			if inner := one.Object(beside); inner != nil {
				parts = append(parts, c.components([]loose.Object{inner}, k, depth+1))
			}
		}
	}
	return loose.Join("\n", parts...)
}

// picture is the description of a picture.
func picture(o loose.Object, k knowledge, c *content) string {
	if about := c.words(o.Text("description"), k); about != "" {
		return "[image: " + about + "]"
	}
	return ""
}

// poll is a poll's question and answers, with the votes if they are known.
func poll(raw json.RawMessage) string {
	var p loose.Object
	if json.Unmarshal(raw, &p) != nil || p == nil {
		return ""
	}
	votes := map[int]int{}
	for _, n := range p.Object("results").List("answer_counts") {
		votes[n.Number("id")] = n.Number("count")
	}
	var lines []string
	for _, a := range p.List("answers") {
		media := a.Object("poll_media")
		line := "- " + loose.Join(" ", media.Object("emoji").Text("name"), media.Text("text"))
		switch n, counted := votes[a.Number("answer_id")]; {
		case n == 1:
			line += " (1 vote)"
		case counted:
			line += fmt.Sprintf(" (%d votes)", n)
		}
		lines = append(lines, line)
	}
	question := p.Object("question").Text("text")
	if question == "" && len(lines) == 0 {
		return ""
	}
	return loose.Join("\n", "Poll: "+question, loose.Join("\n", lines...))
}

// markup is Discord's syntax for mentions of users, roles, channels and commands,
// for custom emoji and times.
var markup = regexp.MustCompile(`<(?:@[!&]?(\d{5,20})|#(\d{5,20})|/([^:<>]{1,110}):\d{5,20}|a?(:\w{2,32}:)\d{5,20}|t:(-?\d{1,13})(?::[tTdDfFRsS])?)>`)

// words replaces Discord's markup in a text by words, and removes the mention of
// the bot.
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

// without removes a mention: at the front with the separator after it, elsewhere
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

// own are the mentions of the bot.
func (c *content) own(k knowledge) []string {
	out := []string{"<@" + k.self + ">", "<@!" + k.self + ">"}
	for _, id := range c.Roles {
		if k.role(id).bot == k.self {
			out = append(out, "<@&"+id+">")
		}
	}
	return out
}

// readTime is the time of <t:unix:style> in words, or found if it is invalid.
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
