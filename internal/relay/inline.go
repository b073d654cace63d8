// Commands written after a mention, which are answered where they were written.

package relay

import (
	"context"
	"errors"
	"log/slog"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/inbox"
)

// answerCommand runs a command written after a mention and answers in place.
func (r *Relay) answerCommand(ctx context.Context, t *inbox.Turn, responder chat.Responder, c chat.Command, log *slog.Logger) error {
	c.Turn = t.ID
	reply, err := r.do(ctx, c)
	if err != nil {
		if stop := interrupted(ctx); stop != nil {
			return stop
		}
		if _, refused := errors.AsType[*bots.Refusal](err); refused && !r.refusals.mayTell(c.Scope+" "+c.Author.ID) {
			return t.Close(ctx)
		}
		err = r.explained(ctx, c, err)
		// As with any other answer to a command, it is the caller's alone.
		return r.say(ctx, t, responder, chat.Content{Markdown: err.(*chat.UserError).Line.String(), Only: c.Author.ID}, log)
	}
	content := chat.Content{Markdown: reply.Text, Menu: reply.Menu, Buttons: reply.Buttons}
	if !reply.Public {
		content.Only = c.Author.ID
	}
	return r.say(ctx, t, responder, content, log)
}
