// The world the server pretends: people, guilds, channels, roles, messages, and
// the timeline of what a person would have seen.

package discord

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Channel types used here.
const (
	channelText          = 0
	channelDM            = 1
	channelForum         = 15
	channelPublicThread  = 11
	channelPrivateThread = 12
)

// Message types used here.
const (
	messageDefault = 0
	messageReply   = 19
	messageCommand = 20
	messageStarter = 21
)

// flagEphemeral marks a message that one person sees.
const flagEphemeral = 1 << 6

// User is a person or a bot.
type User struct {
	ID         string `json:"id"`
	Username   string `json:"username"`
	GlobalName string `json:"global_name,omitempty"`
	Bot        bool   `json:"bot,omitempty"`
	// Locale is the language of their Discord, "fr"; empty is "en-US". Their
	// interactions tell it.
	Locale string `json:"-"`
}

// Role is a role of the guild.
type Role struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	Permissions string         `json:"permissions"`
	Managed     bool           `json:"managed"`
	Mentionable bool           `json:"mentionable"`
	Position    int            `json:"position"`
	Tags        map[string]any `json:"tags,omitempty"`
}

type channel struct {
	ID      string `json:"id"`
	Type    int    `json:"type"`
	GuildID string `json:"guild_id,omitempty"`
	Name    string `json:"name,omitempty"`
	Parent  string `json:"parent_id,omitempty"`
	Opener  string `json:"owner_id,omitempty"` // of a thread

	recipient string // the person of a direct message
	app       *App   // and its bot
	messages  []*message
	gone      bool
	closed    bool // the bot may not see it
	shut      bool // the person takes no direct messages
	denied    Denied
}

func (c *channel) thread() bool {
	return c.Type == channelPublicThread || c.Type == channelPrivateThread
}

type member struct {
	Nick   string
	Roles  []string
	joined time.Time
}

type guild struct {
	ID      string
	Name    string
	Owner   string
	Locale  string // its preferred language; empty is "en-US"
	Roles   []*Role
	members map[string]*member
}

// Embedded is one attachment of a message.
type Embedded struct {
	ID       string `json:"id"`
	Filename string `json:"filename"`
	Type     string `json:"content_type,omitempty"`
	Size     int    `json:"size"`
	URL      string `json:"url"`
	Data     []byte `json:"-"`
}

type message struct {
	id          string
	channel     *channel
	author      *User
	webhook     string
	kind        int
	content     string
	mentions    []*User
	roles       []string
	everyone    bool
	components  []any
	attachments []Embedded
	flags       int
	nonce       any
	reply       *message
	replyID     string
	at          time.Time
	edited      time.Time
	deleted     bool
	app         *App
	only        string         // an ephemeral message is for this person alone
	rich        map[string]any // embeds, components and the like, as they are shown
	loading     bool
	frames      []Frame
}

// Frame is one state of a message, as a person with the channel open saw it.
type Frame struct {
	At      time.Time
	Content string
	Buttons []string // labels of the buttons shown
	Pings   []string // user and role ids, "everyone": who was notified by this very change
	Deleted bool
}

// Message is a snapshot of a message.
type Message struct {
	ID          string
	Channel     string
	Author      User
	Content     string
	ReplyTo     string
	Nonce       string
	Ephemeral   bool
	Loading     bool // a deferred answer: "is thinking …"
	Edited      bool
	Deleted     bool
	At          time.Time
	Components  []any
	Attachments []Embedded
	Frames      []Frame
}

// Buttons are the labels of the buttons below the message.
func (m Message) Buttons() []string { return labels(m.Components) }

func (m *message) snapshot() Message {
	nonce := ""
	if m.nonce != nil {
		nonce = fmt.Sprint(m.nonce)
	}
	return Message{
		ID: m.id, Channel: m.channel.ID, Author: *m.author, Content: m.content, ReplyTo: m.replyID, Nonce: nonce,
		Ephemeral: m.flags&flagEphemeral != 0, Loading: m.loading, Edited: !m.edited.IsZero(), Deleted: m.deleted, At: m.at,
		Components: m.components, Attachments: slices.Clone(m.attachments), Frames: slices.Clone(m.frames),
	}
}

