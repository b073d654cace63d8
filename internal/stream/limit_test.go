package stream

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/chat"
)

// gate is a rate limit as a platform keeps it: a call counts when it arrives.
type gate struct {
	chat.Budget
	level   float64
	at      time.Time
	arrived []time.Time
	refused int
}

func (g *gate) pass(now time.Time) error {
	if g.Sliding {
		for len(g.arrived) > 0 && !g.arrived[0].Add(g.Window).After(now) {
			g.arrived = g.arrived[1:]
		}
		if len(g.arrived) < g.Calls {
			g.arrived = append(g.arrived, now)
			return nil
		}
		g.refused++
		return &chat.RateLimited{After: g.arrived[0].Add(g.Window).Sub(now)}
	}
	rate := float64(g.Calls) / g.Window.Seconds()
	if g.at.IsZero() {
		g.level, g.at = float64(g.Burst), now
	}
	g.level = min(float64(g.Burst), g.level+rate*now.Sub(g.at).Seconds())
	g.at = now
	if g.level >= 1 {
		g.level--
		return nil
	}
	g.refused++
	return &chat.RateLimited{After: time.Duration((1-g.level)/rate*float64(time.Second)).Truncate(time.Second) + time.Second}
}

// left is what Discord's headers would say.
func (g *gate) left(now time.Time) chat.Rate {
	r := chat.Rate{Known: true, Bucket: "b", Limit: g.Calls, Remaining: g.Calls - len(g.arrived)}
	if len(g.arrived) > 0 {
		r.Reset = g.arrived[0].Add(g.Window).Sub(now)
	}
	return r
}

// town is a platform with limits that several answers share.
type town struct {
	edits *gate
	posts map[string]*gate // by channel
	mu    sync.Mutex
}

// place is one answer's place in it.
func (w *town) place(channel string, believed chat.Limits, r *rand.Rand) *platform {
	p := newPlatform(believed)
	p.latency = time.Duration(20+r.IntN(400)) * time.Millisecond
	p.before = func(_ int, k request) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if k.kind == "post" {
			return w.posts[channel].pass(k.at)
		}
		return w.edits.pass(k.at)
	}
	return p
}

// Random answers at random times in a place with known limits: no call is ever
// refused, every end is right and soon, and no text stays unseen for longer
// than its bound.
func TestKnownLimitsAreNeverOverstepped(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			sliding := seed%2 == 0
			edits := chat.Budget{Key: "edits", Calls: 50, Window: time.Minute, Burst: 1 + r.IntN(12)}
			posts := chat.Budget{Calls: 60, Window: time.Minute, Burst: 1 + r.IntN(4)}
			if sliding {
				edits = chat.Budget{Key: "edits", Calls: 1 + r.IntN(6), Window: 5 * time.Second, Sliding: true}
				posts = chat.Budget{Calls: 5, Window: 5 * time.Second, Sliding: true}
			}
			w := &town{edits: &gate{Budget: edits}, posts: map[string]*gate{}}
			for _, c := range []string{"a", "b", "c"} {
				w.posts[c] = &gate{Budget: posts}
			}
			s := NewScheduler(Options{})
			defer s.Close()
			n := 1 + r.IntN(12)
			var all sync.WaitGroup
			for k := range n {
				channel := string(rune('a' + r.IntN(3)))
				limits := chat.Limits{Size: 300 + r.IntN(3000), Edits: edits, Posts: posts}
				limits.Posts.Key = "posts-" + channel
				p := w.place(channel, limits, r)
				own := rand.New(rand.NewPCG(seed, uint64(k)))
				start := time.Duration(own.IntN(20000)) * time.Millisecond
				all.Go(func() {
					<-time.After(start)
					var want strings.Builder
					a := s.Open(t.Context(), Job{Turn: fmt.Sprint("t", k), Responder: p, Stop: true})
					for i := range own.IntN(400) {
						word := fmt.Sprintf("word%d ", i)
						if own.IntN(40) == 0 {
							word += "\n\n"
						}
						want.WriteString(word)
						a.Append(word)
						<-time.After(time.Duration(own.IntN(100)) * time.Millisecond)
					}
					if _, err := a.Finish(t.Context(), End{}); err != nil {
						t.Errorf("finished with %v", err)
					}
					if got := p.shown(); strings.TrimSpace(got) != strings.TrimSpace(want.String()) {
						t.Errorf("seed %d: in the end stands %q", seed, got)
					}
					p.settled(t)
				})
			}
			all.Wait()
			refused := w.edits.refused
			for _, g := range w.posts {
				refused += g.refused
			}
			if refused > 0 {
				t.Errorf("seed %d: %d calls were refused (%+v)", seed, refused, edits)
			}
		})
	}
}

