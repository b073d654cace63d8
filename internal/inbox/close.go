// Closing a turn: everything it brings about is stored in the same step that takes
// its message out of the inbox.

package inbox

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
)

// Write is something to store when a turn closes. With neither Push nor
// Increments it sets Key to Value.
type Write struct {
	Key        string // made with ScopeKey, of the turn's scope
	Value      []byte
	TTL        time.Duration      // 0: it does not expire; rounded to milliseconds
	Push       []byte             // to append to a list, of which the last Keep stay
	Keep       int                // at least 1 with Push
	Increments map[string]float64 // amounts to add to the fields of a hash
}

// Close ends the turn: the writes are done and the message leaves the inbox, all
// in one step or not at all. Only a write to a key of another type is left out, and
// logged. A failed call to the store is retried until ctx or the lease ends; no
// write is done twice. A person's Stop does not end that: a stopped turn is closed
// too. After ErrLost nothing was done and another process continues the turn. After
// chat.ErrWithdrawn nothing was done because the question was deleted: take back
// what was posted, then Discard.
func (t *Turn) Close(ctx context.Context, writes ...Write) error {
	return t.close(ctx, digest(t.Message.Key), writes)
}

// Discard is Close for a turn whose question was deleted, or that is dropped.
func (t *Turn) Discard(ctx context.Context, writes ...Write) error {
	return t.close(ctx, "", writes)
}

func (t *Turn) close(ctx context.Context, unless string, writes []Write) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.tenure
	keys := []string{n.key("owner"), n.key("events"), n.key("turns"), n.key("stops"), n.key("withdrawn")}
	args := []any{n.token, t.entry, t.ID, unless, t.journal.next}
	own := n.in.ScopeKey(n.scope, "")
	for _, w := range writes {
		if !strings.HasPrefix(w.Key, own) {
			return errors.New("a write of Close is outside the turn's scope: make its key with ScopeKey")
		}
		keys = append(keys, w.Key)
		args = w.append(args)
	}
	if t.closed {
		return nil
	}
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		reply, err := n.in.scripts.close.Run(ctx, n.in.o.Client, keys, args...).Slice()
		n.noteStoreResult(err)
		if err == nil {
			return t.concluded(ctx, reply)
		}
		if _, refused := errors.AsType[redis.Error](err); refused && !passing(err) {
			return fmt.Errorf("close a turn: %w", err)
		}
		if errors.Is(context.Cause(ctx), chat.ErrStopped) {
			ctx = context.WithoutCancel(ctx)
			continue
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("close a turn: %w (%w)", err, context.Cause(ctx))
		case <-n.alive.Done():
			return ErrLost
		case <-time.After(pause):
		}
	}
}

// concluded is what a reply of the closing script means. Called with mu held.
func (t *Turn) concluded(ctx context.Context, reply []any) error {
	n := t.tenure
	switch {
	case len(reply) == 1 && reply[0] == int64(-1):
		n.lose()
		return ErrLost
	case len(reply) == 1 && reply[0] == int64(-2):
		t.saveHeld(ctx)
		return chat.ErrWithdrawn
	case len(reply) == 2 && reply[1] != "":
		n.log.ErrorContext(ctx, "a turn is closed, but not all of what it brings about could be stored", "ref", t.Ref, "error", reply[1])
	}
	t.closed = true
	n.in.noteClose(n.scope)
	return nil
}

// passing reports whether an error reply is about a state that passes: a server
// that is loading, failing over or without its replicas, or one whose password or
// rights are just being changed. Giving up would mean asking the model again.
func passing(err error) bool {
	for _, p := range []string{"LOADING", "READONLY", "CLUSTERDOWN", "TRYAGAIN", "MASTERDOWN", "NOREPLICAS", "BUSY", "MOVED", "ASK", "OOM", "MISCONF", "NOAUTH", "WRONGPASS", "NOPERM"} {
		if redis.HasErrorPrefix(err, p) {
			return true
		}
	}
	// A long command of a client that must log in again is not even read.
	return redis.HasErrorPrefix(err, "Protocol error: unauthenticated") // without "ERR", which is taken off
}

func (w Write) append(args []any) []any {
	switch {
	case w.Push != nil:
		return append(args, "push", w.Push, max(w.Keep, 1), w.TTL.Milliseconds())
	case w.Increments != nil:
		args = append(args, "add", len(w.Increments))
		for field, amount := range w.Increments {
			args = append(args, field, strconv.FormatFloat(amount, 'f', -1, 64))
		}
		return append(args, w.TTL.Milliseconds())
	}
	return append(args, "set", w.Value, w.TTL.Milliseconds())
}
