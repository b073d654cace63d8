// The scheduler, and what is usually done instead.

package simulate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"parley/internal/chat"
	"parley/internal/stream"
)

// Scheduled is the real scheduler.
type Scheduled struct {
	Options stream.Options
	s       *stream.Scheduler
}

// Name is the row's label.
func (*Scheduled) Name() string { return "parley" }

// Begin makes a fresh scheduler.
func (w *Scheduled) Begin(Scenario) { w.s = stream.NewScheduler(w.Options) }

// End closes it.
func (w *Scheduled) End() { w.s.Close() }

// Write writes one answer.
func (w *Scheduled) Write(ctx context.Context, k int, r chat.Responder, words <-chan string) error {
	a := w.s.Open(ctx, stream.Job{Turn: fmt.Sprint("turn-", k), Platform: "simulated", Responder: r, Stop: true})
	for word := range words {
		a.Append(word)
	}
	_, err := a.Finish(ctx, stream.End{})
	return err
}

// Timer edits every answer on a clock of its own, as most bots do: a refused
// call is made again when the platform allows, with the text of then.
type Timer struct{ Every time.Duration }

// Name is the row's label.
func (w *Timer) Name() string { return fmt.Sprintf("timer %.2g s", w.Every.Seconds()) }

// Begin has nothing to prepare.
func (w *Timer) Begin(Scenario) {}

// End has nothing to end.
func (w *Timer) End() {}

// Write writes one answer.
func (w *Timer) Write(ctx context.Context, _ int, r chat.Responder, words <-chan string) error {
	p := &plain{r: r, words: words}
	p.next()
	for !p.done {
		p.take()
		if err := p.send(ctx, false); err != nil {
			return err
		}
		p.until(time.After(w.Every))
	}
	return p.send(ctx, true)
}

// Once posts the whole answer at its end.
type Once struct{}

// Name is the row's label.
func (Once) Name() string { return "post once" }

// Begin has nothing to prepare.
func (Once) Begin(Scenario) {}

// End has nothing to end.
func (Once) End() {}

// Write writes one answer.
func (Once) Write(ctx context.Context, _ int, r chat.Responder, words <-chan string) error {
	p := &plain{r: r, words: words}
	for !p.done {
		p.next()
	}
	return p.send(ctx, true)
}

// RoundRobin gives all answers their turn in a circle, at the pace of the
// shared limit, so that it causes no refusals.
type RoundRobin struct {
	mu    sync.Mutex
	queue []chan struct{}
	stop  chan struct{}
	over  sync.WaitGroup
}

// Name is the row's label.
func (*RoundRobin) Name() string { return "round-robin" }

// Begin starts handing out turns.
func (w *RoundRobin) Begin(s Scenario) {
	w.stop = make(chan struct{})
	left := float64(s.Edits.Burst)
	if s.Edits.Sliding {
		left = float64(s.Edits.Calls)
	}
	w.over.Go(func() {
		const tick = 10 * time.Millisecond
		burst, rate := left, float64(s.Edits.Calls)/max(s.Edits.Window.Seconds(), 1e-9)
		if s.Edits.Sliding {
			burst = 1
		}
		for {
			select {
			case <-w.stop:
				return
			case <-time.After(tick):
			}
			left = min(burst, left+rate*.97*tick.Seconds())
			w.mu.Lock()
			if left >= 1 && len(w.queue) > 0 {
				close(w.queue[0])
				w.queue = w.queue[1:]
				left--
			}
			w.mu.Unlock()
		}
	})
}

// End stops handing out turns.
func (w *RoundRobin) End() { close(w.stop); w.over.Wait() }

// Write writes one answer.
func (w *RoundRobin) Write(ctx context.Context, _ int, r chat.Responder, words <-chan string) error {
	p := &plain{r: r, words: words}
	p.next()
	p.take()
	if err := p.send(ctx, false); err != nil {
		return err
	}
	for !p.done {
		turn := make(chan struct{})
		w.mu.Lock()
		w.queue = append(w.queue, turn)
		w.mu.Unlock()
		p.until(turn)
		p.take()
		if p.done { // the turn that was asked for is the final's
			<-turn
		}
		if err := p.send(ctx, p.done); err != nil {
			return err
		}
	}
	return p.send(ctx, true)
}

// plain writes one answer into one message, or several when it is too long.
type plain struct {
	r     chat.Responder
	words <-chan string
	text  strings.Builder
	done  bool
	ids   []chat.MessageID
	sent  string
}

// next waits for the next word.
func (p *plain) next() {
	w, ok := <-p.words
	p.text.WriteString(w)
	p.done = !ok
}

// take collects what has come without waiting.
func (p *plain) take() {
	for {
		select {
		case w, ok := <-p.words:
			if !ok {
				p.done = true
				return
			}
			p.text.WriteString(w)
		default:
			return
		}
	}
}

// until collects until c is ready or the text has ended.
func (p *plain) until(c any) {
	var tick <-chan time.Time
	var turn <-chan struct{}
	switch c := c.(type) {
	case <-chan time.Time:
		tick = c
	case chan struct{}:
		turn = c
	}
	for !p.done {
		select {
		case w, ok := <-p.words:
			p.text.WriteString(w)
			p.done = !ok
		case <-tick:
			return
		case <-turn:
			return
		}
	}
}

// send makes the messages say what there is; a refused call is made again.
func (p *plain) send(ctx context.Context, final bool) error {
	for {
		if final {
			p.take()
		}
		text := p.text.String()
		if text == p.sent {
			return nil
		}
		var err error
		if len(p.ids) == 0 {
			var receipt chat.Receipt
			receipt, err = p.r.Post(ctx, chat.Content{Markdown: text})
			if err == nil {
				p.ids = append(p.ids, receipt.ID)
			}
		} else {
			_, err = p.r.Edit(ctx, p.ids[0], chat.Content{Markdown: text, Final: final})
		}
		limited, ok := errors.AsType[*chat.RateLimited](err)
		switch {
		case err == nil:
			p.sent = text
			return nil
		case !ok:
			return err
		}
		again := time.Now().Add(limited.After)
		p.until(time.After(limited.After))
		<-time.After(time.Until(again))
	}
}
