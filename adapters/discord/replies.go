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

// split cuts text at line ends into pieces of at most n code points. A fence
// that is open at a cut, in a quote too, is closed there and opened again.
func split(text string, n int) []string {
	const fence = "```"
	var out []string
	var b strings.Builder
	size, open, quote := 0, "", ""
	flush := func() {
		piece := b.String()
		if open != "" {
			piece += "\n" + quote + fence
		}
		if piece = strings.Trim(piece, "\n"); piece != "" {
			out = append(out, piece)
		}
		b.Reset()
		size = 0
		if open != "" {
			b.WriteString(quote + open)
			size = utf8.RuneCountInString(quote + open)
		}
	}
	const room = len("> " + fence + "\n") // for closing a fence
	for line := range strings.SplitSeq(text, "\n") {
		for {
			length := utf8.RuneCountInString(line) + 1
			if size+length <= n-room {
				break
			}
			if size > utf8.RuneCountInString(quote+open) {
				flush()
				continue
			}
			runes := []rune(line) // one line alone is too long
			cut := min(n-room-size-1, len(runes))
			b.WriteString("\n" + string(runes[:cut]))
			line = string(runes[cut:])
			size = n - room
			flush()
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(line)
		size += utf8.RuneCountInString(line) + 1
		bare, quoted := strings.CutPrefix(line, "> ")
		if mark := strings.TrimSpace(bare); strings.HasPrefix(mark, fence) {
			if open == "" {
				if open = mark; utf8.RuneCountInString(mark) > 20 {
					open = fence // words after a fence that long are no language
				}
				if quote = ""; quoted {
					quote = "> "
				}
			} else {
				open, quote = "", ""
			}
		}
	}
	open = "" // what is unclosed at the end stays as it was written
	flush()
	return out
}

// first is the reply as the first answer.
func (c *counter) first(ctx context.Context, i *interaction, line string, r chat.Reply, say say) error {
	if r.Form != nil {
		return say(ctx, callback{callbackModal, c.form(i, r.Form, line)})
	}
	list := pages(r)
	kind := callbackMessage
	if i.Type == interactionComponent && i.private() && !r.Public {
		kind, list[0].Flags = callbackUpdate, 0 // the menu that was used becomes the answer
	}
	if err := say(ctx, callback{kind, list[0]}); err != nil {
		return err
	}
	return c.rest(ctx, i, list[1:])
}

// later is the reply after a deferral, which was seen by the person alone.
func (c *counter) later(ctx context.Context, i *interaction, line string, r chat.Reply) error {
	if r.Form != nil {
		// A form can only be the first answer.
		r = chat.Reply{Text: "That took a moment; the form is ready now.", Buttons: opening("Open the form", line)}
	}
	list := pages(r)
	if r.Public {
		if err := c.original(ctx, i, whisper("Done; everyone here sees it.")); err != nil {
			return err
		}
		return c.rest(ctx, i, list)
	}
	if err := c.original(ctx, i, list[0]); err != nil {
		return err
	}
	return c.rest(ctx, i, list[1:])
}

func (c *counter) rest(ctx context.Context, i *interaction, list []messageData) error {
	for _, m := range list {
		if err := c.follow(ctx, i, m); err != nil {
			return err
		}
	}
	return nil
}

func (c *counter) webhook(i *interaction) string {
	return "/webhooks/" + i.Application + "/" + i.Token
}

// original replaces the deferred answer. Its flags were fixed when it was
// deferred.
func (c *counter) original(ctx context.Context, i *interaction, m messageData) error {
	m.Flags = 0
	return c.after(ctx, call{
		method: http.MethodPatch, path: c.webhook(i) + "/messages/@original", route: "PATCH original", major: i.ID, name: "reply", body: m, wait: true, open: true,
	})
}

// follow sends a further message.
func (c *counter) follow(ctx context.Context, i *interaction, m messageData) error {
	return c.after(ctx, call{
		method: http.MethodPost, path: c.webhook(i), route: "POST followup", major: i.ID, name: "reply", body: m, wait: true, open: true,
	})
}

// after makes a call that follows a first answer. Where that was the response
// to an HTTP request, Discord may not have read it yet and then knows no such
// webhook or message: a moment later it does.
func (c *counter) after(ctx context.Context, one call) error {
	for pause := 200 * time.Millisecond; ; pause *= 2 {
		_, err := c.app.rest.do(ctx, one, nil)
		if n := code(err); n != codeUnknownWebhook && n != codeUnknownMessage || pause > time.Second || !sleep(ctx, pause) {
			return err
		}
	}
}
