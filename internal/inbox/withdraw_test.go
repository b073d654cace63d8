// Questions that were taken back.

package inbox_test

import (
	"errors"
	"testing"

	"parley/internal/chat"
	"parley/internal/inbox"
	"parley/internal/store"
	"parley/internal/store/storetest"
)

func TestADeletedQuestionEndsItsTurnFromAnyReplicaAndAfterATakeover(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		owner, other := newInbox(t, s), newInbox(t, s)
		ctx := t.Context()
		h, stop := byHand(t, owner, inbox.RunOptions{})
		put(t, other, message("1", "C1", "hello"))
		turn := receive(t, h.turns)
		if known, err := other.Withdraw(ctx, scope, "1"); err != nil || !known {
			t.Fatalf("known %v, %v", known, err)
		}
		if err := receive(t, h.ends); !errors.Is(err, chat.ErrWithdrawn) {
			t.Errorf("the handler's context ended with %v", err)
		}
		// Closing keeps nothing of it, however late the handler heard.
		if err := turn.Close(ctx, count(owner, "kept")); !errors.Is(err, chat.ErrWithdrawn) {
			t.Errorf("closing gave %v", err)
		}
		stop()
		next, _ := byHand(t, other, inbox.RunOptions{})
		again := receive(t, next.turns)
		if err := receive(t, next.ends); !errors.Is(err, chat.ErrWithdrawn) {
			t.Errorf("after a takeover the context ended with %v", err)
		}
		if err := again.Discard(ctx); err != nil {
			t.Fatal(err)
		}
		if n := stored(t, s, other); n != 0 {
			t.Errorf("%d entries are left", n)
		}
		if n := s.Client.Exists(ctx, owner.ScopeKey(scope, "kept")).Val(); n != 0 {
			t.Error("something of the deleted question was kept")
		}
	})
}

func TestADeletionIsFoundAlsoWhenNothingIsPublished(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		in := newInbox(t, s)
		h, _ := byHand(t, in, inbox.RunOptions{})
		put(t, in, message("1", "C1", "hello"))
		receive(t, h.turns)
		if err := s.Client.ZAdd(t.Context(), in.ScopeKey(scope, "withdrawn"), inbox.WithdrawnMember("1")).Err(); err != nil {
			t.Fatal(err)
		}
		if err := receive(t, h.ends); !errors.Is(err, chat.ErrWithdrawn) {
			t.Errorf("the handler's context ended with %v", err)
		}
	})
}

func TestAQuestionWhoseDeletionCameFirstIsNotStored(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		in := newInbox(t, s)
		if known, err := in.Withdraw(t.Context(), scope, "1"); err != nil || known {
			t.Errorf("known %v, %v", known, err)
		}
		put(t, in, message("1", "C1", "too late"))
		if n := stored(t, s, in); n != 0 {
			t.Errorf("%d entries are stored", n)
		}
	})
}
