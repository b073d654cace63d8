// Turns: closing, stopping, handing over, and losing the lease.

package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/internal/inbox"
	"parley/internal/store"
	"parley/internal/store/storetest"
)

// hand runs an inbox whose handler only passes turns on: the test answers them.
type hand struct {
	turns chan *inbox.Turn
	ends  chan error           // what the handler returned with
	ctx   chan context.Context // of the handler
	out   chan error           // what the handler is to return
}

func byHand(t testing.TB, in *inbox.Inbox, o inbox.RunOptions) (hand, func()) {
	h := hand{turns: make(chan *inbox.Turn, 9), ctx: make(chan context.Context, 9), ends: make(chan error, 9), out: make(chan error, 9)}
	stop := run(t, in, func(ctx context.Context, turn *inbox.Turn) error {
		h.ctx <- ctx
		h.turns <- turn
		var err error
		select {
		case err = <-h.out:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		h.ends <- err
		return err
	}, o)
	return h, stop
}

func TestCloseDoesItsWritesOnceAndAllOfThem(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		in := newInbox(t, s)
		ctx := t.Context()
		key := func(name string) string { return in.ScopeKey(scope, name) }
		if err := s.Client.Set(ctx, key("wrong"), "no list", 0).Err(); err != nil {
			t.Fatal(err)
		}
		if err := s.Client.RPush(ctx, key("list"), "oldest", "older").Err(); err != nil {
			t.Fatal(err)
		}
		h, _ := byHand(t, in, inbox.RunOptions{})
		put(t, in, message("1", "C1", "hello"))
		turn := receive(t, h.turns)
		if err := turn.Close(ctx, inbox.Write{Key: "elsewhere", Value: []byte("x")}); err == nil {
			t.Error("a write outside the scope was taken")
		}
		writes := []inbox.Write{
			{Key: key("transcript"), Value: []byte("sealed\x00bytes"), TTL: time.Hour},
			{Key: key("plain"), Value: []byte("v")},
			{Key: key("wrong"), Push: []byte("x"), Keep: 5},
			{Key: key("list"), Push: []byte("newest"), Keep: 2, TTL: time.Hour},
			{Key: key("usage"), Increments: map[string]float64{"in": 12, "cost": 0.000125}, TTL: time.Hour},
		}
		for range 3 { // a reply may get lost; closing again must not count twice
			if err := turn.Close(ctx, writes...); err != nil {
				t.Fatal(err)
			}
		}
		if v := s.Client.Get(ctx, key("transcript")).Val(); v != "sealed\x00bytes" {
			t.Errorf("transcript = %q", v)
		}
		if d := s.Client.TTL(ctx, key("transcript")).Val(); d <= 0 || d > time.Hour {
			t.Errorf("transcript lives for %s", d)
		}
		if d := s.Client.TTL(ctx, key("plain")).Val(); d != -1 {
			t.Errorf("plain lives for %s", d)
		}
		if v := s.Client.LRange(ctx, key("list"), 0, -1).Val(); !slices.Equal(v, []string{"older", "newest"}) {
			t.Errorf("list = %v", v)
		}
		if v := s.Client.HGetAll(ctx, key("usage")).Val(); v["in"] != "12" || v["cost"] != "0.000125" {
			t.Errorf("usage = %v", v)
		}
		if n := stored(t, s, in) + s.Client.HLen(ctx, key("turns")).Val(); n != 0 {
			t.Errorf("%d traces of the turn left", n)
		}
		if err := turn.Record(ctx, inbox.Part{Key: "p"}); err == nil {
			t.Error("a closed turn took a record")
		}
	})
}

