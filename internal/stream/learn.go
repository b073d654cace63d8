// What a platform's answers teach about its limits, and what is kept of it.

package stream

import (
	"context"
	"math"
	"time"

	"parley/internal/chat"
)

const (
	// saveEvery is how often the use of a limit is noted in the memory.
	saveEvery = 10 * time.Second
	// saveTimeout ends a visit to the memory: limits can be learned again.
	saveTimeout = 2 * time.Second
	// rememberFrom is how long a limit takes to be whole again from which it is
	// worth remembering: a restart takes longer than the others.
	rememberFrom = 2 * time.Second
	// unlearnAfter is how long a limit found smaller than believed stays so
	// before a little more is tried.
	unlearnAfter = 15 * time.Minute
	// keepUnused is how long a limit nobody draws on is kept.
	keepUnused = 10 * time.Minute
	// carefulFor is how long calls come back slower after a refusal whose reason
	// is not clear.
	carefulFor = time.Minute
	// shortestPause is waited at least when a platform says to slow down.
	shortestPause = 100 * time.Millisecond
)

// Learned is what is kept of a limit over restarts.
type Learned struct {
	Rate   float64   `json:"rate"`             // calls per second
	Burst  float64   `json:"burst"`            // calls at once
	Proven float64   `json:"proven,omitempty"` // calls at once that went well
	At     time.Time `json:"at"`               // when it was used last, give or take saveEvery
}

// recall asks the memory for what is known of limits not met before.
func (s *Scheduler) recall(ctx context.Context, l chat.Limits) map[string]Learned {
	if s.memory == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	out := make(map[string]Learned)
	for _, b := range []chat.Budget{l.Edits, l.Posts, l.Global, l.Starts, l.Appends, l.Ends} {
		s.mu.Lock()
		_, met := s.budgets[b.Key]
		s.mu.Unlock()
		if met || b.Key == "" || newBudget(b.Key, b, time.Time{}).refillTime() < rememberFrom {
			continue
		}
		learned, ok, err := s.memory.Load(ctx, b.Key)
		if err != nil {
			s.log.WarnContext(ctx, "what was learned of a rate limit could not be read", "budget", b.Key, "error", err)
		}
		if ok {
			out[b.Key] = learned
		}
	}
	return out
}

// limit is the budget of that description; kind names it where it has no key.
// The lock is held.
func (s *Scheduler) limit(kind string, want chat.Budget, learned map[string]Learned) *budget {
	key := want.Key
	if key == "" {
		key = kind
	}
	now := time.Now()
	b, ok := s.budgets[key]
	if !ok {
		b = newBudget(key, want, now)
		if l, ok := learned[key]; ok && b.limited {
			b.recall(l, now)
		}
		s.budgets[key] = b
		s.show(b)
	}
	b.users++
	return b
}

// release says that somebody draws on limits no more, and forgets those long
// unused. The lock is held.
func (s *Scheduler) release(drawn ...*budget) {
	now := time.Now()
	for _, b := range drawn {
		b.users--
		b.unused = now
	}
	if len(s.budgets) < s.sweepAt {
		return
	}
	for key, b := range s.budgets {
		if b.users == 0 && now.Sub(b.unused) > max(keepUnused, b.refillTime()) && !b.paused.After(now) {
			delete(s.budgets, key)
			s.metrics.ForgetBudget(key)
		}
	}
	s.sweepAt = 2*len(s.budgets) + 64
}

// show puts a limit into the metrics, if it is large enough to matter.
func (s *Scheduler) show(b *budget) {
	if b.refillTime() >= rememberFrom {
		s.metrics.Budget(b.key, b.rate*60)
	}
}

// recall takes over what was learned in an earlier life, and that the calls
// made there may not have been given back yet.
func (b *budget) recall(l Learned, now time.Time) {
	if l.Rate > 0 && l.Burst >= 1 {
		b.rate, b.burst = min(b.rate, l.Rate), min(b.burst, l.Burst)
		b.learnedAt = now
	}
	b.proven = max(b.proven, min(l.Proven, b.burst))
	since := max(0, now.Sub(l.At)-saveEvery)
	if !b.sliding {
		b.level = min(b.burst, b.rate*since.Seconds())
		return
	}
	if since < b.window {
		for range int(b.burst) {
			b.ends = append(b.ends, now.Add(-since))
		}
	}
}

// remember writes what was learned, and that limits are in use.
func (s *Scheduler) remember(ctx context.Context) {
	if s.memory == nil {
		return
	}
	now := time.Now()
	var due map[string]Learned
	s.mu.Lock()
	for key, b := range s.budgets {
		if b.refillTime() >= rememberFrom && (b.unsaved || b.used.Sub(b.saved) > saveEvery) {
			if due == nil {
				due = make(map[string]Learned)
			}
			due[key] = Learned{Rate: b.rate, Burst: b.burst, Proven: b.proven, At: now}
			b.unsaved, b.saved = false, now
		}
	}
	s.mu.Unlock()
	if due == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	for key, l := range due {
		if err := s.memory.Save(ctx, key, l); err != nil {
			s.log.WarnContext(ctx, "what was learned of a rate limit could not be kept", "budget", key, "error", err)
		}
	}
}

