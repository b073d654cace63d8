// One attempt at a turn: beginning it in the store and running the handler.

package inbox

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"parley/internal/fault"
)

// handle runs one attempt. Nil means that the turn is closed.
func (n *tenure) handle(it *item) error {
	if err := n.beginTurn(it); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(n.work)
	defer cancel(nil)
	n.noteAttempt(it, cancel)
	t := &Turn{
		ID: it.turn, Ref: it.ref, Message: it.message, Posted: it.journal.parts(), Attempt: it.attempts,
		tenure: n, entry: it.entry, journal: it.journal,
	}
	err := fault.Guard(func() error { return n.r.handler(ctx, t) })
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.saveHeld(n.alive)
	it.journal = t.journal
	if err == nil {
		err = errors.New("the handler returned without closing the turn")
	}
	return err
}

// beginTurn stores that another attempt begins, and what Running shows of it.
func (n *tenure) beginTurn(it *item) error {
	record, err := json.Marshal(Running{Place: it.message.Place, Author: it.message.Author, Bot: it.message.Bot, Ref: it.ref, Started: time.Now()})
	if err != nil {
		return err
	}
	sealed := n.in.o.Ring.Seal(record, n.in.runningPlace(n.scope, it.turn))
	return n.retry(n.work, "beginning a turn", func(ctx context.Context) error {
		attempt, err := n.in.scripts.begin.Run(ctx, n.in.o.Client, []string{n.key("owner"), n.key("turns")}, n.token, it.turn, sealed).Int()
		if err != nil {
			return err
		}
		if attempt < 0 {
			n.lose()
			return ErrLost
		}
		it.attempts = attempt
		return nil
	})
}
