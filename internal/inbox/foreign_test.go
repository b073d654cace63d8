// Messages for bots that not every process has, as in a rolling deploy.

package inbox_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/inbox"
	"parley/internal/store"
	"parley/internal/store/storetest"
)

// older runs a replica that has no bot called "new".
func older(t *testing.T, s *store.Store) (handled chan chat.Message) {
	t.Helper()
	handled = make(chan chat.Message, 9)
	run(t, newInbox(t, s), func(ctx context.Context, turn *inbox.Turn) error {
		err := turn.Close(ctx)
		handled <- turn.Message
		return err
	}, inbox.RunOptions{Serves: func(m chat.Message) bool { return m.Bot != "new" }})
	return handled
}

func toNew(key string) chat.Message {
	m := message(key, "C1", "hello")
	m.Bot = "new"
	return m
}

func TestAScopeIsLeftToAProcessThatHasItsBot(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		handled := older(t, s)
		in := newInbox(t, s)
		put(t, in, toNew("1"))
		until(t, "the older replica has had the scope and left it", func() bool {
			had := s.Client.Exists(t.Context(), in.ScopeKey(scope, "owner")).Val() == 1
			return had && s.Client.Exists(t.Context(), in.ScopeKey(scope, "owner", "lease")).Val() == 0
		})
		h, _ := byHand(t, in, inbox.RunOptions{})
		turn := receive(t, h.turns)
		if turn.Attempt != 1 || turn.Message.Key != "1" {
			t.Errorf("attempt %d of %s", turn.Attempt, turn.Message.Key)
		}
		if err := turn.Close(t.Context()); err != nil {
			t.Error(err)
		}
		h.out <- nil
		select {
		case m := <-handled:
			t.Errorf("the older replica answered %s", m.Key)
		default:
		}
	})
}

func TestAStrangeMessageHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		in := newInbox(t, s)
		put(t, in, toNew("strange"))
		put(t, in, message("1", "C1", "hello"))
		handled := older(t, s)
		if m := receive(t, handled); m.Key != "1" {
			t.Errorf("%s was handled", m.Key)
		}
		put(t, in, message("2", "C1", "hello"))
		if m := receive(t, handled); m.Key != "2" {
			t.Errorf("%s was handled", m.Key)
		}
		// One that nobody wanted for so long goes to the handler, which says so.
		m := toNew("old")
		m.At = time.Now().Add(-inbox.ForeignFor)
		put(t, in, m)
		if m := receive(t, handled); m.Key != "old" {
			t.Errorf("%s was handled", m.Key)
		}
		if n := stored(t, s, in); n != 1 {
			t.Errorf("%d messages are stored, the strange one should be", n)
		}
	})
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Second, errors.New("waited in vain: "+what))
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatal(context.Cause(ctx))
		case <-tick.C:
		}
	}
}
