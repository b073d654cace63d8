// Replies to interactions as Discord shows them: seen by one person or by all,
// over several messages when they are long.

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

// messageData is a message in a callback, a followup or an edit.
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

// whisper is a message that only the person sees.
func whisper(text string) messageData {
	return newMessage(clip(render(text), sizeLimit), []discordgo.MessageComponent{}, discordgo.MessageFlagsEphemeral|suppressEmbeds)
}

// pages makes messages of a reply; the controls are below the last.
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

// split cuts text at line ends into pieces of at most n code points. A fence
// that is open at a cut, in a quote too, is closed there and opened again.
func split(text string, n int) []string {
	s := splitter{most: n - len("> "+backticks+"\n")} // room for closing a fence
	for line := range strings.SplitSeq(text, "\n") {
		s.add(line)
	}
	s.fence = "" // what is unclosed at the end stays as it was written
	s.cut()
	return s.pieces
}

// splitter is how far split has come.
type splitter struct {
	most   int // code points in a piece
	pieces []string
	piece  strings.Builder // the one that is growing
	size   int             // of it, in code points
	head   int             // as much of it only opens the fence again
	fence  string          // the line that opened the fence that is open
	quote  string          // what stands before each of its lines
}

// add takes one line, which may fill several pieces.
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
		s.fence = backticks // words after a fence that long are no language
	}
	if quoted {
		s.quote = "> "
	}
}

// first is the reply as the first answer.
func (i *interaction) first(ctx context.Context, line string, r chat.Reply) error {
	if r.Form != nil {
		return i.respond(ctx, callback{callbackModal, i.form(r.Form, line)})
	}
	list := pages(r)
	kind := callbackMessage
	if i.Type == interactionComponent && i.private() && !r.Public {
		kind, list[0].Flags = callbackUpdate, 0 // the menu that was used becomes the answer
	}
	if err := i.respond(ctx, callback{kind, list[0]}); err != nil {
		return err
	}
	return i.followAll(ctx, list[1:])
}

// later is the reply after a deferral, which was seen by the person alone.
func (i *interaction) later(ctx context.Context, line string, r chat.Reply) error {
	if r.Form != nil {
		// A form can only be the first answer.
		r = chat.Reply{Text: "That took a moment; the form is ready now.", Buttons: opening("Open the form", line)}
	}
	list := pages(r)
	if r.Public {
		if err := i.original(ctx, whisper("Done; everyone here sees it.")); err != nil {
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

// original replaces the deferred answer. Its flags were fixed when it was
// deferred.
func (i *interaction) original(ctx context.Context, m messageData) error {
	m.Flags = 0
	return i.after(ctx, call{
		method: http.MethodPatch, path: i.webhook() + "/messages/@original", route: "PATCH original", major: i.ID, name: "reply", body: m, wait: true, open: true,
	})
}

// follow sends a further message.
func (i *interaction) follow(ctx context.Context, m messageData) error {
	return i.after(ctx, call{
		method: http.MethodPost, path: i.webhook(), route: "POST followup", major: i.ID, name: "reply", body: m, wait: true, open: true,
	})
}

// after makes a call that follows a first answer. Where that was the response
// to an HTTP request, Discord may not have read it yet and then knows no such
// webhook or message: a moment later it does.
func (i *interaction) after(ctx context.Context, one call) error {
	for pause := 200 * time.Millisecond; ; pause *= 2 {
		_, err := i.app.rest.do(ctx, one, nil)
		if n := code(err); n != codeUnknownWebhook && n != codeUnknownMessage || pause > time.Second || !retry.Sleep(ctx, pause) {
			return err
		}
	}
}
