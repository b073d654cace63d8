// Handing messages to handlers: in order within a lane, at once across lanes,
// commands past everyone.

package inbox

import (
	"math/rand/v2"
	"sync"
	"time"

	"parley/internal/chat"
)

const (
	// firstPause doubles with every failed attempt, up to longestPause.
	firstPause   = time.Second
	longestPause = time.Minute
	// patientAttempts is how often a message may fail before those behind it in
	// its lane stop waiting for it.
	patientAttempts = 5
	// suspectAttempts is how many attempts may have ended in a crash before a
	// new owner waits a little: a message that kills its process must not do so
	// in a tight loop.
	suspectAttempts = 4
)

// item is an open message in memory.
type item struct {
	entry, turn, ref string
	message          chat.Message
	lane             string // "" for a command, and for what gave up its place: neither waits nor is waited for
	command          bool
	past
}

// dispatch is the part of a tenure that orders messages. One lock guards it.
type dispatch struct {
	mu sync.Mutex
	queue
	ending
	interrupts
	foreign foreign
	known   known
	pasts   map[string]past // what an earlier owner recorded, by turn, until the message is read
}

// queue is what waits for its turn.
type queue struct {
	lanes  map[string][]*item // the head of each is being handled, or paused
	ready  []*item            // heads that wait for a free handler
	active int                // handlers running, those of commands apart
}

// ending is how far a tenure is on its way out.
type ending struct {
	halted  bool          // no answer begins any more, only commands
	shut    bool          // nothing begins any more
	running int           // handlers running, those of commands too
	idle    chan struct{} // capacity 1: halted, and nothing runs
}

func newDispatch() dispatch {
	return dispatch{
		queue:      queue{lanes: map[string][]*item{}},
		ending:     ending{idle: make(chan struct{}, 1)},
		interrupts: newInterrupts(),
		known:      newKnown(),
		pasts:      map[string]past{},
	}
}

// halt lets no further answer begin. Commands go on: they never wait behind an
// answer, not even behind the last ones of this process.
func (n *tenure) halt() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.halted = true
	n.signalIdle()
}

// shutIf lets nothing begin any more, unless something runs and running is false.
func (n *tenure) shutIf(running bool) (shut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.shut = n.shut || running || n.running == 0
	return n.shut
}

// signalIdle tells finish when nothing runs any more. Called with mu held.
func (e *ending) signalIdle() {
	if e.halted && e.running == 0 {
		select {
		case e.idle <- struct{}{}:
		default:
		}
	}
}

// enqueue puts an item behind the others of its lane, a command before everyone.
// Called with mu held.
func (n *tenure) enqueue(it *item) {
	if _, _, it.command = it.message.Command(); it.command {
		n.begin(it)
		return
	}
	it.lane = it.message.Lane()
	n.lanes[it.lane] = append(n.lanes[it.lane], it)
	if len(n.lanes[it.lane]) == 1 {
		n.begin(it)
	}
}

// begin starts the head of a lane, or a command, when it may start. Called
// with mu held.
func (n *tenure) begin(it *item) {
	if it.attempts >= suspectAttempts {
		n.startLater(it, min(250*time.Millisecond<<(it.attempts-suspectAttempts), 10*time.Second))
		return
	}
	n.start(it)
}

// start runs the handler now, or when one is free. Called with mu held.
func (n *tenure) start(it *item) {
	if n.shut || n.halted && !it.command {
		return
	}
	if it.lane != "" {
		if n.active >= n.r.o.Handlers {
			n.ready = append(n.ready, it)
			return
		}
		n.active++
	}
	n.running++
	n.handlers.Go(func() {
		n.finished(it, n.handle(it))
	})
}

// startLater starts an item after a pause.
func (n *tenure) startLater(it *item, pause time.Duration) {
	time.AfterFunc(pause, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.alive.Err() == nil {
			n.start(it)
		}
	})
}

// finished makes room for what waits: the next of the lane when the item is
// closed, or the item again after a pause.
func (n *tenure) finished(it *item, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.attempts, it.turn)
	n.running--
	n.signalIdle()
	if it.lane != "" {
		n.active--
	}
	if n.alive.Err() != nil || n.halted {
		return
	}
	if err == nil {
		delete(n.stopped, it.turn)
		n.known.close(it.turn)
		n.advance(it)
	} else {
		n.failed(it, err)
	}
	for len(n.ready) > 0 && n.active < n.r.o.Handlers {
		next := n.ready[0]
		n.ready = n.ready[1:]
		n.start(next)
	}
}

// failed tries an item again after a pause. Called with mu held.
func (n *tenure) failed(it *item, err error) {
	pause := backoff(it.attempts)
	n.log.Warn("a message could not be answered; it is tried again", "ref", it.ref, "attempt", it.attempts, "pause", pause, "error", err)
	if it.lane != "" && it.attempts >= patientAttempts {
		n.advance(it)
		it.lane = "" // nothing waits for it any more
	}
	n.startLater(it, pause)
}

// advance takes the head off its lane and begins the next. Called with mu held.
func (n *tenure) advance(it *item) {
	if it.lane == "" {
		return
	}
	rest := n.lanes[it.lane][1:]
	if len(rest) == 0 {
		delete(n.lanes, it.lane)
		return
	}
	n.lanes[it.lane] = rest
	n.begin(rest[0])
}

func backoff(attempts int) time.Duration {
	pause := longestPause
	if attempts < 7 {
		pause = min(pause, firstPause<<max(0, attempts-1))
	}
	return pause*9/10 + rand.N(pause/5)
}
