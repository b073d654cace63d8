// Whose text is sent next.

package stream

import (
	"math"
	"time"
)

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

const (
	// freeGap is the least time between two growths of an answer where the
	// platform sets no limit, and limitedGap where it does.
	freeGap    = 80 * time.Millisecond
	limitedGap = 200 * time.Millisecond
	// horizon is how long the calls saved up are meant to last: an answer
	// usually ends about then, and evenly spaced growth shows text soonest.
	horizon = 10 * time.Second
	// reserveShare is how many calls are kept for each answer that will need
	// one for its end.
	reserveShare = 0.6
)

// schedule starts every call that is due and can be afforded, and sets the
// timer for the next. The lock is held.
func (s *Scheduler) schedule(now time.Time) {
	if s.closed {
		return
	}
	s.count()
	var wake time.Time
	for {
		wake = time.Time{}
		var best *Answer
		var top score
		for _, a := range s.open {
			p, at, ok := a.wants(now)
			if !ok {
				continue
			}
			if !at.After(now) {
				at, ok = s.affordable(a, p, now)
			}
			if !ok {
				continue
			}
			if at.After(now) {
				if wake.IsZero() || at.Before(wake) {
					wake = at
				}
				continue
			}
			if sc := a.score(p, now); best == nil || sc.before(top) {
				best, top = a, sc
			}
		}
		if best == nil {
			break
		}
		s.start(best, top.purpose, now)
	}
	s.arm(wake, now)
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

// count notes how many answers each budget of edits has to serve.
func (s *Scheduler) count() {
	for _, a := range s.open {
		a.edits.open, a.edits.debts = 0, 0
	}
	for _, a := range s.open {
		a.edits.open++
		if a.visible && !a.final {
			a.edits.debts++
		}
	}
}

// wants says what the answer needs next and when at the earliest.
func (a *Answer) wants(now time.Time) (p purpose, at time.Time, ok bool) {
	switch {
	case a.busy || a.over:
		return nothing, now, false
	case a.owed != nil || a.finished:
		return finish, a.retryAt, true
	case a.mute || a.part >= a.max:
		return nothing, now, false
	case !a.shown && !a.visible:
		if a.words == 0 || a.text.Len() <= a.floor {
			return nothing, now, false
		}
		at = a.firstToken.Add(FirstWait)
		if a.words >= FirstWords {
			at = a.firstToken
		}
		return first, later(at, a.retryAt), true
	case a.text.Len() <= max(a.covered, a.floor):
		return nothing, now, false
	}
	gap := freeGap
	if a.edits.limited {
		gap = limitedGap
	}
	return growth, later(a.wrote.Add(gap), a.retryAt), true
}

// posting reports whether the answer's next call is a post.
func (a *Answer) posting() bool {
	for k := a.message; k < len(a.messages); k++ {
		if !a.messages[k].stuck {
			return a.messages[k].ID == ""
		}
	}
	return true
}

// budgetsOf are the limits the answer's next call draws on.
func (a *Answer) budgetOf() *budget {
	if a.posting() {
		return a.posts
	}
	return a.edits
}

// affordable says when the limits allow the answer's next call.
func (s *Scheduler) affordable(a *Answer, p purpose, now time.Time) (at time.Time, ok bool) {
	if a.owed != nil {
		return now, true
	}
	own := a.budgetOf()
	at, ok = a.global.when(1, now)
	if !ok {
		return at, false
	}
	need := 1.0
	if p == growth && own == a.edits {
		need += own.reserve()
	}
	t, ok := own.when(need, now)
	if !ok {
		return at, false
	}
	at = later(at, t)
	if p == growth && own == a.edits && own.limited {
		at = later(at, own.grown.Add(own.pace(now)))
	}
	return at, true
}

// reserve is how many calls are kept for the ends of the answers that stand
// there unfinished.
func (b *budget) reserve() float64 {
	if !b.limited {
		return 0
	}
	return min(b.burst, math.Ceil(reserveShare*float64(b.debts)))
}

// pace is the time between two growths that uses up what is to spare within
// the horizon.
func (b *budget) pace(now time.Time) time.Duration {
	spare := max(0, b.left(now)-b.reserve())
	return time.Duration(float64(time.Second) / (b.rate + spare/horizon.Seconds()))
}

// score orders the calls that could be made now.
type score struct {
	purpose purpose
	since   time.Time // finals and first words: who has waited longest
	weight  float64   // growth: unseen text times its age
}

func (s score) before(t score) bool {
	if s.purpose != t.purpose {
		return s.purpose < t.purpose
	}
	if s.purpose == growth {
		return s.weight > t.weight
	}
	return s.since.Before(t.since)
}

func (a *Answer) score(p purpose, now time.Time) score {
	switch p {
	case growth:
		age := now.Sub(a.arrivals.oldest()).Seconds()
		return score{purpose: p, weight: float64(a.text.Len()-a.covered) * age}
	case first:
		return score{purpose: p, since: a.firstToken}
	}
	return score{purpose: p, since: a.finishedAt}
}
