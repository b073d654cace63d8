package inbox_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/inbox"
	"parley/internal/secret"
	"parley/internal/store"
	"parley/internal/store/storetest"
)

const scope = "slack:A01:T01"

func ring(t testing.TB) *secret.Ring {
	t.Helper()
	// The same for every replica of a test.
	r, err := secret.ParseRing("k1:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 32)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func message(key, channel, text string) chat.Message {
	return chat.Message{
		Key: key, ID: chat.MessageID(key), Scope: scope, Bot: "helper", Trigger: chat.Mention, Text: text,
		Place:  chat.Place{Platform: "slack", Workspace: "T01", Channel: channel},
		Author: chat.Author{ID: "U1"}, At: time.Now(),
	}
}

// run runs an inbox until the test or the returned function ends it.
func run(t testing.TB, in *inbox.Inbox, h inbox.Handler, o inbox.RunOptions) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := in.Run(ctx, h, o); err != nil {
			t.Error(err)
		}
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

func newInbox(t testing.TB, s *store.Store, change ...func(*inbox.Options)) *inbox.Inbox {
	t.Helper()
	o := inbox.Options{Client: s.Client, Prefix: "parley", Ring: ring(t), Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for _, c := range change {
		c(&o)
	}
	return inbox.New(o)
}

func put(t testing.TB, in *inbox.Inbox, m chat.Message) {
	t.Helper()
	if err := in.Put(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

// receive takes from c or fails after a while.
func receive[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(time.Minute):
		t.Fatal("nothing came for a minute")
		panic("unreachable")
	}
}

func TestEveryMessageIsHandledOnceHoweverOftenItIsDelivered(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		in := newInbox(t, s)
		var mu sync.Mutex
		handled := map[string]int{}
		all := make(chan struct{}, 1000)
		run(t, in, func(ctx context.Context, turn *inbox.Turn) error {
			if err := turn.Close(ctx); err != nil {
				return err
			}
			mu.Lock()
			handled[turn.Message.Key]++
			mu.Unlock()
			all <- struct{}{}
			return nil
		}, inbox.RunOptions{Grace: time.Second})
		const n = 200
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for i := range n {
					put(t, in, message(fmt.Sprint("m", i), fmt.Sprint("C", i%7), "hello"))
				}
			})
		}
		wg.Wait()
		for range n {
			receive(t, all)
		}
		mu.Lock()
		defer mu.Unlock()
		for key, times := range handled {
			if times != 1 {
				t.Errorf("%s was handled %d times", key, times)
			}
		}
		if len(handled) != n {
			t.Errorf("%d of %d handled", len(handled), n)
		}
		if left := s.Client.XLen(t.Context(), in.ScopeKey(scope, "events")).Val(); left != 0 {
			t.Errorf("%d entries left", left)
		}
		if left := s.Client.HLen(t.Context(), in.ScopeKey(scope, "turns")).Val(); left != 0 {
			t.Errorf("%d fields of turn records left", left)
		}
	})
}

// Answers that occupy every connection must not cost the scope.
func TestALeaseIsRenewedWhileEveryConnectionIsTaken(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.Redis(t)+"?pool_size=2")
	in := newInbox(t, s, func(o *inbox.Options) { o.Urgent = s.Urgent })
	begun, ended := make(chan struct{}, 1), make(chan error, 1)
	run(t, in, func(ctx context.Context, turn *inbox.Turn) error {
		begun <- struct{}{}
		taken, release := context.WithCancel(context.WithoutCancel(ctx))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for taken.Err() == nil {
					_ = s.Client.BLPop(taken, time.Second, "nothing").Err()
				}
			})
		}
		select {
		case <-ctx.Done():
			ended <- context.Cause(ctx)
		case <-time.After(2 * inbox.DefaultLease):
			ended <- nil
		}
		release()
		wg.Wait()
		return turn.Close(context.WithoutCancel(ctx))
	}, inbox.RunOptions{Grace: time.Second})
	put(t, in, message("m1", "C1", "hello"))
	receive(t, begun)
	if err := receive(t, ended); err != nil {
		t.Errorf("the turn ended: %v", err)
	}
}
