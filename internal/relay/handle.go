// A message on its way: who handles it, and how.

package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"parley/internal/chat"
	"parley/internal/inbox"
)

// Serves reports whether this process has the bot that m was sent to, and its
// platform: during a rolling deploy another replica may have more.
func (r *Relay) Serves(m chat.Message) bool {
	adapter, ok := r.adapters[m.Place.Platform]
	if !ok {
		return false
	}
	if _, ok := r.bots[m.Bot]; !ok {
		return false
	}
	_, err := adapter.Responder(m)
	return err == nil
}

// Handle answers one message. It is the inbox's handler: nil means the turn is
// closed, an error leaves it for another try.
func (r *Relay) Handle(ctx context.Context, t *inbox.Turn) error {
	m := t.Message
	ctx, span := r.tracer.Start(ctx, "turn", trace.WithAttributes(
		attribute.String("ref", t.Ref), attribute.String("platform", m.Place.Platform), attribute.String("bot", m.Bot), attribute.Int("attempt", t.Attempt)))
	defer span.End()
	log := r.log.With("ref", t.Ref, "platform", m.Place.Platform)
	adapter, ok := r.adapters[m.Place.Platform]
	if !ok && t.Attempt < maxAttempts {
		return fmt.Errorf("this process has no adapter for %s", m.Place.Platform)
	}
	if !ok {
		log.ErrorContext(ctx, "no adapter for this platform; the message is dropped")
		return t.Discard(ctx)
	}
	responder, err := adapter.Responder(m)
	if err != nil && t.Attempt < maxAttempts {
		return err // another replica may be able to, or a newer version of this one
	}
	if err != nil {
		log.ErrorContext(ctx, "this message cannot be answered any more; it is dropped", "error", err)
		return t.Discard(ctx)
	}
	// What is owed says that an earlier attempt found the question deleted; its note
	// may be gone by now.
	if err = context.Cause(ctx); len(t.Owed()) > 0 {
		err = chat.ErrWithdrawn
	} else if !errors.Is(err, chat.ErrWithdrawn) {
		err = r.respond(ctx, t, responder, log)
	}
	if withdrawn(ctx, err) {
		return r.takeBack(ctx, t, responder, log)
	}
	return err
}

// respond answers a command or a question.
func (r *Relay) respond(ctx context.Context, t *inbox.Turn, responder chat.Responder, log *slog.Logger) error {
	m := t.Message
	if t.Attempt > maxAttempts {
		log = log.With("bot", m.Bot)
		return r.decline(ctx, t, responder, fmt.Errorf("given up after %d attempts", t.Attempt-1), log)
	}
	if keeper, ok := r.adapters[m.Place.Platform].(chat.Doorkeeper); ok {
		if err := keeper.Admit(ctx, m); err != nil {
			return r.turnAway(ctx, t, responder, keeper, err, log)
		}
	}
	if c, ok := inlineCommand(m); ok {
		return r.answerCommand(ctx, t, responder, c, log)
	}
	return r.answer(ctx, t, responder, log)
}

// turnAway ends a turn from a place where the bot no longer answers. An answer that
// was begun gets its end; where nothing was posted, the adapter says a sentence.
func (r *Relay) turnAway(ctx context.Context, t *inbox.Turn, responder chat.Responder, keeper chat.Doorkeeper, cause error, log *slog.Logger) error {
	if stop := interrupted(ctx); stop != nil {
		return stop
	}
	if !forPerson(cause) && t.Attempt < patientAttempts {
		return cause // it could not be looked up; later it can
	}
	r.metrics.Turn(t.Message.Place.Platform, t.Message.Bot, "refused")
	if len(t.Posted) > 0 {
		return r.decline(ctx, t, responder, cause, log.With("bot", t.Message.Bot))
	}
	keeper.TurnAway(ctx, t.Message, cause)
	return t.Close(ctx)
}
