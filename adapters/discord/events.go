// MESSAGE_CREATE → chat.Message: what is for the bot, why, where, and the text
// as the person meant it. translate is a pure function.

package discord

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bwmarrin/discordgo"

	"parley/internal/chat"
)

// messageEvent is what matters of a message. It is not discordgo's Message: its
// decoder fails on component types it does not know and then loses the whole
// event; here components are not decoded at all.
type messageEvent struct {
	ID          string                         `json:"id"`
	Channel     string                         `json:"channel_id"`
	ChannelType *discordgo.ChannelType         `json:"channel_type"`
	Guild       string                         `json:"guild_id"`
	Author      *discordgo.User                `json:"author"`
	Member      *memberPart                    `json:"member"`
	Webhook     string                         `json:"webhook_id"`
	Type        discordgo.MessageType          `json:"type"`
	Content     string                         `json:"content"`
	At          time.Time                      `json:"timestamp"`
	Mentions    []mention                      `json:"mentions"`
	Roles       []string                       `json:"mention_roles"`
	Attachments []*discordgo.MessageAttachment `json:"attachments"`
	Nonce       json.RawMessage                `json:"nonce"`
	Reference   *struct {
		Message string `json:"message_id"`
	} `json:"message_reference"`
	Referenced lookup `json:"referenced_message"`
	Snapshots  []struct {
		Message referenced `json:"message"`
	} `json:"message_snapshots"` // of a forwarded message
}

// lookup is a message inside another, as far as the event tells: Discord leaves
// the field out where it did not look, and sends null where there is no such
// message any more.
type lookup struct {
	*referenced
	told bool
}

func (l *lookup) UnmarshalJSON(raw []byte) error {
	l.told = true
	return json.Unmarshal(raw, &l.referenced)
}

// referenced is a message inside another: replied to, or forwarded.
type referenced struct {
	Author      *discordgo.User                `json:"author"`
	Content     string                         `json:"content"`
	Mentions    []mention                      `json:"mentions"`
	Attachments []*discordgo.MessageAttachment `json:"attachments"`
}

type memberPart struct {
	Nick  string   `json:"nick"`
	Roles []string `json:"roles"`
}

type mention struct {
	discordgo.User
	Member *memberPart `json:"member"`
}

// knowledge is what translate needs beside the event.
type knowledge struct {
	self    string // the bot's user id
	bot     string // lead bot of the application
	place   place  // of the channel; zero in a direct message
	role    func(id string) role
	channel func(id string) string // a channel's name
	wrote   func(id string) bool   // the bot is known to have written that message
}

// started reports whether the bot began a thread: by itself, or with the message
// it was opened from, whose id it then has.
func (k knowledge) started(thread string) bool { return k.place.owner == k.self || k.wrote(thread) }

func (k knowledge) scope() string { return platform + ":" + k.self }

// written reports whether a person wrote the message: not a bot, a webhook,
// Discord itself, nor the bot, and no join, pin or other notice.
func (e *messageEvent) written(self string) bool {
	return e.Author != nil && e.Author.ID != "" && e.Author.ID != self && !e.Author.Bot && !e.Author.System && e.Webhook == "" &&
		(e.Type == discordgo.MessageTypeDefault || e.Type == discordgo.MessageTypeReply)
}

// spoken reports whether the message says something, whoever wrote it: a person
// or an app, but no join, pin or other notice of Discord's.
func (e *messageEvent) spoken() bool {
	switch e.Type {
	case discordgo.MessageTypeDefault, discordgo.MessageTypeReply, discordgo.MessageTypeChatInputCommand, discordgo.MessageTypeContextMenuCommand:
		return e.Author != nil && !e.Author.System
	}
	return false
}

// names reports whether the text itself mentions the bot, by its name or by
// the role that came with it, which completion offers beside it. Discord says
// who is mentioned; in code nobody is.
func (e *messageEvent) names(k knowledge) bool {
	written := strings.Contains(e.Content, "<@"+k.self+">") || strings.Contains(e.Content, "<@!"+k.self+">")
	if written && (e.Mentions == nil || e.mentions(k.self)) {
		return true
	}
	return slices.ContainsFunc(e.Roles, func(id string) bool { return k.role(id).bot == k.self })
}

// mentions reports whether the event says that the bot is mentioned. A reply
// may mention whom it answers without a word in the text.
func (e *messageEvent) mentions(self string) bool {
	return slices.ContainsFunc(e.Mentions, func(m mention) bool { return m.ID == self })
}

// answers reports whether the message replies to one of the bot's.
func (e *messageEvent) answers(k knowledge) bool {
	switch {
	case e.Reference == nil:
		return false
	case e.Referenced.told:
		return e.Referenced.by(k.self)
	case e.replyTo() == "":
		return false // forwarded
	}
	return k.wrote(e.Reference.Message) || e.mentions(k.self) && !e.names(k)
}

// by reports whether self wrote the message, if there is one.
func (l lookup) by(self string) bool {
	return l.referenced != nil && l.Author != nil && l.Author.ID == self
}

// incomplete reports whether only the message this one replies to can tell
// whether it is for the bot, or what is meant, and the event left it out.
func (e *messageEvent) incomplete(k knowledge) bool {
	if e.Guild == "" || e.replyTo() == "" || e.Referenced.told || e.answers(k) {
		return false
	}
	return e.names(k) || !(k.place.thread() && e.others(k.self))
}

