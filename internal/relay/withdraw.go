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

// owe notes what is kept of the answer to a question that was deleted meanwhile.
func (r *Relay) owe(ctx context.Context, t *inbox.Turn, lasting []inbox.Write, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	for _, w := range lasting {
		if err := t.Owe(ctx, w); err != nil {
			log.ErrorContext(ctx, "what the answer to a deleted question used is not counted", "error", err)
		}
	}
}

// takeBack removes every message and file of the turn and closes it; only what
// the model used is kept. After an error the inbox tries again, here or in the
// next process.
func (r *Relay) takeBack(ctx context.Context, t *inbox.Turn, responder chat.Responder, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	if err := removeAll(ctx, t, responder, log); err != nil {
		return err
	}
	log.InfoContext(ctx, "the question was deleted; its turn ended")
	r.metrics.Turn(t.Message.Place.Platform, t.Message.Bot, "withdrawn")
	return t.Discard(ctx, t.Owed()...)
}

// removeAll takes back what the turn posted, as far as the platform lets it.
func removeAll(ctx context.Context, t *inbox.Turn, responder chat.Responder, log *slog.Logger) error {
	remover, ok := responder.(chat.Remover)
	if !ok {
		return nil
	}
	b := removal{turn: t, responder: responder, remover: remover}
	var before chat.MessageID
	for _, p := range t.Parts() {
		err := b.remove(ctx, p, before)
		switch {
		case err == nil:
		case chat.Refused(err):
			log.WarnContext(ctx, "a message of a deleted question could not be taken back", "error", err)
		default:
			return fmt.Errorf("take back a message: %w", err)
		}
		if p.ID != "" && !p.Stuck {
			before = p.ID
		}
	}
	return nil
}

// removal takes back the messages of one turn.
type removal struct {
	turn      *inbox.Turn
	responder chat.Responder
	remover   chat.Remover
}

// remove takes back one message or file, which continues the one before.
func (b removal) remove(ctx context.Context, p inbox.Part, before chat.MessageID) error {
	streams := p.Streaming
	if p.ID == "" {
		id, err := b.find(ctx, chat.Sought{Key: p.Key, After: before, File: p.File})
		if err != nil || id == "" {
			return err
		}
		p.ID, streams = id, p.File == "" && b.responder.Limits().Native
	}
	if streamer, ok := b.responder.(chat.Streamer); ok && streams {
		_ = guarded(ctx, b.turn, func(ctx context.Context) error { // an open stream may not be removed
			_, err := streamer.End(ctx, p.ID, "", chat.Content{Key: p.Key})
			return err
		})
	}
	err := b.removeID(ctx, p.ID)
	if p.File == "" {
		return err
	}
	return errors.Join(err, b.removeFiles(ctx, p))
}

func (b removal) removeID(ctx context.Context, id chat.MessageID) error {
	return b.insist(ctx, func(ctx context.Context) error {
		_, err := b.remover.Remove(ctx, id)
		return err
	})
}

// mostFiles bounds how many files of one name are taken back.
const mostFiles = 10

// removeFiles takes back what is left of files like p: an upload whose reply got
// lost was made once more, and only one of them was written down.
func (b removal) removeFiles(ctx context.Context, p inbox.Part) error {
	for range mostFiles {
		id, err := b.look(ctx, chat.Sought{Key: p.Key, File: p.File, Not: p.ID}) // p may have been refused
		if err == nil && id != "" {
			err = b.removeID(ctx, id)
		}
		if err != nil || id == "" {
			return err
		}
	}
	return nil
}

// lookAgain is when a post that was announced is looked for a second time: the
// call that was cut may get there after the first look.
const lookAgain = time.Second

// find looks for a message that was announced and whose id was never written
// down. Where the platform finds none, none is there: nothing is posted to be
// removed.
func (b removal) find(ctx context.Context, s chat.Sought) (id chat.MessageID, err error) {
	id, err = b.look(ctx, s)
	if err == nil && id == "" && sleep(ctx, lookAgain) {
		id, err = b.look(ctx, s)
	}
	return id, err
}

func (b removal) look(ctx context.Context, s chat.Sought) (id chat.MessageID, err error) {
	err = b.insist(ctx, func(ctx context.Context) (err error) {
		id, err = b.remover.Find(ctx, s)
		return err
	})
	return id, err
}

// The pauses between attempts at one call.
const (
	shortestInsisting = 250 * time.Millisecond
	longestInsisting  = 8 * time.Second
)

// insist makes a call until it succeeds, is refused, or would have to wait too
// long.
func (b removal) insist(ctx context.Context, call func(ctx context.Context) error) error {
	for pause := shortestInsisting; ; pause *= 2 {
		err := guarded(ctx, b.turn, call)
		if limited, ok := errors.AsType[*chat.RateLimited](err); ok {
			pause = max(pause, limited.After)
		}
		if err == nil || chat.Refused(err) || errors.Is(err, inbox.ErrLost) || pause > longestInsisting || !sleep(ctx, pause) {
			return err
		}
	}
}

// sleep waits; false: ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
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
