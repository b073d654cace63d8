// A turn and the editor that writes its answer.

package relay

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/inbox"
	"parley/internal/stream"
)

// job is what the editor needs to write the answer of a turn. It calls seen when
// something of the answer was posted.
func (r *Relay) job(t *inbox.Turn, responder chat.Responder, b bots.Bot, seen func()) stream.Job {
	j := stream.Job{
		Turn:        t.ID,
		Platform:    t.Message.Place.Platform,
		Responder:   responder,
		MaxMessages: b.MaxMessages,
		Stop:        true,
		Guard:       t.Guard,
		Record: func(ctx context.Context, posted ...stream.Posted) error {
			parts := make([]inbox.Part, len(posted))
			for k, p := range posted {
				if parts[k] = inbox.Part(p); p.ID != "" {
					seen()
				}
			}
			return t.Record(ctx, parts...)
		},
		Hold: func(p stream.Posted) {
			seen()
			t.Hold(inbox.Part(p))
		},
	}
	for _, p := range t.Parts() {
		j.Posted = append(j.Posted, stream.Posted(p))
	}
	return j
}

// readable is what people can read of an answer in its messages.
func readable(parts []inbox.Part) string {
	var text strings.Builder
	parts = slices.DeleteFunc(slices.Clone(parts), func(p inbox.Part) bool { return p.File != "" })
	for k, p := range parts {
		if p.Stuck && k+1 < len(parts) && parts[k+1].Text != "" {
			continue // the next message says the same
		}
		text.WriteString(p.Text)
	}
	return text.String()
}

// showThinking shows the platform's indicator until hide is called, which waits for
// nothing: what was posted must be recorded, however long the platform takes to
// take the indicator away. end hides it and waits until that is done. A defect in it
// costs the indicator, not the answer.
func showThinking(ctx context.Context, responder chat.Responder, log *slog.Logger) (hide, end func()) {
	ctx, hide = context.WithCancel(ctx)
	var showing sync.WaitGroup
	showing.Go(func() {
		defer func() {
			if defect := fault.Recovered(recover()); defect != nil {
				log.ErrorContext(ctx, "the sign that an answer is being prepared failed", "error", defect)
			}
		}()
		responder.Thinking(ctx)
	})
	return hide, func() {
		hide()
		showing.Wait()
	}
}

// outlive is ctx without three of its ends: a person's Stop, the hand-over to
// another process, and the deletion of the question. An answer that was begun must
// get its end, and a call to the platform under way its record. done must be
// called.
func outlive(ctx context.Context) (writing context.Context, done func()) {
	writing, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		cause := context.Cause(ctx)
		if !errors.Is(cause, chat.ErrStopped) && !errors.Is(cause, chat.ErrWithdrawn) && !errors.Is(cause, inbox.ErrHandedOver) {
			cancel(cause)
		}
	})
	return writing, func() {
		stop()
		cancel(nil)
	}
}

// interrupted is why this attempt may not finish the turn, nil while it may. It may
// finish a turn that a person stopped.
func interrupted(ctx context.Context) error {
	cause := context.Cause(ctx)
	if cause == nil || errors.Is(cause, chat.ErrStopped) {
		return nil
	}
	return cause
}

// leaveTime is how long a call to the platform may take to come back once the turn
// is left.
const leaveTime = 3 * time.Second

// leave gives an answer up as it is now. A call under way comes back first and is
// recorded, so that whoever goes on with the turn finds what it posted.
func leave(ctx context.Context, answer *stream.Answer, cause error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	answer.Abandon(ctx, cause)
}

// leaveWhenInterrupted leaves an answer as soon as its turn is interrupted, until
// stop is called.
func leaveWhenInterrupted(ctx context.Context, answer *stream.Answer) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		if cause := interrupted(ctx); cause != nil {
			leave(ctx, answer, cause)
		}
	})
}
