// Questions that were taken back.

package inbox_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

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
		if known, err := other.Withdraw(ctx, message("1", "C1", "")); err != nil || !known {
			t.Fatalf("known %v, %v", known, err)
		}
		if err := receive(t, h.ends); !errors.Is(err, chat.ErrWithdrawn) {
			t.Errorf("the handler's context ended with %v", err)
		}
		// What the turn owes is known to who closes it, in any process.
		if err := turn.Owe(ctx, count(owner, "cost")); err != nil {
			t.Fatal(err)
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
		if err := again.Discard(ctx, again.Owed()...); err != nil {
			t.Fatal(err)
		}
		counted := s.Client.HGetAll(ctx, owner.ScopeKey(scope, "answers")).Val()
		if counted["cost"] != "1" {
			t.Errorf("what the turn owed is lost: %v", counted)
		}
		if n := stored(t, s, other); n != 0 {
			t.Errorf("%d entries are left", n)
		}
		if _, kept := counted["kept"]; kept {
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
		if known, err := in.Withdraw(t.Context(), message("1", "C1", "")); err != nil || known {
			t.Errorf("known %v, %v", known, err)
		}
		put(t, in, message("1", "C1", "too late"))
		if n := stored(t, s, in); n != 0 {
			t.Errorf("%d entries are stored", n)
		}
	})
}

// The deletion reaches one process and the message another, which may be the
// one that answers.
func TestADeletionThatCameFirstHoldsOnEveryReplica(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		owner, other, third := newInbox(t, s), newInbox(t, s), newInbox(t, s)
		h, _ := byHand(t, owner, inbox.RunOptions{})
		put(t, other, message("0", "C1", "so that the scope has an owner"))
		receive(t, h.turns)
		if known, err := other.Withdraw(t.Context(), message("1", "C2", "")); err != nil || known {
			t.Fatalf("known %v, %v", known, err)
		}
		put(t, third, message("1", "C2", "too late")) // it has no owner's ears, and stores
		turn := receive(t, h.turns)
		if err := receive(t, h.ends); !errors.Is(err, chat.ErrWithdrawn) || turn.Message.Key != "1" {
			t.Errorf("message %s: the handler's context ended with %v", turn.Message.Key, err)
		}
	})
}

// Most of what people delete was never for a bot: it costs the store nothing.
func TestADeletionOfWhatNobodyKnowsCostsNoWrite(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx, in := t.Context(), newInbox(t, s)
		old := message("2", "C1", "")
		old.At = time.Now().Add(-time.Hour)
		for _, m := range []chat.Message{message("1", "C1", ""), old} {
			if known, err := in.Withdraw(ctx, m); err != nil || known {
				t.Fatalf("known %v, %v", known, err)
			}
		}
		if keys := s.Client.Keys(ctx, "*").Val(); len(keys) != 0 {
			t.Errorf("the store holds %q", keys)
		}
		// What is too old to be on its way is not waited for either.
		put(t, in, old)
		if n := stored(t, s, in); n != 1 {
			t.Errorf("%d entries are stored", n)
		}
	})
}

func TestOnlySoManyDeletionsWaitForTheirMessages(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		in := newInbox(t, s)
		for k := range inbox.MostEarly + 1 {
			if _, err := in.Withdraw(t.Context(), message(strconv.Itoa(k), "C1", "")); err != nil {
				t.Fatal(err)
			}
		}
		for _, key := range []string{"0", "1", strconv.Itoa(inbox.MostEarly)} {
			put(t, in, message(key, "C1", "hello"))
		}
		if n := stored(t, s, in); n != 1 { // the oldest is forgotten, and stored
			t.Errorf("%d entries are stored", n)
		}
	})
}
