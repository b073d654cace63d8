// Messages: what apps post, edit and delete, what people see of it and when.

package slack

import (
	"cmp"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Message is one message as it stands.
type Message struct {
	Channel  string
	TS       string
	ThreadTS string // of a reply
	User     string // who said it: a person, or an app's bot user
	App      string // id of the app that posted it; "" for a person
	Text     string // the text argument: what a notification shows
	Blocks   json.RawMessage
	Seen     string    // what a person reads: the blocks' text, else Text
	Controls []Control // buttons and menus below it
	Metadata json.RawMessage
	Only     string // an ephemeral message: the one person who sees it
	// Unseen is an ephemeral reply in a thread that had no replies: Slack shows
	// such a message to nobody.
	Unseen  bool
	Deleted bool
	Edited  bool // shows "(edited)"
	Files   []File
	// Reactions by name, with who reacted.
	Reactions map[string][]string
	Subtype   string
	// Attachments as sent: alerts of apps, messages that people share.
	Attachments json.RawMessage
	Streaming   bool // between chat.startStream and chat.stopStream

	fixed   []any // the blocks as sent
	started time.Time
	stopped bool // by the person
}

// File is an uploaded file.
type File struct {
	ID, Name, Type string
	Size           int64
	URL            string
	Data           []byte
	Deleted        bool // only its id is left: a tombstone
}

// Control is a button or menu of a message.
type Control struct {
	Kind     string // "button", "static_select"
	ActionID string
	BlockID  string
	Label    string // a button's
	Value    string // a button's
	Options  []Option
	Initial  string // value of a menu's option that is shown
}

// Option is one choice of a menu.
type Option struct{ Label, Value string }

// Seen is what a message showed from a moment on.
type Seen struct {
	At       time.Time
	Text     string // "" once deleted
	Controls []Control
	Final    bool     // of a stream: it was stopped
	Pings    []string // who would have been notified by markup in the text
}

// Timeline is what a message showed, in order; each entry differs from the one
// before.
func (s *Server) Timeline(ts string) []Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.timelines[ts])
}

// Messages are the messages of a channel as they stand, oldest first, thread
// replies and ephemeral messages included, deleted ones not.
func (s *Server) Messages(channel string) []Message {
	return s.pick(channel, func(*Message) bool { return true })
}

// Thread are the replies of a thread, its root not included.
func (s *Server) Thread(channel, ts string) []Message {
	return s.pick(channel, func(m *Message) bool { return m.ThreadTS == ts && m.TS != ts })
}

// Answers are what apps said in a thread for all to see.
func (s *Server) Answers(channel, ts string) []Message {
	return s.pick(channel, func(m *Message) bool { return m.ThreadTS == ts && m.TS != ts && m.App != "" && m.Only == "" })
}

func (s *Server) pick(channel string, want func(*Message) bool) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Message
	if c := s.channels[channel]; c != nil {
		for _, m := range c.messages {
			if !m.Deleted && want(m) {
				out = append(out, m.copy())
			}
		}
	}
	return out
}

// Message finds a message by its id.
func (s *Server) Message(ts string) (Message, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.messages[ts]
	if m == nil {
		return Message{}, false
	}
	return m.copy(), true
}

// Pings lists every notification that an app's message would have sent by
// markup in its text, over the whole timeline of the workspace.
func (s *Server) Pings() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, ts := range slices.Sorted(maps.Keys(s.timelines)) {
		if m := s.messages[ts]; m != nil && m.App != "" {
			for _, seen := range s.timelines[ts] {
				out = append(out, seen.Pings...)
			}
		}
	}
	return out
}

func (m *Message) copy() Message {
	c := *m
	c.Controls, c.Files = slices.Clone(m.Controls), slices.Clone(m.Files)
	c.Reactions = maps.Clone(m.Reactions)
	for name, users := range c.Reactions {
		c.Reactions[name] = slices.Clone(users)
	}
	return c
}

var ping = regexp.MustCompile(`<((?:!(?:here|channel|everyone)|@[UW][A-Z0-9]+|!subteam\^[A-Z0-9]+)(?:\|[^>]*)?)>`)

func pings(text string) []string {
	var out []string
	for _, hit := range ping.FindAllStringSubmatch(text, -1) {
		out = append(out, hit[1])
	}
	return out
}

