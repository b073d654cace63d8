// Messages over REST: what Discord checks, whom a message pings, and the
// nonce that keeps one from being posted twice.

package discord

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// allowed is what allowed_mentions lets through.
type allowed struct {
	users, roles, everyone bool
	userIDs, roleIDs       []string
	replied                bool
}

func everything() allowed { return allowed{users: true, roles: true, everyone: true} }

var (
	userMention = regexp.MustCompile(`<@!?(\d+)>`)
	roleMention = regexp.MustCompile(`<@&(\d+)>`)
)

// parseMentions fills m's mention fields from its content and returns who is
// pinged.
func (s *Server) parseMentions(m *message, a allowed) []string {
	m.mentions, m.roles, m.everyone = nil, nil, false
	var pings []string
	for _, found := range userMention.FindAllStringSubmatch(m.content, -1) {
		u := s.users[found[1]]
		if u != nil && (a.users || slices.Contains(a.userIDs, u.ID)) && !slices.Contains(m.mentions, u) {
			m.mentions = append(m.mentions, u)
			pings = append(pings, u.ID)
		}
	}
	for _, found := range roleMention.FindAllStringSubmatch(m.content, -1) {
		if (a.roles || slices.Contains(a.roleIDs, found[1])) && !slices.Contains(m.roles, found[1]) {
			m.roles = append(m.roles, found[1])
			pings = append(pings, found[1])
		}
	}
	if a.everyone && (strings.Contains(m.content, "@everyone") || strings.Contains(m.content, "@here")) {
		m.everyone = true
		pings = append(pings, "everyone")
	}
	if a.replied && m.reply != nil && !slices.Contains(m.mentions, m.reply.author) {
		m.mentions = append(m.mentions, m.reply.author)
		pings = append(pings, m.reply.author.ID)
	}
	return pings
}

// formError is a refusal at a field, code 50035.
type formError struct{ field, code, text string }

func (e *formError) Error() string { return e.field + ": " + e.text }

// payload decodes a body, multipart or JSON, and checks it against the named
// schema and the limits the document does not hold.
func (s *Server) payload(r *request, schema string) (map[string]any, []Embedded, error) {
	raw := r.body
	var files []Embedded
	if kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && kind == "multipart/form-data" {
		if raw, files, err = s.parts(r.body, params["boundary"]); err != nil {
			return nil, nil, err
		}
	} else if kind != "application/json" {
		return nil, nil, &formError{"content_type", "CONTENT_TYPE_INVALID", `Expected "Content-Type" header to be one of {'application/json'}.`}
	}
	value, err := s.decode(raw, schema)
	body, _ := value.(map[string]any)
	return body, files, err
}

// payloadAny is payload for bodies that are no object.
func (s *Server) payloadAny(r *request, schema string) (any, error) {
	return s.decode(r.body, schema)
}

func (s *Server) decode(raw []byte, schema string) (any, error) {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, &formError{"body", "JSON_INVALID", err.Error()}
	}
	if err := s.schemas.check(schema, value); err != nil {
		return nil, &formError{"body", "SCHEMA", err.Error()}
	}
	return value, nil
}

func (s *Server) parts(body []byte, boundary string) ([]byte, []Embedded, error) {
	reader := multipart.NewReader(bytes.NewReader(body), boundary)
	var raw []byte
	var files []Embedded
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, &formError{"body", "MULTIPART_INVALID", err.Error()}
		}
		data, _ := io.ReadAll(part)
		switch {
		case part.FormName() == "payload_json":
			raw = data
		case strings.HasPrefix(part.FormName(), "files["):
			s.mu.Lock()
			id := s.snowflake()
			s.mu.Unlock()
			files = append(files, Embedded{
				ID: id, Filename: part.FileName(), Type: part.Header.Get("Content-Type"), Size: len(data), Data: data,
				URL: "http://" + s.addr + "/attachments/" + id + "/" + part.FileName(),
			})
		default:
			return nil, nil, &formError{"body", "MULTIPART_INVALID", "unexpected part " + part.FormName()}
		}
	}
	if raw == nil {
		raw = []byte("{}")
	}
	return raw, files, nil
}

