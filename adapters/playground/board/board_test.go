// The board on the embedded store and on a real Redis.

package board

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/secret"
	"parley/internal/store"
	"parley/internal/store/storetest"
)

func open(t *testing.T, s *store.Store, keys ...string) *Board {
	t.Helper()
	if len(keys) == 0 {
		keys = []string{secret.GenerateKey("k")}
	}
	ring, err := secret.ParseRing(strings.Join(keys, ","))
	if err != nil {
		t.Fatal(err)
	}
	return New(Options{Client: s.Client, Prefix: "test", Ring: ring, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
}

func at(second int) time.Time {
	return time.Unix(1_800_000_000, 0).Add(time.Duration(second) * time.Second)
}

func add(t *testing.T, b *Board, room, id string, second int) {
	t.Helper()
	added, err := b.Add(t.Context(), room, id, at(second), []byte("text of "+id))
	if err != nil || !added {
		t.Fatalf("add %s: %v, %v", id, added, err)
	}
}

func list(t *testing.T, b *Board, room string, before time.Time, n int) string {
	t.Helper()
	ids, data, err := b.List(t.Context(), room, before, n)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		if string(data[i]) != "text of "+id {
			t.Errorf("%s says %q", id, data[i])
		}
	}
	return strings.Join(ids, " ")
}

func TestRecordsStandInOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := open(t, s)
		for i, id := range []string{"a", "c", "b", "d"} {
			add(t, b, "C-general", id, []int{1, 3, 2, 4}[i])
		}
		add(t, b, "C-general/a", "e", 9)
		for _, c := range []struct {
			room   string
			before time.Time
			n      int
			want   string
		}{
			{"C-general", time.Time{}, 10, "a b c d"},
			{"C-general", time.Time{}, 2, "c d"},
			{"C-general", at(3), 10, "a b"},
			{"C-general", at(1), 10, ""},
			{"C-general/a", time.Time{}, 10, "e"},
			{"C-random", time.Time{}, 10, ""},
		} {
			if got := list(t, b, c.room, c.before, c.n); got != c.want {
				t.Errorf("%s before %v: %q, want %q", c.room, c.before, got, c.want)
			}
		}
		counts, last, err := b.Sizes(t.Context(), []string{"C-general", "C-random", "C-general/a"})
		if err != nil || fmt.Sprint(counts) != "[4 0 1]" || !last[0].Equal(at(4)) || !last[1].IsZero() || !last[2].Equal(at(9)) {
			t.Errorf("%v %v %v", counts, last, err)
		}
		if counts, _, err := b.Sizes(t.Context(), nil); err != nil || len(counts) != 0 {
			t.Errorf("sizes of nothing: %v %v", counts, err)
		}
	})
}

// A second try, by any process, leaves what stands.
func TestAddingTwiceAddsOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		key := secret.GenerateKey("k")
		one, two := open(t, s, key), open(t, s, key)
		add(t, one, "r", "a", 1)
		if found, err := one.Set(t.Context(), "r", "a", []byte("more")); err != nil || !found {
			t.Fatal(found, err)
		}
		if added, err := two.Add(t.Context(), "r", "a", at(5), []byte("text of a")); err != nil || added {
			t.Fatalf("added %v, %v", added, err)
		}
		data, found, err := two.Get(t.Context(), "a")
		if err != nil || !found || string(data) != "more" {
			t.Errorf("%q %v %v", data, found, err)
		}
		if counts, last, _ := one.Sizes(t.Context(), []string{"r"}); counts[0] != 1 || !last[0].Equal(at(1)) {
			t.Errorf("%v %v", counts, last)
		}
		for range 2 {
			if err := one.Remove(t.Context(), "r", "a"); err != nil {
				t.Fatal(err)
			}
		}
		if got := list(t, one, "r", time.Time{}, 5); got != "" {
			t.Errorf("after the removal there is %q", got)
		}
		if found, err := one.Set(t.Context(), "r", "gone", []byte("x")); err != nil || found {
			t.Errorf("set what is not there: %v %v", found, err)
		}
		if _, found, err := one.Get(t.Context(), "gone"); err != nil || found {
			t.Errorf("setting made a record: %v %v", found, err)
		}
	})
}

