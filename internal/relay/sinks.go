// What is kept of an answer that has ended.

package relay

import (
	"context"
	"log/slog"
	"slices"

	"parley/internal/fault"
	"parley/internal/inbox"
)

// sink keeps one thing of an ended answer.
//
// Keys with another hash tag than the scope's cannot be part of the step that closes
// the turn, so they are not for sinks. conclude writes them before it closes the
// turn, and under the turn's id, so that writing them twice changes nothing: if the
// process dies in between, the turn is still open, and the next owner concludes it
// and writes them again.
type sink struct {
	// writes go to keys of the answer's scope, in the one atomic step that closes the
	// turn. A sink that fails logs that and returns nothing, and one with a defect
	// counts as failed; the turn is closed all the same.
	writes func(ctx context.Context, e ended, log *slog.Logger) []inbox.Write
	// lasting says that the writes are made even if the question is deleted before
	// the turn is closed. That is for what the answer used, not for what it said.
	lasting bool
}

// sinks are asked in this order.
func (r *Relay) sinks() []sink {
	return []sink{
		{writes: r.countUsage, lasting: true},
		{writes: r.keepExchange},
	}
}

// writes collects what the sinks write of an ended answer, and which of that is
// lasting. It also counts metrics, so call it once for an answer.
func (r *Relay) writes(ctx context.Context, e ended, log *slog.Logger) (all, lasting []inbox.Write) {
	for _, s := range r.sinks() {
		var writes []inbox.Write
		if defect := fault.Guard(func() error { writes = s.writes(ctx, e, log); return nil }); defect != nil {
			log.ErrorContext(ctx, "something of an answer could not be kept", "error", defect)
		}
		all = slices.Concat(all, writes)
		if s.lasting {
			lasting = slices.Concat(lasting, writes)
		}
	}
	return all, lasting
}