// checkMessage holds the limits of a message that the OpenAPI document lacks.
func checkMessage(body map[string]any) error {
	if content, ok := body["content"].(string); ok && utf8.RuneCountInString(content) > 2000 {
		return &formError{"content", "BASE_TYPE_MAX_LENGTH", "Must be 2000 or fewer in length."}
	}
	if mentions, ok := body["allowed_mentions"].(map[string]any); ok {
		parse, _ := mentions["parse"].([]any)
		for kind, field := range map[string]string{"users": "users", "roles": "roles"} {
			if list, _ := mentions[field].([]any); len(list) > 0 && slices.Contains(parse, any(kind)) {
				return &formError{"allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", "parse:[\"" + kind + "\"] and " + field + ": [ids...] are mutually exclusive."}
			}
		}
	}
	rows, _ := body["components"].([]any)
	return checkRows(rows)
}

func checkRows(rows []any) error {
	if len(rows) > 5 {
		return &formError{"components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length."}
	}
	ids := map[string]bool{}
	for i, row := range rows {
		at := fmt.Sprintf("components.%d", i)
		r, _ := row.(map[string]any)
		if r["type"] != float64(1) {
			return &formError{at, "UNION_TYPE_CHOICES", "Value of field \"type\" must be one of (1,)."}
		}
		inner, _ := r["components"].([]any)
		if len(inner) < 1 || len(inner) > 5 {
			return &formError{at + ".components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length."}
		}
		for _, c := range inner {
			component, _ := c.(map[string]any)
			if component["type"] != float64(2) && len(inner) > 1 {
				return &formError{at, "COMPONENT_LAYOUT_WIDTH_EXCEEDED", "Component layout width exceeded."}
			}
			id, _ := component["custom_id"].(string)
			if id != "" && ids[id] {
				return &formError{at, "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated."}
			}
			ids[id] = true
			options, _ := component["options"].([]any)
			values := map[any]bool{}
			for _, o := range options {
				option, _ := o.(map[string]any)
				if values[option["value"]] {
					return &formError{at, "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", "The specified option value is already used."}
				}
				values[option["value"]] = true
			}
		}
	}
	return nil
}

func readAllowed(body map[string]any) allowed {
	mentions, ok := body["allowed_mentions"].(map[string]any)
	if !ok {
		a := everything()
		a.replied = true // the default for bots pings who is replied to
		return a
	}
	var a allowed
	parse, has := mentions["parse"].([]any)
	if !has && mentions["users"] == nil && mentions["roles"] == nil {
		// allowed_mentions without parse lets everything through but the reply.
		a = everything()
	}
	for _, kind := range parse {
		switch kind {
		case "users":
			a.users = true
		case "roles":
			a.roles = true
		case "everyone":
			a.everyone = true
		}
	}
	a.userIDs, a.roleIDs = texts(mentions["users"]), texts(mentions["roles"])
	a.replied, _ = mentions["replied_user"].(bool)
	return a
}

func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, item := range list {
		if text, ok := item.(string); ok {
			out = append(out, text)
		}
	}
	return out
}

// failed writes the refusal of a body and notes it as the sender's mistake.
func (s *Server) failed(w http.ResponseWriter, r *request, err error) {
	form, ok := errors.AsType[*formError](err)
	if !ok {
		form = &formError{"body", "INVALID", err.Error()}
	}
	s.mu.Lock()
	s.problem("%s %s: %v", r.Method, r.path, err)
	s.mu.Unlock()
	invalidForm(w, form.field, form.code, form.text)
}

// open finds the channel of a call that may be used, or writes the refusal; mu
// is held.
func (s *Server) visible(w http.ResponseWriter, r *request) *channel {
	c := s.channels[r.PathValue("channel")]
	if c == nil || c.gone {
		refuse(w, http.StatusNotFound, 10003, "Unknown Channel")
		return nil
	}
	if c.closed || c.app != nil && c.app != r.app || c.app == nil && !s.guilds[c.GuildID].has(r.app) {
		refuse(w, http.StatusForbidden, 50001, "Missing Access")
		return nil
	}
	return c
}

