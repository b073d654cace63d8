package store

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// BenchmarkJournalledWrite shows that a write costs the same however much the
// store holds, and what it adds to the journal.
func BenchmarkJournalledWrite(b *testing.B) {
	for _, keys := range []int{0, 10_000, 100_000} {
		b.Run(fmt.Sprint(keys), func(b *testing.B) {
			e := openTest(b, b.TempDir())
			fill(b, e, keys)
			value := strings.Repeat("v", 1000)
			before := e.journal.bytes()
			b.ResetTimer()
			for n := range b.N {
				if err := e.client.Set(b.Context(), "bench", value, 0).Err(); err != nil {
					b.Fatal(err, n)
				}
			}
			b.StopTimer()
			if after := e.journal.bytes(); after > before {
				b.ReportMetric(float64(after-before)/float64(b.N), "journal-B/op")
			}
		})
	}
}

// BenchmarkTick is the price of letting keys expire, of a compaction's pause
// and of a start, by store size.
func BenchmarkTick(b *testing.B) {
	for _, keys := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(keys), func(b *testing.B) {
			dir := b.TempDir()
			e := openTest(b, dir)
			fill(b, e, keys)
			b.ResetTimer()
			for range b.N {
				e.writeMu.Lock()
				e.setClock(e.clock.ms + 1)
				e.writeMu.Unlock()
			}
			b.StopTimer()
			began := time.Now()
			e.writeMu.Lock()
			chunks := e.dump()
			e.writeMu.Unlock()
			b.ReportMetric(float64(time.Since(began).Milliseconds()), "dump-ms")
			b.ReportMetric(float64(total(chunks))/float64(keys), "snapshot-B/key")
			copied := b.TempDir()
			if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
				b.Fatal(err)
			}
			began = time.Now()
			again := openTest(b, copied)
			b.ReportMetric(float64(time.Since(began).Milliseconds()), "start-ms")
			_ = again.close()
		})
	}
}

func fill(b *testing.B, e *embedded, keys int) {
	b.Helper()
	p := e.client.Pipeline()
	for n := range keys {
		p.Set(b.Context(), fmt.Sprintf("parley:{slack:A01:T01}:something:%d", n), strings.Repeat("x", 100), time.Hour)
		if n%1000 == 999 || n == keys-1 {
			if _, err := p.Exec(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
}
