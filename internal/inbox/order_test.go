// Who waits for whom, and what happens when a handler fails.

package inbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/inbox"
	"parley/internal/store"
	"parley/internal/store/storetest"
)

func TestAConversationIsAnsweredInOrderAndOthersDoNotWait(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		in := newInbox(t, s)
		const lanes, each = 5, 20
		for n := range each {
			for lane := range lanes {
				put(t, in, message(fmt.Sprint(lane, "-", n), fmt.Sprint("C", lane), "hello"))
			}
		}
		var mu sync.Mutex
		order := map[string][]string{}
		inLane := map[string]int{}
		together, most := 0, 0
		done := make(chan struct{}, lanes*each)
		release := make(chan struct{})
		run(t, in, func(ctx context.Context, turn *inbox.Turn) error {
			lane := turn.Message.Lane()
			mu.Lock()
			order[lane] = append(order[lane], turn.Message.Key)
			inLane[lane]++
			together++
			most = max(most, together)
			if inLane[lane] > 1 {
				t.Errorf("two messages of %s at once", lane)
			}
			if most == lanes {
				select {
				case <-release:
				default:
					close(release)
				}
			}
			mu.Unlock()
			receive(t, release) // until every lane has begun
			err := turn.Close(ctx)
			mu.Lock()
			inLane[lane]--
			together--
			mu.Unlock()
			done <- struct{}{}
			return err
		}, inbox.RunOptions{})
		for range lanes * each {
			receive(t, done)
		}
		mu.Lock()
		defer mu.Unlock()
		for lane, keys := range order {
			var want []string
			prefix, _, _ := strings.Cut(keys[0], "-")
			for n := range each {
				want = append(want, fmt.Sprint(prefix, "-", n))
			}
			if !slices.Equal(keys, want) {
				t.Errorf("%s was answered in the order %v", lane, keys)
			}
		}
	})
}

func TestACommandNeverWaits(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		in := newInbox(t, s)
		began := make(chan string, 10)
		run(t, in, func(ctx context.Context, turn *inbox.Turn) error {
			began <- turn.Message.Text
			if turn.Message.Text == "slow" {
				<-ctx.Done()
				return context.Cause(ctx)
			}
			return turn.Close(ctx)
		}, inbox.RunOptions{Handlers: 1})
		put(t, in, message("1", "C1", "slow"))
		if text := receive(t, began); text != "slow" {
			t.Fatal(text)
		}
		put(t, in, message("2", "C1", "behind"))
		put(t, in, message("3", "C2", "another lane, but no free handler"))
		put(t, in, message("6", "C1", "/etc/hosts is odd: a question"))
		put(t, in, message("4", "C1", " /stop"))
		put(t, in, message("5", "C2", "/help"))
		got := []string{receive(t, began), receive(t, began)}
		slices.Sort(got)
		if !slices.Equal(got, []string{" /stop", "/help"}) {
			t.Errorf("began: %q", got)
		}
	})
}

func TestAFailedMessageIsTriedAgainBeforeThoseBehindIt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		in := newInbox(t, s)
		type attempt struct {
			key    string
			n      int
			posted int
			id     string
		}
		attempts := make(chan attempt, 10)
		run(t, in, func(ctx context.Context, turn *inbox.Turn) error {
			attempts <- attempt{turn.Message.Key, turn.Attempt, len(turn.Posted), turn.ID}
			if turn.Message.Key == "1" {
				switch turn.Attempt {
				case 1:
					if err := turn.Record(ctx, inbox.Part{Key: "p", ID: "m1"}); err != nil {
						return err
					}
					return errors.New("the platform is down")
				case 2:
					panic("a defect")
				}
			}
			return turn.Close(ctx)
		}, inbox.RunOptions{})
		put(t, in, message("1", "C1", "hello"))
		put(t, in, message("2", "C1", "hello"))
		put(t, in, message("3", "C2", "hello"))
		var first []attempt
		other := false
		for range 5 {
			if a := receive(t, attempts); a.key == "3" {
				other = true
			} else {
				first = append(first, a)
			}
		}
		if !other {
			t.Error("another conversation waited")
		}
		for i, want := range []attempt{{"1", 1, 0, ""}, {"1", 2, 1, ""}, {"1", 3, 1, ""}, {"2", 1, 0, ""}} {
			got := first[i]
			got.id = ""
			if got != want {
				t.Errorf("attempt %d: %+v, want %+v", i, got, want)
			}
		}
		if first[0].id != first[1].id || first[1].id != first[2].id || len(first[0].id) != 16 {
			t.Errorf("turn ids: %v", first)
		}
	})
}

