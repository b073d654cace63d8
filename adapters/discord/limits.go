// Rate limits: those of Discord's headers, the global one, and the number of
// refused calls after which Discord bans the address.

package discord

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"parley/adapters/internal/retry"
	"parley/internal/chat"
)

// limiter knows the buckets of one bot. The scheduler of posts and edits plans with
// the same numbers; this is the safety net, which refuses a call that Discord would
// certainly refuse.
type limiter struct {
	global int // calls per second; 0 means no limit

	mu      sync.Mutex
	recent  []time.Time        // calls of the last second, for the global limit
	names   map[string]string  // by route: Discord's name of its bucket
	buckets map[string]*bucket // by name and major parameter
	blocked time.Time          // no call before this time, after a global 429
}

type bucket struct {
	limit     int
	remaining int
	reset     time.Time
}

func newLimiter(global int) *limiter {
	return &limiter{global: global, names: map[string]string{}, buckets: map[string]*bucket{}}
}

// key is the key in buckets; mu is held.
func (p *limiter) key(route, major string) string {
	if name := p.names[route]; name != "" {
		return name + " " + major
	}
	return route + " " + major
}

// bucket returns a bucket, which is new if nothing is known about it; mu is held.
func (p *limiter) bucket(route, major string) *bucket {
	key := p.key(route, major)
	if p.buckets[key] == nil {
		p.buckets[key] = &bucket{limit: 1}
	}
	return p.buckets[key]
}

// reserve counts a call that is about to be made. With a positive wait it must not
// be made yet; global says which limit forbids it. Exempt calls (interactions) do
// not count towards the global limit.
func (p *limiter) reserve(route, major string, exempt bool, now time.Time) (wait time.Duration, global bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !exempt {
		if now.Before(p.blocked) {
			return p.blocked.Sub(now), true
		}
		if wait := p.window(now); wait > 0 {
			return wait, true
		}
	}
	if b := p.buckets[p.key(route, major)]; b != nil {
		if !now.Before(b.reset) {
			b.remaining, b.reset = b.limit, now.Add(5*time.Second) // a guess until the next answer
		}
		if b.remaining <= 0 {
			return b.reset.Sub(now), false
		}
		b.remaining--
	}
	if !exempt && p.global > 0 {
		p.recent = append(p.recent, now)
	}
	return 0, false
}

// window is how long the global limit makes a call wait; mu is held.
func (p *limiter) window(now time.Time) time.Duration {
	if p.global == 0 {
		return 0
	}
	old := 0
	for old < len(p.recent) && now.Sub(p.recent[old]) >= time.Second {
		old++
	}
	p.recent = append(p.recent[:0], p.recent[old:]...)
	if len(p.recent) < p.global {
		return 0
	}
	return p.recent[0].Add(time.Second).Sub(now)
}

// learn stores the limits in a response's headers.
func (p *limiter) learn(route, major string, h http.Header, now time.Time) chat.Rate {
	limit, err := strconv.Atoi(h.Get("X-RateLimit-Limit"))
	if err != nil || limit <= 0 {
		return chat.Rate{}
	}
	remaining, err := strconv.Atoi(h.Get("X-RateLimit-Remaining"))
	if err != nil {
		return chat.Rate{}
	}
	seconds, err := strconv.ParseFloat(h.Get("X-RateLimit-Reset-After"), 64)
	if err != nil {
		return chat.Rate{}
	}
	reset := time.Duration(seconds * float64(time.Second))
	rate := chat.Rate{Known: true, Bucket: h.Get("X-RateLimit-Bucket"), Limit: limit, Remaining: remaining, Reset: reset}
	p.mu.Lock()
	defer p.mu.Unlock()
	if rate.Bucket != "" {
		p.names[route] = rate.Bucket
	}
	b := p.bucket(route, major)
	until := now.Add(reset)
	// Responses overtake each other: within one window the smaller number is the
	// newer one.
	sameWindow := b.limit == limit && until.Sub(b.reset).Abs() < 250*time.Millisecond
	if !sameWindow || remaining < b.remaining {
		b.remaining = remaining
	}
	b.limit, b.reset = limit, until
	p.forget(now)
	return rate
}

// forget removes buckets whose window is long over, so that they do not pile up
// for a bot in many channels; mu is held.
func (p *limiter) forget(now time.Time) {
	if len(p.buckets) < 4096 {
		return
	}
	for key, b := range p.buckets {
		if now.Sub(b.reset) > time.Minute {
			delete(p.buckets, key)
		}
	}
}

// refuse records a 429.
func (p *limiter) refuse(route, major string, l *chat.RateLimited, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.Global {
		if until := now.Add(l.After); until.After(p.blocked) {
			p.blocked = until
		}
		return
	}
	b := p.bucket(route, major)
	b.remaining, b.reset = 0, now.Add(l.After)
}

// banned is how many refused calls (401, 403 and 429, except those of scope
// "shared") the adapter makes within banWindow. Discord bans an address at 10,000.
const (
	banWindow = 10 * time.Minute
	banned    = 8000
)

// refusals counts this process's refused calls that lead to a ban. All bots share
// it, because the address is banned.
type refusals struct {
	mu    sync.Mutex
	slots [10]struct {
		minute int64
		count  int
	}
}

func (r *refusals) add(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	minute := now.Unix() / 60
	slot := &r.slots[minute%10]
	if slot.minute != minute {
		slot.minute, slot.count = minute, 0
	}
	slot.count++
}

// wait is how long to make no calls.
func (r *refusals) wait(now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	minute, total, oldest := now.Unix()/60, 0, int64(0)
	for _, slot := range r.slots {
		if minute-slot.minute >= 10 || slot.count == 0 {
			continue
		}
		total += slot.count
		if oldest == 0 || slot.minute < oldest {
			oldest = slot.minute
		}
	}
	if total < banned {
		return 0
	}
	return max(time.Unix((oldest+10)*60, 0).Sub(now), time.Second)
}

// await waits until a call may be made.
func (p *limiter) await(ctx context.Context, route, major string, exempt bool) error {
	for {
		wait, _ := p.reserve(route, major, exempt, time.Now())
		if wait <= 0 {
			return nil
		}
		if !retry.Sleep(ctx, wait) {
			return context.Cause(ctx)
		}
	}
}
