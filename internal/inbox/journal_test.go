// The journal of a turn, and that the release before can read and write it.

package inbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/internal/inbox"
	"parley/internal/store"
	"parley/internal/store/storetest"
)

// toll is the body of a kind that the inbox does not know.
type toll struct {
	For   string
	Cents int
}

func TestStepsOfAnyKindAreKeptForTheNextOwner(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		first, second := newInbox(t, s), newInbox(t, s)
		ctx := t.Context()
		h, stop := byHand(t, first, inbox.RunOptions{})
		put(t, first, message("1", "C1", "hello"))
		turn := receive(t, h.turns)
		if err := errors.Join(
			turn.Append(ctx, "toll", "", toll{"bridge", 3}),
			turn.Record(ctx, inbox.Part{Key: "a-0", Text: "Half", Pending: true}),
			turn.Record(ctx, inbox.Part{Key: "a-0", ID: "m0", Text: "Half"}),
			turn.Append(ctx, "toll", "", toll{"bridge", 3}),
		); err != nil {
			t.Fatal(err)
		}
		stop()
		next, _ := byHand(t, second, inbox.RunOptions{})
		again := receive(t, next.turns)
		if got := inbox.Bodies[toll](again, "toll"); !slices.Equal(got, []toll{{"bridge", 3}, {"bridge", 3}}) {
			t.Errorf("the next owner reads the tolls %v", got)
		}
		if err := again.Append(ctx, "toll", "", toll{"tunnel", 5}); err != nil {
			t.Fatal(err)
		}
		if got := inbox.Bodies[toll](again, "toll"); len(got) != 3 || got[2] != (toll{"tunnel", 5}) {
			t.Errorf("with its own: %v", got)
		}
		if err := again.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if left := s.Client.HGetAll(ctx, first.ScopeKey(scope, "turns")).Val(); len(left) != 0 {
			t.Errorf("the closed turn left %v", left)
		}
	})
}

// An answer that grows for a minute is one step, not a thousand.
func TestGrowthIsOneStep(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, "")
	in := newInbox(t, s)
	h, stop := byHand(t, in, inbox.RunOptions{})
	put(t, in, message("1", "C1", "hello"))
	turn := receive(t, h.turns)
	for n := range 50 {
		if err := turn.Record(t.Context(), inbox.Part{Key: "a-0", ID: "m0", Text: strings.Repeat("word ", n)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := turn.StepsStored(); n != 1 {
		t.Errorf("%d steps", n)
	}
	stop()
	next, _ := byHand(t, newInbox(t, s), inbox.RunOptions{})
	if got := receive(t, next.turns).Posted; len(got) != 1 || got[0].Text != strings.Repeat("word ", 49) {
		t.Errorf("the next owner finds %+v", got)
	}
}

// A step that the store may have kept, or not, is written again in its place.
func TestAStepWhoseReplyIsLostIsStoredOnce(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, "")
	lossy := &loseReplies{}
	s.Client.AddHook(lossy)
	in := newInbox(t, s)
	h, stop := byHand(t, in, inbox.RunOptions{})
	put(t, in, message("1", "C1", "hello"))
	turn := receive(t, h.turns)
	lossy.of.Store(&turn.ID)
	if err := turn.Append(t.Context(), "toll", "", toll{"bridge", 3}); err == nil {
		t.Fatal("the lost reply is no error")
	}
	if err := turn.Append(t.Context(), "toll", "", toll{"bridge", 3}); err != nil {
		t.Fatal(err)
	}
	stop()
	next, _ := byHand(t, newInbox(t, s), inbox.RunOptions{})
	if got := inbox.Bodies[toll](receive(t, next.turns), "toll"); len(got) != 1 {
		t.Errorf("the next owner reads %v", got)
	}
}

// What a turn was to end with is stored once it does not end.
func TestWhatIsHeldIsKeptWhenTheQuestionWasDeleted(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, "")
	in := newInbox(t, s)
	ctx := t.Context()
	h, stop := byHand(t, in, inbox.RunOptions{})
	put(t, in, message("1", "C1", "hello"))
	turn := receive(t, h.turns)
	last := inbox.Part{Key: "a-0", ID: "m0", Text: "All of it."}
	if err := turn.Record(ctx, inbox.Part{Key: "a-0", Text: "All", Pending: true}); err != nil {
		t.Fatal(err)
	}
	turn.Hold(last)
	if got := turn.Parts(); len(got) != 1 || got[0] != last {
		t.Errorf("the turn's own parts: %+v", got)
	}
	if _, err := in.Withdraw(ctx, turn.Message); err != nil {
		t.Fatal(err)
	}
	if err := turn.Close(ctx); !errors.Is(err, chat.ErrWithdrawn) {
		t.Fatalf("closing gave %v", err)
	}
	stop()
	next, _ := byHand(t, newInbox(t, s), inbox.RunOptions{})
	if got := receive(t, next.turns).Posted; len(got) != 1 || got[0] != last {
		t.Errorf("the next owner finds %+v", got)
	}
}

