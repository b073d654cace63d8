// Deletions that came before the message they are about.

package inbox

import (
	"sync"
	"time"
)

const (
	// earlyFor is how long a deletion waits for its message, and how old a message
	// may be to come still: Slack delivers an event up to five minutes late when
	// it was not taken, Discord replays a lost connection.
	earlyFor = 10 * time.Minute
	// mostEarly bounds how many deletions wait in a process, newest kept.
	mostEarly = 1000
)

// early remembers deletions of messages that nobody has stored. A platform may
// deliver the two in either order, so the message may be on its way. Nearly all
// of them were never for a bot, so that they cost no write: they are published
// and every process keeps the latest in memory. A process that starts in between
// does not know them; it answers, and the platform says that the question is
// gone.
type early struct {
	mu    sync.Mutex
	until map[string]time.Time // by scope and digest
	order []string             // oldest first
}

func earlyName(scope, digest string) string { return scope + " " + digest }

func (e *early) add(scope, digest string, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.until == nil {
		e.until = map[string]time.Time{}
	}
	name := earlyName(scope, digest)
	if _, known := e.until[name]; !known {
		e.order = append(e.order, name)
		e.until[name] = now.Add(earlyFor)
	}
	for len(e.order) > mostEarly || len(e.order) > 0 && e.until[e.order[0]].Before(now) {
		delete(e.until, e.order[0])
		e.order = e.order[1:]
	}
}

func (e *early) has(scope, digest string, now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.until[earlyName(scope, digest)].After(now)
}
