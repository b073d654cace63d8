// Turns that do not run to their end undisturbed: stopped, taken over, withdrawn,
// broken, or without a store.

package relay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/internal/completion"
	"parley/internal/inbox"
)

// running is the turn of asked's message, once it runs.
func (f *fixture) running(p *process) inbox.Running {
	f.t.Helper()
	var all []inbox.Running
	f.until("a turn runs", func() bool {
		var err error
		all, err = p.in.Running(f.t.Context(), "memory:1")
		return err == nil && len(all) == 1
	})
	return all[0]
}

// stopIt is a person's Stop.
func (f *fixture) stopIt(p *process) {
	f.t.Helper()
	if err := p.in.Stop(f.t.Context(), "memory:1", f.running(p).Turn); err != nil {
		f.t.Fatal(err)
	}
}

func TestAStoppedAnswerKeepsWhatItSays(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	freed := make(chan error, 1)
	f.model = func(ctx context.Context, r completion.Request) iter.Seq2[completion.Delta, error] {
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
	p := f.start()
	p.put(asked("Hi"))
	f.shows(half)
	if s := f.platform.read()[0]; s.stop == "" {
		t.Error("the growing answer shows no Stop")
	}
	f.stopIt(p)
	p.closed()
	f.shows(half)
	if s := f.platform.read()[0]; s.stop != "" {
		t.Error("the stopped answer still shows Stop")
	}
	if err := <-freed; !errors.Is(err, chat.ErrStopped) {
		t.Errorf("the model was stopped with %v", err)
	}
	if kept := f.transcript(p); len(kept) != 1 || kept[0].Answer != half {
		t.Errorf("kept %+v", kept)
	}
	if p.ends("stopped") != "1" || f.asked() != "m1" {
		t.Errorf("stopped %s, asked %s", p.ends("stopped"), f.asked())
	}
}

func TestAnAnswerStoppedBeforeItsFirstWordLeavesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.model = hold("", nil)
	p := f.start()
	p.put(asked("Hi"))
	f.until("the model is asked", func() bool { return f.asked() != "" })
	f.stopIt(p)
	p.closed()
	f.shows()
	if len(f.transcript(p)) != 0 || p.ends("stopped") != "1" || f.platform.count("post") != 0 {
		t.Errorf("kept %+v, stopped %s, %d posts", f.transcript(p), p.ends("stopped"), f.platform.count("post"))
	}
}

// Stop can come while the question is still being prepared.
func TestATurnStoppedWhileItIsPlanned(t *testing.T) {
	t.Parallel()
	for _, begun := range []bool{false, true} {
		t.Run(fmt.Sprint("an answer was begun: ", begun), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.model = hold(half, nil)
			want := []string{}
			if begun {
				want = append(want, half)
				first := f.start()
				first.put(asked("Hi"))
				f.shows(want...)
				first.stop()
			}
			planning, stopped := make(chan struct{}), make(chan struct{})
			var once sync.Once
			f.platform.before = func(call string) {
				if call == "history" {
					once.Do(func() { close(planning) })
					<-stopped
				}
			}
			p := f.start()
			if !begun {
				p.put(asked("Hi"))
			}
			<-planning
			f.stopIt(p)
			close(stopped)
			p.closed()
			f.shows(want...)
			if shows := f.platform.read(); begun && shows[0].stop != "" {
				t.Error("the stopped answer still shows Stop")
			}
			if !begun && (f.asked() != "" || p.ends("stopped") != "") {
				t.Errorf("asked %q, stopped %q", f.asked(), p.ends("stopped"))
			}
		})
	}
}

func TestTheNextProcessGoesOnInTheSameMessage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.model = hold(half, nil)
	first := f.start()
	first.put(asked("Hi"))
	f.shows(half)
	first.stop()
	if e := first.end(); !errors.Is(e.Err, inbox.ErrHandedOver) {
		t.Fatalf("the first attempt ended with %v", e.Err)
	}
	f.model = func(context.Context, completion.Request) iter.Seq2[completion.Delta, error] {
		return words(half, rest).wire()
	}
	second := f.start()
	second.closed()
	f.shows(half + rest)
	if f.platform.count("post") != 1 || f.asked() != "m1 m1" {
		t.Errorf("%d posts, asked %s", f.platform.count("post"), f.asked())
	}
	if answers, _, _ := f.used(second, "m1"); answers != 1 || first.ends("answered") != "" || second.ends("answered") != "1" {
		t.Errorf("counted %d times; answered here %q, there %q", answers, first.ends("answered"), second.ends("answered"))
	}
}