func (s *Server) createMessage(w http.ResponseWriter, r *request) {
	body, files, err := s.payload(r, "message_create")
	if err == nil {
		err = checkMessage(body)
	}
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.visible(w, r)
	if c == nil || !s.mayCreate(w, c, body, len(files)) {
		return
	}
	c.denied.Archived = false // a post opens an archived thread
	if r.halve {
		halve(body)
	}
	content, _ := body["content"].(string)
	content = strings.TrimSpace(content)
	components, _ := body["components"].([]any)
	if content == "" && len(files) == 0 && body["embeds"] == nil {
		refuse(w, http.StatusBadRequest, 50006, "Cannot send an empty message")
		return
	}
	nonce := body["nonce"]
	if enforce, _ := body["enforce_nonce"].(bool); enforce && nonce != nil {
		for _, m := range slices.Backward(c.messages) {
			if m.author == r.app.user && m.nonce == nonce && time.Since(m.at) < 5*time.Minute {
				writeJSON(w, http.StatusOK, s.messageJSON(m, r.app, false, true))
				return
			}
		}
	}
	m := &message{id: s.snowflake(), channel: c, author: r.app.user, app: r.app, content: content, components: components, nonce: nonce, at: time.Now(), attachments: files}
	if flags, ok := body["flags"].(float64); ok {
		m.flags = int(flags)
	}
	if reference, ok := body["message_reference"].(map[string]any); ok && !s.reference(w, m, reference) {
		return
	}
	pings := s.parseMentions(m, readAllowed(body))
	c.messages = append(c.messages, m)
	s.messages[m.id] = m
	m.seen(m.at, pings)
	s.announce(m, "MESSAGE_CREATE", nil)
	out := s.messageJSON(m, r.app, false, true)
	if nonce != nil {
		out["nonce"] = nonce
	}
	writeJSON(w, http.StatusOK, out)
}

// halve takes away the second half of a body's text.
func halve(body map[string]any) {
	content, _ := body["content"].(string)
	runes := []rune(content)
	body["content"] = string(runes[:(len(runes)+1)/2])
}