// No answer starves: while n answers grow on one limit, none of their text
// stays unseen for longer than the calls kept for ends take to come back and
// three fair turns.
func TestNothingStaysUnseenForLong(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 2))
			edits := chat.Budget{Key: "edits", Calls: 50, Window: time.Minute, Burst: 10}
			if seed%2 == 0 {
				edits = chat.Budget{Key: "edits", Calls: 5, Window: 5 * time.Second, Sliding: true}
			}
			w := &town{edits: &gate{Budget: edits}, posts: map[string]*gate{"a": {Budget: chat.Budget{Calls: 100, Window: time.Second, Burst: 100}}}}
			s := NewScheduler(Options{})
			defer s.Close()
			n := 1 + r.IntN(6)
			rate := float64(edits.Calls) / edits.Window.Seconds()
			burst := edits.Burst
			if edits.Sliding {
				burst = edits.Calls
			}
			bound := time.Duration(float64(burst+3*n) / rate * float64(time.Second))
			var all sync.WaitGroup
			for k := range n {
				p := w.place("a", chat.Limits{Size: 40000, Edits: edits}, r)
				own := rand.New(rand.NewPCG(seed, uint64(k)))
				speed := time.Duration(1+own.IntN(400)) * time.Millisecond // some write 400 times as fast as others
				all.Go(func() {
					a := s.Open(t.Context(), Job{Turn: fmt.Sprint("t", k), Responder: p})
					begin := time.Now()
					length := 0
					var born []time.Time // by byte
					for time.Since(begin) < 2*time.Minute {
						a.Append("abcd ")
						length += 5
						for range 5 {
							born = append(born, time.Now())
						}
						p.mu.Lock()
						shown := len(p.shown())
						p.mu.Unlock()
						if shown < length-1 {
							if age := time.Since(born[shown+1]); age > bound+2*p.latency {
								t.Fatalf("seed %d: with %d answers text stays unseen for %v, more than %v", seed, n, age, bound)
							}
						}
						<-time.After(speed)
					}
					if _, err := a.Finish(t.Context(), End{}); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		})
	}
}

// A limit smaller than believed costs one refusal, or a few over many minutes,
// and never an end.
func TestUnknownLimitsAreLearned(t *testing.T) {
	for name, c := range map[string]struct {
		real, believed chat.Budget
	}{
		"burst 3, believed 10":         {chat.Budget{Calls: 50, Window: time.Minute, Burst: 3}, chat.Budget{Calls: 50, Window: time.Minute, Burst: 10}},
		"burst 1, believed 10":         {chat.Budget{Calls: 50, Window: time.Minute, Burst: 1}, chat.Budget{Calls: 50, Window: time.Minute, Burst: 10}},
		"20 a minute, believed 50":     {chat.Budget{Calls: 20, Window: time.Minute, Burst: 10}, chat.Budget{Calls: 50, Window: time.Minute, Burst: 10}},
		"3 in 5 s, believed 5":         {chat.Budget{Calls: 3, Window: 5 * time.Second, Sliding: true}, chat.Budget{Calls: 5, Window: 5 * time.Second, Sliding: true}},
		"5 in 10 s, believed 5 in 5 s": {chat.Budget{Calls: 5, Window: 10 * time.Second, Sliding: true}, chat.Budget{Calls: 5, Window: 5 * time.Second, Sliding: true}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, 3))
				w := &town{edits: &gate{Budget: c.real}, posts: map[string]*gate{"a": {Budget: chat.Budget{Calls: 100, Window: time.Second, Burst: 100}}}}
				s := NewScheduler(Options{})
				defer s.Close()
				c.believed.Key = "edits"
				begin := time.Now()
				var all sync.WaitGroup
				for k := range 8 {
					p := w.place("a", chat.Limits{Size: 4000, Edits: c.believed}, r)
					all.Go(func() {
						for round := range 15 {
							a := s.Open(t.Context(), Job{Turn: fmt.Sprint("t", k, round), Responder: p})
							say(a, 50*time.Millisecond, many(20+10*k)...)
							end(t, a)
							<-time.After(time.Second)
						}
					})
				}
				all.Wait()
				minutes := time.Since(begin).Minutes()
				if float64(w.edits.refused) > math.Ceil(minutes) {
					t.Errorf("%d calls refused in %.1f minutes", w.edits.refused, minutes)
				}
				t.Logf("%d calls refused in %.1f minutes; learned %.1f a minute, %.1f at once",
					w.edits.refused, minutes, s.budgets["edits"].rate*60, s.budgets["edits"].burst)
			})
		})
	}
}

