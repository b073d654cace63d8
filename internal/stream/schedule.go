// Whose text is sent next.

package stream

import "time"

// purpose is what a call is for, most urgent first.
type purpose int

const (
	nothing purpose = iota
	finish          // the text is whole, or a record is owed
	first           // the first words
	growth          // more of it, in the same message or the next
)

func (p purpose) String() string {
	return [...]string{"", "final", "first", "growth"}[p]
}

// schedule starts every call that is due and can be afforded, and sets the
// timer for the next. The lock is held.
func (s *Scheduler) schedule(now time.Time) {
	if s.closed {
		return
	}
	s.count()
	for {
		best, next := s.pick(now)
		if best.a == nil {
			s.arm(next, now)
			return
		}
		s.start(best, now)
	}
}

// pick finds the most urgent call that can be made now, or when to look again.
func (s *Scheduler) pick(now time.Time) (best candidate, next time.Time) {
	for _, a := range s.open {
		c, ok := a.wants(now)
		if ok {
			c.way = a.choose(c, now)
		}
		if ok && !c.at.After(now) {
			ok = s.afford(&c, now)
		}
		switch {
		case !ok:
		case c.at.After(now):
			if next.IsZero() || c.at.Before(next) {
				next = c.at
			}
		default:
			c.weigh(now)
			if best.a == nil || c.before(best) {
				best = c
			}
		}
	}
	return best, next
}

// arm sets the timer.
func (s *Scheduler) arm(wake, now time.Time) {
	switch {
	case wake.Equal(s.wake):
		return
	case wake.IsZero():
		s.timer.Stop()
	case s.timer == nil:
		s.timer = time.AfterFunc(wake.Sub(now), s.tick)
	default:
		s.timer.Reset(wake.Sub(now))
	}
	s.wake = wake
}

func (s *Scheduler) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wake = time.Time{}
	s.schedule(time.Now())
}

// count notes what each budget has to serve.
func (s *Scheduler) count() {
	for _, a := range s.open {
		a.edits.open, a.edits.owed, a.posts.owed = 0, 0, 0
		a.appends.owed, a.ends.owed = 0, 0
	}
	for _, a := range s.open {
		if a.phase == streaming || a.phase == closing {
			a.appends.owed++
			a.ends.owed++
			continue
		}
		a.edits.open++
		switch {
		case a.phase == growing, a.phase == tidying && !a.posting():
			a.edits.owed++
		case a.phase == unposted && a.words > 0:
			a.posts.owed++
		}
	}
}

// candidate is a call an answer could use.
type candidate struct {
	a       *Answer
	purpose purpose
	way     way
	at      time.Time // not before
	chunk   bool      // a whole piece of the answer that will not be edited
	stale   bool      // text has been unseen for longer than it should
	since   time.Time // how long it has waited
	weight  float64   // growth: unseen text times its age
}

// wants says what the answer needs next, if anything, leaving aside what the
// limits allow.
func (a *Answer) wants(now time.Time) (c candidate, ok bool) {
	c = candidate{a: a, at: a.retryAt}
	a.alarm = never
	switch {
	case a.busy || a.phase >= leaving:
		return c, false
	case a.owed != nil || a.finished():
		c.purpose, c.since = finish, a.finishedAt
		return c, true
	case a.phase == closing, a.phase == streaming && !a.current().known:
		c.purpose, c.since = finish, a.wrote
		return c, true
	case a.stopped || a.rejected != accepted || a.part >= a.max || a.words == 0:
		return c, false
	case a.text.Len() <= max(a.covered, a.floor):
		a.alarm = max(a.covered, a.floor) + 1
		return c, false
	case a.posting() && !a.mayStream(now) && !a.mayOwe(now):
		return a.wantsChunk(c, now), true
	case !a.visible():
		c.purpose, c.since = first, a.firstToken
		if a.words < FirstWords {
			c.at = later(c.at, a.firstToken.Add(FirstWait))
		}
		return c, true
	}
	c.purpose = growth
	a.space(&c, now)
	return c, true
}

// wantsChunk is what an answer wants that may not post a message it would have
// to edit later: to be asked again soon while there are few, so that its first
// post may be its last; in overload, a piece that stands for itself.
func (a *Answer) wantsChunk(c candidate, now time.Time) candidate {
	c.purpose = growth
	from := max(a.covered, a.floor)
	pieces := a.chunks > 0 || a.edits.open > overload
	if !pieces || a.text.Len() < from+a.chunkSize() {
		c.at = now.Add(heldLook)
		if pieces {
			a.alarm = from + a.chunkSize()
		}
		return c
	}
	c.chunk = true
	c.at = later(c.at, a.wrote.Add(limitedGap))
	return c
}

// chunkSize is how much text the next piece must hold: each holds twice the
// one before, so that there are few, up to most of a message.
func (a *Answer) chunkSize() int { return min(firstChunk<<min(a.chunks, 16), a.cut.Size()*3/4) }

// posting reports whether the answer's next call is a post.
func (a *Answer) posting() bool {
	for k := a.message; k < len(a.messages); k++ {
		if !a.messages[k].Stuck {
			return a.messages[k].ID == ""
		}
	}
	return true
}

// afford moves c to when the limits allow it; false when that hangs on
// something else that will be noticed.
func (s *Scheduler) afford(c *candidate, now time.Time) bool {
	a := c.a
	if a.owed != nil {
		return true
	}
	own, spare := a.budget(c.way), 1.0
	if c.purpose == growth {
		spare += a.global.keepBack()
	}
	at, ok := a.global.when(spare, now)
	if !ok {
		return false
	}
	c.at = later(c.at, at)
	switch {
	case c.purpose == growth && !c.way.native():
		at, ok = own.growAt(own.reserve(own == a.edits && own.open > overload), now)
	case c.purpose == growth && c.way == byAppend:
		at, ok = own.growAt(0, now)
	default:
		at, ok = own.when(1, now)
	}
	c.at = later(c.at, at)
	return ok
}

// weigh prepares c for comparison.
func (c *candidate) weigh(now time.Time) {
	if c.purpose != growth {
		return
	}
	a := c.a
	c.since = a.arrivals.oldest()
	age := now.Sub(c.since)
	c.weight = float64(a.text.Len()-a.covered) * age.Seconds()
	b := a.growthBudget()
	if b.scarce() {
		c.weight /= 1 + a.ahead(now).Seconds()
	}
	c.stale = b.limited && age > b.patience()
}

// before is the order of the schedule: finals, then first words, in the order
// in which they came; then text that has been unseen too long, oldest first;
// then the growth that shows most text times its age.
func (c candidate) before(d candidate) bool {
	switch {
	case c.purpose != d.purpose:
		return c.purpose < d.purpose
	case c.purpose != growth:
		return c.since.Before(d.since)
	case c.stale != d.stale:
		return c.stale
	case c.stale:
		return c.since.Before(d.since)
	}
	return c.weight > d.weight
}