// seen adds the present state to the timeline. pings is who is notified by it.
func (m *message) seen(now time.Time, pings []string) {
	m.frames = append(m.frames, Frame{At: now, Content: m.content, Buttons: labels(m.components), Pings: pings, Deleted: m.deleted})
}

// walk visits every component, nested ones too.
func walk(components []any, visit func(map[string]any)) {
	for _, c := range components {
		component, ok := c.(map[string]any)
		if !ok {
			continue
		}
		visit(component)
		if nested, ok := component["components"].([]any); ok {
			walk(nested, visit)
		}
		if nested, ok := component["component"].(map[string]any); ok {
			walk([]any{nested}, visit)
		}
	}
}

func labels(components []any) []string {
	var out []string
	walk(components, func(c map[string]any) {
		if c["type"] == float64(2) {
			label, _ := c["label"].(string)
			out = append(out, label)
		}
	})
	return out
}

// snowflake is the next id: milliseconds since 2015 and a counter, always
// growing.
func (s *Server) snowflake() string {
	ms := time.Now().UnixMilli() - 1420070400000
	id := uint64(ms) << 22
	if id <= s.lastID {
		id = s.lastID + 1
	}
	s.lastID = id
	return strconv.FormatUint(id, 10)
}

// moment is now, later than any before by what a timestamp can tell.
func (s *Server) moment() time.Time {
	now := time.Now().Truncate(time.Microsecond)
	if !now.After(s.lastMoment) {
		now = s.lastMoment.Add(time.Microsecond)
	}
	s.lastMoment = now
	return now
}

// user finds a person by id or name and makes one up when there is none.
func (s *Server) user(nameOrID string) *User {
	for _, u := range s.users {
		if u.ID == nameOrID || strings.EqualFold(u.Username, nameOrID) {
			return u
		}
	}
	u := &User{ID: s.snowflake(), Username: strings.ToLower(nameOrID), GlobalName: nameOrID}
	s.users[u.ID] = u
	s.guild.members[u.ID] = &member{joined: time.Now()}
	return u
}

// place finds a channel by id or name and makes a text channel of the first
// guild when there is none.
func (s *Server) place(nameOrID string) *channel {
	if c := s.channels[nameOrID]; c != nil {
		return c
	}
	for _, id := range slices.Sorted(maps.Keys(s.channels)) {
		if c := s.channels[id]; c.Name == nameOrID && !c.gone {
			return c
		}
	}
	c := &channel{ID: s.snowflake(), Type: channelText, GuildID: s.guild.ID, Name: nameOrID}
	s.channels[c.ID] = c
	s.dispatchGuild(c.GuildID, intentGuilds, "CHANNEL_CREATE", c.json())
	return c
}

// direct is the direct-message channel of a person with an app.
func (s *Server) direct(app *App, u *User) *channel {
	for _, c := range s.channels {
		if c.Type == channelDM && c.app == app && c.recipient == u.ID {
			return c
		}
	}
	c := &channel{ID: s.snowflake(), Type: channelDM, recipient: u.ID, app: app}
	s.channels[c.ID] = c
	return c
}

func (s *Server) message(id string) *message {
	return s.messages[id]
}

func (c *channel) json() map[string]any {
	out := map[string]any{"id": c.ID, "type": c.Type, "flags": 0}
	if c.GuildID != "" {
		out["guild_id"], out["name"] = c.GuildID, c.Name
	}
	if c.Parent != "" {
		out["parent_id"] = c.Parent
	}
	if c.thread() {
		out["owner_id"] = c.Opener
		out["thread_metadata"] = map[string]any{"archived": false, "auto_archive_duration": 1440, "locked": false}
	}
	return out
}