func TestAnUnreadableEntryIsSetAsideAndBlocksNobody(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		in := newInbox(t, s)
		ctx := t.Context()
		events := in.ScopeKey(scope, "events")
		put(t, in, message("before", "C1", "hello"))
		entry := s.Client.XRange(ctx, events, "-", "+").Val()[0]
		var first int64
		if _, err := fmt.Sscanf(entry.ID, "%d-0", &first); err != nil {
			t.Fatal(err)
		}
		// Altered, moved from another place, and not ours at all.
		altered := []byte(entry.Values["m"].(string))
		altered[len(altered)-1] ^= 1
		for n, fields := range [][]string{
			{"t", entry.Values["t"].(string), "r", "ref-1", "m", string(altered)},
			{"t", "anotherturn", "r", "ref-2", "m", entry.Values["m"].(string)},
			{"who", "knows"},
		} {
			if err := s.Client.Do(ctx, append([]any{"XADD", events, fmt.Sprint(first+1+int64(n), "-0")}, anys(fields)...)...).Err(); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Client.Set(ctx, in.ScopeKey(scope, "events", "last"), first+10, 0).Err(); err != nil {
			t.Fatal(err)
		}
		put(t, in, message("after", "C1", "hello"))
		handled := make(chan string, 10)
		stop := run(t, in, func(ctx context.Context, turn *inbox.Turn) error {
			defer func() { handled <- turn.Message.Key }()
			return turn.Close(ctx)
		}, inbox.RunOptions{})
		for _, want := range []string{"before", "after"} {
			if got := receive(t, handled); got != want {
				t.Errorf("handled %q, want %q", got, want)
			}
		}
		stop()
		dead := s.Client.LRange(ctx, in.ScopeKey(scope, "dead"), 0, -1).Val()
		if len(dead) != 3 {
			t.Fatalf("%d entries set aside", len(dead))
		}
		var report struct {
			Entry  string            `json:"entry"`
			Fields map[string][]byte `json:"fields"`
			Error  string            `json:"error"`
		}
		if err := json.Unmarshal([]byte(dead[2]), &report); err != nil || report.Entry != fmt.Sprint(first+1, "-0") || string(report.Fields["m"]) != string(altered) || report.Error == "" {
			t.Errorf("the report does not hold what is needed to repair it: %+v, %v", report, err)
		}
		if n := stored(t, s, in); n != 0 {
			t.Errorf("%d entries left", n)
		}
	})
}

func anys(s []string) []any {
	var a []any
	for _, v := range s {
		a = append(a, v)
	}
	return a
}

func TestMessagesInATinyPoolOfHandlersAllGetTheirTurn(t *testing.T) {
	t.Parallel()
	in := newInbox(t, storetest.Open(t, ""))
	done := make(chan struct{}, 100)
	run(t, in, func(ctx context.Context, turn *inbox.Turn) error {
		defer func() { done <- struct{}{} }()
		return turn.Close(ctx)
	}, inbox.RunOptions{Handlers: 2})
	for n := range 60 {
		put(t, in, message(fmt.Sprint(n), fmt.Sprint("C", n%13), "hello"))
	}
	for range 60 {
		receive(t, done)
	}
}

func TestDispatchTakesMilliseconds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		in := newInbox(t, s)
		began := make(chan time.Time, 1)
		run(t, in, func(ctx context.Context, turn *inbox.Turn) error {
			began <- time.Now()
			return turn.Close(ctx)
		}, inbox.RunOptions{})
		elsewhere := newInbox(t, s) // wakes the owner by publishing only
		put(t, in, message("first", "C", "hello"))
		receive(t, began)
		var waits []time.Duration
		for n := range 30 {
			at := time.Now()
			put(t, elsewhere, message(fmt.Sprint(n), "C", "hello"))
			waits = append(waits, receive(t, began).Sub(at))
		}
		slices.Sort(waits)
		t.Logf("Put on another replica to handler: p50 %s, worst %s", waits[15], waits[29])
		if waits[15] > 200*time.Millisecond { // far below any poll
			t.Errorf("p50 is %s: publishing does not wake the owner", waits[15])
		}
	})
}

func TestCommandsAreCarriedOutWhileTheLastAnswersFinish(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		in, elsewhere := newInbox(t, s), newInbox(t, s)
		began := make(chan string, 10)
		finish := make(chan struct{})
		stop := run(t, in, func(ctx context.Context, turn *inbox.Turn) error {
			began <- turn.Message.Text
			if turn.Message.Text == "slow" {
				select {
				case <-finish:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			return turn.Close(ctx)
		}, inbox.RunOptions{Grace: time.Minute})
		put(t, in, message("1", "C1", "slow"))
		receive(t, began)
		idle := message("1", "C1", "quick")
		idle.Scope = "slack:A02:T02"
		put(t, in, idle)
		receive(t, began)
		stopped := make(chan struct{})
		go func() {
			stop()
			close(stopped)
		}()
		until(t, "the process stops: the scope where nothing runs is given up", func() bool {
			return s.Client.Exists(t.Context(), in.ScopeKey(idle.Scope, "owner", "lease")).Val() == 0
		})
		put(t, elsewhere, message("2", "C2", "late"))
		put(t, elsewhere, message("3", "C1", "/stop"))
		if text := receive(t, began); text != "/stop" {
			t.Errorf("%s began although the process stops", text)
		}
		close(finish)
		receive(t, stopped)
		if n := stored(t, s, in); n != 1 {
			t.Errorf("%d messages are left for the next owner, it should be one", n)
		}
	})
}