func TestWhatWasPostedIsKnownToTheNextOwner(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		first, second := newInbox(t, s), newInbox(t, s)
		ctx := t.Context()
		h, stop := byHand(t, first, inbox.RunOptions{})
		put(t, first, message("1", "C1", "hello"))
		turn := receive(t, h.turns)
		steps := []error{
			turn.Record(ctx, inbox.Part{Key: "a-0", Pending: true}),
			turn.Record(ctx, inbox.Part{Key: "a-0", ID: "m0", Length: 10}),
			turn.Record(ctx, inbox.Part{Key: "a-0", ID: "m0", Length: 3000}),
			turn.Record(ctx, inbox.Part{Key: "a-1", Pending: true}),
			turn.Record(ctx, inbox.Part{Key: "a-1", ID: "m1", Length: 5}),
			turn.Record(ctx, inbox.Part{Key: "a-2", Pending: true}),
		}
		if err := errors.Join(steps...); err != nil {
			t.Fatal(err)
		}
		stop()
		if err := receive(t, h.ends); !errors.Is(err, inbox.ErrHandedOver) {
			t.Errorf("the handler's context ended with %v", err)
		}
		next, _ := byHand(t, second, inbox.RunOptions{})
		again := receive(t, next.turns)
		want := []inbox.Part{{Key: "a-0", ID: "m0", Length: 3000}, {Key: "a-1", ID: "m1", Length: 5}, {Key: "a-2", Pending: true}}
		if !slices.Equal(again.Posted, want) {
			t.Errorf("posted: %+v, want %+v", again.Posted, want)
		}
		if again.ID != turn.ID || again.Ref != turn.Ref || again.Attempt != 2 || again.Message.Text != turn.Message.Text {
			t.Errorf("another turn: %s %s %d", again.ID, again.Ref, again.Attempt)
		}
		if len(turn.Ref) != 12 || turn.Ref[:4] != "ref-" {
			t.Errorf("reference %q", turn.Ref)
		}
		// The former owner has nothing to say any more.
		if err := turn.Record(ctx, inbox.Part{Key: "late"}); !errors.Is(err, inbox.ErrLost) {
			t.Errorf("a late Record: %v", err)
		}
		if _, _, err := turn.Guard(ctx); !errors.Is(err, inbox.ErrLost) {
			t.Errorf("a late Guard: %v", err)
		}
		if err := turn.Close(ctx, inbox.Write{Key: first.ScopeKey(scope, "late"), Value: []byte("x")}); !errors.Is(err, inbox.ErrLost) {
			t.Errorf("a late Close: %v", err)
		}
		if n := s.Client.Exists(ctx, first.ScopeKey(scope, "late")).Val(); n != 0 {
			t.Error("a late Close wrote")
		}
		if err := again.Close(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestStopReachesTheOwnerFromAnyReplicaAndSurvivesATakeover(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		owner, other := newInbox(t, s), newInbox(t, s)
		ctx := t.Context()
		h, stop := byHand(t, owner, inbox.RunOptions{})
		m := message("1", "C1", "hello")
		m.Place.Thread = "t1"
		put(t, other, m)
		turn := receive(t, h.turns)
		running, err := other.Running(ctx, scope)
		if err != nil || len(running) != 1 {
			t.Fatalf("running: %+v, %v", running, err)
		}
		r := running[0]
		if r.Turn != turn.ID || r.Ref != turn.Ref || r.Bot != "helper" || r.Place != m.Place || r.Author != m.Author || time.Since(r.Started) > time.Minute {
			t.Errorf("running: %+v", r)
		}
		if err := other.Stop(ctx, scope, turn.ID); err != nil {
			t.Fatal(err)
		}
		if err := receive(t, h.ends); !errors.Is(err, chat.ErrStopped) {
			t.Errorf("the handler's context ended with %v", err)
		}
		// The handler did not close it; the next owner finds it stopped too.
		stop()
		next, _ := byHand(t, other, inbox.RunOptions{})
		again := receive(t, next.turns)
		if err := receive(t, next.ends); !errors.Is(err, chat.ErrStopped) {
			t.Errorf("after a takeover the context ended with %v", err)
		}
		if err := again.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if running, err := owner.Running(ctx, scope); err != nil || len(running) != 0 {
			t.Errorf("running: %+v, %v", running, err)
		}
		if err := owner.Stop(ctx, scope, turn.ID); err != nil {
			t.Error(err)
		}
		if n := s.Client.Exists(ctx, owner.ScopeKey(scope, "stops")).Val(); n != 0 {
			t.Error("a stop was left behind")
		}
	})
}

