// Messages for other processes: during a rolling deploy this one may lack the
// bot, or the key that a message was sealed with.

package inbox

import (
	"context"
	"time"
)

// ForeignFor is how long after it was written a message has a scope left to
// processes that can answer it. Then the scope is served again, and offered to
// others for a moment each time ForeignFor has passed.
const ForeignFor = 10 * time.Minute

const (
	// offerLocked is how soon a scope is offered in which a message waits whose
	// key this process lacks; while it waits, that is doubled.
	offerLocked = 3 * time.Second
	// offerAgain is when a scope is offered that was busy when it was due.
	offerAgain = time.Minute
)

// foreign counts the messages of a scope by whom they wait for. Guarded by
// dispatch.mu.
type foreign struct {
	own      int         // messages for this process
	waiting  int         // messages that wait for another process
	overdue  int         // those of them that were older than ForeignFor when they were read
	reported bool        // that there are such is in the log
	offer    *time.Timer // sets due
	offerAt  time.Time   // when it does so the first time
	due      bool        // the scope is to be offered to others once nothing runs
}

// leaveToOthers lets a message written at the given time wait in the stream for
// a process that can answer it. The scope is offered to others after soon, or
// after ForeignFor when that is 0, and again each time ForeignFor has passed.
// Called with mu held.
func (n *tenure) leaveToOthers(at time.Time, soon time.Duration) {
	f := &n.foreign
	f.waiting++
	wait := min(time.Until(at.Add(ForeignFor)), ForeignFor)
	if wait <= 0 {
		f.overdue++
		wait = ForeignFor
	} else if soon > 0 {
		wait = min(wait, soon)
	}
	if f.offer != nil {
		f.offerBy(time.Now().Add(wait))
		return
	}
	f.offerAt = time.Now().Add(wait)
	timer := time.AfterFunc(wait, func() {
		n.mu.Lock()
		f.due = true
		n.mu.Unlock()
		n.look()
	})
	f.offer = timer
	context.AfterFunc(n.alive, func() { timer.Stop() })
}

// offerBy makes the offer come no later than at.
func (f *foreign) offerBy(at time.Time) {
	if at.Before(f.offerAt) && f.offer.Stop() {
		f.offerAt = at
		f.offer.Reset(time.Until(at))
	}
}

// reportForeign logs once that messages wait for another process.
func (n *tenure) reportForeign() {
	n.mu.Lock()
	defer n.mu.Unlock()
	f := &n.foreign
	if f.waiting == 0 || f.reported {
		return
	}
	f.reported = true
	if f.overdue > 0 {
		n.log.Warn("this process cannot answer some messages, and no other has for long; they wait for one with their bots", "messages", f.waiting, "overdue", f.overdue)
		return
	}
	n.log.Info("this process cannot answer some messages; they wait for one that can", "messages", f.waiting)
}

// shouldYield reports whether to leave the scope to other processes: because
// every message is for them, or because it is time to offer it. What has waited
// for ForeignFor is no longer a reason to leave the scope unserved.
func (n *tenure) shouldYield() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	f := &n.foreign
	if f.due && (n.running > 0 || len(n.lanes) > 0) {
		f.due = false
		f.offer.Reset(offerAgain)
	}
	return f.due || f.waiting > f.overdue && f.own == 0
}
