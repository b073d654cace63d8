// Interactions: a person's slash command, press, choice or form on its way to
// the app, over the gateway or as a signed HTTP request.

package discord

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Interaction types.
const (
	interactionPing         = 1
	interactionCommand      = 2
	interactionComponent    = 3
	interactionAutocomplete = 4
	interactionModal        = 5
)

const tokenLife = 15 * time.Minute // of everything after the initial response

// Interaction is what became of something a person did.
type Interaction struct {
	ID    string
	Token string

	s        *Server
	app      *App
	user     *User
	channel  *channel
	kind     int
	source   *message // the message whose component was used
	created  time.Time
	timer    *time.Timer
	response int // type of the initial response, 0 while there is none
	answered time.Time
	failed   string
	original *message
	messages []*message // the original response and followups
	choices  []Choice
	modal    *Modal
}

// Choice is one autocomplete suggestion.
type Choice struct{ Name, Value string }

// Modal is a form as it is shown.
type Modal struct {
	CustomID string
	Title    string
	Fields   []ModalField
}

// ModalField is one text input.
type ModalField struct {
	ID, Label, Description, Placeholder, Value string
	Required, Paragraph                        bool
	Min, Max                                   int
}

func (i *Interaction) stop() {
	if i.timer != nil {
		i.timer.Stop()
	}
}

// Slash lets a person use a slash command, written as the client shows it:
// "/provider use id:lab". The error is the client's: such a command cannot be
// sent.
func (s *Server) Slash(channel, user, text string) (*Interaction, error) {
	return s.slash(channel, user, text, interactionCommand)
}

// SlashDM is a slash command in the direct messages with the first app's bot.
func (s *Server) SlashDM(user, text string) (*Interaction, error) {
	return s.slash(s.DMChannel(user), user, text, interactionCommand)
}

