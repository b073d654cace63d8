// Responding to a message: posts, edits, files, the typing indicator.

package discord

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bwmarrin/discordgo"

	"parley/adapters/internal/retry"
	"parley/internal/chat"
)

const (
	// sizeLimit is the longest message of a bot, in Unicode code points
	// (discord-api-docs issue 1315; the OpenAPI's 4,000 does not apply to bots).
	sizeLimit = 2000
	// typingEvery keeps the indicator visible; one call shows it for about 10 s.
	typingEvery = 8 * time.Second
	// suppressEmbeds keeps links in answers from getting previews.
	suppressEmbeds = discordgo.MessageFlagsSuppressEmbeds
)

// nobody is the allowed_mentions of all messages: neither the text nor the reply
// pings anyone. discordgo's zero value sends "parse": null.
var nobody = discordgo.MessageAllowedMentions{Parse: []discordgo.AllowedMentionType{}}

// messageBody is the body of a create or an edit. discordgo's lack nonce and
// enforce_nonce.
type messageBody struct {
	Content    string                           `json:"content"`
	Mentions   discordgo.MessageAllowedMentions `json:"allowed_mentions"`
	Components []discordgo.MessageComponent     `json:"components"`
	Flags      discordgo.MessageFlags           `json:"flags,omitempty"`
	Nonce      string                           `json:"nonce,omitempty"`
	Enforce    bool                             `json:"enforce_nonce,omitempty"`
	Reference  *reference                       `json:"message_reference,omitempty"`
	Files      []attachmentPart                 `json:"attachments,omitempty"`
}

type reference struct {
	Message string `json:"message_id"`
	Channel string `json:"channel_id,omitempty"`
	Strict  bool   `json:"fail_if_not_exists"`
}

type attachmentPart struct {
	ID   string `json:"id"` // "0" for files[0]
	Name string `json:"filename"`
}

// Responder answers m, in any process that has its bot.
func (a *Adapter) Responder(m chat.Message) (chat.Responder, error) {
	one, err := a.of(m.Bot)
	if err != nil {
		return nil, err
	}
	channel := destination(m.Place)
	if channel == "" {
		return nil, fmt.Errorf("message %s has no channel", m.ID)
	}
	return &responder{app: one, channel: channel, question: string(m.ID), place: m.Place, asker: m.Author.ID, language: m.Author.Language}, nil
}

var (
	_ chat.Responder = (*responder)(nil)
	_ chat.Remover   = (*responder)(nil)
	_ chat.Elsewhere = (*responder)(nil)
)

type responder struct {
	app      *app
	channel  string
	question string // the message to answer
	place    chat.Place
	asker    string
	language string // of the asker

	noReference atomic.Bool // the question cannot be replied to
	noControls  atomic.Bool // messages are sent without controls
}

// Limits are those of a Discord channel. The budgets are the usual ones; receipts
// report the real ones.
func (r *responder) Limits() chat.Limits {
	scope := r.app.scope()
	budget := func(kind string) chat.Budget {
		return chat.Budget{Key: scope + "/" + kind + "/" + r.channel, Calls: 5, Window: 5 * time.Second, Sliding: true}
	}
	l := chat.Limits{Size: sizeLimit, Measure: measure, Edits: budget("edit"), Posts: budget("post")}
	if n := r.app.rest.limiter.global; n > 0 {
		l.Global = chat.Budget{Key: scope + "/global", Calls: n, Window: time.Second, Sliding: true}
	}
	return l
}

// nonce identifies a post for enforce_nonce: at most 25 characters, the same in
// every process.
func (r *responder) nonce(key string) string {
	sum := sha256.Sum256([]byte(r.channel + "\x00" + r.question + "\x00" + key))
	return base64.RawURLEncoding.EncodeToString(sum[:18])
}

func (r *responder) body(c chat.Content) messageBody {
	return messageBody{Content: render(c.Markdown), Mentions: nobody, Components: contentRows(c, r.app.ports.Speaker(r.app.lead.Language, r.language))}
}

// sentence is a message without controls; Discord posts it once per key.
func (r *responder) sentence(key, text string) messageBody {
	return messageBody{
		Content: clip(text, sizeLimit), Mentions: nobody, Components: []discordgo.MessageComponent{}, Flags: suppressEmbeds,
		Nonce: r.nonce(key), Enforce: true,
	}
}

// Post creates a message as a reply that pings nobody: to the question, or to the
// part of the answer before it. For the same Key within a few minutes Discord
// returns the existing message; with Again, Post searches the channel for it first.
func (r *responder) Post(ctx context.Context, c chat.Content) (chat.Receipt, error) {
	if c.Again {
		if id, err := r.Find(ctx, chat.Sought{Key: c.Key, After: c.After}); err != nil {
			return chat.Receipt{}, err
		} else if id != "" {
			return r.Edit(ctx, id, c)
		}
	}
	body := r.body(c)
	body.Flags = suppressEmbeds
	if c.Key != "" {
		body.Nonce, body.Enforce = r.nonce(c.Key), true
	}
	switch {
	case c.After != "":
		body.Reference = &reference{Message: string(c.After)}
	case r.question != "":
		body.Reference = &reference{Message: r.question}
	}
	return r.create(ctx, "post", body, nil)
}