// reference makes m a reply; false: refused.
func (s *Server) reference(w http.ResponseWriter, m *message, reference map[string]any) bool {
	id, _ := reference["message_id"].(string)
	to := s.messages[id]
	if to == nil || to.deleted || to.channel != m.channel {
		if strict, set := reference["fail_if_not_exists"].(bool); !set || strict {
			invalidForm(w, "message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
			return false
		}
		return true
	}
	if to.kind != messageDefault && to.kind != messageReply && to.kind != messageCommand {
		invalidForm(w, "message_reference", "REPLIES_CANNOT_REPLY_TO_SYSTEM_MESSAGE", "Cannot reply to a system message")
		return false
	}
	m.kind, m.reply, m.replyID = messageReply, to, id
	return true
}

func (s *Server) editMessage(w http.ResponseWriter, r *request) {
	body, files, err := s.payload(r, "message_edit")
	if err == nil {
		err = checkMessage(body)
	}
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.visible(w, r)
	if c == nil {
		return
	}
	m := s.messages[r.PathValue("message")]
	switch {
	case m == nil || m.deleted || m.channel != c || m.flags&flagEphemeral != 0:
		refuse(w, http.StatusNotFound, 10008, "Unknown Message")
		return
	case m.author != r.app.user:
		refuse(w, http.StatusForbidden, 50005, "Cannot edit a message authored by another user")
		return
	case time.Since(m.at) > time.Hour:
		refuse(w, http.StatusTooManyRequests, 30046, "Maximum number of edits to messages older than 1 hour reached. Try again later")
		return
	}
	if !mayEdit(w, c, body) {
		return
	}
	if list, ok := body["attachments"].([]any); ok { // those it does not list go
		kept := slices.DeleteFunc(slices.Clone(m.attachments), func(a Embedded) bool {
			return !slices.ContainsFunc(list, func(one any) bool { part, _ := one.(map[string]any); return part["id"] == a.ID })
		})
		m.attachments = append(kept, files...)
	}
	if r.halve {
		halve(body)
	}
	if !s.amend(w, m, body) {
		return
	}
	writeJSON(w, http.StatusOK, s.messageJSON(m, r.app, false, true))
}

// amend applies an edit's fields; mu is held.
func (s *Server) amend(w http.ResponseWriter, m *message, body map[string]any) bool {
	content, set := body["content"].(string)
	if set {
		content = strings.TrimSpace(content)
		if content == "" && len(m.attachments) == 0 {
			refuse(w, http.StatusBadRequest, 50006, "Cannot send an empty message")
			return false
		}
		m.content = content
	}
	if components, ok := body["components"].([]any); ok {
		m.components = components
	}
	before := slices.Clone(m.mentions)
	var pings []string
	for _, id := range s.parseMentions(m, readAllowed(body)) {
		if !slices.ContainsFunc(before, func(u *User) bool { return u.ID == id }) {
			pings = append(pings, id)
		}
	}
	m.edited, m.loading = time.Now(), false
	m.seen(m.edited, pings)
	if m.flags&flagEphemeral == 0 {
		s.announce(m, "MESSAGE_UPDATE", nil)
	}
	s.change()
	return true
}

func (s *Server) deleteMessage(w http.ResponseWriter, r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.visible(w, r)
	if c == nil {
		return
	}
	m := s.messages[r.PathValue("message")]
	if m == nil || m.deleted || m.channel != c {
		refuse(w, http.StatusNotFound, 10008, "Unknown Message")
		return
	}
	s.remove(m)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) getMessage(w http.ResponseWriter, r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.visible(w, r)
	if c == nil {
		return
	}
	if c.denied.History {
		refuse(w, http.StatusForbidden, 50001, "Missing Access")
		return
	}
	m := s.messages[r.PathValue("message")]
	if m == nil || m.deleted || m.channel != c || m.flags&flagEphemeral != 0 {
		refuse(w, http.StatusNotFound, 10008, "Unknown Message")
		return
	}
	writeJSON(w, http.StatusOK, s.messageJSON(m, r.app, false, r.app.content))
}

func (s *Server) getMessages(w http.ResponseWriter, r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.visible(w, r)
	if c == nil {
		return
	}
	q := r.URL.Query()
	n := 50
	if text := q.Get("limit"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 || n > 100 {
			s.problem("%s: limit %s", r.path, text)
			invalidForm(w, "limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100.")
			return
		}
	}
	var list []*message
	for _, m := range c.messages {
		if c.denied.History {
			break // no error: the list is empty
		}
		if m.deleted || m.flags&flagEphemeral != 0 || q.Get("before") != "" && pad(m.id) >= pad(q.Get("before")) || q.Get("after") != "" && pad(m.id) <= pad(q.Get("after")) {
			continue
		}
		list = append(list, m)
	}
	if len(list) > n {
		if q.Get("after") != "" {
			list = list[:n]
		} else {
			list = list[len(list)-n:]
		}
	}
	out := []any{}
	for _, m := range slices.Backward(list) {
		out = append(out, s.messageJSON(m, r.app, false, r.app.content))
	}
	writeJSON(w, http.StatusOK, out)
}

func (s *Server) getChannel(w http.ResponseWriter, r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.visible(w, r); c != nil {
		writeJSON(w, http.StatusOK, c.json())
	}
}

func (s *Server) typing(w http.ResponseWriter, r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.visible(w, r); c != nil {
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *Server) createDM(w http.ResponseWriter, r *request) {
	body, _, err := s.payload(r, "dm_create")
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id, _ := body["recipient_id"].(string)
	u := s.users[id]
	if u == nil {
		refuse(w, http.StatusNotFound, 10013, "Unknown User")
		return
	}
	writeJSON(w, http.StatusOK, s.direct(r.app, u).json())
}
