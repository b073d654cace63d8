// Replies to interactions: for one person or for all, in several messages if they
// are long.

package discord

import (
	"context"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bwmarrin/discordgo"

	"parley/adapters/internal/retry"
	"parley/internal/chat"
)

// messageData is the message of a callback, a follow-up or an edit.
type messageData struct {
	Content    *string                           `json:"content,omitempty"`
	Mentions   *discordgo.MessageAllowedMentions `json:"allowed_mentions,omitempty"`
	Components *[]discordgo.MessageComponent     `json:"components,omitempty"`
	Flags      discordgo.MessageFlags            `json:"flags,omitempty"`
}

func newMessage(content string, components []discordgo.MessageComponent, flags discordgo.MessageFlags) messageData {
	quiet := nobody
	return messageData{Content: &content, Mentions: &quiet, Components: &components, Flags: flags}
}

// whisper is a message that only this person sees.
func whisper(text string) messageData {
	return newMessage(clip(render(text), sizeLimit), []discordgo.MessageComponent{}, discordgo.MessageFlagsEphemeral|suppressEmbeds)
}

// pages are the messages of a reply; the last one has the controls.
func pages(r chat.Reply) []messageData {
	flags := suppressEmbeds
	if !r.Public {
		flags |= discordgo.MessageFlagsEphemeral
	}
	var out []messageData
	texts := split(render(r.Text), sizeLimit)
	for n, text := range texts {
		components := []discordgo.MessageComponent{}
		if n == len(texts)-1 {
			components = rows(r.Menu, r.Buttons)
		}
		out = append(out, newMessage(text, components, flags))
	}
	return out
}

const backticks = "```"

// split cuts text at line ends into pieces of at most n code points. A code fence
// that is open at a cut, even in a quote, is closed and opened again.
func split(text string, n int) []string {
	s := splitter{most: n - len("> "+backticks+"\n")} // leaves room to close a fence
	for line := range strings.SplitSeq(text, "\n") {
		s.add(line)
	}
	s.fence = "" // a fence that is never closed stays so
	s.cut()
	return s.pieces
}

// splitter is the state of split.
type splitter struct {
	most   int // code points per piece
	pieces []string
	piece  strings.Builder // the current one
	size   int             // of piece, in code points
	head   int             // of the part of piece that reopens a fence
	fence  string          // the line that opened the open fence, if any
	quote  string          // the prefix of its lines
}

// add adds a line, which may fill several pieces.
func (s *splitter) add(line string) {
	for s.size+utf8.RuneCountInString(line)+1 > s.most {
		if s.size == s.head { // the line alone is too long
			runes := []rune(line)
			n := min(s.most-s.size-1, len(runes))
			s.write(string(runes[:n]))
			line = string(runes[n:])
		}
		s.cut()
	}
	s.write(line)
	s.follow(line)
}

func (s *splitter) write(line string) {
	if s.size > 0 {
		s.piece.WriteByte('\n')
	}
	s.piece.WriteString(line)
	s.size += utf8.RuneCountInString(line) + 1
}

// cut ends the piece and begins the next.
func (s *splitter) cut() {
	text, again := s.piece.String(), ""
	if s.fence != "" {
		text, again = text+"\n"+s.quote+backticks, s.quote+s.fence
	}
	if text = strings.Trim(text, "\n"); text != "" {
		s.pieces = append(s.pieces, text)
	}
	s.piece.Reset()
	s.piece.WriteString(again)
	s.size = utf8.RuneCountInString(again)
	s.head = s.size
}

// follow notes whether a line opens or closes a fence.
func (s *splitter) follow(line string) {
	bare, quoted := strings.CutPrefix(line, "> ")
	mark := strings.TrimSpace(bare)
	switch {
	case !strings.HasPrefix(mark, backticks):
		return
	case s.fence != "":
		s.fence, s.quote = "", ""
		return
	}
	if s.fence = mark; utf8.RuneCountInString(mark) > 20 {
		s.fence = backticks // too long for the name of a language
	}
	if quoted {
		s.quote = "> "
	}
}

// replyNow sends a reply as the first response.
func (i *interaction) replyNow(ctx context.Context, line string, r chat.Reply) error {
	if r.Form != nil {
		return i.respond(ctx, callback{callbackModal, i.form(r.Form, line)})
	}
	list := pages(r)
	kind := callbackMessage
	if i.Type == interactionComponent && i.private() && !r.Public {
		kind, list[0].Flags = callbackUpdate, 0 // the reply replaces the menu
	}
	if err := i.respond(ctx, callback{kind, list[0]}); err != nil {
		return err
	}
	return i.followAll(ctx, list[1:])
}

// replyLater sends a reply after a deferral, which only this person sees.
func (i *interaction) replyLater(ctx context.Context, line string, r chat.Reply) error {
	if r.Form != nil {
		// Only the first response can be a form.
		r = chat.Reply{Text: i.app.says(i.user, chat.Say("That took a moment. The form is ready now.")), Buttons: opening(i.app.says(i.user, chat.Say("Open the form")), line)}
	}
	list := pages(r)
	if r.Public {
		if err := i.original(ctx, whisper(i.app.says(i.user, chat.Say("Done. Everyone here sees it.")))); err != nil {
			return err
		}
		return i.followAll(ctx, list)
	}
	if err := i.original(ctx, list[0]); err != nil {
		return err
	}
	return i.followAll(ctx, list[1:])
}

func (i *interaction) followAll(ctx context.Context, list []messageData) error {
	for _, m := range list {
		if err := i.follow(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (i *interaction) webhook() string {
	return "/webhooks/" + i.Application + "/" + i.Token
}

// original replaces the deferred response, whose flags cannot change.
func (i *interaction) original(ctx context.Context, m messageData) error {
	m.Flags = 0
	return i.callAfter(ctx, call{
		method: http.MethodPatch, path: i.webhook() + "/messages/@original", route: "PATCH original", major: i.ID, name: "reply", body: m, wait: true, open: true,
	})
}

// follow sends a further message.
func (i *interaction) follow(ctx context.Context, m messageData) error {
	return i.callAfter(ctx, call{
		method: http.MethodPost, path: i.webhook(), route: "POST followup", major: i.ID, name: "reply", body: m, wait: true, open: true,
	})
}

// callAfter makes a call after the first response. If that was the response to an
// HTTP request, Discord may still be reading it and not know the webhook or message
// yet, so callAfter tries again.
func (i *interaction) callAfter(ctx context.Context, one call) error {
	for pause := 200 * time.Millisecond; ; pause *= 2 {
		_, err := i.app.rest.do(ctx, one, nil)
		if n := code(err); n != codeUnknownWebhook && n != codeUnknownMessage || pause > time.Second || !retry.Sleep(ctx, pause) {
			return err
		}
	}
}
