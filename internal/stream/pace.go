// How often, and what is kept back: the few numbers the schedule rests on.
// They are measured by the benchmark in the package simulate.

package stream

import (
	"math"
	"time"
)

const (
	// horizon is how long calls saved up are meant to last while one answer is
	// open; with n answers it is horizon/√n.
	horizon = 9 * time.Second
	// Before an answer draws on a shared limit to grow, its unseen text waits for
	// half a fair turn, at most longestWait: early edits show little, and the
	// calls are missed later.
	longestWait = 3 * time.Second
	// reserveShare is how many calls are kept for each answer that will need
	// one for its end. Of a sliding window it is less, as a call kept there is
	// missed in every window; windowGrace is how long an end may wait for it.
	reserveShare  = 0.55
	windowReserve = 0.3
	windowGrace   = 400 * time.Millisecond
	// affordIn is the time within which the ends of all answers that stand
	// there unfinished should be affordable, should they all end now.
	// likelyEnd is the time within which they are likely to end.
	affordIn  = 2500 * time.Millisecond
	likelyEnd = 8 * time.Second
	// overload is the number of open answers on one limit above which growth
	// stops but for calls that would go to waste, and answers are posted in
	// pieces instead; firstChunk is how many bytes the first piece has at least.
	overload   = 20
	firstChunk = 300
	// afterPieces is how few answers must be open for one that was posted in
	// pieces to grow again.
	afterPieces = 3
	// heldLook is how often an answer is looked at that may not begin.
	heldLook = 500 * time.Millisecond
	// scarceTurn is the time of a fair turn from which calls count as scarce:
	// then text that nobody can have read yet is not hurried.
	scarceTurn = 5 * time.Second
	// reading is how many bytes of text a person reads in a second.
	reading = 25
	// patience is how many fair turns text may stay unseen before it goes
	// first, whatever its weight.
	patience = 2

	// limitedGap is the least time between two growths of an answer where the
	// platform sets a limit. Where it sets none, it grows from freeGap to
	// slowGap: a reader needs no more, and each edit costs work.
	limitedGap = 200 * time.Millisecond
	freeGap    = 100 * time.Millisecond
	slowGap    = 500 * time.Millisecond

	never = math.MaxInt
)

// mayOwe reports whether the answer may post a message that it will have to
// edit again: only while the ends of all such messages can be afforded, with
// what the limit holds when it is whole, and with what it holds now and gets
// back until they are likely to end. Once held, and in overload, an answer
// waits until they could be afforded if all ended now; one that is posted in
// pieces stays so until few are left.
func (a *Answer) mayOwe(now time.Time) bool {
	b := a.edits
	switch {
	case !b.limited:
		return true
	case a.chunks > 0 && b.open > afterPieces:
		return false
	case b.owed == 0:
		return true
	}
	need, soon := float64(b.owed+1), b.rate*affordIn.Seconds()
	if a.held || b.open > overload {
		return need <= b.left(now)+soon
	}
	a.held = need > b.burst+soon || need > b.left(now)+b.rate*likelyEnd.Seconds()
	return !a.held
}

// space moves a growth to when it is worth a call.
func (a *Answer) space(c *candidate, now time.Time) {
	b := a.growthBudget()
	if !b.limited {
		age := now.Sub(a.visibleAt)
		c.at = later(c.at, a.wrote.Add(min(max(age/4, freeGap), slowGap)))
		return
	}
	c.at = later(c.at, a.wrote.Add(limitedGap))
	oldest := a.arrivals.oldest()
	wait := min(b.turn()/2, longestWait)
	if b.scarce() && a.ahead(now) > b.turn() {
		// Exponential spacing: half as much again as what is there to be read.
		if a.text.Len()-a.covered < a.covered/2 {
			wait = b.patience()
			a.alarm = a.covered + a.covered/2
		}
	}
	c.at = later(c.at, oldest.Add(wait))
}

// ahead is how long a person has to read what stands there already.
func (a *Answer) ahead(now time.Time) time.Duration {
	if a.visibleAt.IsZero() {
		return 0
	}
	read := now.Sub(a.visibleAt).Seconds() * reading
	return time.Duration(max(0, float64(a.covered)-read) / reading * float64(time.Second))
}

// turn is the time in which every answer on this limit gets one call at the
// steady rate.
func (b *budget) turn() time.Duration {
	return time.Duration(float64(max(1, b.owed)) / b.rate * float64(time.Second))
}

// scarce reports whether the limit is too small for everyone to follow along.
func (b *budget) scarce() bool { return b.limited && b.turn() > scarceTurn }

// patience is how long text may stay unseen before it goes first.
func (b *budget) patience() time.Duration { return patience * b.turn() }

// reserve is how many calls are kept for the ends of the answers that need one.
func (b *budget) reserve(overloaded bool) float64 {
	if !b.limited {
		return 0
	}
	if overloaded {
		return b.burst - 1 // growth only with what would go to waste
	}
	share := reserveShare
	if b.sliding {
		share = windowReserve
	}
	return max(0, min(b.burst-1, math.Ceil(share*float64(b.owed))))
}

// keepBack is how much of a limit for all calls is kept for what is urgent.
func (b *budget) keepBack() float64 {
	if !b.limited {
		return 0
	}
	return math.Floor(b.burst / 10)
}

// pace is the time between two growths that uses up what is to spare within
// the horizon. What is left of a sliding window is no saving: used at once, it
// is missed for as long as the window lasts.
func (b *budget) pace(now time.Time) time.Duration {
	rate := b.rate
	if !b.sliding {
		spare := max(0, b.left(now)-b.reserve(false))
		rate += spare * math.Sqrt(float64(max(1, b.owed))) / horizon.Seconds()
	}
	return time.Duration(float64(time.Second) / rate)
}

// growAt is the earliest moment for a growth that leaves keep calls for ends.
func (b *budget) growAt(keep float64, now time.Time) (at time.Time, ok bool) {
	at, ok = b.when(1+keep, now)
	if !b.limited {
		return at, ok
	}
	if b.sliding && keep > 0 {
		soon, possible := b.when(keep, now)
		if possible && !ok {
			return soon, false
		}
		at = later(soon, at.Add(-windowGrace))
	}
	return later(at, b.grown.Add(b.pace(now))), ok
}
