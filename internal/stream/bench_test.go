//go:build unix

package stream

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/stream/markdown"
)

// nowhere takes every call at once and keeps nothing.
type nowhere struct{ calls chan struct{} }

func (n nowhere) Post(context.Context, chat.Content) (chat.Receipt, error) {
	n.calls <- struct{}{}
	return chat.Receipt{ID: "m"}, nil
}

func (n nowhere) Edit(context.Context, chat.MessageID, chat.Content) (chat.Receipt, error) {
	n.calls <- struct{}{}
	return chat.Receipt{}, nil
}

func (n nowhere) Upload(context.Context, string, []byte, string) (chat.Receipt, error) {
	return chat.Receipt{}, nil
}

func (n nowhere) Thinking(context.Context) {}

func (n nowhere) Limits() chat.Limits { return chat.Limits{Size: 12000} }

// BenchmarkAppend is one token handed over while an answer grows.
func BenchmarkAppend(b *testing.B) {
	s := NewScheduler(Options{})
	defer s.Close()
	calls := make(chan struct{}, 1024)
	go func() {
		for range calls {
		}
	}()
	a := s.Open(b.Context(), Job{Turn: "t", Responder: nowhere{calls}, MaxMessages: 1})
	b.ReportAllocs()
	for b.Loop() {
		a.Append("word ")
	}
}

// BenchmarkGrowing is rendering 2,000 characters of an answer that grows.
func BenchmarkGrowing(b *testing.B) {
	text := strings.Repeat("Some **bold** words and `code` in a [link](https://example.com).\n\n", 31)
	s := markdown.New(12000, nil)
	b.ReportAllocs()
	for b.Loop() {
		s.Growing(text)
	}
}

// BenchmarkAnswers writes 100 answers of 300 tokens at once, at 50 tokens a
// second, to a platform without limits: the work of the scheduler alone.
func BenchmarkAnswers(b *testing.B) {
	words := make([]string, 300)
	for i := range words {
		words[i] = fmt.Sprintf("word%d ", i)
		if i%20 == 19 {
			words[i] = "**bold**.\n\n"
		}
	}
	const answers = 100
	var spent time.Duration
	calls := 0
	rounds := 0
	for b.Loop() {
		seen := make(chan struct{}, 1024)
		var counting, all sync.WaitGroup
		counting.Go(func() {
			for range seen {
				calls++
			}
		})
		s := NewScheduler(Options{})
		begin := cpu(b)
		for k := range answers {
			all.Go(func() {
				a := s.Open(b.Context(), Job{Turn: fmt.Sprint(k), Responder: nowhere{seen}, Stop: true})
				tick := time.NewTicker(20 * time.Millisecond)
				defer tick.Stop()
				for _, w := range words {
					<-tick.C
					a.Append(w)
				}
				if _, err := a.Finish(b.Context(), End{}); err != nil {
					b.Error(err)
				}
			})
		}
		all.Wait()
		spent += cpu(b) - begin
		s.Close()
		close(seen)
		counting.Wait()
		rounds++
	}
	b.ReportMetric(spent.Seconds()*1000/float64(rounds*answers), "cpu-ms/answer")
	b.ReportMetric(float64(calls)/float64(rounds*answers), "calls/answer")
}

// cpu is the processor time this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
