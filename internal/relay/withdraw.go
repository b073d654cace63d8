// A question that its author deleted: its turn ends, what was posted is taken
// back, and a finished exchange leaves the history.

package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"parley/internal/chat"
	"parley/internal/inbox"
)

// Withdraw hears that a person deleted m. A turn that waits or runs ends; of one
// that is finished the answer stays, and the transcript forgets both.
func (r *Relay) Withdraw(ctx context.Context, m chat.Message) error {
	known, err := r.inbox.Withdraw(ctx, m)
	if err != nil || !known {
		return err
	}
	return r.book.Withdraw(ctx, m.Scope, m.Place, m.ID)
}

// withdrawn reports whether an attempt ended because the question was deleted:
// the handler's context says so, or closing the turn did.
func withdrawn(ctx context.Context, err error) bool {
	return errors.Is(err, chat.ErrWithdrawn) || err != nil && errors.Is(context.Cause(ctx), chat.ErrWithdrawn)
}

// takeBack removes every message of the turn and closes it. After an error the
// inbox tries again, here or in the next process.
func (r *Relay) takeBack(ctx context.Context, t *inbox.Turn, pen chat.Responder, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	for _, p := range t.Parts() {
		if p.ID == "" {
			continue
		}
		if err := removePart(ctx, t, pen, p); err != nil && !chat.Refused(err) {
			return fmt.Errorf("take back a message: %w", err)
		} else if err != nil {
			log.WarnContext(ctx, "a message of a deleted question could not be taken back", "error", err)
		}
	}
	log.InfoContext(ctx, "the question was deleted; its turn ended")
	r.metrics.Turn(t.Message.Place.Platform, t.Message.Bot, "withdrawn")
	return t.Discard(ctx)
}

// removeAttempts is how often a message's removal is tried at once.
const removeAttempts = 5

func removePart(ctx context.Context, t *inbox.Turn, pen chat.Responder, p inbox.Part) error {
	remover, ok := pen.(chat.Remover)
	if !ok {
		return nil // the playground's answers stay
	}
	if streamer, ok := pen.(chat.Streamer); ok && p.Streaming {
		_ = guarded(ctx, t, func(ctx context.Context) error { // an open stream may not be removed
			_, err := streamer.End(ctx, p.ID, "", chat.Content{Key: p.Key})
			return err
		})
	}
	var err error
	for wait := 250 * time.Millisecond; ; wait *= 2 {
		err = guarded(ctx, t, func(ctx context.Context) error {
			_, err := remover.Remove(ctx, p.ID)
			return err
		})
		limited, ok := errors.AsType[*chat.RateLimited](err)
		if ok {
			wait = max(wait, limited.After)
		}
		if err == nil || chat.Refused(err) || errors.Is(err, inbox.ErrLost) || wait > (250*time.Millisecond)<<removeAttempts {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// guarded makes one call to the platform that ends before the lease does.
func guarded(ctx context.Context, t *inbox.Turn, call func(ctx context.Context) error) error {
	ctx, cancel, err := t.Guard(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	return call(ctx)
}
