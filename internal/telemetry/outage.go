// Outages: one log line when something begins to fail, and one when it works
// again.

package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// outageAgain is how often to log an outage that continues.
const outageAgain = 10 * time.Minute

// Outage keeps repeated failures from filling the log. It is safe for
// concurrent use.
type Outage struct {
	log        *slog.Logger
	down, over string

	mu       sync.Mutex
	began    time.Time // zero: no outage
	told     time.Time
	failures int
}

// NewOutage logs down, as a warning with the reason, when something begins to
// fail, and over, with the duration, when it works again.
func NewOutage(log *slog.Logger, down, over string) *Outage {
	return &Outage{log: log, down: down, over: over}
}

// Note records the outcome of an attempt; nil is success. While the failure
// continues, it is logged again every ten minutes, and otherwise at debug
// level. The log line includes args.
func (o *Outage) Note(ctx context.Context, err error, args ...any) {
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	if err == nil {
		if !o.began.IsZero() {
			o.log.InfoContext(ctx, o.over, "after", now.Sub(o.began).Round(time.Millisecond).String(), "failures", o.failures)
		}
		o.began, o.failures = time.Time{}, 0
		return
	}
	o.failures++
	args = append([]any{"reason", err.Error()}, args...)
	if !o.began.IsZero() && now.Sub(o.told) < outageAgain {
		o.log.DebugContext(ctx, o.down, args...)
		return
	}
	if o.began.IsZero() {
		o.began = now
	}
	o.told = now
	o.log.WarnContext(ctx, o.down, args...)
}
