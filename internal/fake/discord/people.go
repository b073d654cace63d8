// What people do: write, reply, open threads, delete, and what tests arrange
// around them.

package discord

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Say lets a person write in a channel (name or id; made when missing) and
// returns the message's id. "@name" of a known user, bot or role in text
// becomes a mention, as the client's completion would make it.
func (s *Server) Say(channel, user, text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.say(s.place(channel), s.user(user), text, nil).id
}

// Mention lets a person write text after a mention of the first app's bot.
func (s *Server) Mention(channel, user, text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.say(s.place(channel), s.user(user), "<@"+s.apps[0].user.ID+"> "+text, nil).id
}

// DM lets a person write to the first app's bot directly.
func (s *Server) DM(user, text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.user(user)
	return s.say(s.direct(s.apps[0], u), u, text, nil).id
}

// Reply lets a person reply to a message in its channel. ping is the client's
// switch "@ ON": the author of that message is mentioned.
func (s *Server) Reply(messageID, user, text string, ping bool) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	to := s.message(messageID)
	return s.say(to.channel, s.user(user), text, func(m *message) {
		m.kind, m.reply, m.replyID = messageReply, to, to.id
		if ping && !slices.Contains(m.mentions, to.author) {
			m.mentions = append(m.mentions, to.author)
		}
	}).id
}

// Attach lets a person write with a file.
func (s *Server) Attach(channel, user, text string, file Embedded) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if file.ID == "" {
		file.ID = s.snowflake()
	}
	file.Size = max(file.Size, len(file.Data))
	file.URL = "http://" + s.addr + "/attachments/" + file.ID + "/" + file.Filename
	return s.say(s.place(channel), s.user(user), text, func(m *message) { m.attachments = []Embedded{file} }).id
}

// System makes a message of another type than those people write: 7 is a join,
// 6 a pin.
func (s *Server) System(channel, user string, kind int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.say(s.place(channel), s.user(user), "", func(m *message) { m.kind = kind }).id
}

// Webhook makes a message of a webhook.
func (s *Server) Webhook(channel, name, text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hook(channel, name, text, nil).id
}

func (s *Server) hook(channel, name, text string, rich map[string]any) *message {
	id := s.snowflake()
	author := &User{ID: id, Username: name, Bot: true}
	return s.say(s.place(channel), author, text, func(m *message) { m.webhook, m.rich = id, rich })
}

// Rich lets a person write what is more than text; fields are those of the
// message as Discord shows it: embeds, components, flags, poll, sticker_items,
// message_snapshots.
func (s *Server) Rich(channel, user, text string, fields map[string]any) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.say(s.place(channel), s.user(user), text, func(m *message) { m.rich = fields }).id
}

// Alert makes a message of a webhook that is more than text; see Rich.
func (s *Server) Alert(channel, name, text string, fields map[string]any) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hook(channel, name, text, fields).id
}

// Inject sends a MESSAGE_CREATE with the given fields changed, to try what a
// client makes of fields it does not know.
func (s *Server) Inject(channel, user, text string, change func(map[string]any)) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.compose(s.place(channel), s.user(user), text)
	s.announce(m, "MESSAGE_CREATE", change)
	return m.id
}

// Bot makes another bot, whose name Say takes from then on.
func (s *Server) Bot(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.user(name)
	u.Bot = true
	return u.ID
}

// UserID is the id of a person, made when missing.
func (s *Server) UserID(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.user(name).ID
}

// ChannelID is the id of a channel, made when missing.
func (s *Server) ChannelID(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.place(name).ID
}

// DMChannel is the id of a person's direct-message channel with the first app.
func (s *Server) DMChannel(user string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.direct(s.apps[0], s.user(user)).ID
}

// Thread opens a public thread in a channel and returns its id. The guild's
// owner opens it.
func (s *Server) Thread(parent, name string) string { return s.thread("", parent, name, "", true) }

// SilentThread makes a thread without telling anyone: as one that was made
// while a client was away.
func (s *Server) SilentThread(parent, name string) string {
	return s.thread("", parent, name, "", false)
}

// ThreadBy lets a person or bot (name or id) open a thread in a channel.
func (s *Server) ThreadBy(user, parent, name string) string {
	return s.thread("", parent, name, user, true)
}

// ThreadFrom lets a person open a thread from a message, whose id it has. The
// thread's first message holds that one.
func (s *Server) ThreadFrom(messageID, user, name string) string {
	s.mu.Lock()
	parent := s.message(messageID).channel.ID
	s.mu.Unlock()
	return s.thread(messageID, parent, name, user, true)
}

func (s *Server) thread(id, parent, name, user string, announce bool) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id == "" {
		id = s.snowflake()
	}
	in := s.place(parent)
	opener := s.guilds[in.GuildID].Owner
	if user != "" {
		opener = s.user(user).ID
	}
	c := &channel{ID: id, Type: channelPublicThread, GuildID: in.GuildID, Name: name, Parent: in.ID, Opener: opener}
	s.channels[c.ID] = c
	if announce {
		s.dispatchGuild(c.GuildID, intentGuilds, "THREAD_CREATE", c.json())
	}
	if from := s.message(id); from != nil {
		s.say(c, s.users[opener], "", func(m *message) { m.kind, m.reply, m.replyID = messageStarter, from, from.id })
	}
	return c.ID
}