// What Discord's headers say is believed at once, in both directions.
func TestHeadersTeach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 4))
		real := chat.Budget{Calls: 2, Window: 4 * time.Second, Sliding: true}
		w := &town{edits: &gate{Budget: real}, posts: map[string]*gate{"a": {Budget: chat.Budget{Calls: 100, Window: time.Second, Burst: 100}}}}
		s := NewScheduler(Options{})
		defer s.Close()
		believed := chat.Budget{Key: "edits", Calls: 5, Window: 5 * time.Second, Sliding: true}
		p := w.place("a", chat.Limits{Edits: believed}, r)
		p.rate = func(k request) chat.Rate {
			if k.kind == "edit" {
				return w.edits.left(k.at)
			}
			return chat.Rate{}
		}
		a := s.Open(t.Context(), Job{Turn: "t", Responder: p})
		say(a, 50*time.Millisecond, many(600)...)
		end(t, a)
		if w.edits.refused > 0 {
			t.Errorf("%d calls refused", w.edits.refused)
		}
		if b := s.budgets["edits"]; b.burst != 2 || b.window < 3500*time.Millisecond || b.window > 4*time.Second {
			t.Errorf("learned %v in %v", b.burst, b.window)
		}
	})
}

// A refusal that others caused, or one for all calls, pauses the right limit
// and teaches nothing.
func TestSharedAndGlobalRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := chat.Limits{
			Edits:  chat.Budget{Key: "edits", Calls: 50, Window: time.Minute, Burst: 10},
			Global: chat.Budget{Key: "global", Calls: 50, Window: time.Second, Sliding: true},
		}
		s := NewScheduler(Options{})
		defer s.Close()
		p, q := newPlatform(limits), newPlatform(limits)
		p.before = func(n int, k request) error {
			switch n {
			case 1:
				return &chat.RateLimited{After: 3 * time.Second, Shared: true}
			case 3:
				return &chat.RateLimited{After: 5 * time.Second, Global: true}
			}
			return nil
		}
		a := openOn(t, s, p, Job{Turn: "a"})
		say(a, 50*time.Millisecond, many(300)...)
		end(t, a)
		if b := s.budgets["edits"]; b.burst != 10 || b.rate != 50.0/60 {
			t.Errorf("learned burst %v, %v a minute", b.burst, b.rate*60)
		}
		pause := func(i int) time.Duration { return p.calls[i+1].at.Sub(p.calls[i].at) }
		if pause(1) < 3*time.Second || pause(1) > 3500*time.Millisecond {
			t.Errorf("waited %v after the shared refusal", pause(1))
		}
		if pause(3) < 5*time.Second || pause(3) > 5500*time.Millisecond {
			t.Errorf("waited %v after the global refusal", pause(3))
		}
		if s.budgets["global"].paused.IsZero() {
			t.Error("the global limit was not paused")
		}
		b := openOn(t, s, q, Job{Turn: "b"})
		b.Append("Another answer, after all that.")
		end(t, b)
	})
}

// notebook is a Memory.
type notebook struct {
	mu   sync.Mutex
	kept map[string]Learned
}

func (n *notebook) Load(_ context.Context, key string) (Learned, bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l, ok := n.kept[key]
	return l, ok, nil
}

func (n *notebook) Save(_ context.Context, key string, l Learned) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.kept[key] = l
	return nil
}

// What was learned is remembered by the next process, and so is that calls
// were made a moment ago.
func TestLimitsAreRememberedOverRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 5))
		w := &town{edits: &gate{Budget: chat.Budget{Calls: 50, Window: time.Minute, Burst: 3}}, posts: map[string]*gate{"a": {Budget: chat.Budget{Calls: 100, Window: time.Second, Burst: 100}}}}
		believed := chat.Budget{Key: "edits", Calls: 50, Window: time.Minute, Burst: 10}
		book := &notebook{kept: map[string]Learned{}}
		for life := range 4 {
			s := NewScheduler(Options{Memory: book})
			p := w.place("a", chat.Limits{Edits: believed}, r)
			a := s.Open(t.Context(), Job{Turn: "t", Responder: p})
			say(a, 50*time.Millisecond, many(200)...)
			end(t, a)
			s.Close()
			if life == 0 && w.edits.refused != 1 {
				t.Errorf("%d calls refused in the first life", w.edits.refused)
			}
		}
		if w.edits.refused > 1 {
			t.Errorf("%d calls refused in four lives", w.edits.refused)
		}
		if l := book.kept["edits"]; l.Burst > 3 {
			t.Errorf("kept %+v", l)
		}
	})
}
