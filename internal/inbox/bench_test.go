package inbox_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/inbox"
	"parley/internal/store"
	"parley/internal/store/storetest"
)

// BenchmarkPut is how long a platform waits to be told that a message is safe,
// the disk included.
func BenchmarkPut(b *testing.B) {
	for name, open := range map[string]func(b *testing.B) *store.Store{
		"embedded": func(b *testing.B) *store.Store { return storetest.Open(b, "") },
		"redis":    func(b *testing.B) *store.Store { return storetest.Open(b, storetest.Redis(b)) },
		"redis-fsync": func(b *testing.B) *store.Store {
			return storetest.Open(b, storetest.Redis(b, "--appendonly", "yes", "--appendfsync", "always"))
		},
	} {
		for _, together := range []int{1, 100} {
			b.Run(fmt.Sprintf("%s/%d", name, together), func(b *testing.B) {
				in := newInbox(b, open(b), quiet)
				text := strings.Repeat("a question of usual length ", 10)
				var mu sync.Mutex
				var waits []time.Duration
				var next atomic.Int64
				b.ResetTimer()
				var wg sync.WaitGroup
				for range together {
					wg.Go(func() {
						var own []time.Duration
						for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
							began := time.Now()
							if err := in.Put(b.Context(), message(fmt.Sprint(n), fmt.Sprint("C", n%50), text)); err != nil {
								b.Error(err)
								return
							}
							own = append(own, time.Since(began))
						}
						mu.Lock()
						waits = append(waits, own...)
						mu.Unlock()
					})
				}
				wg.Wait()
				b.StopTimer()
				quantiles(b, waits)
			})
		}
	}
}

// BenchmarkTurn is the store's share of one answer in one message: from Put to the
// handler, the announcement of the post, and the close.
func BenchmarkTurn(b *testing.B) {
	for name, open := range map[string]func(b *testing.B) *store.Store{
		"embedded": func(b *testing.B) *store.Store { return storetest.Open(b, "") },
		"redis":    func(b *testing.B) *store.Store { return storetest.Open(b, storetest.Redis(b)) },
	} {
		b.Run(name, func(b *testing.B) {
			in := newInbox(b, open(b), quiet)
			closed := make(chan struct{}, 1)
			run(b, in, func(ctx context.Context, t *inbox.Turn) error {
				announced := t.Record(ctx, inbox.Part{Key: "k", Pending: true})
				t.Hold(inbox.Part{Key: "k", ID: "m", Length: 500})
				for _, err := range []error{
					announced,
					t.Close(ctx, inbox.Write{Key: in.ScopeKey(scope, "transcript"), Value: make([]byte, 4096)}),
				} {
					if err != nil {
						b.Error(err)
					}
				}
				closed <- struct{}{}
				return nil
			}, inbox.RunOptions{})
			var waits []time.Duration
			for n := range b.N {
				began := time.Now()
				put(b, in, message(fmt.Sprint(n), "C", "hello"))
				receive(b, closed)
				waits = append(waits, time.Since(began))
			}
			b.StopTimer()
			quantiles(b, waits)
		})
	}
}

func quiet(o *inbox.Options) { o.Log = nil }

func quantiles(b *testing.B, waits []time.Duration) {
	if len(waits) == 0 {
		return
	}
	slices.Sort(waits)
	at := func(q float64) float64 {
		return float64(waits[min(len(waits)-1, int(q*float64(len(waits))))].Microseconds()) / 1000
	}
	b.ReportMetric(at(0.5), "p50-ms")
	b.ReportMetric(at(0.99), "p99-ms")
}
