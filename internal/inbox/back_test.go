// A Redis that goes back in time: restored from an older snapshot while its
// clients go on.

package inbox_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"parley/internal/inbox"
	"parley/internal/store"
	"parley/internal/store/storetest"
)

func TestMessagesAreAnsweredAfterRedisWentBack(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	s := storetest.Open(t, "redis://"+server.Addr)
	// The tenure outlives the restart: nothing but its own care ends the wait.
	in := newInbox(t, s, func(o *inbox.Options) { o.Lease = 5 * time.Minute })
	h, _ := byHand(t, in, inbox.RunOptions{})
	ctx := t.Context()
	finish := func(key string) {
		t.Helper()
		turn := receive(t, h.turns)
		if turn.Message.Key != key {
			t.Fatalf("%s was handled, want %s", turn.Message.Key, key)
		}
		if err := turn.Close(ctx, count(in, key)); err != nil {
			t.Fatal(err)
		}
		h.out <- nil
	}
	put(t, in, message("first", "C1", "hello"))
	finish("first")
	put(t, in, message("saved", "C1", "hello"))
	running := receive(t, h.turns)
	if err := s.Client.Save(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	snapshot, err := os.ReadFile(filepath.Join(server.Dir, "dump.rdb"))
	if err != nil {
		t.Fatal(err)
	}
	// What Redis forgets: an answer, and messages taken and answered.
	if err := running.Close(ctx, count(in, "saved")); err != nil {
		t.Fatal(err)
	}
	h.out <- nil
	for _, key := range []string{"a", "b", "c"} {
		put(t, in, message(key, "C1", "hello"))
		finish(key)
	}
	put(t, in, message("open", "C1", "hello"))
	open := receive(t, h.turns)

	server.Kill()
	_, port, _ := net.SplitHostPort(server.Addr)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "dump.rdb"), snapshot, 0o600); err != nil {
		t.Fatal(err)
	}
	storetest.Start(t, "--port", port, "--dir", dir)
	// The platform delivers again what it may: that is the same message.
	put(t, in, message("open", "C1", "hello"))
	for _, key := range []string{"x", "y", "z"} {
		put(t, in, message(key, "C1", "hello"))
	}
	if err := open.Record(ctx, inbox.Part{Key: "k", ID: "m"}); err != nil {
		t.Errorf("the running answer could not go on: %v", err)
	}
	if err := open.Close(ctx); err != nil {
		t.Errorf("the running answer could not be closed: %v", err)
	}
	h.out <- nil
	for _, key := range []string{"x", "y", "z"} {
		finish(key)
	}
	until(t, "nothing is left in the stream", func() bool { return stored(t, s, in) == 0 })
	select {
	case turn := <-h.turns:
		t.Errorf("%s was handled twice", turn.Message.Key)
	default:
	}
}

// Two replicas whose clocks differ, and a Redis that went back between: an id
// that was read before may come again, for another message.
func TestAnIdThatComesAgainTakesNobodysPlace(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.Redis(t))
	in := newInbox(t, s, func(o *inbox.Options) { o.Lease = 4 * time.Second })
	h, _ := byHand(t, in, inbox.RunOptions{})
	ctx := t.Context()
	events, last := in.ScopeKey(scope, "events"), in.ScopeKey(scope, "events", "last")
	ahead := time.Now().Add(time.Hour).UnixMilli()
	if err := s.Client.Set(ctx, last, ahead, 0).Err(); err != nil {
		t.Fatal(err)
	}
	put(t, in, message("1", "C1", "hello"))
	turn := receive(t, h.turns)
	// Redis as it was before that message.
	if err := s.Client.Del(ctx, events).Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.Client.Set(ctx, last, ahead, 0).Err(); err != nil {
		t.Fatal(err)
	}
	put(t, in, message("2", "C2", "hello"))
	if err := turn.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if n := stored(t, s, in); n != 1 {
		t.Fatalf("%d messages are stored: the first one's end took the second away", n)
	}
	h.out <- nil
	if next := receive(t, h.turns); next.Message.Key != "2" {
		t.Errorf("%s was handled", next.Message.Key)
	}
}

// A turn whose message the store has forgotten is answered all the same, and
// leaves nothing behind: what stays would count as running for ever.
func TestATurnWithoutItsMessageLeavesNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		in := newInbox(t, s)
		ended := make(chan error, 1)
		run(t, in, func(_ context.Context, turn *inbox.Turn) (err error) {
			ctx := t.Context()
			defer func() { ended <- err }()
			return errors.Join(
				turn.Record(ctx, inbox.Part{Key: "k", ID: "m"}),
				in.Stop(ctx, scope, turn.ID),
				s.Client.Del(ctx, in.ScopeKey(scope, "events")).Err(),
				turn.Close(ctx))
		}, inbox.RunOptions{})
		put(t, in, message("1", "C1", "hello"))
		if err := receive(t, ended); err != nil {
			t.Fatal(err)
		}
		if left, err := s.Client.Exists(t.Context(), in.ScopeKey(scope, "turns"), in.ScopeKey(scope, "stops")).Result(); err != nil || left != 0 {
			t.Errorf("%d keys of the turn are left, %v", left, err)
		}
		if running, err := in.Running(t.Context(), scope); err != nil || len(running) != 0 {
			t.Errorf("there run %+v, %v", running, err)
		}
	})
}
