// What closing a turn must write although its answer is taken back.

package inbox

import "context"

const owed = "owed" // a write that is still to be done; its body is a Write

// Owe stores that w belongs to the closing of the turn, whoever closes it: taking
// back what was posted may need several attempts, and another process.
func (t *Turn) Owe(ctx context.Context, w Write) error {
	return t.append(ctx, step{owed, w.Key, w})
}

// Owed is what Owe stored, in this attempt or an earlier one.
func (t *Turn) Owed() []Write {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bodies[Write](t.journal, owed)
}
