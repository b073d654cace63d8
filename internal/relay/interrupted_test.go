// Turns that do not run to their end undisturbed: stopped, taken over, withdrawn,
// broken, or without a store.

package relay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/internal/completion"
	"parley/internal/inbox"
)

// running is the turn of asked's message, once it runs.
func (w *world) running(p *process) inbox.Running {
	w.t.Helper()
	var all []inbox.Running
	w.until("a turn runs", func() bool {
		var err error
		all, err = p.in.Running(w.t.Context(), "room:1")
		return err == nil && len(all) == 1
	})
	return all[0]
}

// stopIt is a person's Stop.
func (w *world) stopIt(p *process) {
	w.t.Helper()
	if err := p.in.Stop(w.t.Context(), "room:1", w.running(p).Turn); err != nil {
		w.t.Fatal(err)
	}
}

func TestAStoppedAnswerKeepsWhatItSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	freed := make(chan error, 1)
	w.model = func(ctx context.Context, r completion.Request) iter.Seq2[completion.Delta, error] {
		return func(yield func(completion.Delta, error) bool) {
			for d, err := range hold(half, nil)(ctx, r) {
				if err != nil {
					freed <- err
				}
				if !yield(d, err) {
					return
				}
			}
		}
	}
	p := w.start()
	p.put(asked("Hi"))
	w.shows(half)
	if s := w.room.read()[0]; s.stop == "" {
		t.Error("the growing answer shows no Stop")
	}
	w.stopIt(p)
	p.closed()
	w.shows(half)
	if s := w.room.read()[0]; s.stop != "" {
		t.Error("the stopped answer still shows Stop")
	}
	if err := <-freed; !errors.Is(err, chat.ErrStopped) {
		t.Errorf("the model was stopped with %v", err)
	}
	if kept := w.transcript(p); len(kept) != 1 || kept[0].Answer != half {
		t.Errorf("kept %+v", kept)
	}
	if p.ends("stopped") != "1" || w.asked() != "m1" {
		t.Errorf("stopped %s, asked %s", p.ends("stopped"), w.asked())
	}
}

func TestAnAnswerStoppedBeforeItsFirstWordLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.model = hold("", nil)
	p := w.start()
	p.put(asked("Hi"))
	w.until("the model is asked", func() bool { return w.asked() != "" })
	w.stopIt(p)
	p.closed()
	w.shows()
	if len(w.transcript(p)) != 0 || p.ends("stopped") != "1" || w.room.count("post") != 0 {
		t.Errorf("kept %+v, stopped %s, %d posts", w.transcript(p), p.ends("stopped"), w.room.count("post"))
	}
}

func TestTheNextProcessGoesOnInTheSameMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.model = hold(half, nil)
	first := w.start()
	first.put(asked("Hi"))
	w.shows(half)
	first.stop()
	if e := first.end(); !errors.Is(e.Err, inbox.ErrHandedOver) {
		t.Fatalf("the first attempt ended with %v", e.Err)
	}
	w.model = func(context.Context, completion.Request) iter.Seq2[completion.Delta, error] {
		return words(half, rest).wire()
	}
	second := w.start()
	second.closed()
	w.shows(half + rest)
	if w.room.count("post") != 1 || w.asked() != "m1 m1" {
		t.Errorf("%d posts, asked %s", w.room.count("post"), w.asked())
	}
	if answers, _, _ := w.used(second, "m1"); answers != 1 || first.ends("answered") != "" || second.ends("answered") != "1" {
		t.Errorf("counted %d times; answered here %q, there %q", answers, first.ends("answered"), second.ends("answered"))
	}
}

// What people have read of an answer is what it is, if the next process gets no
// further.
func TestWhatPeopleHaveReadStaysAfterATakeover(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		model func(context.Context, completion.Request) iter.Seq2[completion.Delta, error]
		stop  bool
		after string // below what stood, as a beginning
		ends  string
	}{
		"the model fails": {func(context.Context, completion.Request) iter.Seq2[completion.Delta, error] {
			return reply{err: errAway}.wire()
		}, false, "\n\n", "failed"},
		"it fails after fewer words": {func(context.Context, completion.Request) iter.Seq2[completion.Delta, error] {
			return words("The").then(errAway).wire()
		}, false, "\n\n", "failed"},
		"it is stopped": {hold("The", nil), true, "", "stopped"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.model = hold(half, nil)
			first := w.start()
			first.put(asked("Hi"))
			w.shows(half)
			first.stop()
			w.model = c.model
			second := w.start()
			if c.stop {
				w.until("the model is asked again", func() bool { return w.asked() == "m1 m1" })
				w.stopIt(second)
			}
			second.closed()
			got := w.room.texts()
			if len(got) != 1 || !strings.HasPrefix(got[0], half+c.after) || c.after == "" && got[0] != half {
				t.Errorf("the room shows %q", got)
			}
			if kept := w.transcript(second); len(kept) != 1 || kept[0].Answer != half || second.ends(c.ends) != "1" {
				t.Errorf("kept %+v, %s %s", kept, c.ends, second.ends(c.ends))
			}
		})
	}
}

