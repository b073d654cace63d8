// When the store is lost, away, full or lets nobody in.

package inbox_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/inbox"
	"parley/internal/store"
	"parley/internal/store/storetest"
)

func TestALostLeaseEndsHandlersAndGuardedCalls(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		in := newInbox(t, s)
		h, _ := byHand(t, in, inbox.RunOptions{})
		put(t, in, message("1", "C1", "hello"))
		turn := receive(t, h.turns)
		guarded, cancel, err := turn.Guard(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer cancel()
		// Another process took over: the token has changed.
		if err := s.Client.Set(t.Context(), in.ScopeKey(scope, "owner"), "99.other", 0).Err(); err != nil {
			t.Fatal(err)
		}
		if err := receive(t, h.ends); !errors.Is(err, inbox.ErrLost) {
			t.Errorf("the handler's context ended with %v", err)
		}
		<-guarded.Done()
		if cause := context.Cause(guarded); !errors.Is(cause, inbox.ErrLost) {
			t.Errorf("a guarded call ended with %v", cause)
		}
		if err := turn.Close(t.Context()); !errors.Is(err, inbox.ErrLost) {
			t.Errorf("Close: %v", err)
		}
		// The scope is taken again, and the message answered.
		again := receive(t, h.turns)
		if again.Attempt != 2 {
			t.Errorf("attempt %d", again.Attempt)
		}
		if err := again.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestAnOwnerCutOffFromTheStoreEndsBeforeItsLeaseDoes(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	s := storetest.Open(t, "redis://"+server.Addr)
	const lease = 10 * time.Second // long, so that what is left of it outlasts a busy machine's pauses
	in := newInbox(t, s, func(o *inbox.Options) { o.Lease = lease })
	h, _ := byHand(t, in, inbox.RunOptions{})
	put(t, in, message("1", "C1", "hello"))
	turn := receive(t, h.turns)
	server.Kill()
	at := time.Now()
	if err := receive(t, h.ends); !errors.Is(err, inbox.ErrLost) {
		t.Errorf("the handler's context ended with %v", err)
	}
	if d := time.Since(at); d > lease {
		t.Errorf("it went on for %s, its lease is %s", d, lease)
	}
	if _, _, err := turn.Guard(t.Context()); !errors.Is(err, inbox.ErrLost) {
		t.Errorf("Guard: %v", err)
	}
}

func TestWorkGoesOnAfterTheStoreWasKilledAndCameBack(t *testing.T) {
	t.Parallel()
	durable := []string{"--appendonly", "yes", "--appendfsync", "always"}
	server := storetest.Start(t, durable...)
	s := storetest.Open(t, "redis://"+server.Addr)
	in := newInbox(t, s)
	h, _ := byHand(t, in, inbox.RunOptions{})
	put(t, in, message("1", "C1", "hello"))
	turn := receive(t, h.turns)
	if err := turn.Record(t.Context(), inbox.Part{Key: "k", ID: "m"}); err != nil {
		t.Fatal(err)
	}
	put(t, in, message("2", "C1", "hello"))
	server.Kill()
	_, port, _ := net.SplitHostPort(server.Addr)
	storetest.Start(t, append(durable, "--port", port, "--dir", server.Dir)...)
	// Back before the lease ended, it goes on; back later, it begins again.
	err := turn.Close(t.Context())
	if errors.Is(err, inbox.ErrLost) {
		turn = receive(t, h.turns)
		if len(turn.Posted) != 1 || turn.Attempt != 2 {
			t.Errorf("after the store came back: %+v", turn)
		}
		err = turn.Close(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	h.out <- nil
	if second := receive(t, h.turns); second.Message.Key != "2" {
		t.Errorf("then came %s", second.Message.Key)
	}
}

func TestAFullRedisTakesNoMessageAndLosesNoAnswer(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.Redis(t))
	in := newInbox(t, s)
	h, _ := byHand(t, in, inbox.RunOptions{})
	put(t, in, message("1", "C1", "hello"))
	turn := receive(t, h.turns)
	ctx := t.Context()
	if err := s.Client.ConfigSet(ctx, "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if err := in.Put(ctx, message("2", "C1", "hello")); err == nil {
		t.Error("a full Redis took a message")
	}
	closed := make(chan error, 1)
	go func() {
		closed <- turn.Close(ctx, inbox.Write{Key: in.ScopeKey(scope, "transcript"), Value: []byte("x")})
	}()
	// The lease is renewed all the same, over more than its length.
	lease := in.ScopeKey(scope, "owner", "lease")
	before, renewals := time.Duration(0), 0
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); renewals < 5; <-tick.C {
		left := s.Client.PTTL(ctx, lease).Val()
		if left > before && before > 0 {
			renewals++
		}
		before = left
		if left < 0 || time.Since(began) > time.Minute {
			t.Fatalf("the lease was lost after %d renewals", renewals)
		}
	}
	select {
	case err := <-closed:
		t.Fatalf("Close on a full Redis ended with %v", err)
	case err := <-h.ends:
		t.Fatalf("the handler ended with %v", err)
	default:
	}
	if err := s.Client.ConfigSet(ctx, "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, closed); err != nil {
		t.Error(err)
	}
	if v := s.Client.Get(ctx, in.ScopeKey(scope, "transcript")).Val(); v != "x" {
		t.Errorf("transcript = %q", v)
	}
}

// A password is rotated: for a while the store lets nobody in.
func TestAnAnswerIsClosedOnceTheStoreLetsUsInAgain(t *testing.T) {
	t.Parallel()
	for name, lock := range map[string]struct{ out, in []any }{
		"password": {[]any{"CONFIG", "SET", "requirepass", "new"}, []any{"CONFIG", "SET", "requirepass", ""}},
		"rights":   {[]any{"ACL", "SETUSER", "default", "-@all"}, []any{"ACL", "SETUSER", "default", "+@all"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := storetest.Redis(t)
			s := storetest.Open(t, url)
			o, err := redis.ParseURL(url)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Client.Do(t.Context(), "ACL", "SETUSER", "operator", "on", ">pass", "~*", "&*", "+@all").Err(); err != nil {
				t.Fatal(err)
			}
			o.Username, o.Password = "operator", "pass"
			operator := redis.NewClient(o)
			defer operator.Close()
			do := func(args ...any) {
				t.Helper()
				if err := operator.Do(t.Context(), args...).Err(); err != nil {
					t.Fatal(err)
				}
			}
			in := newInbox(t, s, func(o *inbox.Options) { o.Lease = 20 * time.Second })
			h, _ := byHand(t, in, inbox.RunOptions{})
			put(t, in, message("1", "C1", "hello"))
			turn := receive(t, h.turns)
			do(lock.out...)
			do("CLIENT", "KILL", "USER", "default")
			closed := make(chan error, 1)
			go func() { closed <- turn.Close(t.Context()) }()
			select {
			case err := <-closed:
				t.Errorf("gave up: %v", err)
			case <-time.After(300 * time.Millisecond):
			}
			do(lock.in...)
			if err := receive(t, closed); err != nil {
				t.Error(err)
			}
			h.out <- nil
		})
	}
}
