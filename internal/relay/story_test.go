// Turns to which anything happens.

package relay

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"parley/internal/completion"
	"parley/internal/inbox"
)

// The events of a story. Each happens to one request, while its model writes.
const (
	stops     = "a person stops it"
	withdraws = "the question is deleted"
	leaves    = "the process hands over"
	loses     = "the process loses its lease"
	fails     = "the model fails"
	panics    = "a defect"
)

// happening is an event and before which piece of the answer it comes.
type happening struct {
	event string
	piece int
}

// story is one question and what happens to its requests; those behind the last
// happening go well.
type story struct {
	f          *fixture
	pieces     []string
	happenings []happening

	mu       sync.Mutex
	requests int
	happened []string
	seen     string // the longest text that an event found in the platform
}

func newStory(t *testing.T, seed uint64) *story {
	dice := rand.New(rand.NewPCG(seed, 3))
	s := &story{f: newFixture(t)}
	for i := range 3 + dice.IntN(4) {
		s.pieces = append(s.pieces, fmt.Sprintf("Sentence number %d of the answer. ", i))
	}
	events := []string{panics, stops, withdraws, leaves, leaves, loses, fails}
	for range 1 + dice.IntN(3) {
		s.happenings = append(s.happenings, happening{event: events[dice.IntN(len(events))], piece: dice.IntN(len(s.pieces))})
		events = slices.DeleteFunc(events, func(e string) bool { return e == panics }) // later ones wait too long
	}
	s.f.model = s.answer
	return s
}

// whole is the answer that nothing happens to.
func (s *story) whole() string { return strings.Join(s.pieces, "") }

// next counts a request and says what happens to it.
func (s *story) next() happening {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if s.requests > len(s.happenings) {
		return happening{}
	}
	return s.happenings[s.requests-1]
}

func (s *story) answer(ctx context.Context, _ completion.Request) iter.Seq2[completion.Delta, error] {
	h := s.next()
	return func(yield func(completion.Delta, error) bool) {
		for i, piece := range s.pieces {
			if h.event != "" && i == h.piece {
				if err := s.happen(ctx, h.event); err != nil {
					yield(completion.Delta{}, err)
					return
				}
			}
			if !yield(completion.Delta{Text: piece}, nil) {
				return
			}
		}
	}
}

// happen brings an event about, and waits for its effect where it ends the request.
func (s *story) happen(ctx context.Context, event string) error {
	s.mu.Lock()
	s.happened = append(s.happened, event)
	for _, text := range s.f.platform.texts() {
		if len(text) > len(s.seen) {
			s.seen = text
		}
	}
	s.mu.Unlock()
	s.f.mu.Lock()
	owner := s.f.owner
	s.f.mu.Unlock()
	var err error
	switch event {
	case loses:
		s.f.Steal(owner.in, "memory:1")
		return nil
	case fails:
		return &completion.Error{Kind: completion.KindTruncated, Provider: "lab", Model: "m1"}
	case panics:
		panic("the words of a message")
	case stops:
		var running []inbox.Running
		if running, err = owner.in.Running(ctx, "memory:1"); err == nil {
			err = owner.in.Stop(ctx, "memory:1", running[0].Turn)
		}
	case withdraws:
		err = owner.Withdraw(ctx, asked("Hi"))
	case leaves:
		go owner.stop()
	}
	if err != nil && ctx.Err() == nil {
		s.f.t.Errorf("%s: %v", event, err)
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

// Whatever happens to a turn, it ends once: nothing is said twice, what people
// have read stays, and what is kept and counted is what they read.
func TestWhateverHappensATurnEndsOnce(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			s := newStory(t, seed)
			p := s.f.start()
			for range s.happenings {
				s.f.start()
			}
			p.put(asked("Hi"))
			s.f.until("the turn ends", func() bool { return s.f.Open(p.in, "memory:1") == 0 })
			t.Logf("of %v there came %v", s.happenings, s.happened)
			s.check(t, p)
		})
	}
}

func (s *story) check(t *testing.T, p *process) {
	t.Helper()
	kept := s.f.transcript(p)
	first, _, _ := s.f.used(p, "m1")
	second, _, _ := s.f.used(p, "m2")
	if n := len(s.f.platform.shown); n > 1 {
		t.Errorf("%d messages were posted", n)
	}
	if slices.Contains(s.happened, withdraws) {
		if shows := s.f.platform.texts(); len(shows)+len(kept) != 0 {
			t.Errorf("withdrawn, but people see %q, kept %v", shows, kept)
		}
		// Without its lease a process cannot write down what it used.
		if used := first + second; used > 1 || used == 0 && !slices.Contains(s.happened, loses) {
			t.Errorf("withdrawn, and counted %d times", used)
		}
		return
	}
	if first+second != 1 || len(kept) > 1 {
		t.Errorf("counted %d times, kept %d times", first+second, len(kept))
	}
	answer, shows := "", ""
	if len(kept) == 1 {
		answer = kept[0].Answer
	}
	if read := s.f.platform.read(); len(read) == 1 {
		shows = read[0].text
		if read[0].stop != "" {
			t.Error("it still shows Stop")
		}
	}
	note, ok := strings.CutPrefix(shows, answer)
	if !ok || !strings.HasPrefix(s.whole(), answer) {
		t.Errorf("people see %q, kept %q", shows, answer)
	}
	failed, stopped := slices.Contains(s.happened, fails), slices.Contains(s.happened, stops)
	if note != "" && (!failed || !strings.Contains(note, "(ref-")) {
		t.Errorf("below the answer it says %q", note)
	}
	if !failed && !stopped && answer != s.whole() {
		t.Errorf("the answer is %q of %q", answer, s.whole())
	}
	// Without its lease a process cannot write down what its last edit showed.
	if !slices.Contains(s.happened, loses) && !strings.HasPrefix(shows, s.seen) {
		t.Errorf("people had read %q, and now %q", s.seen, shows)
	}
}
