// MESSAGE_CREATE → chat.Message: what is for the bot, why, where, and the text
// as the person meant it. translate is a pure function.

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

// messageEvent is what matters of a message. It is not discordgo's Message: its
// decoder fails on component types it does not know and then loses the whole
// event; see content.
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

// lookup is a message inside another, as far as the event tells: Discord leaves
// the field out where it did not look, and sends null where there is no such
// message any more.
type lookup struct {
	*messageEvent
	told bool
}

func (l *lookup) UnmarshalJSON(raw []byte) error {
	l.told = true
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

// message is what every message has: its id, scope and place.
func (k knowledge) message(id string, at time.Time, p chat.Place) chat.Message {
	scope := platform + ":" + k.self
	return chat.Message{Key: scope + ":" + id, ID: chat.MessageID(id), Scope: scope, Bot: k.bot, Place: p, At: at}
}

// written reports whether a person wrote the message: not a bot, a webhook,
// Discord itself, nor the bot, and no join, pin or other notice.
func (e *messageEvent) written(self string) bool {
	return e.Author != nil && e.Author.ID != "" && e.Author.ID != self && !e.Author.Bot && !e.Author.System && e.Webhook == "" &&
		(e.Type == discordgo.MessageTypeDefault || e.Type == discordgo.MessageTypeReply)
}

// origin is who wrote the message, as far as embeds matter.
func (e *messageEvent) origin() origin {
	if e.Webhook != "" || e.Author != nil && e.Author.Bot {
		return fromApp
	}
	return fromPerson
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
	return l.messageEvent != nil && l.Author != nil && l.Author.ID == self
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
	m := k.message(e.ID, e.At, whereabouts(e.Guild, e.Channel, k.place))
	m.Author, m.ReplyTo = e.author(), e.replyTo()
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

// quotes reports whether the message replies to one that nothing else brings
// along: "@bot explain this" in reply to someone. The bot's own are in the
// transcript.
func (e *messageEvent) quotes(k knowledge) bool {
	return e.Type == discordgo.MessageTypeReply && e.Referenced.messageEvent != nil && !e.Referenced.by(k.self)
}

// meant quotes what the message replies to.
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

// author is who wrote the message; there must be one.
func (e *messageEvent) author() chat.Author {
	return chat.Author{ID: e.Author.ID, Name: displayName(e.Author, e.Member)}
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
