// Rate limits as Discord has them: per route and channel, told in headers, and
// one global per bot.

package discord

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Limits are the rate limits; zero values mean those Discord is known for.
type Limits struct {
	Off       bool          // no limits and no headers
	Calls     int           // posts, and as many edits, per channel and Window; default 5
	Window    time.Duration // default 5 s
	Sliding   bool          // at most Calls in any Window, instead of Discord's fixed windows
	Global    int           // requests per second and bot; default 50, negative for none
	BanAfter  int           // 401, 403 and 429 answers in 10 minutes before the address is banned; default 10,000
	NoHeaders bool          // limits are enforced but not told
}

type bucket struct {
	calls []time.Time // in the current window
}

type limiter struct {
	Limits
	buckets map[string]*bucket
	globals map[string]*bucket
	invalid []time.Time
}

func newLimiter(l Limits) *limiter {
	if l.Calls == 0 {
		l.Calls = 5
	}
	if l.Window == 0 {
		l.Window = 5 * time.Second
	}
	if l.Global == 0 {
		l.Global = 50
	}
	if l.BanAfter == 0 {
		l.BanAfter = 10000
	}
	return &limiter{Limits: l, buckets: map[string]*bucket{}, globals: map[string]*bucket{}}
}

// limit is one kind of call's rule.
type limit struct {
	name   string // of the bucket
	calls  int
	window time.Duration
}

// take counts a call; wait > 0 says it is refused and for how long.
func (b *bucket) take(now time.Time, l limit, sliding bool) (remaining int, reset, wait time.Duration) {
	if sliding {
		b.calls = slices.DeleteFunc(b.calls, func(t time.Time) bool { return now.Sub(t) >= l.window })
	} else if len(b.calls) > 0 && now.Sub(b.calls[0]) >= l.window {
		b.calls = b.calls[:0]
	}
	if len(b.calls) >= l.calls {
		wait = b.calls[0].Add(l.window).Sub(now)
		return 0, wait, wait
	}
	b.calls = append(b.calls, now)
	return l.calls - len(b.calls), b.calls[0].Add(l.window).Sub(now), 0
}

// admit applies the limits to a call and sets the headers. False: the 429 was
// written.
func (s *Server) admit(w http.ResponseWriter, owner, major string, rule limit, exempt bool) bool {
	if s.limiter.Off {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !exempt && s.limiter.Global > 0 {
		g := s.limiter.globals[owner]
		if g == nil {
			g = &bucket{}
			s.limiter.globals[owner] = g
		}
		if _, _, wait := g.take(now, limit{calls: s.limiter.Global, window: time.Second}, s.limiter.Sliding); wait > 0 {
			w.Header().Set("X-RateLimit-Global", "true")
			w.Header().Set("X-RateLimit-Scope", "global")
			tooMany(w, "You are being rate limited.", wait, true)
			return false
		}
	}
	if rule.calls == 0 {
		rule.calls, rule.window = s.limiter.Calls, s.limiter.Window
	}
	key := owner + " " + rule.name + " " + major
	b := s.limiter.buckets[key]
	if b == nil {
		b = &bucket{}
		s.limiter.buckets[key] = b
	}
	remaining, reset, wait := b.take(now, rule, s.limiter.Sliding)
	if !s.limiter.NoHeaders {
		h := fnv.New64a()
		_, _ = h.Write([]byte(rule.name))
		w.Header().Set("X-RateLimit-Bucket", fmt.Sprintf("%016x", h.Sum64()))
		w.Header().Set("X-RateLimit-Limit", strconv.Itoa(rule.calls))
		w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(remaining))
		w.Header().Set("X-RateLimit-Reset", fmt.Sprintf("%.3f", float64(now.Add(reset).UnixMilli())/1000))
		w.Header().Set("X-RateLimit-Reset-After", fmt.Sprintf("%.3f", reset.Seconds()))
	}
	if wait > 0 {
		w.Header().Set("X-RateLimit-Scope", "user")
		tooMany(w, "You are being rate limited.", wait, false)
		return false
	}
	return true
}

func tooMany(w http.ResponseWriter, text string, wait time.Duration, global bool) {
	seconds := wait.Seconds()
	w.Header().Set("Retry-After", strconv.Itoa(int(seconds)+1))
	writeJSON(w, http.StatusTooManyRequests, map[string]any{"message": text, "retry_after": seconds, "global": global})
}

// invalidRequest counts an answer of 401, 403 or 429 towards the ban; mu is
// held.
func (l *limiter) invalidRequest(now time.Time) {
	l.invalid = slices.DeleteFunc(append(l.invalid, now), func(t time.Time) bool { return now.Sub(t) > 10*time.Minute })
}

func (l *limiter) banned(now time.Time) bool {
	n := 0
	for _, t := range l.invalid {
		if now.Sub(t) <= 10*time.Minute {
			n++
		}
	}
	return n >= l.BanAfter
}
