// Messages for bots that not every process has, as in a rolling deploy.

package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
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
		answeredBeside(t, in, handled, "1")
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
		// Nor is one that nobody wanted for so long dropped.
		put(t, in, old("old", 0))
		put(t, in, message("3", "C1", "hello"))
		if m := receive(t, handled); m.Key != "3" {
			t.Errorf("%s was handled", m.Key)
		}
		if n := stored(t, s, in); n != 2 {
			t.Errorf("%d messages are stored, the two strange ones should be", n)
		}
	})
}

// old is a message that has waited for ForeignFor, but for left.
func old(key string, left time.Duration) chat.Message {
	m := toNew(key)
	m.At = time.Now().Add(left - inbox.ForeignFor)
	return m
}

func TestAScopeIsServedAlthoughOldMessagesWaitForAnotherProcess(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		in := newInbox(t, s)
		put(t, in, old("old", 0))
		handled := older(t, s)
		until(t, "the scope is taken", func() bool {
			return s.Client.Exists(t.Context(), in.ScopeKey(scope, "owner")).Val() == 1
		})
		tenure := func() string { return s.Client.Get(t.Context(), in.ScopeKey(scope, "owner")).Val() }
		before := tenure()
		put(t, in, message("1", "C1", "hello"))
		if m := receive(t, handled); m.Key != "1" {
			t.Errorf("%s was handled", m.Key)
		}
		if after := tenure(); after != before {
			t.Errorf("the scope was left meanwhile: tenure %s, then %s", before, after)
		}
		if n := stored(t, s, in); n != 1 {
			t.Errorf("%d messages are stored, the strange one should be", n)
		}
	})
}

func TestAScopeIsOfferedOnceAMessageHasWaitedForLong(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		in := newInbox(t, s)
		put(t, in, old("strange", 2*time.Second))
		put(t, in, message("1", "C1", "hello"))
		handled := older(t, s)
		if m := receive(t, handled); m.Key != "1" {
			t.Errorf("%s was handled", m.Key)
		}
		answeredBeside(t, in, handled, "strange")
	})
}

func TestStrangeMessagesFillNoLog(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.Redis(t))
	log := make(lines, 100)
	in := newInbox(t, s, func(o *inbox.Options) { o.Log = slog.New(slog.NewTextHandler(log, nil)) })
	for n := range 50 {
		put(t, in, toNew(fmt.Sprint("strange", n)))
	}
	put(t, in, message("1", "C1", "hello"))
	handled := make(chan struct{}, 1)
	stop := run(t, in, func(ctx context.Context, turn *inbox.Turn) error {
		defer func() { handled <- struct{}{} }()
		return turn.Close(ctx)
	}, inbox.RunOptions{Serves: func(m chat.Message) bool { return m.Bot != "new" }})
	receive(t, handled)
	// The rest of the backlog may be read after the first message was answered.
	if line := log.next(t, "cannot answer"); !strings.Contains(line, "messages=50") {
		t.Errorf("the log of 50 strange messages: %s", line)
	}
	stop()
	for len(log) > 0 {
		if line := <-log; strings.Contains(line, "cannot answer") {
			t.Errorf("another line: %s", line)
		}
	}
}

// lines is a log that can be waited for.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

// next waits for the next line that holds words.
func (l lines) next(t *testing.T, words string) string {
	t.Helper()
	for {
		if line := receive(t, l); strings.Contains(line, words) {
			return line
		}
	}
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

// answeredBeside runs a replica that can answer everything beside the older one,
// and wants key to be answered by it, at the first attempt.
func answeredBeside(t *testing.T, in *inbox.Inbox, older <-chan chat.Message, key string) {
	t.Helper()
	h, _ := byHand(t, in, inbox.RunOptions{})
	turn := receive(t, h.turns)
	if turn.Attempt != 1 || turn.Message.Key != key {
		t.Errorf("attempt %d of %s", turn.Attempt, turn.Message.Key)
	}
	if err := turn.Close(t.Context()); err != nil {
		t.Error(err)
	}
	h.out <- nil
	select {
	case m := <-older:
		t.Errorf("the older replica answered %s", m.Key)
	default:
	}
}