func TestAStopIsFoundAlsoWhenNothingIsPublished(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		in := newInbox(t, s)
		h, _ := byHand(t, in, inbox.RunOptions{})
		put(t, in, message("1", "C1", "hello"))
		turn := receive(t, h.turns)
		if err := s.Client.SAdd(t.Context(), in.ScopeKey(scope, "stops"), turn.ID).Err(); err != nil {
			t.Fatal(err)
		}
		if err := receive(t, h.ends); !errors.Is(err, chat.ErrStopped) {
			t.Errorf("the handler's context ended with %v", err)
		}
	})
}

func TestAGracefulEndLetsRunningAnswersFinishAndFreesTheScopeAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		// A lease so long that waiting for its end would be noticed.
		long := func(o *inbox.Options) { o.Lease = 10 * time.Minute }
		first, second := newInbox(t, s, long), newInbox(t, s, long)
		begun, finish := make(chan *inbox.Turn, 1), make(chan struct{})
		stop := run(t, first, func(ctx context.Context, turn *inbox.Turn) error {
			if turn.Message.Key != "1" {
				return turn.Close(ctx)
			}
			begun <- turn
			<-finish
			return nil
		}, inbox.RunOptions{Grace: time.Minute})
		put(t, first, message("1", "C1", "hello"))
		turn := receive(t, begun)

		stopped := make(chan struct{})
		go func() {
			stop()
			close(stopped)
		}()
		// The first of these may come before the end has begun; the last does not.
		const during = 50
		for n := range during {
			put(t, second, message(fmt.Sprint("during-", n), fmt.Sprint("D", n), "hello"))
			if guard, cancel, err := turn.Guard(t.Context()); err != nil || guard.Err() != nil {
				t.Errorf("during the grace: %v", err)
			} else {
				cancel()
			}
			if err := turn.Record(t.Context(), inbox.Part{Key: "k", ID: "m"}); err != nil {
				t.Errorf("during the grace: %v", err)
			}
		}
		taken := make(chan *inbox.Turn, during)
		run(t, second, func(ctx context.Context, turn *inbox.Turn) error {
			taken <- turn
			return turn.Close(ctx)
		}, inbox.RunOptions{})
		if err := turn.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		close(finish)
		receive(t, stopped)
		for {
			// Much sooner than the lease would end, or this gives up.
			got := receive(t, taken)
			if got.Attempt != 1 {
				t.Errorf("the next owner got %s, attempt %d", got.Message.Key, got.Attempt)
			}
			if got.Message.Key == fmt.Sprint("during-", during-1) {
				break
			}
		}
	})
}

func TestAHandlerThatDoesNotFinishInTimeIsHandedOver(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		first, second := newInbox(t, s), newInbox(t, s)
		h, stop := byHand(t, first, inbox.RunOptions{Grace: 50 * time.Millisecond})
		put(t, first, message("1", "C1", "hello"))
		receive(t, h.turns)
		stop()
		if err := receive(t, h.ends); !errors.Is(err, inbox.ErrHandedOver) {
			t.Errorf("the handler's context ended with %v", err)
		}
		next, _ := byHand(t, second, inbox.RunOptions{})
		if got := receive(t, next.turns); got.Attempt != 2 {
			t.Errorf("attempt %d", got.Attempt)
		}
	})
}

// onRelease calls f before a lease on scope is given up.
type onRelease struct{ f func() }

func (onRelease) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h onRelease) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		// EVALSHA sha 2 lease owner token channel scope
		if a := cmd.Args(); len(a) == 8 && a[7] == scope {
			h.f()
		}
		return next(ctx, cmd)
	}
}