// add puts a new message into its channel; the caller holds s.mu.
func (s *Server) add(m *Message) {
	if m.TS == "" {
		m.TS = s.newTS()
	}
	c := s.channelFor(m.Channel)
	c.messages = append(c.messages, m)
	s.messages[m.TS] = m
	s.show(m)
}

// show notes what a person now sees; the caller holds s.mu.
func (s *Server) show(m *Message) {
	if m.App != "" {
		m.Seen = visible(m)
		m.Controls = controls(m.fixed)
	} else {
		m.Seen = m.Text
	}
	seen := Seen{At: time.Now(), Text: m.Seen, Controls: slices.Clone(m.Controls), Final: m.stopped}
	if m.Deleted {
		seen.Text, seen.Controls = "", nil
	}
	seen.Pings = pings(seen.Text)
	if m.App != "" && len(m.fixed) > 0 {
		seen.Pings = append(seen.Pings, pings(m.Text)...)
	}
	line := s.timelines[m.TS]
	if len(line) > 0 {
		last := line[len(line)-1]
		if last.Text == seen.Text && slices.EqualFunc(last.Controls, seen.Controls, sameControl) && !m.Deleted {
			return
		}
	}
	s.timelines[m.TS] = append(line, seen)
	s.touch()
}

func sameControl(a, b Control) bool {
	return a.Kind == b.Kind && a.ActionID == b.ActionID && a.Label == b.Label && a.Value == b.Value &&
		a.Initial == b.Initial && slices.Equal(a.Options, b.Options)
}

func visible(m *Message) string {
	if len(m.fixed) == 0 {
		return m.Text
	}
	var parts []string
	for _, raw := range m.fixed {
		b, _ := raw.(map[string]any)
		switch b["type"] {
		case "markdown":
			parts = append(parts, str(b["text"]))
		case "section", "header":
			if t, ok := b["text"].(map[string]any); ok {
				parts = append(parts, str(t["text"]))
			}
		case "context":
			for _, e := range list(b["elements"]) {
				if t, ok := e.(map[string]any); ok {
					parts = append(parts, str(t["text"]))
				}
			}
		}
	}
	return strings.Join(parts, "\n")
}

func str(v any) string  { t, _ := v.(string); return t }
func list(v any) []any  { l, _ := v.([]any); return l }
func text(v any) string { t, _ := v.(map[string]any); return str(t["text"]) }

func controls(blocks []any) []Control {
	var out []Control
	for _, raw := range blocks {
		b, _ := raw.(map[string]any)
		var elements []any
		switch b["type"] {
		case "actions", "context_actions":
			elements = list(b["elements"])
		case "section":
			if a, ok := b["accessory"]; ok {
				elements = []any{a}
			}
		}
		for _, raw := range elements {
			e, _ := raw.(map[string]any)
			c := Control{Kind: str(e["type"]), ActionID: str(e["action_id"]), BlockID: str(b["block_id"]),
				Label: text(e["text"]), Value: str(e["value"])}
			for _, o := range list(e["options"]) {
				option, _ := o.(map[string]any)
				c.Options = append(c.Options, Option{Label: text(option["text"]), Value: str(option["value"])})
			}
			if o, ok := e["initial_option"].(map[string]any); ok {
				c.Initial = str(o["value"])
			}
			out = append(out, c)
		}
	}
	return out
}

// wire is a message as the API and events show it.
func (s *Server) wire(m *Message, withMetadata bool) map[string]any {
	out := map[string]any{"type": "message", "ts": m.TS, "user": m.User, "text": m.Text, "team": cmp.Or(s.channelFor(m.Channel).Team, s.o.Team)}
	if u := s.users[m.User]; u != nil && u.Team != "" { // the author's, not the channel's
		out["team"], out["user_team"], out["source_team"] = u.Team, u.Team, u.Team
	}
	if m.Subtype != "" {
		out["subtype"] = m.Subtype
	}
	if m.App != "" {
		a := s.app(m.App)
		out["bot_id"], out["app_id"] = a.BotID, a.ID
		out["bot_profile"] = map[string]any{"id": a.BotID, "app_id": a.ID, "name": a.Name, "deleted": false}
	}
	if m.ThreadTS != "" {
		out["thread_ts"] = m.ThreadTS
		if root := s.messages[m.ThreadTS]; root != nil && m.ThreadTS != m.TS {
			out["parent_user_id"] = root.User
		}
	}
	if m.fixed != nil {
		out["blocks"] = m.fixed
	}
	if len(m.Attachments) > 0 {
		out["attachments"] = m.Attachments
	}
	if m.Edited {
		out["edited"] = map[string]any{"user": m.User, "ts": m.TS}
	}
	if withMetadata && len(m.Metadata) > 0 {
		out["metadata"] = m.Metadata
	}
	if len(m.Files) > 0 {
		var files []any
		for _, f := range m.Files {
			if f.Deleted {
				files = append(files, map[string]any{"id": f.ID, "mode": "tombstone"})
				continue
			}
			files = append(files, map[string]any{"id": f.ID, "name": f.Name, "mimetype": f.Type, "size": f.Size, "url_private": f.URL, "url_private_download": f.URL})
		}
		out["files"] = files
	}
	replies := 0
	if c := s.channels[m.Channel]; c != nil && (m.ThreadTS == "" || m.ThreadTS == m.TS) {
		for _, r := range c.messages {
			if r.ThreadTS == m.TS && r.TS != m.TS && r.Only == "" && !r.Deleted {
				replies++
			}
		}
	}
	if replies > 0 {
		out["thread_ts"], out["reply_count"] = m.TS, replies
	}
	return out
}

