// When a request is tried again: before its first delta only, with back-off and
// caps, and as the server asks.

package completion

import (
	"context"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	defaultTries = 4
	defaultWait  = 20 * time.Second
	firstBackoff = 500 * time.Millisecond
)

// backoff is the wait before the next attempt, and whether there is one.
func (c *call) backoff(e *Error, tries int) (time.Duration, bool) {
	most, limit := c.r.Retry.Max, c.r.Retry.Wait
	if most == 0 {
		most = defaultTries
	}
	if limit == 0 {
		limit = defaultWait
	}
	if tries >= most || !e.again() || e.RetryAfter > limit {
		return 0, false
	}
	wait := firstBackoff << min(tries, 10)
	wait = wait/2 + rand.N(wait/2+1) // jitter: many wait for the same server
	wait = min(max(wait, e.RetryAfter), limit)
	return wait, !c.r.Retry.over(wait)
}

// pause waits for d, or returns false when ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// retryAfter reads Retry-After in seconds or as a date, and the milliseconds
// some services add.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms > 0 && ms < 1e9 {
		return time.Duration(ms * float64(time.Millisecond))
	}
	v := strings.TrimSpace(h.Get("Retry-After"))
	if s, err := strconv.ParseFloat(v, 64); err == nil {
		if s > 0 && s < 1e7 {
			return time.Duration(s * float64(time.Second))
		}
		return 0
	}
	if at, err := http.ParseTime(v); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

var waitPattern = regexp.MustCompile(`(?i)(?:try again|retry) (?:in|after) ([0-9]+(?:\.[0-9]+)?) ?(ms|milliseconds?|s|seconds?|m|minutes?)\b`)

// retryIn reads the wait that some services only mention in words.
func retryIn(text string) time.Duration {
	m := waitPattern.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil || n > 1e6 {
		return 0
	}
	unit := time.Second
	switch {
	case strings.HasPrefix(strings.ToLower(m[2]), "mi") && !strings.HasPrefix(strings.ToLower(m[2]), "mil"), strings.EqualFold(m[2], "m"):
		unit = time.Minute
	case strings.HasPrefix(strings.ToLower(m[2]), "m"):
		unit = time.Millisecond
	}
	return time.Duration(n * float64(unit))
}
