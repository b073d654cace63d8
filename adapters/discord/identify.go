// When a shard may send IDENTIFY. Discord allows one in 5 s for each bucket of
// max_concurrency, and 1,000 a day; after that it resets the token.

package discord

import (
	"context"
	"slices"
	"sync"
	"time"

	"parley/adapters/internal/retry"
)

// identifies spaces the IDENTIFYs of an application's shards, in this process only.
// The zero value is ready to use. It is safe for concurrent use.
type identifies struct {
	mu          sync.Mutex
	concurrency int                    // max_concurrency
	buckets     map[int]chan time.Time // by number; holds the time of its last IDENTIFY, unless someone has the permit
}

// allow sets max_concurrency.
func (i *identifies) allow(concurrency int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.concurrency = concurrency
}

// bucket is the bucket of a shard.
func (i *identifies) bucket(shard int) chan time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := shard % max(i.concurrency, 1)
	if i.buckets == nil {
		i.buckets = map[int]chan time.Time{}
	}
	if i.buckets[n] == nil {
		i.buckets[n] = make(chan time.Time, 1)
		i.buckets[n] <- time.Time{}
	}
	return i.buckets[n]
}

// permit waits until a shard may send an IDENTIFY: gap after the last one in its
// bucket. Until the permit is used or ends, others in the bucket wait.
func (i *identifies) permit(ctx context.Context, shard int, gap time.Duration) (*permit, error) {
	bucket := i.bucket(shard)
	select {
	case last := <-bucket:
		p := &permit{bucket: bucket, last: last}
		if !retry.Sleep(ctx, time.Until(last.Add(gap))) {
			p.end()
			return nil, ctx.Err()
		}
		return p, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// permit allows one IDENTIFY. It belongs to one goroutine.
type permit struct {
	bucket chan time.Time
	last   time.Time
}

// use notes that the IDENTIFY was sent.
func (p *permit) use() {
	p.last = time.Now()
	p.end()
}

// end passes the permit on. It may be called more than once.
func (p *permit) end() {
	if p.bucket != nil {
		p.bucket <- p.last
		p.bucket = nil
	}
}

const (
	manyStarts = 10 // IDENTIFYs within startsKept; after that many, they come slowStart apart
	startsKept = 10 * time.Minute
	slowStart  = 2 * time.Minute
)

// starts are the times of a shard's IDENTIFYs within startsKept.
type starts []time.Time

// wait is how long to wait before the next IDENTIFY: a connection that keeps
// breaking must not use up those of the day.
func (s *starts) wait(now time.Time) time.Duration {
	*s = slices.DeleteFunc(*s, func(t time.Time) bool { return now.Sub(t) > startsKept })
	if len(*s) < manyStarts {
		return 0
	}
	return (*s)[len(*s)-1].Add(slowStart).Sub(now)
}