// Autocomplete types text, whose last option is being completed, and waits for
// the suggestions.
func (s *Server) Autocomplete(ctx context.Context, channel, user, text string) ([]Choice, error) {
	i, err := s.slash(channel, user, text, interactionAutocomplete)
	if err != nil {
		return nil, err
	}
	if err := i.Wait(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return i.choices, nil
}

func (s *Server) slash(channel, user, text string, kind int) (*Interaction, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	app := s.apps[0]
	for _, a := range s.apps {
		if _, err := a.typed(text, kind == interactionAutocomplete); err == nil {
			app = a
			break
		}
	}
	data, err := app.typed(text, kind == interactionAutocomplete)
	if err != nil {
		return nil, err
	}
	return s.interact(app, s.place(channel), s.user(user), kind, data, nil), nil
}

// Press presses the button with that label below a message. An error means
// there is none that can be pressed.
func (s *Server) Press(messageID, user, label string) (*Interaction, error) {
	return s.use(messageID, user, func(c map[string]any) (map[string]any, bool) {
		disabled, _ := c["disabled"].(bool)
		return nil, c["type"] == float64(2) && c["label"] == label && !disabled
	}, "no button "+label)
}

// Choose chooses the option with that value or label in a message's menu.
func (s *Server) Choose(messageID, user, value string) (*Interaction, error) {
	return s.use(messageID, user, func(c map[string]any) (map[string]any, bool) {
		options, _ := c["options"].([]any)
		for _, o := range options {
			if option, _ := o.(map[string]any); option["value"] == value || option["label"] == value {
				return map[string]any{"values": []any{option["value"]}}, true
			}
		}
		return nil, false
	}, "no option "+value)
}

func (s *Server) use(messageID, user string, pick func(map[string]any) (map[string]any, bool), missing string) (*Interaction, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.messages[messageID]
	if m == nil || m.deleted || m.app == nil {
		return nil, errors.New("no such message of an app")
	}
	u := s.user(user)
	if m.only != "" && m.only != u.ID {
		return nil, errors.New("the message is another person's")
	}
	var data map[string]any
	walk(m.components, func(c map[string]any) {
		extra, ok := pick(c)
		if !ok || data != nil {
			return
		}
		data = map[string]any{"custom_id": c["custom_id"], "component_type": c["type"], "id": 1}
		maps.Copy(data, extra)
	})
	if data == nil {
		return nil, errors.New(missing)
	}
	return s.interact(m.app, m.channel, u, interactionComponent, data, m), nil
}

// Buttons are the labels of the buttons and the values of the menu options that
// a message offers.
func (s *Server) Buttons(messageID string) (buttons, options []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.messages[messageID]
	if m == nil {
		return nil, nil
	}
	walk(m.components, func(c map[string]any) {
		list, _ := c["options"].([]any)
		for _, o := range list {
			option, _ := o.(map[string]any)
			options = append(options, fmt.Sprint(option["value"]))
		}
	})
	return labels(m.components), options
}

// SubmitModal fills the form that an interaction opened (fields by id or
// label) and sends it. The error is the client's: the form cannot be sent so.
func (s *Server) SubmitModal(i *Interaction, fields map[string]string) (*Interaction, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i.modal == nil {
		return nil, errors.New("no form is open")
	}
	var components []any
	for n, f := range i.modal.Fields {
		value, set := fields[f.ID]
		if !set {
			if value, set = fields[f.Label]; !set {
				value = f.Value
			}
		}
		length := len([]rune(value))
		switch {
		case f.Required && length == 0:
			return nil, fmt.Errorf("%s is required", f.Label)
		case f.Max > 0 && length > f.Max:
			return nil, fmt.Errorf("%s is too long", f.Label)
		case length > 0 && length < f.Min:
			return nil, fmt.Errorf("%s is too short", f.Label)
		}
		components = append(components, map[string]any{"type": 18, "id": 2 * n, "component": map[string]any{"type": 4, "id": 2*n + 1, "custom_id": f.ID, "value": value}})
	}
	data := map[string]any{"custom_id": i.modal.CustomID, "components": components}
	return s.interact(i.app, i.channel, i.user, interactionModal, data, i.source), nil
}

// interact makes an interaction and sends it; mu is held.
func (s *Server) interact(app *App, c *channel, u *User, kind int, data map[string]any, source *message) *Interaction {
	i := &Interaction{ID: s.snowflake(), Token: "aW50" + rand.Text() + rand.Text(), s: s, app: app, user: u, channel: c, kind: kind, source: source, created: time.Now()}
	s.interactions[i.Token] = i
	body := s.interactionJSON(i, data)
	i.timer = time.AfterFunc(s.options.AnswerWithin, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if i.response == 0 && i.failed == "" {
			i.failed = "The application did not respond"
			s.change()
		}
	})
	if app.url != "" {
		raw, _ := json.Marshal(body)
		url := app.url
		s.work.Go(func() { s.deliver(i, url, raw) })
		return i
	}
	for _, one := range s.sessions {
		if one.app == app && one.conn != nil && one.shard.serves(c.GuildID) { // interactions are not replayed to who was away
			one.dispatch(intentAlways, "INTERACTION_CREATE", body)
		}
	}
	s.change()
	return i
}

func (s *Server) interactionJSON(i *Interaction, data map[string]any) map[string]any {
	body := map[string]any{
		"id": i.ID, "application_id": i.app.ID, "type": i.kind, "token": i.Token, "version": 1, "data": data, "channel_id": i.channel.ID,
		"channel": i.channel.json(), "app_permissions": "274877991936", "locale": cmp.Or(i.user.Locale, "en-US"), "entitlements": []any{},
		"authorizing_integration_owners": map[string]any{"0": i.channel.GuildID}, "context": 0, "attachment_size_limit": 10485760,
	}
	if c, ok := body["channel"].(map[string]any); ok {
		delete(c, "owner_id") // a partial channel: who opened a thread is not promised
	}
	if i.channel.GuildID != "" {
		member := s.memberJSON(i.channel.GuildID, i.user.ID, true)
		member["permissions"] = strconv.FormatInt(s.guilds[i.channel.GuildID].permissions(i.user.ID), 10)
		body["guild_id"], body["member"], body["guild_locale"] = i.channel.GuildID, member, cmp.Or(s.guilds[i.channel.GuildID].Locale, "en-US")
		body["guild"] = map[string]any{"id": i.channel.GuildID, "features": []any{}, "locale": cmp.Or(s.guilds[i.channel.GuildID].Locale, "en-US")}
	} else {
		body["user"], body["context"] = s.userJSON(i.user), 1
	}
	if i.source != nil {
		body["message"] = s.messageJSON(i.source, i.app, false, true)
	}
	return body
}

