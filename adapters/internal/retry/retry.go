// Package retry spaces out attempts, for calls that fail temporarily and
// connections that break.
package retry

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Pauses are the pauses between consecutive failed attempts.
type Pauses = backoff.ExponentialBackOff

// Growing are pauses that start at first and double up to most, each varied
// randomly by a quarter. Only one goroutine at a time may use them; Reset
// starts over.
func Growing(first, most time.Duration) *Pauses {
	return &Pauses{InitialInterval: first, MaxInterval: most, Multiplier: 2, RandomizationFactor: 0.25}
}

// Until makes attempts until one succeeds, one fails permanently, or ctx ends;
// then it returns the cause of ctx.
func Until(ctx context.Context, pauses *Pauses, attempt func() error) error {
	_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, attempt() }, backoff.WithBackOff(pauses), backoff.WithMaxElapsedTime(0))
	return err
}

// Never makes err permanent: Until stops and returns it.
func Never(err error) error { return backoff.Permanent(err) }

// AtLeast is d or up to a quarter more by chance: for those who were told to
// wait for d, and should not come back all at once. It is never negative, whatever
// they were told.
func AtLeast(d time.Duration) time.Duration {
	d = max(d, 0)
	return d + rand.N(d/4+1)
}

// Sleep waits for d. It returns false if ctx ends first.
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
