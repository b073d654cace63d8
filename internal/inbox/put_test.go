// What Put stores, and what it does not.

package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/internal/inbox"
	"parley/internal/secret"
	"parley/internal/store"
	"parley/internal/store/storetest"
)

func stored(t testing.TB, s *store.Store, in *inbox.Inbox) int64 {
	t.Helper()
	n, err := s.Client.XLen(t.Context(), in.ScopeKey(scope, "events")).Result()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestASecondDeliveryIsNotStoredAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		in := newInbox(t, s)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { put(t, in, message("same", "C1", "hello")) })
		}
		wg.Wait()
		put(t, newInbox(t, s), message("same", "C1", "hello")) // by another replica
		if n := stored(t, s, in); n != 1 {
			t.Errorf("%d entries", n)
		}
		other := message("same", "C1", "hello")
		other.Scope = "slack:A02:T01" // the same event for another app
		put(t, in, other)
		if n := s.Client.XLen(t.Context(), in.ScopeKey(other.Scope, "events")).Val(); n != 1 {
			t.Error("another app's delivery was taken for the same")
		}
	})
}

func TestAThreadIsFollowedOnceTheBotTakesPart(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		in := newInbox(t, s)
		in2 := newInbox(t, s) // another replica knows as much
		say := func(key, thread string, why chat.Trigger, direct bool) int64 {
			t.Helper()
			before := stored(t, s, in)
			m := message(key, "C1", "hello")
			m.Place.Thread, m.Trigger, m.Place.Direct = thread, why, direct
			put(t, in2, m)
			return stored(t, s, in) - before
		}
		for _, c := range []struct {
			key, thread string
			why         chat.Trigger
			direct      bool
			want        int64
			what        string
		}{
			{"1", "t1", chat.Thread, false, 0, "a thread of others"},
			{"2", "t1", chat.Mention, false, 1, "a mention in it"},
			{"3", "t1", chat.Thread, false, 1, "a follow-up"},
			{"4", "t2", chat.Thread, false, 0, "another thread"},
			{"5", "t2", chat.Answer, false, 1, "a reply to the bot"},
			{"6", "t2", chat.Thread, false, 1, "a follow-up to that"},
			{"7", "t3", chat.Direct, true, 1, "a direct message in a thread"},
			{"8", "t3", chat.Thread, true, 1, "its follow-up"},
			{"9", "", chat.Mention, false, 1, "a mention outside threads"},
			// Slack sends a mention twice, as two kinds of event, in any order.
			{"10", "t4", chat.Thread, false, 0, "the general event first"},
			{"10", "t4", chat.Mention, false, 1, "the mention itself, same key"},
			{"10", "t4", chat.Thread, false, 0, "the general event again"},
		} {
			if got := say(c.key, c.thread, c.why, c.direct); got != c.want {
				t.Errorf("%s: stored %d, want %d", c.what, got, c.want)
			}
		}
		m := message("11", "C1", "hello")
		m.Place.Thread, m.Trigger, m.Joined = "t5", chat.Thread, true
		before := stored(t, s, in)
		put(t, in, m)
		if stored(t, s, in) != before+1 || say("12", "t5", chat.Thread, false) != 1 {
			t.Error("a thread that the bot began is not followed")
		}
	})
}

func TestNothingReadableIsStored(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		in := newInbox(t, s)
		m := message("key-of-message", "C1", "the launch code is 0000")
		m.Place.Thread = "thread-7"
		m.Author.Name = "Ada Lovelace"
		put(t, in, m)
		begun := make(chan struct{})
		run(t, in, func(ctx context.Context, turn *inbox.Turn) error {
			if err := turn.Record(ctx, inbox.Part{Key: "part-key", ID: "posted-id"}); err != nil {
				t.Error(err)
			}
			close(begun)
			<-ctx.Done()
			return context.Cause(ctx)
		}, inbox.RunOptions{})
		receive(t, begun)
		var all strings.Builder
		for _, key := range s.Client.Keys(t.Context(), "*").Val() {
			all.WriteString(key)
			for _, e := range s.Client.XRange(t.Context(), key, "-", "+").Val() {
				for _, v := range e.Values {
					all.WriteString(v.(string))
				}
			}
			for _, v := range s.Client.HGetAll(t.Context(), key).Val() {
				all.WriteString(v)
			}
			all.WriteString(strings.Join(s.Client.SMembers(t.Context(), key).Val(), " "))
		}
		for _, plain := range []string{"launch code", "Ada", "key-of-message", "thread-7", "posted-id", "part-key"} {
			if strings.Contains(all.String(), plain) {
				t.Errorf("%q can be read in the store", plain)
			}
		}
		if !strings.Contains(all.String(), "k1") {
			t.Error("the test looked at nothing: no sealed value found")
		}
	})
}

