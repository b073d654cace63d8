// IDENTIFY begins a session. Discord allows one of each bucket of
// max_concurrency in 5 s, and 1,000 a day, after which it resets the token.

package discord

import (
	"context"
	"slices"
	"sync"
	"time"

	"parley/adapters/internal/retry"
)

// identifies spaces the IDENTIFYs of one application's shards. It knows those of
// this process only. The zero value is ready; it is safe for concurrent use.
type identifies struct {
	mu          sync.Mutex
	concurrency int                    // max_concurrency, as Discord said last
	buckets     map[int]chan time.Time // each holds when its last was sent, while nobody has its permit
}

// allow notes max_concurrency.
func (i *identifies) allow(concurrency int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.concurrency = concurrency
}

// bucket is the one that a shard belongs to.
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

// permit waits until a shard may send its IDENTIFY, gap after the last one of its
// bucket. Others of the bucket wait until the permit is used or returned.
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

// end lets the next shard go on. It may be called more than once.
func (p *permit) end() {
	if p.bucket != nil {
		p.bucket <- p.last
		p.bucket = nil
	}
}

const (
	manyStarts = 10 // sessions begun within startsKept, after which slowStart lies between two
	startsKept = 10 * time.Minute
	slowStart  = 2 * time.Minute
)

// starts are one shard's IDENTIFYs of the last ten minutes.
type starts []time.Time

// wait is how long the next one must wait: a connection that breaks again and
// again must not use up the day's.
func (s *starts) wait(now time.Time) time.Duration {
	*s = slices.DeleteFunc(*s, func(t time.Time) bool { return now.Sub(t) > startsKept })
	if len(*s) < manyStarts {
		return 0
	}
	return (*s)[len(*s)-1].Add(slowStart).Sub(now)
}
