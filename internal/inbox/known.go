// What a tenure remembers of the messages it has read, so that it neither misses
// one nor answers one twice when the store goes back to an older state.

package inbox

import (
	"context"
	"time"
)

const (
	// knownClosed is how many closed turns a tenure remembers.
	knownClosed = 4096
	// knownFor is how long a message's key is remembered with it, as in the store.
	knownFor = 24 * time.Hour
)

// known is guarded by dispatch.mu.
type known struct {
	turns  map[string]*knownTurn
	keys   map[string]string // message key → turn
	closed []string          // turns, oldest first
}

type knownTurn struct {
	entry  string
	key    string
	at     time.Time
	closed bool
}

func newKnown() known { return known{turns: map[string]*knownTurn{}, keys: map[string]string{}} }

// take notes an open turn. False means that another turn of this tenure has the
// same message.
func (k *known) take(key string, it *item, now time.Time) bool {
	if key != "" {
		if other := k.turns[k.keys[key]]; other != nil && now.Sub(other.at) < knownFor {
			return false
		}
		k.keys[key] = it.turn
	}
	k.turns[it.turn] = &knownTurn{entry: it.entry, key: key, at: now}
	return true
}

// close notes that a turn is closed. Of those it remembers the newest.
func (k *known) close(turn string) {
	t := k.turns[turn]
	if t == nil || t.closed {
		return
	}
	t.closed = true
	k.closed = append(k.closed, turn)
	if len(k.closed) <= knownClosed {
		return
	}
	oldest := k.closed[0]
	k.closed = k.closed[1:]
	if key := k.turns[oldest].key; k.keys[key] == oldest {
		delete(k.keys, key)
	}
	delete(k.turns, oldest)
}

// knows reports whether the tenure has read an entry, and whether its turn is
// open.
func (n *tenure) knows(it *item) (open, known bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	t := n.known.turns[it.turn]
	if t == nil || t.entry != it.entry {
		return false, false
	}
	return !t.closed, true
}

// discard takes a message out of the stream that came back, or came twice,
// because the store went back. If it fails, the next reading of the stream tries
// again: nobody waits for it.
func (n *tenure) discard(ctx context.Context, it *item) {
	keys := []string{n.key("owner"), n.key("events"), n.key("turns"), n.key("stops")}
	dropped, err := n.in.scripts.drop.Run(ctx, n.in.o.Client, keys, n.token, it.entry, it.turn).Int64()
	n.noteStoreResult(err)
	switch {
	case err != nil:
		n.log.WarnContext(ctx, "a message that was taken before could not be taken out", "ref", it.ref, "error", err)
	case dropped < 0:
		n.lose()
	case dropped > 0:
		n.log.WarnContext(ctx, "a message that was taken before came back with an older state of the store; it is taken out", "ref", it.ref)
		n.resync.Store(true) // others may have come back that nobody read
		n.look()
	}
}

// logLocked reports whether it is not logged yet that the key of a turn is missing
// here.
func (i *Inbox) logLocked(turn string) bool {
	const most = 1000
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.locked[turn] {
		return false
	}
	if len(i.locked) >= most {
		clear(i.locked)
	}
	i.locked[turn] = true
	return true
}
