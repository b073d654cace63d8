// Dispatching the gateway's events, of all shards.

package discord

import (
	"context"
	"log/slog"
	"time"

	"parley/internal/fault"
)

// handle handles all events but new messages and those about the session. It must
// be quick: the next frame waits.
func (a *app) handle(ctx context.Context, f frame) error {
	switch f.T {
	case "INTERACTION_CREATE":
		received := time.Now()
		a.background.Go(ctx, workLimit, func(ctx context.Context) {
			a.guard(f.T, func() error { return a.interact(ctx, f.D, received) })
		})
		return nil
	case "MESSAGE_DELETE", "MESSAGE_DELETE_BULK":
		a.background.Go(ctx, withdrawWithin, func(ctx context.Context) {
			a.guard(f.T, func() error { return a.deleted(ctx, f.D) })
		})
		return nil
	}
	if f.T == "GUILD_CREATE" && a.trust.open() {
		a.own.Go(func() {
			a.guard(f.T, func() error { return a.trust.joined(ctx) })
		})
	}
	return a.cache.update(f.T, f.D)
}

// guard runs f and logs its error or panic, so that one event does no harm to the
// next.
func (a *app) guard(event string, f func() error) {
	var refused error
	if err := fault.Guard(func() error { refused = f(); return nil }); err != nil {
		a.log.Error("discord event failed", slog.String("event", event), slog.String("error", err.Error()))
	}
	if refused != nil {
		a.log.Warn("discord event not understood", slog.String("event", event), slog.String("error", refused.Error()))
	}
}
