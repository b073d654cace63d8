// From MESSAGE_CREATE to chat.Message: whether a message is for the bot, why,
// where, and its text as the person meant it. translate is a pure function.

package discord

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/bwmarrin/discordgo"

	"parley/adapters/internal/loose"
	"parley/internal/chat"
)

// messageEvent is the part of a message that is used. discordgo's Message does not
// do: its decoder fails on component types it does not know and loses the whole
// event. See content.
type messageEvent struct {
	content
	ID          string                 `json:"id"`
	Channel     string                 `json:"channel_id"`
	ChannelType *discordgo.ChannelType `json:"channel_type"`
	Guild       string                 `json:"guild_id"`
	Author      *discordgo.User        `json:"author"`
	Member      *memberPart            `json:"member"`
	Webhook     string                 `json:"webhook_id"`
	At          time.Time              `json:"timestamp"`
	Nonce       json.RawMessage        `json:"nonce"`
	Reference   *struct {
		Message string `json:"message_id"`
		Channel string `json:"channel_id"`
	} `json:"message_reference"`
	Referenced lookup `json:"referenced_message"`
}

// lookup is a message inside another. Discord omits the field if it did not look
// the message up, and sends null if that no longer exists.
type lookup struct {
	*messageEvent
	present bool // the field was there
}

func (l *lookup) UnmarshalJSON(raw []byte) error {
	l.present = true
	return json.Unmarshal(raw, &l.messageEvent)
}

type memberPart struct {
	Nick  string   `json:"nick"`
	Roles []string `json:"roles"`
}

type mention struct {
	discordgo.User
	Member *memberPart `json:"member"`
}

// knowledge is what translate needs besides the event.
type knowledge struct {
	self    string      // the bot's user id
	bot     string      // the application's lead
	locale  string      // of the guild
	here    channelInfo // the channel; zero in a direct message
	role    func(id string) role
	channel func(id string) string // a channel's name
	wrote   func(id string) bool   // reports whether the bot wrote the message
}

// started reports whether the bot started a thread, or wrote the message that the
// thread was opened from, which has the same id.
func (k knowledge) started(thread string) bool { return k.here.owner == k.self || k.wrote(thread) }

// message is a message with the fields that all have.
func (k knowledge) message(id string, at time.Time, p chat.Place) chat.Message {
	scope := platform + ":" + k.self
	return chat.Message{Key: scope + ":" + id, ID: chat.MessageID(id), Scope: scope, Bot: k.bot, Place: p, At: at}
}

// written reports whether a person wrote the message: not this bot or another, no
// webhook, and not Discord itself, as for joins, pins and other notices.
func (e *messageEvent) written(self string) bool {
	return e.Author != nil && e.Author.ID != "" && e.Author.ID != self && !e.Author.Bot && !e.Author.System && e.Webhook == "" &&
		(e.Type == discordgo.MessageTypeDefault || e.Type == discordgo.MessageTypeReply)
}

// origin is the kind of author, which decides what the embeds are.
func (e *messageEvent) origin() origin {
	if e.Webhook != "" || e.Author != nil && e.Author.Bot {
		return fromApp
	}
	return fromPerson
}

// spoken reports whether a person or an app wrote the message: it is no join, pin
// or other notice of Discord.
func (e *messageEvent) spoken() bool {
	switch e.Type {
	case discordgo.MessageTypeDefault, discordgo.MessageTypeReply, discordgo.MessageTypeChatInputCommand, discordgo.MessageTypeContextMenuCommand:
		return e.Author != nil && !e.Author.System
	}
	return false
}

// names reports whether the text mentions the bot, or the bot's own role, which
// Discord's completion offers next to it. The event lists who is mentioned: in code
// nobody is.
func (e *messageEvent) names(k knowledge) bool {
	written := strings.Contains(e.Content, "<@"+k.self+">") || strings.Contains(e.Content, "<@!"+k.self+">")
	if written && (e.Mentions == nil || e.mentions(k.self)) {
		return true
	}
	return slices.ContainsFunc(e.Roles, func(id string) bool { return k.role(id).bot == k.self })
}

// mentions reports whether the event lists the bot as mentioned. A reply can
// mention the author of the other message without naming them in the text.
func (e *messageEvent) mentions(self string) bool {
	return slices.ContainsFunc(e.Mentions, func(m mention) bool { return m.ID == self })
}

