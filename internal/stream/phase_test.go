// The answer's phases, driven through random legal lives on a platform that
// fails, refuses, loses replies and is taken over.

package stream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/chat"
)

// Every phase but the last can be left, only over is final, and every phase can
// be reached.
func TestTheTableOfPhases(t *testing.T) {
	reached := map[phase]bool{unposted: true}
	for from, list := range follows {
		for _, to := range list {
			reached[to] = true
			if phase(from) >= tidying && to < phase(from) {
				t.Errorf("%s goes back to %s", phase(from), to)
			}
		}
		if (len(list) == 0) != (phase(from) == over) {
			t.Errorf("from %s lead %v", phase(from), list)
		}
	}
	for p := unposted; p <= over; p++ {
		if !reached[p] {
			t.Errorf("%s cannot be reached", p)
		}
	}
}

// life is one random answer, perhaps of several processes one after the other.
type life struct {
	rnd    *rand.Rand
	t      *testing.T
	seed   uint64
	record map[string]Posted // as the inbox would keep it
	order  []string
	walked map[[2]phase]bool // every change of phase
	want   string
}

func (l *life) errorf(format string, args ...any) {
	l.t.Errorf("seed %d: "+format, append([]any{l.seed}, args...)...)
}

// job is what the relay would open the answer with.
func (l *life) job(r chat.Responder) Job {
	j := Job{
		Turn: "t", Stop: true, Responder: r,
		Record: func(_ context.Context, all ...Posted) error {
			for _, p := range all {
				if old, ok := l.record[p.Key]; !p.Pending || !ok || old.ID == "" {
					l.keep(p)
				}
			}
			return nil
		},
	}
	if l.seed%2 == 0 {
		j.Hold = l.keep
	}
	for _, key := range l.order {
		j.Posted = append(j.Posted, l.record[key])
	}
	return j
}

func (l *life) keep(p Posted) {
	if _, ok := l.record[p.Key]; !ok {
		l.order = append(l.order, p.Key)
	}
	l.record[p.Key] = p
}

// watch notes each change of phase and checks it against the table.
func (l *life) watch(_ *Answer, from, to phase) {
	l.walked[[2]phase{from, to}] = true
	if !slices.Contains(follows[from], to) {
		l.errorf("%s goes to %s", from, to)
	}
}

// mishap makes a platform that fails in the ways platforms do. Refusals that
// end an answer are left out: what becomes of those is tested by themselves.
func mishap(rnd *rand.Rand) (before, after func(int, request) error) {
	before = func(_ int, k request) error {
		switch n := rnd.IntN(40); {
		case n < 3:
			return errWeather
		case n == 3:
			return &chat.RateLimited{After: time.Duration(rnd.IntN(3000)) * time.Millisecond}
		case n == 4 && k.kind == "edit":
			return &chat.Refusal{Reason: chat.EditClosed, Err: errors.New("too old")}
		case n == 5 && len(k.Markdown) > smallest && k.kind != "remove":
			return &chat.Refusal{Reason: chat.TooLong, Err: errors.New("too long")}
		case n == 6 && !k.Final && k.kind == "edit":
			return &chat.Refusal{Reason: chat.Invalid, Err: errors.New("half a table")}
		}
		return nil
	}
	after = func(int, request) error {
		if rnd.IntN(15) == 0 {
			return errWeather // it happened, and nobody was told
		}
		return nil
	}
	return before, after
}

// live drives an answer from its first word to its end: bursts of text, pauses,
// a retraction, a hand-over to another process.
func (l *life) live(p *platform, r chat.Responder) {
	s := NewScheduler(Options{})
	s.watch = l.watch
	defer func() { s.Close() }()
	a := s.Open(l.t.Context(), l.job(r))
	for range l.rnd.IntN(6) {
		switch n := l.rnd.IntN(10); {
		case n < 6:
			l.want += say(a, time.Duration(1+l.rnd.IntN(120))*time.Millisecond, many(1+l.rnd.IntN(50))...)
		case n < 7:
			a.Retract()
			l.want = ""
		case n < 8:
			ctx, cancel := context.WithTimeout(l.t.Context(), 3*time.Second)
			a.Abandon(ctx, errors.New("handed over"))
			cancel()
			s.Close()
			s = NewScheduler(Options{})
			s.watch = l.watch
			a = s.Open(l.t.Context(), l.job(r))
			a.Append(l.want) // the model is asked again, and says the same
		default:
			<-time.After(time.Duration(l.rnd.IntN(5000)) * time.Millisecond)
		}
	}
	l.want += say(a, 10*time.Millisecond, "the ", "last ", "words")
	result, err := a.Finish(l.t.Context(), End{})
	if err != nil {
		l.errorf("the end: %v", err)
	}
	calls := len(p.calls)
	<-time.After(time.Minute)
	if len(p.calls) != calls {
		l.errorf("%d calls came after the end", len(p.calls)-calls)
	}
	l.check(p, result)
}

// check holds what must be true of every answer that ended well.
func (l *life) check(p *platform, result Result) {
	if got := strings.Join(p.texts(), "") + strings.Join(p.files, ""); got != l.want {
		l.errorf("there stands %q, want %q", got, l.want)
	}
	p.settled(l.t)
	for _, m := range result.Messages {
		if kept := l.record[m.Key]; kept.ID != m.ID || kept.Pending || kept.Streaming {
			l.errorf("the record says %+v of %+v", kept, m)
		}
	}
	if len(result.Messages) != len(p.order) {
		l.errorf("%d messages are the answer's, %d are there", len(result.Messages), len(p.order))
	}
}

func TestAnyLifeOfAnAnswerEndsWell(t *testing.T) {
	walked := map[[2]phase]bool{}
	for seed := range uint64(150) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &life{rnd: rand.New(rand.NewPCG(seed, 7)), t: t, seed: seed, record: map[string]Posted{}, walked: walked}
				limits := chat.Limits{Size: 200 + 400*l.rnd.IntN(3)}
				if l.rnd.IntN(2) == 0 {
					limits.Edits = chat.Budget{Key: "e", Calls: 60, Window: time.Minute, Burst: 5}
				}
				streams := newStreamer(limits)
				before, after := mishap(rand.New(rand.NewPCG(seed, 8)))
				streams.before, streams.after = before, after
				var r chat.Responder = remover{streams.platform}
				if l.rnd.IntN(2) == 0 {
					r = struct {
						*streamer
						chat.Remover
					}{streams, remover{streams.platform}}
				} else {
					streams.limits.Native = false
				}
				l.live(streams.platform, r)
			})
		})
	}
	for _, step := range [][2]phase{
		{unposted, growing}, {unposted, streaming}, {growing, unposted}, {streaming, closing}, {closing, unposted},
		{growing, tidying}, {streaming, growing}, {growing, leaving}, {tidying, over}, {leaving, over},
	} {
		if !walked[step] {
			t.Errorf("no life went from %s to %s: the test has become too tame", step[0], step[1])
		}
	}
}