// Sign makes the headers of a signed interaction request.
func (a *App) Sign(body []byte, at time.Time) http.Header {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	signature := ed25519.Sign(a.key, append([]byte(timestamp), body...))
	h := http.Header{}
	h.Set("X-Signature-Ed25519", hex.EncodeToString(signature))
	h.Set("X-Signature-Timestamp", timestamp)
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "Discord-Interactions/1.0 (+https://discord.com)")
	return h
}

func (s *Server) post(ctx context.Context, url string, header http.Header, body []byte) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header = header
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	return res.StatusCode, data, err
}

// deliver sends an interaction as a signed request; the answer is the initial
// response, unless it is 202.
func (s *Server) deliver(i *Interaction, url string, raw []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), s.options.AnswerWithin)
	defer cancel()
	status, data, err := s.post(ctx, url, i.app.Sign(raw, time.Now()), raw)
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.change()
	var callback map[string]any
	switch {
	case err == nil && status == http.StatusAccepted:
		return
	case err == nil && status == http.StatusOK && json.Unmarshal(data, &callback) == nil:
		if err = s.schemas.check("interaction_callback", any(callback)); err == nil {
			err = s.respond(i, callback)
		}
	case err == nil:
		err = fmt.Errorf("status %d", status)
	}
	if err != nil && i.response == 0 {
		s.problem("interaction over HTTP: %v", err)
		i.failed = "The application did not respond"
	}
}

// VerifyEndpoint does what Discord does when an Interactions Endpoint URL is
// saved: a PING must be answered, and one with a bad signature refused by 401.
func (s *Server) VerifyEndpoint(ctx context.Context, app, url string) error {
	a := s.App(app)
	body := []byte(`{"id":"1","application_id":"` + a.ID + `","type":1,"token":"ping","version":1}`)
	status, data, err := s.post(ctx, url, a.Sign(body, time.Now()), body)
	if err != nil {
		return err
	}
	var pong struct{ Type int }
	if status != http.StatusOK || json.Unmarshal(data, &pong) != nil || pong.Type != 1 {
		return fmt.Errorf("PING was answered with %d %s", status, data)
	}
	header := a.Sign(body, time.Now())
	header.Set("X-Signature-Ed25519", hex.EncodeToString(make([]byte, ed25519.SignatureSize)))
	if status, _, err = s.post(ctx, url, header, body); err != nil {
		return err
	}
	if status != http.StatusUnauthorized {
		return fmt.Errorf("a bad signature was answered with %d, not 401", status)
	}
	return nil
}

// Wait blocks until the app has responded, and reports what the person reads
// when it has not in time.
func (i *Interaction) Wait(ctx context.Context) error {
	return i.until(ctx, func() bool { return i.response != 0 })
}

func (i *Interaction) until(ctx context.Context, ok func() bool) error {
	var failed string
	err := i.s.Wait(ctx, func() bool {
		i.s.mu.Lock()
		defer i.s.mu.Unlock()
		failed = i.failed
		return ok() || failed != ""
	})
	if err == nil && failed != "" {
		err = errors.New(failed)
	}
	return err
}

// Answer waits until the person sees a message that is not "thinking" any more,
// and returns every message the interaction led to.
func (i *Interaction) Answer(ctx context.Context) ([]Message, error) {
	err := i.until(ctx, func() bool { return i.original != nil && !i.original.loading })
	return i.Messages(), err
}

// Messages are those the interaction led to, the original response first.
func (i *Interaction) Messages() []Message {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	var out []Message
	for _, m := range i.messages {
		if !m.deleted {
			out = append(out, m.snapshot())
		}
	}
	return out
}

// Modal waits for the form that the interaction opens.
func (i *Interaction) Modal(ctx context.Context) (Modal, error) {
	if err := i.until(ctx, func() bool { return i.response != 0 }); err != nil {
		return Modal{}, err
	}
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	if i.modal == nil {
		return Modal{}, fmt.Errorf("response type %d opens no form", i.response)
	}
	m := *i.modal
	m.Fields = slices.Clone(m.Fields)
	return m, nil
}

// Response is the type of the initial response and how long the app took.
func (i *Interaction) Response() (kind int, took time.Duration) {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	return i.response, i.answered.Sub(i.created)
}