// answers reports whether the message replies to a message of the bot.
func (e *messageEvent) answers(k knowledge) bool {
	switch {
	case e.Reference == nil:
		return false
	case e.Referenced.present:
		return e.Referenced.by(k.self)
	case e.replyTo() == "":
		return false // a forward
	}
	return k.wrote(e.Reference.Message) || e.mentions(k.self) && !e.names(k)
}

// by reports whether there is a message and self wrote it.
func (l lookup) by(self string) bool {
	return l.messageEvent != nil && l.Author != nil && l.Author.ID == self
}

// incomplete reports whether the event lacks the message it replies to, and that
// is needed to know whether this one is for the bot, or what it means.
func (e *messageEvent) incomplete(k knowledge) bool {
	if e.Guild == "" || e.replyTo() == "" || e.Referenced.present || e.answers(k) {
		return false
	}
	return e.names(k) || !(k.here.thread() && e.others(k.self))
}

// replyTo is the id of the message this one replies to, if any.
func (e *messageEvent) replyTo() chat.MessageID {
	if e.Type != discordgo.MessageTypeReply || e.Reference == nil {
		return ""
	}
	return chat.MessageID(e.Reference.Message)
}

// others reports whether the message mentions people or roles, but not the bot.
func (e *messageEvent) others(self string) bool {
	return !e.mentions(self) && len(e.Mentions)+len(e.Roles) > 0
}

// trigger is why the message is for the bot; "" means it is not.
func (e *messageEvent) trigger(k knowledge) chat.Trigger {
	switch {
	case !e.written(k.self):
		return ""
	case e.Guild == "":
		return chat.Direct
	case e.names(k):
		return chat.Mention
	case k.here.thread() && e.others(k.self):
		return ""
	case e.answers(k):
		return chat.Answer
	case k.here.thread() && (e.Content != "" || len(e.Attachments)+len(e.Snapshots) > 0):
		return chat.Thread
	}
	return ""
}

// translate turns an event into a chat.Message if it is for the bot.
func translate(e *messageEvent, k knowledge) (chat.Message, bool) {
	why := e.trigger(k)
	if why == "" {
		return chat.Message{}, false
	}
	m := k.message(e.ID, e.At, whereabouts(e.Guild, e.Channel, k.here))
	m.Author, m.ReplyTo = e.author(k.locale), e.replyTo()
	m.Trigger, m.Text = why, e.said(k, e.origin())
	m.Joined = why == chat.Thread && k.started(e.Channel)
	m.Files = files(e.Attachments)
	if _, _, command := m.Command(); command {
		return m, true
	}
	m.Text = loose.Join("\n\n", e.forwards(k), e.meant(k), m.Text)
	m.Files = files(e.allFiles())
	if e.quotes(k) {
		m.Files = append(m.Files, files(e.Referenced.allFiles())...)
	}
	return m, true
}

// quotes reports whether the message it replies to has to be quoted: "@bot explain
// this" in reply to someone. The bot's own messages are in the transcript.
func (e *messageEvent) quotes(k knowledge) bool {
	return e.Type == discordgo.MessageTypeReply && e.Referenced.messageEvent != nil && !e.Referenced.by(k.self)
}

// meant is that quotation.
func (e *messageEvent) meant(k knowledge) string {
	if !e.quotes(k) {
		return ""
	}
	name := "Someone"
	if a := e.Referenced.Author; a != nil {
		name = displayName(a, e.Referenced.Member)
	}
	return quotation(name+" wrote:", e.Referenced.whole(k, e.Referenced.origin()))
}

func files(list []*discordgo.MessageAttachment) []chat.File {
	var out []chat.File
	for _, f := range list {
		if f != nil {
			out = append(out, chat.File{ID: f.ID, Name: f.Filename, Type: f.ContentType, Size: int64(f.Size), URL: f.URL})
		}
	}
	return out
}

// author is who wrote the message; e.Author must not be nil.
func (e *messageEvent) author(locale string) chat.Author {
	return chat.Author{ID: e.Author.ID, Name: displayName(e.Author, e.Member), Language: locale}
}

// displayName is the name people see: the nickname in the guild, the display name
// or the account's name.
func displayName(u *discordgo.User, m *memberPart) string {
	if m != nil && m.Nick != "" {
		return m.Nick
	}
	if u.GlobalName != "" {
		return u.GlobalName
	}
	return u.Username
}