func (onRelease) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func TestAHandlerThatLingersMayPostNothingOnceTheScopeIsFree(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, "")
	in := newInbox(t, s)
	turns, end := make(chan *inbox.Turn, 1), make(chan struct{})
	stop := run(t, in, func(_ context.Context, turn *inbox.Turn) error {
		turns <- turn
		<-end // it does not heed its context
		return nil
	}, inbox.RunOptions{Grace: time.Millisecond})
	defer close(end)
	put(t, in, message("1", "C1", "hello"))
	turn := receive(t, turns)
	guarded := make(chan error, 2)
	s.Client.AddHook(onRelease{func() {
		_, cancel, err := turn.Guard(t.Context())
		cancel()
		guarded <- err
	}})
	stop()
	if err := receive(t, guarded); !errors.Is(err, inbox.ErrLost) {
		t.Errorf("while the lease was given up, a call to the platform was allowed (%v)", err)
	}
}

func TestAStopDoesNotKeepATurnFromBeingClosed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		in := newInbox(t, s)
		h, _ := byHand(t, in, inbox.RunOptions{})
		put(t, in, message("1", "C1", "hello"))
		turn, ctx := receive(t, h.turns), receive(t, h.ctx)
		if err := in.Stop(t.Context(), scope, turn.ID); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done()
		if err := turn.Close(ctx); err != nil {
			t.Errorf("closing a stopped turn: %v", err)
		}
	})
}

func TestScopesAreSharedByReplicasAndEachHasOneOwner(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		type done struct {
			replica int
			scope   string
		}
		const scopes, each = 20, 10
		closed := make(chan done, scopes*each)
		var replicas []*inbox.Inbox
		for n := range 3 {
			in := newInbox(t, s)
			replicas = append(replicas, in)
			run(t, in, func(ctx context.Context, turn *inbox.Turn) error {
				if err := turn.Close(ctx); err != nil {
					return err
				}
				closed <- done{n, turn.Message.Scope}
				return nil
			}, inbox.RunOptions{})
		}
		for n := range each {
			for sc := range scopes {
				m := message(fmt.Sprint(n), "C1", "hello")
				m.Scope = fmt.Sprint("discord:", sc)
				put(t, replicas[n%3], m)
			}
		}
		owner := map[string]int{}
		for range scopes * each {
			d := receive(t, closed)
			if was, ok := owner[d.scope]; ok && was != d.replica {
				t.Errorf("%s was answered by %d and %d", d.scope, was, d.replica)
			}
			owner[d.scope] = d.replica
		}
	})
}

func TestAScopeWorksOnACluster(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.Cluster(t))
	in := newInbox(t, s)
	closed := make(chan string, 100)
	run(t, in, func(ctx context.Context, turn *inbox.Turn) error {
		if err := turn.Record(ctx, inbox.Part{Key: "k", Pending: true}); err != nil {
			return err
		}
		if err := turn.Close(ctx, inbox.Write{Key: in.ScopeKey(turn.Message.Scope, "answer"), Value: []byte("x")},
			inbox.Write{Key: in.ScopeKey(turn.Message.Scope, "usage"), Increments: map[string]float64{"n": 1}}); err != nil {
			return err
		}
		closed <- turn.Message.Scope
		return nil
	}, inbox.RunOptions{})
	elsewhere := newInbox(t, s)
	for n := range 30 {
		m := message("m", "C1", "hello")
		m.Scope = fmt.Sprint("discord:", n) // slots on every node
		put(t, elsewhere, m)
		put(t, in, m)
	}
	for range 30 {
		receive(t, closed)
	}
	for n := range 30 {
		if v := s.Client.HGet(t.Context(), in.ScopeKey(fmt.Sprint("discord:", n), "usage"), "n").Val(); v != "1" {
			t.Errorf("scope %d was answered %s times", n, v)
		}
	}
	// The nodes have no replicas, and Put says so.
	safe := newInbox(t, s, func(o *inbox.Options) { o.WaitReplicas = 1 })
	if err := safe.Put(t.Context(), message("w", "C1", "hello")); err == nil || !strings.Contains(err.Error(), "0 of 1 replicas") {
		t.Errorf("waiting for a replica that is not there: %v", err)
	}
}