// A process that has lost its lease writes nothing any more, and the next asks
// again.
func TestAnAnswerWhoseLeaseIsLostIsClosedByTheNextOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	let := make(chan struct{})
	w.model = hold(half, let, rest)
	p := w.start()
	p.put(asked("Hi"))
	w.shows(half)
	w.Steal(p.in, "room:1")
	close(let)
	if e := p.end(); !errors.Is(e.Err, inbox.ErrLost) {
		t.Fatalf("the first attempt ended with %v", e.Err)
	}
	if answers, _, _ := w.used(p, "m1"); answers != 0 || len(w.transcript(p)) != 0 {
		t.Errorf("%d answers were counted without the lease", answers)
	}
	p.closed()
	w.shows(half + rest)
	if answers, _, _ := w.used(p, "m1"); answers != 1 || len(w.transcript(p)) != 1 || w.room.count("post") != 1 {
		t.Errorf("%d answers counted, %d posts", answers, w.room.count("post"))
	}
}

func TestADeletedQuestionTakesItsAnswerAlong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	let := make(chan struct{})
	w.model = hold(half, let)
	p := w.start()
	m := asked("Hi")
	p.put(m)
	w.shows(half)
	if err := p.Withdraw(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	p.closed()
	w.shows()
	if answers, _, _ := w.used(p, "m1"); answers != 1 || len(w.transcript(p)) != 0 || p.ends("withdrawn") != "1" {
		t.Errorf("%d answers counted, kept %+v, withdrawn %s", answers, w.transcript(p), p.ends("withdrawn"))
	}

	close(let)
	finished := asked("And?")
	p.put(finished)
	p.closed()
	if err := p.Withdraw(t.Context(), finished); err != nil {
		t.Fatal(err)
	}
	w.shows(half) // the answer stays, the conversation forgets it
	if kept := w.transcript(p); len(kept) != 1 || kept[0].Question != "" || kept[0].Answer != "" {
		t.Errorf("kept %+v", kept)
	}
}

// One question's defect is that question's: it is tried again.
func TestADefectCostsOneAttempt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var attempts atomic.Int64
	w.model = func(context.Context, completion.Request) iter.Seq2[completion.Delta, error] {
		return func(yield func(completion.Delta, error) bool) {
			if !yield(completion.Delta{Text: half}, nil) {
				return
			}
			if attempts.Add(1) == 1 {
				panic("the words of a message")
			}
			yield(completion.Delta{Text: rest}, nil)
		}
	}
	p := w.start()
	p.put(asked("Hi"))
	p.closed()
	w.shows(half + rest)
	if w.asked() != "m1 m1" || strings.Contains(p.log.String(), "the words of a message") {
		t.Errorf("asked %s; the log says %s", w.asked(), p.log.String())
	}
}

// A question that brings the process down each time is given up.
func TestAQuestionThatNothingHelpsIsGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.attempt = maxAttempts + 1
	p := w.start()
	p.put(asked("Hi"))
	p.closed()
	got := w.room.texts()
	if len(got) != 1 || !strings.HasPrefix(got[0], "Something went wrong here; try again.") || w.asked() != "" || p.ends("failed") != "1" {
		t.Errorf("the room shows %q, asked %q, failed %s", got, w.asked(), p.ends("failed"))
	}
}

var errStore = errors.New("the store is away")

// away is a store that reads nothing.
type away struct{ redis.UniversalClient }

func (away) Get(ctx context.Context, key string) *redis.StringCmd {
	c := redis.NewStringCmd(ctx, "get", key)
	c.SetErr(errStore)
	return c
}

func TestAQuestionWaitsForTheStore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		attempt int
		says    string
	}{{1, ""}, {patientAttempts - 1, ""}, {patientAttempts, "Something went wrong here"}} {
		t.Run(fmt.Sprint("attempt ", c.attempt), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.shelf = away{w.shelf}
			w.attempt = c.attempt
			p := w.start()
			p.put(asked("Hi"))
			e := p.end()
			got := strings.Join(w.room.texts(), "|")
			if (e.Err == nil) != (c.says != "") || !strings.HasPrefix(got, c.says) || c.says == "" && got != "" || w.asked() != "" {
				t.Errorf("attempt %d ended with %v, the room shows %q", e.Turn.Attempt, e.Err, got)
			}
		})
	}
}

// faulty fails the next commands to the store.
type faulty struct{ next atomic.Int64 }

func (*faulty) DialHook(next redis.DialHook) redis.DialHook { return next }

func (f *faulty) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, c redis.Cmder) error {
		if f.next.Add(-1) >= 0 {
			c.SetErr(errStore)
			return errStore
		}
		return next(ctx, c)
	}
}

func (*faulty) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// A store that is away when the answer ends costs neither the answer nor a second
// one.
func TestAnAnswerEndsWhenTheStoreIsBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := &faulty{}
	w.Store.Client.AddHook(store)
	let := make(chan struct{})
	w.model = hold(half, let, rest)
	p := w.start()
	p.put(asked("Hi"))
	w.shows(half)
	store.next.Store(5)
	close(let)
	p.closed()
	w.shows(half + rest)
	if store.next.Load() >= 0 {
		t.Error("the store was never away")
	}
	if answers, _, _ := w.used(p, "m1"); answers != 1 || len(w.transcript(p)) != 1 || w.room.count("post") != 1 || w.asked() != "m1" {
		t.Errorf("%d answers counted, %d kept, %d posts, asked %s", answers, len(w.transcript(p)), w.room.count("post"), w.asked())
	}
}
