// What a platform's answers teach about its limits.

package stream

import (
	"context"
	"time"

	"parley/internal/chat"
)

// Learned is what is kept of a budget over restarts.
type Learned struct {
	Rate  float64 `json:"rate"`  // calls per second
	Burst float64 `json:"burst"` // calls at once
}

// recall asks the memory for what is known of limits not met before.
func (s *Scheduler) recall(ctx context.Context, l chat.Limits) map[string]Learned {
	if s.memory == nil {
		return nil
	}
	out := make(map[string]Learned)
	for _, b := range []chat.Budget{l.Edits, l.Posts, l.Global} {
		s.mu.Lock()
		_, met := s.budgets[b.Key]
		s.mu.Unlock()
		if met || b.Key == "" || b.Calls == 0 {
			continue
		}
		learned, ok, err := s.memory.Load(ctx, b.Key)
		if err != nil {
			s.log.WarnContext(ctx, "what was learned of a rate limit could not be read", "budget", b.Key, "err", err)
		}
		if ok {
			out[b.Key] = learned
		}
	}
	return out
}

// budget is the budget of that description; kind names it where it has no key.
// The lock is held.
func (s *Scheduler) budget(kind string, want chat.Budget, learned map[string]Learned) *budget {
	key := want.Key
	if key == "" {
		key = kind
	}
	b, ok := s.budgets[key]
	if !ok {
		b = newBudget(key, want, time.Now())
		if l, ok := learned[key]; ok && b.limited && l.Rate > 0 && l.Burst >= 1 {
			b.rate, b.burst = min(b.rate, l.Rate), min(b.burst, l.Burst)
			b.level = b.burst
		}
		s.budgets[key] = b
		if b.limited {
			s.metrics.Budget(key, b.rate*60)
		}
	}
	return b
}

// limitedBy takes a platform's "slow down" to heart. The lock is held.
func (s *Scheduler) limitedBy(a *Answer, own *budget, err *chat.RateLimited, now time.Time) {
	b := own
	switch {
	case err.Global:
		b = a.global
	case err.Budget != "" && s.budgets[err.Budget] != nil:
		b = s.budgets[err.Budget]
	}
	b.paused = later(b.paused, now.Add(max(err.After, 50*time.Millisecond)))
	b.refill(now)
	b.level = min(b.level, 1)
}