func TestPutFailsWhenTooFewReplicasHoldTheMessage(t *testing.T) {
	t.Parallel()
	master := storetest.Start(t, "--repl-diskless-sync-delay", "0")
	host, port, _ := net.SplitHostPort(master.Addr)
	replica := storetest.Start(t, "--replicaof", host, port)
	s := storetest.Open(t, "redis://"+master.Addr)
	one := newInbox(t, s, func(o *inbox.Options) { o.WaitReplicas = 1 })
	two := newInbox(t, s, func(o *inbox.Options) { o.WaitReplicas = 2 })

	deadline, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for one.Put(deadline, message("a", "C1", "hello")) != nil { // until the replica has joined
		if deadline.Err() != nil {
			t.Fatal("the replica never confirmed")
		}
	}
	direct := redis.NewClient(&redis.Options{Addr: replica.Addr})
	defer direct.Close()
	if n := direct.XLen(t.Context(), one.ScopeKey(scope, "events")).Val(); n != 1 {
		t.Errorf("Put said it is safe, and the replica holds %d entries", n)
	}
	for range 2 { // the second finds the message seen, and it is still not safe
		err := two.Put(t.Context(), message("b", "C1", "hello"))
		if err == nil || !strings.Contains(err.Error(), "of 2 replicas") {
			t.Errorf("with one replica of two: %v", err)
		}
	}
	replica.Kill()
	for range 2 {
		if err := one.Put(t.Context(), message("c", "C1", "hello")); err == nil {
			t.Error("Put said it is safe without any replica")
		}
	}
	if err := one.Put(t.Context(), message("a", "C1", "hello")); err == nil {
		t.Error("a second delivery was confirmed although no replica could")
	}
}

func TestPutFailsWhenTheStoreDoes(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	s := storetest.Open(t, "redis://"+server.Addr)
	in := newInbox(t, s)
	put(t, in, message("a", "C1", "hello"))
	server.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := in.Put(ctx, message("b", "C1", "hello")); err == nil {
		t.Error("Put said it is safe")
	}
}

func TestAMessageThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	in := newInbox(t, storetest.Open(t, ""))
	for what, m := range map[string]chat.Message{
		"no key":   message("", "C1", "hello"),
		"no scope": {Key: "k"},
		"braces":   {Key: "k", Scope: "a{b}"},
	} {
		if err := in.Put(t.Context(), m); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
}

func TestAStopIsNotTheStoresFault(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var log strings.Builder
		in := newInbox(t, s, func(o *inbox.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := in.CheckRing(ctx); !errors.Is(err, context.Canceled) || log.Len() > 0 {
			t.Errorf("stopped at once: %v, logged %q", err, log.String())
		}
	})
}

func TestOtherMasterKeysAreNoticedBeforeAnythingIsSetAside(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		oldKey, newKey := secret.GenerateKey("old"), secret.GenerateKey("new")
		with := func(keys string) *inbox.Inbox {
			r, err := secret.ParseRing(keys)
			if err != nil {
				t.Fatal(err)
			}
			return newInbox(t, s, func(o *inbox.Options) { o.Ring = r })
		}
		if err := with(oldKey).CheckRing(t.Context()); err != nil {
			t.Fatal(err)
		}
		put(t, with(oldKey), message("a", "C1", "hello"))
		err := with(newKey).Run(t.Context(), func(context.Context, *inbox.Turn) error { return nil }, inbox.RunOptions{})
		if !errors.Is(err, secret.ErrSealed) || !strings.Contains(err.Error(), "MASTER_KEYS") {
			t.Errorf("Run with other keys: %v", err)
		}
		if n := stored(t, s, with(oldKey)); n != 1 {
			t.Error("the message is gone")
		}
		for _, keys := range []string{newKey + "," + oldKey, newKey} { // rotation
			if err := with(keys).CheckRing(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

// Slack's "ts" is text, and what comes through a gateway may be anything.
func TestATimeThatNoClockCanShowIsNoReasonToRefuse(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		in := newInbox(t, s)
		times := []time.Time{{}, time.Unix(1<<55, 0), time.Unix(-1<<40, 0), time.Unix(0, 0)}
		for n, at := range times {
			m := message(fmt.Sprint("m", n), fmt.Sprint("C", n), "hello")
			m.At = at
			put(t, in, m)
		}
		handled := make(chan time.Time, len(times))
		run(t, in, func(ctx context.Context, turn *inbox.Turn) error {
			defer func() { handled <- turn.Message.At }()
			return turn.Close(ctx)
		}, inbox.RunOptions{})
		for range times {
			if at := receive(t, handled); time.Since(at).Abs() > time.Hour {
				t.Errorf("a message says that it was written at %s", at)
			}
		}
	})
	m := message("", "C1", "hello")
	if err := newInbox(t, storetest.Open(t, "")).Put(t.Context(), m); !errors.Is(err, chat.ErrUnstorable) {
		t.Errorf("a message without a key: %v", err)
	}
}