// A post that is on its way when the process hands over gets there and is written
// down, so that the next process edits the message and posts none.
func TestAPostOnItsWayIsWrittenDownBeforeTheHandOver(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	posting, arrive := make(chan struct{}), make(chan struct{})
	f.platform.before = func(call string) {
		if call == "post" {
			close(posting)
			<-arrive
		}
	}
	f.model = hold(half, nil)
	first := f.start()
	first.put(asked("Hi"))
	<-posting
	f.model = func(context.Context, completion.Request) iter.Seq2[completion.Delta, error] {
		return words(half, rest).wire()
	}
	left := make(chan struct{})
	go func() {
		defer close(left)
		first.stop()
	}()
	f.until("the model is left", func() bool { return strings.Contains(first.log.String(), "model answered") })
	f.platform.before = nil
	close(arrive)
	<-left
	if e := first.end(); !errors.Is(e.Err, inbox.ErrHandedOver) || len(e.Turn.Parts()) != 1 || e.Turn.Parts()[0].ID != "m0" {
		t.Errorf("the first attempt ended with %v and %+v", e.Err, e.Turn.Parts())
	}
	second := f.start()
	second.closed()
	f.shows(half + rest)
	if n := f.platform.count("post"); n != 1 {
		t.Errorf("%d posts", n)
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
			f := newFixture(t)
			f.model = hold(half, nil)
			first := f.start()
			first.put(asked("Hi"))
			f.shows(half)
			first.stop()
			f.model = c.model
			second := f.start()
			if c.stop {
				f.until("the model is asked again", func() bool { return f.asked() == "m1 m1" })
				f.stopIt(second)
			}
			second.closed()
			got := f.platform.texts()
			if len(got) != 1 || !strings.HasPrefix(got[0], half+c.after) || c.after == "" && got[0] != half {
				t.Errorf("people see %q", got)
			}
			if kept := f.transcript(second); len(kept) != 1 || kept[0].Answer != half || second.ends(c.ends) != "1" {
				t.Errorf("kept %+v, %s %s", kept, c.ends, second.ends(c.ends))
			}
		})
	}
}

// A process that has lost its lease writes nothing any more, and the next asks
// again.
func TestAnAnswerWhoseLeaseIsLostIsClosedByTheNextOwner(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	let := make(chan struct{})
	f.model = hold(half, let, rest)
	p := f.start()
	p.put(asked("Hi"))
	f.shows(half)
	f.Steal(p.in, "memory:1")
	close(let)
	if e := p.end(); !errors.Is(e.Err, inbox.ErrLost) {
		t.Fatalf("the first attempt ended with %v", e.Err)
	}
	if answers, _, _ := f.used(p, "m1"); answers != 0 || len(f.transcript(p)) != 0 {
		t.Errorf("%d answers were counted without the lease", answers)
	}
	if p.ends("failed") != "" || strings.Contains(p.log.String(), "could not be shown") {
		t.Error("the answer is said to have failed")
	}
	p.closed()
	f.shows(half + rest)
	if answers, _, _ := f.used(p, "m1"); answers != 1 || len(f.transcript(p)) != 1 || f.platform.count("post") != 1 {
		t.Errorf("%d answers counted, %d posts", answers, f.platform.count("post"))
	}
}

func TestADeletedQuestionTakesItsAnswerAlong(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	let := make(chan struct{})
	f.model = hold(half, let)
	p := f.start()
	m := asked("Hi")
	p.put(m)
	f.shows(half)
	if err := p.Withdraw(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	p.closed()
	f.shows()
	if answers, _, _ := f.used(p, "m1"); answers != 1 || len(f.transcript(p)) != 0 || p.ends("withdrawn") != "1" {
		t.Errorf("%d answers counted, kept %+v, withdrawn %s", answers, f.transcript(p), p.ends("withdrawn"))
	}

	close(let)
	finished := asked("And?")
	p.put(finished)
	p.closed()
	if err := p.Withdraw(t.Context(), finished); err != nil {
		t.Fatal(err)
	}
	f.shows(half) // the answer stays, the conversation forgets it
	if kept := f.transcript(p); len(kept) != 1 || kept[0].Question != "" || kept[0].Answer != "" {
		t.Errorf("kept %+v", kept)
	}
}

// One question's defect is that question's: it is tried again.
func TestADefectCostsOneAttempt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var attempts atomic.Int64
	f.model = func(context.Context, completion.Request) iter.Seq2[completion.Delta, error] {
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
	p := f.start()
	p.put(asked("Hi"))
	p.closed()
	f.shows(half + rest)
	if f.asked() != "m1 m1" || strings.Contains(p.log.String(), "the words of a message") {
		t.Errorf("asked %s; the log says %s", f.asked(), p.log.String())
	}
}

// A question that brings the process down each time is given up.
func TestAQuestionThatNothingHelpsIsGivenUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.attempt = maxAttempts + 1
	p := f.start()
	p.put(asked("Hi"))
	p.closed()
	got := f.platform.texts()
	if len(got) != 1 || !strings.HasPrefix(got[0], "Something went wrong here; try again.") || f.asked() != "" || p.ends("failed") != "1" {
		t.Errorf("people see %q, asked %q, failed %s", got, f.asked(), p.ends("failed"))
	}
}

var errStore = errors.New("the store is away")

