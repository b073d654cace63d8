// Ending a running turn early: a person stopped it, or deleted the question.

package inbox

import (
	"context"
	"time"

	"parley/internal/chat"
)

// interrupts are the turns that run and those that are to end. Guarded by
// dispatch.mu.
type interrupts struct {
	attempts  map[string]attempt // running, by turn
	stopped   map[string]bool    // turns stopped by a person
	withdrawn map[string]bool    // messages whose question was deleted, by digest
}

// attempt is a running handler.
type attempt struct {
	ref    string
	digest string // of the message's key
	cancel context.CancelCauseFunc
}

func newInterrupts() interrupts {
	return interrupts{attempts: map[string]attempt{}, stopped: map[string]bool{}, withdrawn: map[string]bool{}}
}

// noteAttempt makes a running turn known to those who may end it.
func (n *tenure) noteAttempt(it *item, cancel context.CancelCauseFunc) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a := attempt{ref: it.ref, digest: digest(it.message.Key), cancel: cancel}
	n.attempts[it.turn] = a
	switch {
	case n.withdrawn[a.digest], n.in.early.has(n.scope, a.digest, time.Now()):
		cancel(chat.ErrWithdrawn)
	case n.stopped[it.turn]:
		cancel(chat.ErrStopped)
	}
}

// stopTurn ends a turn, now or when it begins, because a person asked for it.
func (n *tenure) stopTurn(turn string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stopped[turn] = true
	if a, ok := n.attempts[turn]; ok {
		a.cancel(chat.ErrStopped)
	}
}

// withdraw ends the turns of messages whose question was deleted, now or when
// they begin. Digests name messages by their keys.
func (n *tenure) withdraw(digests ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.noteWithdrawn(digests)
}

// replaceWithdrawn makes what the store knows what this tenure knows.
func (n *tenure) replaceWithdrawn(digests []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.withdrawn)
	n.noteWithdrawn(digests)
}

// noteWithdrawn is withdraw with mu held.
func (s *interrupts) noteWithdrawn(digests []string) {
	if len(digests) == 0 {
		return
	}
	for _, id := range digests {
		s.withdrawn[id] = true
	}
	for _, a := range s.attempts {
		if s.withdrawn[a.digest] {
			a.cancel(chat.ErrWithdrawn)
		}
	}
}

// runningRefs are the references of the turns that run.
func (n *tenure) runningRefs() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var refs []string
	for _, a := range n.attempts {
		refs = append(refs, a.ref)
	}
	return refs
}
