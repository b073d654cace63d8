// Messages that Discord accepts only without the reference to the question, or
// without controls.

package discord

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/bwmarrin/discordgo"

	"parley/internal/chat"
)

// repliesAgain is how long not to reply in a channel where Discord refused it:
// refused calls count towards a ban of the address.
const repliesAgain = 10 * time.Minute

// send makes a call that creates or edits a message. If Discord refuses a part of
// the message, it makes the call again without it.
func (r *responder) send(ctx context.Context, c call, body messageBody, out any) (chat.Rate, error) {
	if _, refused := r.app.cache.noReply.Get(r.channel); refused || r.noReference.Load() {
		body.Reference = nil
	}
	if r.noControls.Load() {
		body = body.bare()
	}
	for {
		c.body = body
		rate, err := r.app.rest.do(ctx, c, out)
		switch {
		case body.Reference != nil && code(err) == codeCannotReply:
			r.app.log.WarnContext(ctx, "discord: the bot may not reply in a channel for want of Read Message History; it answers without the reference", slog.String("channel", r.channel))
			r.app.cache.noReply.Put(r.channel, true)
			body.Reference = nil
		case body.Reference != nil && refusesField(err, "message_reference"):
			r.app.log.InfoContext(ctx, "discord: a message cannot be replied to; the answer has no reference", slog.String("channel", r.channel), slog.String("reason", short(err)))
			r.noReference.Store(true)
			body.Reference = nil
		case chat.Refused(err, chat.Invalid) && code(err) == codeInvalidForm && !body.isBare():
			r.app.log.WarnContext(ctx, "discord: a message was refused; it is sent without controls", slog.String("channel", r.channel), slog.String("reason", short(err)))
			r.noControls.Store(true)
			body = body.bare()
		default:
			return rate, err
		}
	}
}

// bare is the body with only its text.
func (b messageBody) bare() messageBody {
	b.Reference, b.Components, b.Flags = nil, []discordgo.MessageComponent{}, 0
	return b
}

func (b messageBody) isBare() bool {
	return b.Reference == nil && len(b.Components) == 0 && b.Flags == 0
}

// refusesField reports whether Discord refused a body for one of its fields.
func refusesField(err error, field string) bool {
	return code(err) == codeInvalidForm && strings.Contains(fieldsOf(err), field)
}