// away is a store that cannot be reached.
func away(t *testing.T) redis.UniversalClient {
	c := redis.NewClient(&redis.Options{
		MaxRetries: -1, DialerRetries: 1,
		Dialer: func(context.Context, string, string) (net.Conn, error) { return nil, errStore },
	})
	t.Cleanup(func() { _ = c.Close() })
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
			f := newFixture(t)
			f.shelf = away(t)
			f.attempt = c.attempt
			p := f.start()
			p.put(asked("Hi"))
			e := p.end()
			got := strings.Join(f.platform.texts(), "|")
			if (e.Err == nil) != (c.says != "") || !strings.HasPrefix(got, c.says) || c.says == "" && got != "" || f.asked() != "" {
				t.Errorf("attempt %d ended with %v, people see %q", e.Turn.Attempt, e.Err, got)
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
	f := newFixture(t)
	store := &faulty{}
	f.Store.Client.AddHook(store)
	let := make(chan struct{})
	f.model = hold(half, let, rest)
	p := f.start()
	p.put(asked("Hi"))
	f.shows(half)
	store.next.Store(5)
	close(let)
	p.closed()
	f.shows(half + rest)
	if store.next.Load() >= 0 {
		t.Error("the store was never away")
	}
	if answers, _, _ := f.used(p, "m1"); answers != 1 || len(f.transcript(p)) != 1 || f.platform.count("post") != 1 || f.asked() != "m1" {
		t.Errorf("%d answers counted, %d kept, %d posts, asked %s", answers, len(f.transcript(p)), f.platform.count("post"), f.asked())
	}
}

// The last words of an answer that failed after a takeover are given up too when
// the question is deleted, however long the platform takes none.
func TestADeletionEndsTheLastWordsOfAFailedAnswer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.model = hold(half, nil)
	first := f.start()
	m := asked("Hi")
	first.put(m)
	f.shows(half)
	first.stop()
	f.model = func(context.Context, completion.Request) iter.Seq2[completion.Delta, error] {
		return words("The").then(errAway).wire()
	}
	f.platform.refuse = func(call string, _ chat.Content) error {
		if call == "edit" {
			return errAway
		}
		return nil
	}
	second := f.start()
	f.until("the last words wait for the platform", func() bool {
		return strings.Contains(second.log.String(), "a platform call failed and will be tried again")
	})
	if err := second.Withdraw(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	second.closed()
	f.shows()
}

// Reasoning that was shown and taken back is no answer, whichever model goes on.
func TestWhatWasTakenBackStaysSoWithAnotherModel(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.model = hold(half, nil)
	first := f.start()
	first.put(asked("Hi"))
	f.shows(half)
	first.stop()
	written := make(chan struct{})
	f.model = func(ctx context.Context, r completion.Request) iter.Seq2[completion.Delta, error] {
		if r.Model == "m2" {
			return func(yield func(completion.Delta, error) bool) {
				if yield(completion.Delta{Text: "The"}, nil) {
					close(written)
					<-ctx.Done()
				}
			}
		}
		return reply{[]completion.Delta{{Text: half}, {Retract: true}}, errAway}.wire()
	}
	second := f.start()
	<-written
	f.stopIt(second)
	second.closed()
	f.shows("The")
}

// A sink with a defect keeps nothing; the answer that people have read stays, and
// is not asked for again.
func TestADefectInASinkCostsWhatItKeeps(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.start()
	p.ledger = nil
	p.put(asked("Hi"))
	p.closed()
	f.shows("Hello.")
	if kept := f.transcript(p); len(kept) != 1 || f.asked() != "m1" || !strings.Contains(p.log.String(), "could not be kept") {
		t.Errorf("kept %+v, asked %s", kept, f.asked())
	}
}

// A gate with a defect is tried as often as one that fails, then the person is told.
func TestADefectInAGateIsAnErrorLikeAnother(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.attempt = patientAttempts
	p := f.start()
	p.registry = nil
	p.put(asked("Hi"))
	p.closed()
	got := f.platform.texts()
	if len(got) != 1 || !strings.HasPrefix(got[0], "Something went wrong here") || f.asked() != "" {
		t.Errorf("people see %q, asked %q", got, f.asked())
	}
}

// A question that an attempt found deleted is not answered by the next, although
// nothing tells of the deletion any more.
func TestADeletionThatOneAttemptFoundHoldsForTheNext(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var back atomic.Bool
	f.platform.refuse = func(call string, _ chat.Content) error {
		if call == "remove" && !back.Load() {
			return &chat.RateLimited{After: time.Minute}
		}
		return nil
	}
	f.model = hold(half, nil)
	first := f.start()
	m := asked("Hi")
	first.put(m)
	f.shows(half)
	if err := first.Withdraw(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if e := first.end(); e.Err == nil {
		t.Fatal("the answer was taken back although the platform was away")
	}
	first.stop()
	if err := f.Store.Client.Del(t.Context(), first.in.ScopeKey("memory:1", "withdrawn")).Err(); err != nil {
		t.Fatal(err)
	}
	back.Store(true)
	f.model = func(context.Context, completion.Request) iter.Seq2[completion.Delta, error] {
		return words(half, rest).wire()
	}
	second := f.start()
	second.closed()
	f.shows()
	if answers, _, _ := f.used(second, "m1"); answers != 1 || f.asked() != "m1" {
		t.Errorf("%d answers counted, asked %s", answers, f.asked())
	}
}