func (r *responder) create(ctx context.Context, name string, body messageBody, file *upload) (chat.Receipt, error) {
	var out shown
	c := postMessage(r.channel, name)
	c.file = file
	rate, err := r.send(ctx, c, body, &out)
	if err != nil {
		return chat.Receipt{}, err
	}
	r.app.cache.posts.Put(out.ID, true)
	if file != nil && out.lacks(*file) {
		return r.replaceFile(ctx, out.ID, body, *file)
	}
	return chat.Receipt{ID: chat.MessageID(out.ID), Rate: rate, Differs: out.differs(body.Content)}, nil
}

// Edit replaces a message's text and controls.
func (r *responder) Edit(ctx context.Context, id chat.MessageID, c chat.Content) (chat.Receipt, error) {
	return r.edit(ctx, call{name: "edit"}, r.body(c), id)
}

// Upload posts a file as a reply.
func (r *responder) Upload(ctx context.Context, name string, data []byte, comment string) (chat.Receipt, error) {
	body := r.sentence("file "+name, render(comment))
	body.Files = []attachmentPart{{ID: "0", Name: name}}
	if r.question != "" {
		body.Reference = &reference{Message: r.question}
	}
	return r.create(ctx, "upload", body, &upload{name: name, data: data})
}

// Thinking shows the typing indicator until ctx ends; Discord removes it.
func (r *responder) Thinking(ctx context.Context) {
	c := call{method: http.MethodPost, path: endpoint(discordgo.EndpointChannelTyping(r.channel)), route: "POST typing", major: r.channel, name: "typing"}
	for ctx.Err() == nil {
		_, err := r.app.rest.do(ctx, c, nil)
		if chat.Refused(err) || !retry.Sleep(ctx, typingEvery) {
			return
		}
	}
}

// Remove deletes a message of the answer.
func (r *responder) Remove(ctx context.Context, id chat.MessageID) (chat.Receipt, error) {
	rate, err := r.app.rest.do(ctx, call{
		method: http.MethodDelete, path: endpoint(discordgo.EndpointChannelMessage(r.channel, url.PathEscape(string(id)))),
		route: "DELETE message", major: r.channel, name: "remove",
	}, nil)
	if chat.Refused(err, chat.Gone) {
		err = nil
	}
	return chat.Receipt{ID: id, Rate: rate}, err
}

// Find looks for a post that an earlier process may have made. Discord does not
// keep nonces, but the bot's messages after the question form a row in which each
// replies to the question or to the part before it; the number in the key is the
// position in that row. A file replies to the question and is found by its name.
func (r *responder) Find(ctx context.Context, s chat.Sought) (chat.MessageID, error) {
	if r.question == "" {
		return "", nil
	}
	list, _, err := r.app.messages(ctx, r.channel, "look", mostHistory, "after", r.question)
	if chat.Refused(err) {
		r.app.log.WarnContext(ctx, "discord: cannot look for an earlier post", slog.String("channel", r.channel), slog.String("error", short(err)))
		return "", nil
	}
	if err != nil {
		return "", err
	}
	self, _ := r.app.identity.known()
	var row []string
	for _, m := range list {
		if m.Author == nil || m.Author.ID != self || m.attached() != s.File || s.Not != "" && m.ID == string(s.Not) {
			continue
		}
		if s.File == "" && string(m.Nonce) == strconv.Quote(r.nonce(s.Key)) {
			return chat.MessageID(m.ID), nil
		}
		if m.Reference == nil {
			continue
		}
		to := m.Reference.Message
		if s.File != "" && to == r.question || s.After != "" && to == string(s.After) {
			return chat.MessageID(m.ID), nil
		}
		if to == r.question || len(row) > 0 && to == row[len(row)-1] {
			row = append(row, m.ID)
		}
	}
	if i := part(s.Key); s.After == "" && i < len(row) {
		return chat.MessageID(row[i]), nil
	}
	return "", nil
}

// attached is the name of a message's first file, or "".
func (e messageEvent) attached() string {
	if len(e.Attachments) == 0 || e.Attachments[0] == nil {
		return ""
	}
	return e.Attachments[0].Filename
}

// part is the number at the end of a post's key: "turn-2" is the third message.
func part(key string) int {
	n, err := strconv.Atoi(key[strings.LastIndexByte(key, '-')+1:])
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// Member returns a person's roles and whether they can manage the server. In a
// direct message there are none.
func (a *Adapter) Member(ctx context.Context, bot string, p chat.Place, who chat.Author) (chat.Member, error) {
	one, err := a.of(bot)
	if err != nil || p.Workspace == "" {
		return chat.Member{}, err
	}
	if ok, err := one.trust.trusts(ctx, p.Workspace); err != nil || !ok {
		return chat.Member{}, err // rights count only in trusted servers
	}
	return one.cache.member(ctx, p.Workspace, who.ID)
}
