package inbox_test

import (
	"context"
	"errors"
	"testing"

	"parley/internal/inbox"
	"parley/internal/store"
	"parley/internal/store/storetest"
)

func TestWhoWaitsForATurnIsAskedWhenItCloses(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		in := newInbox(t, s)
		h, _ := byHand(t, in, inbox.RunOptions{})
		put(t, in, message("1", "C1", "hello"))
		turn := receive(t, h.turns)
		asked, settled := make(chan struct{}, 9), make(chan error, 1)
		go func() {
			settled <- in.WaitSettled(t.Context(), scope, func() (bool, error) {
				running, err := in.Running(t.Context(), scope)
				asked <- struct{}{}
				return len(running) == 0, err
			})
		}()
		receive(t, asked)
		if err := turn.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := receive(t, settled); err != nil {
			t.Error(err)
		}
		if n := 1 + len(asked); n != 2 {
			t.Errorf("it was asked %d times, for one close", n)
		}
	})
}

func TestAWaitEndsWithItsContextOrAnError(t *testing.T) {
	t.Parallel()
	in := newInbox(t, storetest.Open(t, ""))
	given := errors.New("given up")
	ctx, cancel := context.WithCancelCause(t.Context())
	err := in.WaitSettled(ctx, scope, func() (bool, error) {
		cancel(given)
		return false, nil
	})
	if !errors.Is(err, given) {
		t.Errorf("a wait whose context ended: %v", err)
	}
	if err := in.WaitSettled(t.Context(), scope, func() (bool, error) { return false, given }); !errors.Is(err, given) {
		t.Errorf("a wait that failed: %v", err)
	}
}
