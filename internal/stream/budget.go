// One rate limit of a platform, as believed.

package stream

import (
	"math"
	"time"

	"parley/internal/chat"
)

// budget is one rate limit. What it allows is never more than what the
// platform does, as long as the limit is known: a call counts against it from
// when it begins, and is given back counting from when it ended, whenever in
// between the platform counted it.
type budget struct {
	key string
	belief
	spent
	lessons
	keeping
	demand
}

// belief is what is taken for true of a limit.
type belief struct {
	limited bool
	sliding bool
	rate    float64 // calls per second
	burst   float64 // calls at once; sliding: in any window
	window  time.Duration

	fullRate, fullBurst float64 // as configured, or as the platform says
}

// set takes over a limit of that many calls in a window, which is no guess.
func (b *belief) set(calls, burst float64, window time.Duration) {
	b.limited, b.window = true, window
	b.rate, b.burst = calls/window.Seconds(), burst
	b.fullRate, b.fullBurst = b.rate, b.burst
}

// refillTime is how long a used-up limit takes to be whole again.
func (b *belief) refillTime() time.Duration {
	if !b.limited {
		return 0
	}
	return time.Duration(b.burst / b.rate * float64(time.Second))
}

// spent is what the calls so far have used.
type spent struct {
	flying int
	level  float64     // steady: calls left at time at, those in flight not taken off
	at     time.Time   // steady
	ends   []time.Time // sliding: when the calls of the last window ended
	recent []time.Time // sliding: when the last calls ended, those that have left the window too
	paused time.Time   // the platform said to wait until then
	told   told        // what it said last
}

// told is the platform's own count.
type told struct {
	left  int
	reset time.Time
}

// lessons are what the belief is corrected by.
type lessons struct {
	proven    float64   // calls at once that went well
	learnedAt time.Time // when less was believed, or a little more again
	refusedAt time.Time // the last refusal
	careful   time.Time // until when to be careful after it
	passes    int       // calls that went well since
	brimAt    time.Time // steady: when it was whole last
	sinceBrim int       // calls that went well since
}

// keeping is what the memory needs to know.
type keeping struct {
	used, saved time.Time
	unsaved     bool // something was learned since
}

// demand is who draws on the limit.
type demand struct {
	users  int       // open answers
	unused time.Time // since when there are none
	grown  time.Time // when the last growth began

	// For the schedule, counted afresh each time.
	open int // answers that draw on it
	owed int // of those, how many will need a call for their end
}

func newBudget(key string, b chat.Budget, now time.Time) *budget {
	out := &budget{key: key, spent: spent{at: now}, lessons: lessons{proven: 1}}
	if b.Calls <= 0 || b.Window <= 0 {
		return out
	}
	burst := b.Burst
	if b.Burst <= 0 || b.Sliding {
		burst = b.Calls
	}
	out.set(float64(b.Calls), float64(burst), b.Window)
	out.sliding, out.level = b.Sliding, out.burst
	return out
}

// refill brings the level up to now.
func (b *budget) refill(now time.Time) {
	if d := now.Sub(b.at); d > 0 {
		b.level = min(b.burst, b.level+b.speed(b.at)*d.Seconds())
		b.at = now
		if b.level == b.burst {
			b.brimAt, b.sinceBrim = now, 0
		}
	}
}

// speed is how fast calls are taken to come back: less than half of what is believed for
// a while after a refusal that may have had another reason.
func (b *budget) speed(now time.Time) float64 {
	if now.Before(b.careful) {
		return 0.4 * b.rate
	}
	return b.rate
}

// left is how many calls may begin now.
func (b *budget) left(now time.Time) float64 {
	switch {
	case b.paused.After(now):
		return 0
	case !b.limited:
		return math.Inf(1)
	}
	var n float64
	if b.sliding {
		b.forget(now)
		n = b.burst - float64(len(b.ends))
	} else {
		b.refill(now)
		n = b.level
	}
	if b.told.reset.After(now) {
		n = min(n, float64(b.told.left))
	}
	return n - float64(b.flying)
}

// when is the earliest moment at which a call could begin that leaves n-1 more;
// ok is false when that hangs on a call in flight, whose end is noticed anyway.
func (b *budget) when(n float64, now time.Time) (at time.Time, ok bool) {
	at = later(now, b.paused)
	if !b.limited {
		return at, true
	}
	if n > b.burst {
		return at, false
	}
	left := b.left(now)
	// How many calls at once the platform takes is tried one call at a time.
	if b.flying > 0 && b.burst-left+1 > b.proven && !b.told.reset.After(now) {
		return at, false
	}
	if left >= n {
		return at, true
	}
	if n > b.burst-float64(b.flying) {
		return at, false
	}
	if b.told.reset.After(at) && float64(b.told.left-b.flying) < n {
		at = later(at, b.told.reset)
	}
	if !b.sliding {
		if missing := n + float64(b.flying) - b.level; missing > 0 {
			at = later(at, now.Add(time.Duration(missing/b.speed(now)*float64(time.Second))+time.Microsecond))
		}
		return at, true
	}
	if k := len(b.ends) + b.flying + int(math.Ceil(n)) - int(b.burst); k > 0 {
		if k > len(b.ends) {
			return at, false
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
	if b.told.reset.After(now) {
		b.told.left--
	}
	if b.sliding {
		b.forget(now)
		b.ends = append(b.ends, now)
		b.recent = append(b.recent, now)
		if len(b.recent) > int(b.burst) {
			b.recent = append(b.recent[:0], b.recent[1:]...)
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
