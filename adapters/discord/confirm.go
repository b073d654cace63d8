// Comparing what Discord shows with what it was sent. A create whose nonce
// Discord knows returns the message of an earlier attempt, with its older text and
// file. Without the comparison an answer would stay at that text.

package discord

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode"

	"github.com/bwmarrin/discordgo"

	"parley/internal/chat"
)

// shown is a message as Discord returns it from a create or an edit.
type shown struct {
	ID          string  `json:"id"`
	Content     *string `json:"content"` // nil if the reply has none
	Attachments []struct {
		Size int `json:"size"`
	} `json:"attachments"`
}

// differs reports whether the message has a text other than sent.
func (s shown) differs(sent string) bool {
	return s.Content != nil && *s.Content != sent && normalized(*s.Content) != normalized(sent)
}

// lacks reports whether the message has a file other than this one.
func (s shown) lacks(file upload) bool {
	return len(s.Attachments) == 1 && s.Attachments[0].Size != len(file.data)
}

// rewritten is what Discord changes in a text: mentions with "!", and custom emoji
// that the bot may not use, which become their name.
var rewritten = regexp.MustCompile(`<(?:(@)!(\d{5,20})|a?:(\w{2,32}):\d{5,20})>`)

// normalized is a text without what Discord may change: white space at the ends
// and in runs, control and format characters, and what rewritten matches.
func normalized(text string) string {
	text = rewritten.ReplaceAllStringFunc(text, func(found string) string {
		g := rewritten.FindStringSubmatch(found)
		if g[1] != "" {
			return "<@" + g[2] + ">"
		}
		return ":" + g[3] + ":"
	})
	text = strings.Map(func(c rune) rune {
		if c != '\n' && c != '\t' && unicode.In(c, unicode.Cc, unicode.Cf, unicode.Co) || c == unicode.ReplacementChar {
			return -1
		}
		return c
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

// edit changes a message; c has the call's name and file.
func (r *responder) edit(ctx context.Context, c call, body messageBody, id chat.MessageID) (chat.Receipt, error) {
	c.method, c.path = http.MethodPatch, endpoint(discordgo.EndpointChannelMessage(r.channel, url.PathEscape(string(id))))
	c.route, c.major = "PATCH message", r.channel
	var out shown
	rate, err := r.send(ctx, c, body, &out)
	receipt := chat.Receipt{ID: id, Rate: rate}
	if err == nil {
		receipt.Differs = out.differs(body.Content)
	}
	return receipt, err
}

// replaceFile replaces the file of an earlier attempt.
func (r *responder) replaceFile(ctx context.Context, id string, body messageBody, file upload) (chat.Receipt, error) {
	body.Nonce, body.Enforce, body.Reference, body.Flags = "", false, nil, 0
	return r.edit(ctx, call{name: "upload", file: &file}, body, chat.MessageID(id))
}
