// The rate limits of a pretended platform, kept exactly as a platform keeps
// them: a call counts when it arrives.

package simulate

import "time"

// limiter says whether a call that arrives now may pass, and how long to wait
// otherwise.
type limiter interface {
	take(now time.Time) (ok bool, wait time.Duration)
}

// bucket refills steadily: Slack's tiers.
type bucket struct {
	rate, burst float64 // calls per second, calls at once
	level       float64
	at          time.Time
}

func (b *bucket) take(now time.Time) (bool, time.Duration) {
	if b.at.IsZero() {
		b.level, b.at = b.burst, now
	}
	b.level = min(b.burst, b.level+b.rate*now.Sub(b.at).Seconds())
	b.at = now
	if b.level >= 1 {
		b.level--
		return true, 0
	}
	wait := time.Duration((1 - b.level) / b.rate * float64(time.Second))
	return false, wait.Truncate(time.Second) + time.Second // Retry-After is whole seconds
}

// window lets a number of calls pass in any stretch of its length: Discord's
// buckets, taken at their strictest.
type window struct {
	calls  int
	length time.Duration
	taken  []time.Time
}

func (w *window) take(now time.Time) (bool, time.Duration) {
	w.forget(now)
	if len(w.taken) < w.calls {
		w.taken = append(w.taken, now)
		return true, 0
	}
	return false, w.taken[0].Add(w.length).Sub(now)
}

func (w *window) forget(now time.Time) {
	for len(w.taken) > 0 && !w.taken[0].Add(w.length).After(now) {
		w.taken = w.taken[1:]
	}
}

// free never limits.
type free struct{}

func (free) take(time.Time) (bool, time.Duration) { return true, 0 }
