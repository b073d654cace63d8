// What is kept of an answer that has ended.

package relay

import (
	"context"
	"log/slog"
	"slices"

	"parley/internal/inbox"
)

// sink keeps one thing of an ended answer.
//
// What lives under another hash tag cannot be part of the step that closes a turn
// and is no sink's. It is written by conclude before it closes the turn, under the
// turn's id, so that writing it again changes nothing: a process that dies in
// between leaves the turn open, and the next owner, who ends it once more, repeats
// the write.
type sink struct {
	// writes are of keys of the answer's scope: they are done in the one step that
	// closes the turn, or not at all. What cannot be written is logged and left out;
	// it holds up neither the others nor the turn.
	writes func(ctx context.Context, e ended, log *slog.Logger) []inbox.Write
	// lasting says that it is kept although the question was deleted before the turn
	// was closed: what the answer used, not what it said.
	lasting bool
}

// sinks are asked in this order.
func (r *Relay) sinks() []sink {
	return []sink{
		{writes: r.countUsage, lasting: true},
		{writes: r.keepExchange},
	}
}

// writes is what closing the turn of an ended answer writes, and what of it lasts.
// An answer ends once, so this is asked once.
func (r *Relay) writes(ctx context.Context, e ended, log *slog.Logger) (all, lasting []inbox.Write) {
	for _, s := range r.sinks() {
		writes := s.writes(ctx, e, log)
		all = slices.Concat(all, writes)
		if s.lasting {
			lasting = slices.Concat(lasting, writes)
		}
	}
	return all, lasting
}
