// What people do: say things, in channels, threads and direct messages.

package slack

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Said is something a person writes. The zero values are left out of the event.
type Said struct {
	Channel     string
	User        string
	Text        string // as the event carries it: <@U0HELPER> names the bot
	Thread      string // ts of the thread's root: a reply
	Subtype     string // "thread_broadcast", "file_share", "channel_join" …
	Files       []File
	App         string          // for a direct message: the app talked to; empty: the first
	Attachments json.RawMessage // messages that the person shares
	// Extra fields of the event, for what this struct does not know.
	Extra map[string]any
	// TS, when set, is used instead of a fresh one.
	TS string
}

// Say writes a message and delivers its events to every app concerned. It
// gives the message's ts at once; delivery goes on in the background.
func (s *Server) Say(w Said) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.userFor(w.User)
	s.channelFor(w.Channel)
	m := &Message{Channel: w.Channel, TS: w.TS, ThreadTS: w.Thread, User: w.User, Text: w.Text, Subtype: w.Subtype, Files: w.Files, Attachments: w.Attachments}
	if len(w.Files) > 0 && m.Subtype == "" {
		m.Subtype = "file_share"
	}
	s.add(m)
	s.spread(m, w.Extra)
	return m.TS
}

// Mention writes a message in a channel that names the app's bot (the first
// app's) before text.
func (s *Server) Mention(channel, user, text string) string {
	return s.Say(Said{Channel: channel, User: user, Text: "<@" + s.App("").BotUser + "> " + text})
}

// MentionApp is Mention for a chosen app.
func (s *Server) MentionApp(app, channel, user, text string) string {
	return s.Say(Said{Channel: channel, User: user, Text: "<@" + s.App(app).BotUser + "> " + text})
}

// Reply writes a message in a thread.
func (s *Server) Reply(channel, thread, user, text string) string {
	return s.Say(Said{Channel: channel, Thread: thread, User: user, Text: text})
}

// MentionIn writes a message in a thread that names the first app's bot.
func (s *Server) MentionIn(channel, thread, user, text string) string {
	return s.Reply(channel, thread, user, "<@"+s.App("").BotUser+"> "+text)
}

// DM writes a direct message to the first app's bot and gives the channel and
// the message's ts.
func (s *Server) DM(user, text string) (channel, ts string) {
	channel = s.DirectChannel("", user)
	return channel, s.Say(Said{Channel: channel, User: user, Text: text})
}

// Edit changes what a person wrote; Slack delivers message_changed, and
// app_mention again where the new text names a bot.
func (s *Server) Edit(ts, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.messages[ts]
	if m == nil {
		return
	}
	before := s.wire(m, false)
	m.Text, m.Edited = text, true
	s.show(m)
	s.spreadChange(m, before)
	for _, a := range s.apps {
		if !s.channels[m.Channel].has(a) {
			continue
		}
		if strings.Contains(text, "<@"+a.BotUser+">") {
			event := s.wire(m, false)
			event["type"], event["channel"] = "app_mention", m.Channel
			s.deliver(a, "app_mention", event)
		}
	}
}

// spreadChange delivers that a message's text was changed; the caller holds
// s.mu.
func (s *Server) spreadChange(m *Message, before map[string]any) {
	c := s.channels[m.Channel]
	for _, a := range s.apps {
		if c.has(a) {
			s.deliver(a, "message."+plural(c.kind()), map[string]any{
				"type": "message", "subtype": "message_changed", "hidden": true, "channel": m.Channel, "channel_type": c.kind(),
				"ts": s.newTS(), "message": s.wire(m, false), "previous_message": before,
			})
		}
	}
}

// spread delivers the events of a new message, with extra fields in them; the
// caller holds s.mu.
func (s *Server) spread(m *Message, extra map[string]any) {
	c := s.channels[m.Channel]
	for _, a := range s.apps {
		if !c.has(a) {
			continue
		}
		event := s.wire(m, false)
		event["channel"], event["channel_type"], event["event_ts"] = m.Channel, c.kind(), m.TS
		if m.App == "" {
			event["client_msg_id"] = "client-" + m.TS
		}
		maps.Copy(event, extra)
		s.deliver(a, "message."+plural(c.kind()), event)
		if c.Direct == "" && m.App != a.ID && strings.Contains(m.Text, "<@"+a.BotUser+">") {
			mention := map[string]any{}
			for _, k := range []string{"user", "ts", "text", "team", "user_team", "source_team", "thread_ts", "parent_user_id", "files", "client_msg_id", "blocks", "attachments", "bot_id", "edited", "event_ts", "channel"} {
				if v, ok := event[k]; ok {
					mention[k] = v
				}
			}
			mention["type"] = "app_mention"
			s.deliver(a, "app_mention", mention)
		}
	}
}

func plural(kind string) string {
	if kind == "im" {
		return kind
	}
	return kind + "s"
}

func (a *App) subscribed(event string) bool {
	return a.Events == nil || slices.Contains(a.Events, event)
}