// content reads text, markdown_text, blocks and metadata of a call.
func (s *Server) content(c call, m *Message) error {
	markdown, hasMarkdown := c.args["markdown_text"]
	plain, hasText := c.args["text"]
	raw, hasBlocks := c.args["blocks"]
	if hasMarkdown && (hasText || hasBlocks) {
		return fail("markdown_text_conflict")
	}
	m.fixed, m.Blocks = nil, nil
	if hasMarkdown {
		if length(markdown) > 12000 {
			return fail("msg_too_long")
		}
		m.fixed = []any{map[string]any{"type": "markdown", "text": markdown}}
	}
	if hasBlocks && raw != "" {
		blocks, problems := checkBlocks(raw, "message")
		if len(problems) > 0 {
			s.violate("%s: %s", c.method, strings.Join(problems, "; "))
			if slices.Contains(problems, tooLong) {
				return fail("msg_blocks_too_long", problems...)
			}
			return fail("invalid_blocks", problems...)
		}
		m.fixed, m.Blocks = blocks, json.RawMessage(raw)
	}
	if plain == "" && len(m.fixed) == 0 && c.args["attachments"] == "" && c.args["file_ids"] == "" {
		return fail("no_text")
	}
	m.Text = plain
	m.Attachments = nil
	if raw := c.args["attachments"]; raw != "" {
		if !json.Valid([]byte(raw)) {
			return fail("invalid_attachments")
		}
		m.Attachments = json.RawMessage(raw)
	}
	return s.metadata(c, m)
}

// metadata reads the metadata of a call, if it brings any.
func (s *Server) metadata(c call, m *Message) error {
	meta := c.args["metadata"]
	if meta == "" {
		return nil
	}
	var check struct {
		EventType string         `json:"event_type"`
		Payload   map[string]any `json:"event_payload"`
	}
	if json.Unmarshal([]byte(meta), &check) != nil || check.EventType == "" && meta != "{}" {
		s.violate("%s: metadata is not {event_type, event_payload}", c.method)
		return fail("invalid_metadata_format")
	}
	m.Metadata = json.RawMessage(meta)
	return nil
}

// place finds the channel of a write and checks that the app may write there.
func (s *Server) place(c call) (*channel, error) {
	ch, err := s.reach(c, c.args["channel"])
	if err != nil {
		return nil, err
	}
	switch {
	case ch.Archived:
		return nil, fail("is_archived")
	case !ch.has(c.app):
		return nil, fail("not_in_channel")
	}
	if t := c.args["thread_ts"]; t != "" {
		root := s.messages[t]
		if root == nil || root.Channel != ch.ID {
			return nil, fail("cannot_reply_to_message")
		}
		if root.ThreadTS != "" && root.ThreadTS != root.TS {
			s.violate("%s: thread_ts is a reply, not the thread's root", c.method)
		}
	}
	return ch, nil
}

func (s *Server) hasReplies(root *Message) bool {
	return slices.ContainsFunc(s.channels[root.Channel].messages, func(m *Message) bool {
		return m.ThreadTS == root.TS && m != root && m.Only == "" && !m.Deleted
	})
}

