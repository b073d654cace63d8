// Package retry spaces out attempts: at calls that fail in passing, at
// connections that break.
package retry

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Pauses are the times between attempts that fail one after the other.
type Pauses = backoff.ExponentialBackOff

// Growing are pauses that begin at first, are twice as long each time and at
// most most, each a quarter longer or shorter by chance. One goroutine at a time
// may use them; Reset begins again.
func Growing(first, most time.Duration) *Pauses {
	return &Pauses{InitialInterval: first, MaxInterval: most, Multiplier: 2, RandomizationFactor: 0.25}
}

// Until makes attempts until one succeeds, one fails for good, or ctx ends,
// whose cause it then gives.
func Until(ctx context.Context, pauses *Pauses, attempt func() error) error {
	_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, attempt() }, backoff.WithBackOff(pauses), backoff.WithMaxElapsedTime(0))
	return err
}

// Never makes of an attempt's error one that ends Until, which then gives err.
func Never(err error) error { return backoff.Permanent(err) }

// AtLeast is d or up to a quarter more by chance: for those who were told to
// wait for d, and should not come back all at once. It is never negative, whatever
// they were told.
func AtLeast(d time.Duration) time.Duration {
	d = max(d, 0)
	return d + rand.N(d/4+1)
}

// Sleep waits for d. It gives false when ctx ends before.
func Sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