// replyTo is the message this one replies to, if any.
func (e *messageEvent) replyTo() chat.MessageID {
	if e.Type != discordgo.MessageTypeReply || e.Reference == nil {
		return ""
	}
	return chat.MessageID(e.Reference.Message)
}

// others reports whether the message mentions people or roles, the bot not
// among them.
func (e *messageEvent) others(self string) bool {
	return !e.mentions(self) && len(e.Mentions)+len(e.Roles) > 0
}

// trigger says why the message is for the bot; "" means it is not.
func (e *messageEvent) trigger(k knowledge) chat.Trigger {
	switch {
	case !e.written(k.self):
		return ""
	case e.Guild == "":
		return chat.Direct
	case e.names(k):
		return chat.Mention
	case k.place.thread() && e.others(k.self):
		return ""
	case e.answers(k):
		return chat.Answer
	case k.place.thread() && (e.Content != "" || len(e.Attachments)+len(e.Snapshots) > 0):
		return chat.Thread
	}
	return ""
}

// translate makes a chat.Message of an event that is for the bot.
func translate(e *messageEvent, k knowledge) (chat.Message, bool) {
	why := e.trigger(k)
	if why == "" {
		return chat.Message{}, false
	}
	m := chat.Message{
		Key: k.scope() + ":" + e.ID, ID: chat.MessageID(e.ID), Scope: k.scope(), Bot: k.bot, Place: whereabouts(e.Guild, e.Channel, k.place),
		Author: chat.Author{ID: e.Author.ID, Name: displayName(e.Author, e.Member)}, Trigger: why, Text: e.text(k), ReplyTo: e.replyTo(), At: e.At,
	}
	m.Joined = why == chat.Thread && k.started(e.Channel)
	m.Files = files(e.Attachments)
	if _, _, command := m.Command(); command {
		return m, true
	}
	// "@bot explain this" in reply to someone, or a forwarded message: what is
	// meant stands in the other message, which nothing else brings along.
	if e.Referenced.referenced != nil && why == chat.Mention && !e.answers(k) {
		name := "Someone"
		if e.Referenced.Author != nil {
			name = displayName(e.Referenced.Author, nil)
		}
		m.Text = e.Referenced.quote(name+" wrote:", k) + m.Text
		m.Files = append(m.Files, files(e.Referenced.Attachments)...)
	}
	for _, s := range e.Snapshots {
		m.Text = s.Message.quote("Forwarded:", k) + m.Text
		m.Files = append(m.Files, files(s.Message.Attachments)...)
	}
	m.Text = strings.TrimSpace(m.Text)
	return m, true
}

func files(list []*discordgo.MessageAttachment) []chat.File {
	var out []chat.File
	for _, f := range list {
		if f != nil {
			out = append(out, chat.File{Name: f.Filename, Type: f.ContentType, Size: int64(f.Size), URL: f.URL})
		}
	}
	return out
}

// quote is the message as a Markdown quotation below a line that introduces it,
// empty when it has no text.
func (r *referenced) quote(intro string, k knowledge) string {
	inner := messageEvent{Content: r.Content, Mentions: r.Mentions}
	text := inner.text(k)
	if text == "" {
		return ""
	}
	return intro + "\n> " + strings.ReplaceAll(text, "\n", "\n> ") + "\n\n"
}

// whereabouts is the place of a channel: a thread stands below its parent.
func whereabouts(guild, channel string, p place) chat.Place {
	if guild == "" {
		return chat.Place{Platform: platform, Channel: channel, Direct: true}
	}
	if p.thread() && p.parent != "" {
		return chat.Place{Platform: platform, Workspace: guild, Channel: p.parent, Thread: channel, Owner: p.owner}
	}
	return chat.Place{Platform: platform, Workspace: guild, Channel: channel}
}

// destination is the channel that calls about a place go to.
func destination(p chat.Place) string {
	if p.Thread != "" {
		return p.Thread
	}
	return p.Channel
}

// displayName is the name people see: the guild's nickname, else the chosen
// name, else the account's.
func displayName(u *discordgo.User, m *memberPart) string {
	if m != nil && m.Nick != "" {
		return m.Nick
	}
	if u.GlobalName != "" {
		return u.GlobalName
	}
	return u.Username
}

// markup is Discord's way to write mentions of users, roles, channels and
// commands, custom emoji and times.
var markup = regexp.MustCompile(`<(?:@[!&]?(\d{5,20})|#(\d{5,20})|/([^:<>]{1,110}):\d{5,20}|a?(:\w{2,32}:)\d{5,20}|t:(-?\d{1,13})(?::[tTdDfFRsS])?)>`)

// text is the content with Discord's markup said in words and the mention of
// the bot left out.
func (e *messageEvent) text(k knowledge) string {
	users := map[string]string{}
	for _, m := range e.Mentions {
		users[m.ID] = displayName(&m.User, m.Member)
	}
	out := e.Content
	for _, own := range e.own(k) {
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

// own are the ways the event's text names the bot.
func (e *messageEvent) own(k knowledge) []string {
	out := []string{"<@" + k.self + ">", "<@!" + k.self + ">"}
	for _, id := range e.Roles {
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