// Nick gives a person a name of their own in the guild.
func (s *Server) Nick(user, nick string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.guild.members[s.user(user).ID].Nick = nick
}

// Grant gives a person a role with these permissions, made when missing, and
// returns the role's id.
func (s *Server) Grant(user, role string, permissions int64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found *Role
	for _, r := range s.guild.Roles {
		if r.Name == role {
			found = r
		}
	}
	if found == nil {
		found = &Role{ID: s.snowflake(), Name: role, Permissions: strconv.FormatInt(permissions, 10), Mentionable: true}
		s.guild.Roles = append(s.guild.Roles, found)
		s.dispatchGuild(s.guild.ID, intentGuilds, "GUILD_ROLE_CREATE", map[string]any{"guild_id": s.guild.ID, "role": found})
	}
	m := s.guild.members[s.user(user).ID]
	m.Roles = append(m.Roles, found.ID)
	return found.ID
}

// RoleID is the id of an app's own managed role.
func (s *Server) RoleID(app string) string { return s.App(app).role.ID }

// Delete deletes a message.
func (s *Server) Delete(messageID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(s.message(messageID))
}

// Lock takes a channel from the bots' sight, or gives it back.
func (s *Server) Lock(channel string, locked bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.place(channel).closed = locked
}

// Age makes a message look older, for the limit on edits.
func (s *Server) Age(messageID string, by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.message(messageID).at = s.message(messageID).at.Add(-by)
}

// Messages are the messages of a channel that everyone in it sees, oldest
// first.
func (s *Server) Messages(channel string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Message
	for _, m := range s.place(channel).messages {
		if !m.deleted && m.flags&flagEphemeral == 0 {
			out = append(out, m.snapshot())
		}
	}
	return out
}

// Replies are the visible messages of bots that reply to a message, and those
// of the same bot that continue them by replying to one of these; oldest first.
func (s *Server) Replies(messageID string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.message(messageID)
	if asked == nil {
		return nil
	}
	var out []Message
	answers := map[string]*User{}
	for _, m := range asked.channel.messages { // in order: a reply comes after what it replies to
		if m.deleted || !m.author.Bot || m.flags&flagEphemeral != 0 {
			continue
		}
		if m.replyID == messageID || m.replyID != "" && answers[m.replyID] == m.author {
			answers[m.id] = m.author
			out = append(out, m.snapshot())
		}
	}
	return out
}

func pad(id string) string { return strings.Repeat("0", 20-len(id)) + id }

// Message is a message's present state.
func (s *Server) Message(id string) (Message, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.message(id)
	if m == nil {
		return Message{}, false
	}
	return m.snapshot(), true
}

// Timeline is every state of a message that a person could have seen, with
// who was notified by it.
func (s *Server) Timeline(id string) []Frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.message(id); m != nil {
		return slices.Clone(m.frames)
	}
	return nil
}

// Typing is when bots showed the typing indicator in a channel.
func (s *Server) Typing(channel string) []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := "/channels/" + s.place(channel).ID + "/typing"
	var out []time.Time
	for _, c := range s.calls {
		if c.Path == path && c.Status == 204 {
			out = append(out, c.At)
		}
	}
	return out
}

// say writes a message of a person and tells everyone; mu is held.
func (s *Server) say(c *channel, u *User, text string, change func(*message)) *message {
	m := s.compose(c, u, text)
	if change != nil {
		change(m)
	}
	var pings []string
	for _, mentioned := range m.mentions {
		pings = append(pings, mentioned.ID)
	}
	m.seen(m.at, pings)
	s.announce(m, "MESSAGE_CREATE", nil)
	return m
}

// compose makes a message of a person with the client's mentions resolved.
func (s *Server) compose(c *channel, u *User, text string) *message {
	for _, other := range s.users {
		for _, name := range []string{other.Username, other.GlobalName} {
			if name != "" {
				text = strings.ReplaceAll(text, "@"+name, "<@"+other.ID+">")
			}
		}
	}
	m := &message{id: s.snowflake(), channel: c, author: u, content: text, at: time.Now()}
	s.parseMentions(m, everything())
	c.messages = append(c.messages, m)
	s.messages[m.id] = m
	return m
}

// announce dispatches an event about m to every session that may see it.
func (s *Server) announce(m *message, event string, change func(map[string]any)) {
	intent := intentGuildMessages
	if m.channel.Type == channelDM {
		intent = intentDirectMessages
	}
	for _, one := range s.sessions {
		if !one.sees(m.channel) {
			continue
		}
		body := s.messageJSON(m, one.app, true, one.intents&intentMessageContent != 0)
		if change != nil {
			change(body)
		}
		one.dispatch(intent, event, body)
	}
	s.change()
}

func (s *Server) remove(m *message) {
	if m == nil || m.deleted {
		return
	}
	m.deleted = true
	m.seen(time.Now(), nil)
	defer s.change()
	if m.flags&flagEphemeral != 0 {
		return
	}
	body := map[string]any{"id": m.id, "channel_id": m.channel.ID}
	if m.channel.GuildID != "" {
		body["guild_id"] = m.channel.GuildID
	}
	intent := intentGuildMessages
	if m.channel.Type == channelDM {
		intent = intentDirectMessages
	}
	for _, one := range s.sessions {
		if one.sees(m.channel) {
			one.dispatch(intent, "MESSAGE_DELETE", body)
		}
	}
}