// memberJSON is a guild's member; nil when there is no such guild or member.
func (s *Server) memberJSON(guildID, id string, withUser bool) map[string]any {
	g := s.guilds[guildID]
	if g == nil || g.members[id] == nil {
		return nil
	}
	m := g.members[id]
	out := map[string]any{
		"roles": append([]string{}, m.Roles...), "joined_at": timestamp(m.joined), "deaf": false, "mute": false, "flags": 0, "pending": false, "banner": nil,
		"premium_since": nil, "communication_disabled_until": nil, "avatar": nil,
	}
	if m.Nick != "" {
		out["nick"] = m.Nick
	} else {
		out["nick"] = nil
	}
	if withUser {
		out["user"] = s.userJSON(s.users[id])
	}
	return out
}

func (s *Server) userJSON(u *User) map[string]any {
	out := map[string]any{"id": u.ID, "username": u.Username, "discriminator": "0", "global_name": nil, "avatar": nil, "public_flags": 0}
	if u.GlobalName != "" {
		out["global_name"] = u.GlobalName
	}
	if u.Bot {
		out["bot"] = true
	}
	return out
}

func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000+00:00") }

// permissions are the guild-wide permissions of a member.
func (g *guild) permissions(user string) int64 {
	if user == g.Owner {
		return -1 & (1<<53 - 1)
	}
	var total int64
	m := g.members[user]
	for _, r := range g.Roles {
		if r.ID == g.ID || m != nil && slices.Contains(m.Roles, r.ID) {
			p, _ := strconv.ParseInt(r.Permissions, 10, 64)
			total |= p
		}
	}
	return total
}

// messageJSON is a message as the REST API and events show it to app. Without
// the Message Content intent, content is there only where Discord grants it.
func (s *Server) messageJSON(m *message, app *App, event, content bool) map[string]any {
	out := map[string]any{
		"id": m.id, "channel_id": m.channel.ID, "type": m.kind, "content": m.content, "timestamp": timestamp(m.at),
		"edited_timestamp": nil, "tts": false, "mention_everyone": m.everyone, "author": s.userJSON(m.author), "mentions": []any{},
		"mention_roles": append([]string{}, m.roles...), "attachments": []any{}, "embeds": []any{}, "pinned": false, "flags": m.flags,
		"components": []any{},
	}
	if len(m.components) > 0 {
		out["components"] = m.components
	}
	if !m.edited.IsZero() {
		out["edited_timestamp"] = timestamp(m.edited)
	}
	var mentions []any
	mine := m.channel.Type == channelDM || m.author == app.user
	for _, u := range m.mentions {
		j := s.userJSON(u)
		if event && m.channel.GuildID != "" {
			j["member"] = s.memberJSON(m.channel.GuildID, u.ID, false)
		}
		mentions = append(mentions, j)
		mine = mine || u == app.user
	}
	if mentions != nil {
		out["mentions"] = mentions
	}
	if m.attachments != nil {
		out["attachments"] = m.attachments
	}
	if m.webhook != "" {
		out["webhook_id"] = m.webhook
	}
	if m.nonce != nil && event {
		out["nonce"] = m.nonce
	}
	maps.Copy(out, m.rich)
	if m.replyID != "" {
		in := m.channel
		if m.reply != nil {
			in = m.reply.channel // of a thread's first message it is another
		}
		out["message_reference"] = map[string]any{"type": 0, "message_id": m.replyID, "channel_id": in.ID, "guild_id": in.GuildID}
		out["referenced_message"] = nil
		if m.reply != nil && !m.reply.deleted {
			referenced := s.messageJSON(m.reply, app, false, content)
			delete(referenced, "referenced_message")
			out["referenced_message"] = referenced
		}
	}
	if event {
		out["channel_type"] = m.channel.Type
		if m.channel.GuildID != "" && m.flags&flagEphemeral == 0 {
			out["guild_id"] = m.channel.GuildID
			if m.webhook == "" {
				if member := s.memberJSON(m.channel.GuildID, m.author.ID, false); member != nil {
					out["member"] = member
				}
			}
		}
	}
	if !content && !mine {
		out["content"], out["components"], out["attachments"], out["embeds"] = "", []any{}, []any{}, []any{}
		delete(out, "poll")
	}
	return out
}
