// What one call draws on, and what its outcome says of that.

package stream

import (
	"errors"
	"time"

	"parley/internal/chat"
)

// claim is the part of one call in the limits that it draws on. The zero value
// draws on none.
type claim struct {
	own, global *budget
	left        float64 // what own seemed to allow, this call included
	made        bool    // the platform was called
	rate        chat.Rate
}

// claimOf begins a call. The lock is held.
func claimOf(own, global *budget, now time.Time) claim {
	c := claim{own: own, global: global, left: own.left(now)}
	own.begin()
	global.begin()
	return c
}

// settle ends a call. A refused one counts against no limit. The lock is held.
func (s *Scheduler) settle(c *claim, err error, now time.Time) {
	if c.own == nil {
		return
	}
	limited, refused := errors.AsType[*chat.RateLimited](err)
	for _, b := range []*budget{c.own, c.global} {
		if c.made && !refused {
			b.end(now)
		} else {
			b.cancel()
		}
	}
	switch {
	case !c.made:
	case refused:
		s.limited(c, limited, now)
	default:
		if err == nil || chat.Refused(err) {
			c.own.passed(c.left, now)
		}
		if c.rate.Known {
			s.told(c.own, c.rate, now)
		}
	}
	s.wakeWaiting()
}
