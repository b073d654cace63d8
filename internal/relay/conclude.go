// The end of an answer: its final text, and what is kept.

package relay

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"parley/internal/chat"
	"parley/internal/completion"
	"parley/internal/inbox"
	"parley/internal/stream"
)

// stopTime bounds the last words of a stopped answer.
const stopTime = time.Minute

// ended is an answer that gets no more text.
type ended struct {
	plan
	outcome
	stopped bool             // by a person
	posted  []chat.MessageID // the answer's messages
}

// conclude writes the final text and closes the turn with what is kept.
func (r *Relay) conclude(ctx context.Context, t *inbox.Turn, responder chat.Responder, answer *stream.Answer, e ended, log *slog.Logger) error {
	note, result := r.note(t.Ref, e)
	if !e.stopped || e.text != "" || answer.Shown() {
		posted, err := finish(ctx, answer, r.speaker(ctx, e.bot, t.Message.Place, t.Message.Author).Say(note), e.stopped)
		if stop := interrupted(ctx); stop != nil {
			return stop
		}
		switch {
		case errors.Is(err, inbox.ErrLost), errors.Is(err, inbox.ErrHandedOver):
			return err
		case errors.Is(err, chat.ErrWithdrawn):
			r.oweUsed(ctx, t, e, log)
			return err
		case err != nil:
			result = "failed"
			log.ErrorContext(ctx, "the answer could not be shown", "error", err)
			r.apologise(ctx, t, responder, err, log)
		}
		e.posted = posted
	}
	log = log.With("provider", e.target.provider.ID, "model", e.target.model)
	// Whatever is written under another hash tag comes here: see sink.
	all, lasting := r.writes(ctx, e, log)
	err := t.Close(ctx, all...)
	if errors.Is(err, chat.ErrWithdrawn) {
		r.owe(ctx, t, lasting, log)
	}
	if err != nil {
		return err // not ended: it is tried again
	}
	r.metrics.Turn(t.Message.Place.Platform, e.bot.ID, result)
	if e.err != nil && !e.stopped {
		log.WarnContext(ctx, "turn failed", "kind", kindOf(e.err), "error", e.err)
	} else {
		log.InfoContext(ctx, "turn ended", "outcome", result)
	}
	return nil
}

// oweUsed notes what lasts of an answer whose question was deleted.
func (r *Relay) oweUsed(ctx context.Context, t *inbox.Turn, e ended, log *slog.Logger) {
	_, lasting := r.writes(ctx, e, log)
	r.owe(ctx, t, lasting, log)
}

// finish has the editor write the final text, with a note below, and returns the
// messages that it fills.
func finish(ctx context.Context, answer *stream.Answer, note string, stopped bool) (posted []chat.MessageID, err error) {
	if stopped {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, stopTime)
		defer cancel()
	}
	finished, err := answer.Finish(ctx, stream.End{Note: note})
	for _, p := range finished.Messages {
		posted = append(posted, p.ID)
	}
	return posted, err
}

// note is the one line below an answer, and the metric's word for the outcome.
func (r *Relay) note(ref string, e ended) (note chat.Line, result string) {
	switch {
	case e.stopped:
		return chat.Line{}, "stopped"
	case errors.Is(e.err, errPointless):
		return chat.Line{}, "failed"
	case e.err != nil:
		return sentence(e.err, ref), "failed"
	case e.text == "" && e.finish == "content_filter":
		return chat.Say("The content filter of %s left nothing of the answer. Try other words. (%s)", e.target, ref), "failed"
	case e.text == "":
		return chat.Say("%s ended without writing an answer. Ask again, or switch with /model. (%s)", e.target, ref), "failed"
	case e.finish == "length":
		return chat.Say("_Cut at the model's length limit; ask it to go on._"), "answered"
	case e.finish == "content_filter":
		return chat.Say("_Cut by the provider's content filter._"), "answered"
	}
	return chat.Line{}, "answered"
}

// kindOf is the kind of a model's error, for the log.
func kindOf(err error) completion.Kind {
	if e, ok := errors.AsType[*completion.Error](err); ok {
		return e.Kind
	}
	return completion.KindUnknown
}