func TestARoomForgetsItsOldest(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := open(t, s)
		b.keep = 10
		for i := range 13 {
			add(t, b, "r", fmt.Sprintf("id%d", i), i)
		}
		ids, _, err := b.List(t.Context(), "r", time.Time{}, 100)
		if err != nil || len(ids) != 10 || ids[0] != "id3" {
			t.Errorf("%d records %v, %v", len(ids), ids, err)
		}
		if _, found, _ := b.Get(t.Context(), "id0"); found {
			t.Error("the oldest is still there")
		}
		if left := s.Client.TTL(t.Context(), "test:{playground}:board:rec:id9").Val(); left <= 0 || left > keepFor {
			t.Errorf("a record lives %v", left)
		}
	})
}

// Nothing readable is in the store, and no record can be moved to another's
// place.
func TestRecordsAreSealed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := open(t, s)
		add(t, b, "r", "a", 1)
		add(t, b, "r", "b", 2)
		keys := s.Client.Keys(t.Context(), "*").Val()
		if len(keys) == 0 {
			t.Fatal("no keys")
		}
		for _, key := range keys {
			if !strings.HasPrefix(key, "test:{playground}:board:") {
				t.Errorf("key %s", key)
			}
		}
		raw := s.Client.Get(t.Context(), "test:{playground}:board:rec:a").Val()
		if strings.Contains(raw, "text") {
			t.Error("the text is readable in the store")
		}
		s.Client.Set(t.Context(), "test:{playground}:board:rec:b", raw, 0)
		if _, _, err := b.Get(t.Context(), "b"); err == nil {
			t.Error("a record moved to another place was opened")
		}
		if ids, _, err := b.List(t.Context(), "r", time.Time{}, 5); err != nil || strings.Join(ids, " ") != "a" {
			t.Errorf("the room shows %v, %v; want what can be opened", ids, err)
		}
		old := secret.GenerateKey("old")
		add(t, open(t, s, old), "rotated", "c", 1)
		if got := list(t, open(t, s, secret.GenerateKey("new"), old), "rotated", time.Time{}, 5); got != "c" {
			t.Errorf("after a rotation the room shows %q", got)
		}
	})
}

// seen collects what a watcher is told.
type seen struct {
	mu    sync.Mutex
	lines []string
	news  chan struct{}
}

func (s *seen) changed(room, id, note string) {
	s.mu.Lock()
	s.lines = append(s.lines, strings.TrimSpace(room+" "+id+" "+note))
	s.mu.Unlock()
	select {
	case s.news <- struct{}{}:
	default:
	}
}

func (s *seen) until(t *testing.T, want string) {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		s.mu.Lock()
		got := strings.Join(s.lines, "; ")
		s.mu.Unlock()
		if strings.Contains(got, want) {
			return
		}
		select {
		case <-s.news:
		case <-limit:
			t.Fatalf("heard %q, want %q", got, want)
		}
	}
}

func TestEveryReplicaHearsOfChanges(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		key := secret.GenerateKey("k")
		writer, reader := open(t, s, key), open(t, s, key)
		ctx, cancel := context.WithCancel(t.Context())
		heard := &seen{news: make(chan struct{}, 1)}
		ended := make(chan error, 1)
		go func() { ended <- reader.Watch(ctx, heard.changed) }()
		// Once subscribed it says that changes may have been missed before.
		heard.until(t, "")
		limit := time.After(time.Minute)
		for subscribed := false; !subscribed; {
			select {
			case <-heard.news:
				subscribed = true
			case <-limit:
				t.Fatal("never subscribed")
			}
		}
		add(t, writer, "C-general", "a", 1)
		if _, err := writer.Set(t.Context(), "C-general", "a", []byte("more")); err != nil {
			t.Fatal(err)
		}
		if err := writer.Signal(t.Context(), "D-helper", "thinking helper"); err != nil {
			t.Fatal(err)
		}
		heard.until(t, "C-general a; C-general a; D-helper  thinking helper")
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	})
}

// A feed that breaks says so instead of going deaf.
func TestABrokenFeedIsReported(t *testing.T) {
	server := storetest.Start(t)
	s := storetest.Open(t, "redis://"+server.Addr)
	b := open(t, s)
	heard := &seen{news: make(chan struct{}, 1)}
	ended := make(chan error, 1)
	go func() { ended <- b.Watch(t.Context(), heard.changed) }()
	<-heard.news
	server.Kill()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("ended without a reason")
		}
	case <-time.After(time.Minute):
		t.Error("the feed did not notice that Redis went away")
	}
	if _, err := b.Add(t.Context(), "r", "a", at(1), nil); err == nil {
		t.Error("adding to a store that is gone succeeded")
	}
}
