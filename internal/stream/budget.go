// One rate limit of a platform, as believed.

package stream

import (
	"math"
	"time"

	"parley/internal/chat"
)

// budget is one rate limit. Its level is never above the platform's own: a
// call counts against it from when it begins, and refills from when it ended,
// whenever in between the platform counted it.
type budget struct {
	key     string
	limited bool
	sliding bool
	rate    float64 // calls per second
	burst   float64 // calls at once
	window  time.Duration

	flying int
	level  float64     // steady: calls left at time at, those in flight not taken off
	at     time.Time   // steady
	ends   []time.Time // sliding: when the calls of the last window ended
	paused time.Time   // the platform said to wait until then
	told   told        // sliding: what its headers said last

	grown time.Time // when the last growth began
	debts int       // answers that stand there unfinished; counted afresh each time
	open  int       // answers that draw on it; likewise
}

// told is the platform's own count.
type told struct {
	left  int
	reset time.Time
}

func newBudget(key string, b chat.Budget, now time.Time) *budget {
	out := &budget{key: key, at: now}
	if b.Calls <= 0 || b.Window <= 0 {
		return out
	}
	out.limited, out.sliding, out.window = true, b.Sliding, b.Window
	out.rate = float64(b.Calls) / b.Window.Seconds()
	out.burst = float64(b.Burst)
	if b.Burst <= 0 || b.Sliding {
		out.burst = float64(b.Calls)
	}
	out.level = out.burst
	return out
}

// refill brings the level up to now.
func (b *budget) refill(now time.Time) {
	if d := now.Sub(b.at); d > 0 {
		b.level = min(b.burst, b.level+b.rate*d.Seconds())
		b.at = now
	}
}

// left is how many calls may begin now.
func (b *budget) left(now time.Time) float64 {
	switch {
	case b.paused.After(now):
		return 0
	case !b.limited:
		return math.Inf(1)
	case b.sliding:
		b.forget(now)
		n := b.burst - float64(len(b.ends)) - float64(b.flying)
		if b.told.reset.After(now) {
			n = min(n, float64(b.told.left-b.flying))
		}
		return n
	}
	b.refill(now)
	return b.level - float64(b.flying)
}

// when is the earliest moment at which n calls could begin; ok is false when
// that hangs on a call in flight, whose end is looked at anyway.
func (b *budget) when(n float64, now time.Time) (at time.Time, ok bool) {
	at = now
	if b.paused.After(at) {
		at = b.paused
	}
	if !b.limited || b.left(at) >= n {
		return at, true
	}
	if n > b.burst-float64(b.flying) {
		return time.Time{}, false
	}
	if !b.sliding {
		wait := (n + float64(b.flying) - b.level) / b.rate
		return later(at, now.Add(time.Duration(wait*float64(time.Second))+time.Microsecond)), true
	}
	if b.told.reset.After(now) && float64(b.told.left-b.flying) < n {
		at = later(at, b.told.reset)
	}
	if k := len(b.ends) + b.flying + int(math.Ceil(n)) - int(b.burst); k > 0 {
		if k > len(b.ends) {
			return time.Time{}, false
		}
		at = later(at, b.ends[k-1].Add(b.window))
	}
	return at, true
}

func (b *budget) begin() { b.flying++ }

// cancel takes back a call that was not made.
func (b *budget) cancel() { b.flying-- }

// end counts a call that was made.
func (b *budget) end(now time.Time) {
	b.flying--
	if !b.limited {
		return
	}
	if b.sliding {
		b.forget(now)
		b.ends = append(b.ends, now)
		if b.told.reset.After(now) {
			b.told.left--
		}
		return
	}
	b.refill(now)
	b.level--
}

// forget drops the calls that have left the window.
func (b *budget) forget(now time.Time) {
	k := 0
	for k < len(b.ends) && !b.ends[k].Add(b.window).After(now) {
		k++
	}
	b.ends = append(b.ends[:0], b.ends[k:]...)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
