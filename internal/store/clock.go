// The store's own time, which decides what expires. It moves in steps, and the
// steps are in the journal, so that a replay ends in the same state.

package store

import "time"

const (
	tickEvery  = 250 * time.Millisecond
	tickAtMost = 10 * time.Second
	tickShare  = 200 // a tick may take 1/200 of the time
)

// storeClock is guarded by writeMu.
type storeClock struct {
	ms         int64     // Unix milliseconds
	unwritten  bool      // ms is not in the journal yet
	ticked     time.Time // when the last step was made
	tickTook   time.Duration
	tickCost   time.Duration // the cheaper of the last two steps
	replayCost time.Duration // of the steps in the journal since the last snapshot
}

// stamp puts the time before records if it is not in the journal yet.
func (c *storeClock) stamp(records []byte) []byte {
	if !c.unwritten {
		return records
	}
	c.unwritten = false
	c.replayCost += c.tickCost
	return append(appendClock(nil, c.ms), records...)
}

// begin is for a journal that holds nothing yet.
func (c *storeClock) begin() { c.replayCost, c.unwritten = 0, true }

// setClock moves the store's time to ms and lets expire what is due.
func (e *embedded) setClock(ms int64) {
	c := &e.clock
	if c.ms != 0 && ms > c.ms {
		e.server.FastForward(time.Duration(ms-c.ms) * time.Millisecond)
	}
	if ms > c.ms {
		c.ms = ms
		e.server.SetTime(time.UnixMilli(ms))
	}
	c.unwritten = true
}

// tick moves the store's time on by what has passed: by the wall clock, which
// counts a machine's sleep, or by the monotonic one when the wall clock was
// set back.
func (e *embedded) tick() {
	e.writeMu.Lock()
	defer e.writeMu.Unlock()
	c, now := &e.clock, e.now()
	passed := max(now.Sub(c.ticked), now.Round(0).Sub(c.ticked.Round(0)))
	if passed < time.Millisecond {
		return
	}
	c.ticked = now
	began := time.Now()
	e.setClock(c.ms + passed.Milliseconds())
	// One slow tick on a busy machine is no reason to tick rarely.
	took := time.Since(began)
	c.tickCost, c.tickTook = min(took, c.tickTook), took
}

// tickPause is how long to wait for the next tick, so that ticks take a small
// share of the time however many keys there are.
func (e *embedded) tickPause() time.Duration {
	e.writeMu.Lock()
	defer e.writeMu.Unlock()
	return min(e.clock.tickCost*tickShare, tickAtMost)
}
