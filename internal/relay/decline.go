// Turns that end with one sentence instead of an answer.

package relay

import (
	"context"
	"errors"
	"log/slog"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/completion"
	"parley/internal/inbox"
)

// sentence is what a person reads of an error: their own line where one was
// written for them, else a general one; always with the reference of the log.
func sentence(err error, ref string) chat.Line {
	if e, ok := errors.AsType[*completion.Error](err); ok {
		return chat.Say("%s (%s)", e.Line(), ref)
	}
	if e, ok := errors.AsType[*chat.UserError](err); ok {
		return chat.Say("%s (%s)", e.Line, ref)
	}
	return chat.Sorry(ref)
}

// decline ends a turn with one sentence that says why it is not answered. Someone
// whom the bot's rules refuse, or may refuse, is the only one to read it, and not too
// often. If they wrote in a thread and not to the bot, nothing is said.
func (r *Relay) decline(ctx context.Context, t *inbox.Turn, responder chat.Responder, cause error, log *slog.Logger) error {
	if stop := interrupted(ctx); stop != nil {
		return stop
	}
	m := t.Message
	speaker := r.speakerAt(ctx, m.Bot, m.Place, m.Author)
	content := chat.Content{Markdown: speaker.Say(sentence(cause, t.Ref))}
	refusal, refused := errors.AsType[*bots.Refusal](cause)
	advice, advised := errors.AsType[*chat.UserError](cause)
	switch {
	case refused && m.Trigger == chat.Thread:
		return t.Close(ctx)
	case refused:
		content.Markdown, content.Only = speaker.Say(refusal.Line), m.Author.ID
		r.metrics.Turn(m.Place.Platform, m.Bot, "refused")
		log.InfoContext(ctx, "refused by the bot's access rules")
	case advised && advice.Err == nil:
		content.Markdown = speaker.Say(advice.Line)
	default:
		r.metrics.Turn(m.Place.Platform, m.Bot, "failed")
		log.ErrorContext(ctx, "turn failed", "error", cause)
		if errors.Is(cause, errUnknown) {
			content.Only = m.Author.ID
		}
	}
	if content.Only != "" && !r.refusals.mayTell(m.Scope+" "+content.Only) && len(t.Posted) == 0 {
		return t.Close(ctx)
	}
	return r.say(ctx, t, responder, content, log)
}

// say posts one message of our own and closes the turn.
func (r *Relay) say(ctx context.Context, t *inbox.Turn, responder chat.Responder, c chat.Content, log *slog.Logger) error {
	writing, done := outlive(ctx)
	defer done()
	parts := t.Parts()
	if len(parts) > 0 {
		// An earlier attempt began to answer, or may have: its message gets the
		// end and loses its Stop button. One that was for one person alone cannot
		// be edited, and stands as it is.
		c.Only = ""
	}
	j := r.job(t, responder, bots.Bot{}, func() {})
	if err := r.scheduler(t.Message.Scope).Say(writing, j, readable(parts), c); err != nil {
		if !chat.Refused(err) {
			return err
		}
		log.ErrorContext(ctx, "the platform took no message here", "error", err)
		r.apologise(writing, t, responder, err, log)
	}
	return t.Close(writing)
}