func (s *Server) postMessage(c call) (map[string]any, error) {
	ch, err := s.place(c)
	if err != nil {
		return nil, err
	}
	m := &Message{Channel: ch.ID, ThreadTS: c.args["thread_ts"], User: c.app.BotUser, App: c.app.ID}
	if root := s.messages[m.ThreadTS]; root != nil && root.Deleted && !s.hasReplies(root) {
		m.ThreadTS = "" // Slack posts at the top of the channel, without a word
	}
	if err := s.content(c, m); err != nil {
		return nil, err
	}
	if length(m.Text) > 40000 {
		m.Text = string([]rune(m.Text)[:40000])
	}
	s.add(m)
	s.clearStatus(m)
	if !s.o.NoEcho {
		s.spread(m, nil)
	}
	return map[string]any{"channel": ch.ID, "ts": m.TS, "message": s.wire(m, true)}, nil
}

func (s *Server) updateMessage(c call) (map[string]any, error) {
	ch, err := s.reach(c, c.args["channel"])
	if err != nil {
		return nil, err
	}
	m := s.messages[c.args["ts"]]
	switch {
	case m == nil || m.Deleted || m.Channel != ch.ID || m.Only != "":
		return nil, fail("message_not_found")
	case m.App != c.app.ID:
		return nil, fail("cant_update_message")
	case ch.Archived:
		return nil, fail("is_inactive")
	case m.Streaming:
		return nil, fail("streaming_state_conflict")
	}
	draft := *m
	if length(c.args["text"]) > 4000 {
		return nil, fail("msg_too_long")
	}
	if err := s.content(c, &draft); err != nil {
		return nil, err
	}
	draft.Edited = draft.Edited || len(draft.fixed) == 0
	before := s.wire(m, false)
	*m = draft
	s.show(m)
	if !s.o.NoEcho {
		s.spreadChange(m, before)
	}
	return map[string]any{"channel": ch.ID, "ts": m.TS, "text": m.Text, "message": s.wire(m, true)}, nil
}

func (s *Server) deleteMessage(c call) (map[string]any, error) {
	m := s.messages[c.args["ts"]]
	if m == nil || m.Deleted || m.Channel != c.args["channel"] {
		return nil, fail("message_not_found")
	}
	if m.App != c.app.ID {
		return nil, fail("cant_delete_message")
	}
	s.remove(m)
	return map[string]any{"channel": m.Channel, "ts": m.TS}, nil
}

// Delete removes a message as who wrote it would, or an administrator.
func (s *Server) Delete(ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.messages[ts]; m != nil && !m.Deleted {
		s.remove(m)
	}
}

// remove takes a message away and delivers that: message_deleted, or, for the
// first message of a thread with replies, message_changed to a tombstone. The
// caller holds s.mu.
func (s *Server) remove(m *Message) {
	before := s.wire(m, false)
	m.Deleted = true
	s.show(m)
	if m.App != "" && s.o.NoEcho || m.Only != "" {
		return
	}
	c := s.channels[m.Channel]
	event := map[string]any{
		"type": "message", "subtype": "message_deleted", "hidden": true, "channel": m.Channel, "channel_type": c.kind(),
		"ts": s.newTS(), "deleted_ts": m.TS, "previous_message": before,
	}
	if s.hasReplies(m) {
		event["subtype"] = "message_changed"
		delete(event, "deleted_ts")
		event["message"] = map[string]any{
			"type": "message", "subtype": "tombstone", "user": "USLACKBOT", "text": "This message was deleted.", "hidden": true, "ts": m.TS, "thread_ts": m.TS,
		}
	}
	for _, a := range s.apps {
		if c.has(a) {
			s.deliver(a, "message."+plural(c.kind()), event)
		}
	}
}

func (s *Server) postEphemeral(c call) (map[string]any, error) {
	ch, err := s.place(c)
	if err != nil {
		return nil, err
	}
	user := c.args["user"]
	if s.users[user] == nil || ch.Direct != "" && ch.Direct != user {
		return nil, fail("user_not_in_channel")
	}
	if meta := c.args["metadata"]; meta != "" && !strings.Contains(meta, `"entities"`) {
		s.violate("chat.postEphemeral: only entity metadata is supported")
	}
	m := &Message{Channel: ch.ID, ThreadTS: c.args["thread_ts"], User: c.app.BotUser, App: c.app.ID, Only: user}
	if err := s.content(c, m); err != nil {
		return nil, err
	}
	if root := s.messages[m.ThreadTS]; root != nil && ch.Direct == "" {
		m.Unseen = !s.hasReplies(root)
	}
	s.add(m)
	return map[string]any{"message_ts": m.TS}, nil
}