// What an attempt held for the closing of its turn is stored when it ends without
// that: the next owner finds what was posted, not only that it was tried.
func TestWhatIsHeldIsKeptWhenTheTurnIsHandedOver(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, "")
	in := newInbox(t, s)
	h, stop := byHand(t, in, inbox.RunOptions{})
	put(t, in, message("1", "C1", "hello"))
	turn := receive(t, h.turns)
	if err := turn.Record(t.Context(), inbox.Part{Key: "a-0", Text: "All", Pending: true}); err != nil {
		t.Fatal(err)
	}
	last := inbox.Part{Key: "a-0", ID: "m0", Text: "All", Length: 3}
	turn.Hold(last)
	stop()
	next, _ := byHand(t, newInbox(t, s), inbox.RunOptions{})
	if got := receive(t, next.turns).Posted; len(got) != 1 || got[0] != last {
		t.Errorf("the next owner finds %+v", got)
	}
}

// What the release before wrote and read, as it stood in its code.
const (
	formerRecord = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
if redis.call('HEXISTS', KEYS[2], ARGV[2] .. ':a') == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[2] .. ':p', ARGV[3])
return 1`
	formerBegin = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
redis.call('HSET', KEYS[2], ARGV[2] .. ':r', ARGV[3])
return redis.call('HINCRBY', KEYS[2], ARGV[2] .. ':a', 1)`
	formerClose = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {-1} end
