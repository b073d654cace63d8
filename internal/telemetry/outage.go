// Something that fails for a while, told in one line when it begins and one
// when it ends.

package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// outageAgain is how often an outage that lasts is told again.
const outageAgain = 10 * time.Minute

// Outage keeps a failure that repeats from filling the log. It is safe for
// concurrent use.
type Outage struct {
	log        *slog.Logger
	down, over string

	mu       sync.Mutex
	began    time.Time // zero: nothing is wrong
	told     time.Time
	failures int
}

// NewOutage logs down, as a warning with the reason, when something begins to
// fail, and over, with how long it took, when it works again.
func NewOutage(log *slog.Logger, down, over string) *Outage {
	return &Outage{log: log, down: down, over: over}
}

// Note takes the outcome of one attempt: nil means that it worked. While it goes
// on failing, it is told again every ten minutes, and the rest at debug level. What args say goes beside the reason.
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
