// The phases of an answer: what its next call meets.

package stream

import "slices"

// phase is what the next call of an answer meets. That the text is whole is
// not a phase: it makes the next call final in any of the first four.
//
//	            start, post            all of the text stands
//	unposted ───────────────▶ growing ─────────────────────────▶ tidying
//	   ▲  │                   ▲  │                                 ▲  │
//	   │  └──▶ streaming ─────┘  │ the next part                   │  │
//	   │           │  ▲          ▼                                 │  │
//	   │           ▼  │       unposted                             │  │
//	   └──────── closing ──────────────────────────────────────────┘  │
//	                                                                  ▼
//	any ──▶ leaving ──▶ over ◀── any, when it fails or nothing is left
type phase int

const (
	unposted  phase = iota // no message stands for the current part: the next call posts one
	growing                // its message stands there and must be edited at the end
	streaming              // the platform streams its message
	closing                // that stream must be ended before anything else
	tidying                // all of the text stands; what is left is beside the answer
	leaving                // given up: no call begins any more
	over
)

func (p phase) String() string {
	return [...]string{"unposted", "growing", "streaming", "closing", "tidying", "leaving", "over"}[p]
}

// follows lists the phases that may come after each. A call that was begun for
// growing or streaming and did not happen leads back to unposted, as does the
// next part.
var follows = [...][]phase{
	unposted:  {growing, streaming, tidying, leaving, over},
	growing:   {unposted, streaming, tidying, leaving, over},
	streaming: {unposted, growing, closing, tidying, leaving, over},
	closing:   {unposted, growing, tidying, leaving, over},
	tidying:   {leaving, over},
	leaving:   {over},
	over:      nil,
}

// enter moves the answer to a phase. The scheduler's lock is held, or the
// answer is not open yet.
func (a *Answer) enter(to phase) {
	if a.phase == to || !slices.Contains(follows[a.phase], to) {
		return
	}
	if a.sched.watch != nil {
		a.sched.watch(a, a.phase, to)
	}
	a.phase = to
}

// look enters the phase that the current part's message is in. The lock is
// held, or the answer is not open yet.
func (a *Answer) look() {
	if a.phase >= tidying {
		return
	}
	m := a.current()
	if m != nil && a.native == nil {
		m.Streaming = false // an edit ends it
	}
	switch {
	case a.posting():
		a.enter(unposted)
	case !m.Streaming:
		a.enter(growing)
	default:
		a.enter(streaming)
	}
}