redis.call('XDEL', KEYS[2], ARGV[2])
redis.call('HDEL', KEYS[3], ARGV[3] .. ':a', ARGV[3] .. ':p', ARGV[3] .. ':r')
redis.call('SREM', KEYS[4], ARGV[3])
return {1, ''}`
)

type formerPart struct {
	Key       string         `json:"k"`
	ID        chat.MessageID `json:"id,omitempty"`
	Length    int            `json:"n,omitempty"`
	Text      string         `json:"t,omitempty"`
	Pending   bool           `json:"p,omitempty"`
	Streaming bool           `json:"s,omitempty"`
	Stuck     bool           `json:"x,omitempty"`
}

// former is a replica of the release before that owns the scope while nobody
// else does.
type former struct {
	t     *testing.T
	s     *store.Store
	in    *inbox.Inbox // for its names of keys
	token string
}

func newFormer(t *testing.T, s *store.Store, in *inbox.Inbox) former {
	f := former{t, s, in, "900000.former"}
	f.do(s.Client.Set(t.Context(), f.key("owner"), f.token, 0))
	f.do(s.Client.Set(t.Context(), f.key("owner", "lease"), f.token, 0))
	return f
}

func (f former) key(parts ...string) string { return f.in.ScopeKey(scope, parts...) }

func (f former) do(c redis.Cmder) {
	f.t.Helper()
	if c.Err() != nil {
		f.t.Fatal(c.Err())
	}
}

func (f former) place(turn string) string { return f.key("turns") + "/" + turn + "/parts" }

func (f former) begin(turn string) (parts []formerPart) {
	f.t.Helper()
	ctx := f.t.Context()
	f.do(f.s.Client.Eval(ctx, formerBegin, []string{f.key("owner"), f.key("turns")}, f.token, turn, "running"))
	sealed, err := f.s.Client.HGet(ctx, f.key("turns"), turn+":p").Bytes()
	if err != nil {
		f.t.Fatal(err)
	}
	plain, _, err := ring(f.t).Open(sealed, f.place(turn))
	if err == nil {
		err = json.Unmarshal(plain, &parts)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return parts
}

func (f former) record(turn string, parts []formerPart) {
	f.t.Helper()
	plain, err := json.Marshal(parts)
	if err != nil {
		f.t.Fatal(err)
	}
	sealed := ring(f.t).Seal(plain, f.place(turn))
	f.do(f.s.Client.Eval(f.t.Context(), formerRecord, []string{f.key("owner"), f.key("turns")}, f.token, turn, sealed))
}

func (f former) close(turn string) {
	f.t.Helper()
	ctx := f.t.Context()
	open := f.s.Client.XRange(ctx, f.key("events"), "-", "+").Val()
	at := slices.IndexFunc(open, func(m redis.XMessage) bool { return m.Values["t"] == turn })
	if at < 0 {
		f.t.Fatalf("turn %s is not in the stream", turn)
	}
	f.do(f.s.Client.Eval(ctx, formerClose, []string{f.key("owner"), f.key("events"), f.key("turns"), f.key("stops")}, f.token, open[at].ID, turn))
}

func (f former) leave() {
	f.t.Helper()
	f.do(f.s.Client.Del(f.t.Context(), f.key("owner", "lease")))
}

func TestTheReleaseBeforeGoesOnWithATurnAndBack(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		first, second := newInbox(t, s), newInbox(t, s)
		ctx := t.Context()
		id := halfDone(t, first)
		f := newFormer(t, s, first)
		parts := f.begin(id)
		want := []formerPart{{Key: "a-0", ID: "m0", Length: 3, Text: "One"}, {Key: "a-1", Text: "Two", Pending: true}}
		if !slices.Equal(parts, want) {
			t.Errorf("the release before reads %+v, want %+v", parts, want)
		}
		parts[0].Length = 4
		parts[1] = formerPart{Key: "a-1", ID: "m1", Length: 3, Text: "Two", Streaming: true}
		f.record(id, append(parts, formerPart{Key: "a-2", Text: "Three", Pending: true}))
		f.leave()

		back := []inbox.Part{{Key: "a-0", ID: "m0", Length: 4, Text: "One", File: "one.md"}, {Key: "a-1", ID: "m1", Length: 3, Text: "Two", Streaming: true}, {Key: "a-2", Text: "Three", Pending: true}}
		next, stop := byHand(t, second, inbox.RunOptions{})
		again := receive(t, next.turns)
		if !slices.Equal(again.Posted, back) || again.Attempt != 3 {
			t.Errorf("back again it is attempt %d with %+v, want %+v", again.Attempt, again.Posted, back)
		}
		if got := inbox.Bodies[toll](again, "toll"); !slices.Equal(got, []toll{{"bridge", 3}}) {
			t.Errorf("the release before lost a step: %v", got)
		}
		// What it recorded is a step from the next one on: a later release, which
		// reads nothing else, finds it.
		if err := again.Append(ctx, "toll", "", toll{"tunnel", 5}); err != nil {
			t.Fatal(err)
		}
		stop()
		f.do(s.Client.HDel(ctx, f.key("turns"), id+":p"))
		last, _ := byHand(t, first, inbox.RunOptions{})
		if got := receive(t, last.turns); !slices.Equal(got.Posted, back) {
			t.Errorf("without the old field: %+v, want %+v", got.Posted, back)
		}
	})
}

func TestWhatTheReleaseBeforeLeavesOfATurnIsSweptUp(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		in := newInbox(t, s)
		id := halfDone(t, in)
		f := newFormer(t, s, in)
		f.close(id)
		f.leave()
		left := func() int64 { return s.Client.HLen(t.Context(), f.key("turns")).Val() }
		if left() == 0 {
			t.Error("nothing was left to be swept: this test tests nothing")
		}
		byHand(t, in, inbox.RunOptions{})
		until(t, "the closed turn has left nothing", func() bool { return left() == 0 })
	})
}

// halfDone is the id of a turn that an inbox has begun and handed over.
func halfDone(t *testing.T, in *inbox.Inbox) string {
	t.Helper()
	ctx := t.Context()
	h, stop := byHand(t, in, inbox.RunOptions{})
	put(t, in, message("1", "C1", "hello"))
	turn := receive(t, h.turns)
	if err := errors.Join(
		turn.Record(ctx, inbox.Part{Key: "a-0", Text: "One", Pending: true}),
		turn.Record(ctx, inbox.Part{Key: "a-0", ID: "m0", Length: 3, Text: "One", File: "one.md"}),
		turn.Append(ctx, "toll", "", toll{"bridge", 3}),
		turn.Record(ctx, inbox.Part{Key: "a-1", Text: "Two", Pending: true}),
	); err != nil {
		t.Fatal(err)
	}
	stop()
	return turn.ID
}

// loseReplies answers with an error after a command of a turn was carried out,
// once.
type loseReplies struct{ of atomic.Pointer[string] }

func (*loseReplies) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *loseReplies) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if of := h.of.Load(); of != nil && slices.Contains(cmd.Args(), any(*of)) && h.of.CompareAndSwap(of, nil) {
			err = errors.New("the reply was lost")
			cmd.SetErr(err)
		}
		return err
	}
}

func (*loseReplies) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