// limited takes a platform's "slow down" to heart: the right limit waits, and
// unless others caused it, less is believed from now on. The lock is held.
func (s *Scheduler) limited(c *claim, err *chat.RateLimited, now time.Time) {
	b := c.own
	if err.Global {
		b = c.global
	}
	after := max(err.After, shortestPause)
	b.paused = later(b.paused, now.Add(after))
	if !b.limited || err.Shared {
		return
	}
	if b == c.own {
		b.learn(c.left, after, now)
	}
	if !b.sliding {
		// One call will be allowed when the wait is over.
		b.level = min(b.level, 1-b.speed(now)*after.Seconds())
	}
	s.show(b)
	s.log.Info("a platform's limit is smaller than believed", "budget", b.key,
		"per_minute", math.Round(b.rate*60), "burst", math.Round(b.burst), "wait", err.After)
}

// learn lowers what is believed after a refusal, when left calls had seemed to
// be allowed and the platform asks to wait for after.
func (b *budget) learn(left float64, after time.Duration, now time.Time) {
	since, passed := now.Sub(b.refusedAt), float64(b.passes)
	again := !b.refusedAt.IsZero() && b.brimAt.Before(b.refusedAt)
	b.learnedAt, b.refusedAt, b.passes, b.unsaved = now, now, 0, true
	if b.sliding {
		b.learnWindow(after, now)
		return
	}
	// Between two refusals, both with the real level below one call, the calls
	// that passed are what came back: a direct view of the rate.
	if rate := (passed + 0.5) / since.Seconds(); again && passed >= 1 && rate < 0.95*b.rate {
		b.rate, b.careful = max(0.95*rate, 0.2*b.rate), now
		return
	}
	// Fewer calls than the believed burst since the limit was whole: then the
	// burst is wrong, whatever the rate. Otherwise either may be.
	if b.sinceBrim+1 >= int(b.burst) {
		b.careful = now.Add(carefulFor)
	}
	// Believed and real level fall and rise together. The call found the real
	// one below 1, so the burst is too large by what was left above that;
	// unless so many calls at once went well before: then the rate is.
	burst := math.Ceil(b.burst - left)
	if b.burst-left+1 <= b.proven || burst < 1 {
		b.rate *= 0.875
		return
	}
	b.burst = burst
	b.level, b.proven = min(b.level, burst), min(b.proven, burst)
}

// learnWindow finds out whether a sliding window takes fewer calls than
// believed or is longer: when it opens again tells which call leaves it then.
func (b *budget) learnWindow(after time.Duration, now time.Time) {
	b.forget(now)
	opens := now.Add(after)
	n := len(b.ends)
	if n > 0 && n < int(b.burst) && opens.Before(b.ends[0].Add(b.window+time.Second)) {
		b.rate *= float64(n) / b.burst
		b.burst = float64(n)
		b.proven = min(b.proven, b.burst)
		return
	}
	if k := len(b.recent) - int(b.burst); k >= 0 {
		if length := opens.Sub(b.recent[k]); length > b.window && length < 10*b.window {
			b.window = length
			b.rate = b.burst / b.window.Seconds()
			return
		}
	}
	b.rate *= 0.875
	b.window = time.Duration(b.burst / b.rate * float64(time.Second))
}

// passed notes that a call went well when left calls had seemed to be allowed,
// and after a long time without refusals believes in a little more.
func (b *budget) passed(left float64, now time.Time) {
	b.used = now
	b.passes++
	b.sinceBrim++
	if !b.limited {
		return
	}
	if depth := b.burst - left + 1; depth > b.proven {
		b.proven = depth
	}
	if !b.learnedAt.IsZero() && now.Sub(b.learnedAt) > unlearnAfter {
		b.learnedAt, b.unsaved = now, true
		b.rate = min(b.fullRate, b.rate*1.05)
		if b.sliding {
			b.window = time.Duration(b.burst / b.rate * float64(time.Second))
		} else {
			b.burst = min(b.fullBurst, b.burst+1)
		}
	}
}

// told takes over what a platform's answer says of the limit. The lock is held.
func (s *Scheduler) told(b *budget, r chat.Rate, now time.Time) {
	b.told = told{left: r.Remaining, reset: now.Add(r.Reset)}
	if r.Limit <= 0 {
		return
	}
	if !b.limited {
		if r.Reset <= 0 {
			return
		}
		b.set(float64(r.Limit), float64(r.Limit), r.Reset)
		b.sliding, b.ends = true, nil
	}
	if !b.sliding {
		return
	}
	// The first call of a window shows its length.
	length := b.window
	if d := r.Reset - b.window; r.Remaining == r.Limit-1 && r.Reset > shortestPause && d.Abs() > b.window/20 {
		length = r.Reset
	}
	if b.burst != float64(r.Limit) || b.window != length {
		b.set(float64(r.Limit), float64(r.Limit), length)
		b.unsaved = true
		s.show(b)
	}
}
