// The end of the process: what signals mean, and when waiting is over.

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// untilSignal returns a context that the first SIGTERM or SIGINT ends. A second
// one ends the process at once. It catches them for as long as the process lives.
func untilSignal(ctx context.Context, stderr io.Writer, exit func(code int)) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // ends with the process
		<-signals
		cancel()
		again := <-signals
		within(lastWords, func() {
			_, _ = fmt.Fprintf(stderr, "parley: second signal (%s): ended at once; the next start goes on with what was left\n", again)
		})
		exit(1)
	}()
	return ctx
}

// ignoreHangup logs SIGHUP instead of dying of it, until stop is called: a
// terminal that closes, or a habit from other servers, must not end answers.
func ignoreHangup(ctx context.Context, log *slog.Logger) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-signals:
				log.InfoContext(ctx, "SIGHUP ignored: restart parley to apply changed settings")
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}

// overtime is how much longer than SHUTDOWN_GRACE the whole stop may take.
const overtime = 10 * time.Second

// deadline is the hard end of a stop: something that hangs must not keep the
// process, and with it its address and its store, for ever.
type deadline struct {
	after time.Duration
	log   *slog.Logger
	exit  func(code int)

	mu    sync.Mutex
	timer *time.Timer
	over  bool
}

// begin starts the time, the first time it is called.
func (d *deadline) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer == nil && !d.over {
		d.timer = time.AfterFunc(d.after, d.end)
	}
}

// met calls the hard end off: everything has stopped.
func (d *deadline) met() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
	if d.timer != nil {
		d.timer.Stop()
	}
}

// stackLimit bounds what is logged of the goroutines that hang.
const stackLimit = 4 << 20

func (d *deadline) end() {
	stacks := make([]byte, stackLimit)
	stacks = stacks[:runtime.Stack(stacks, true)]
	within(lastWords, func() {
		d.log.Error("the stop did not end in time: the process ends as it is; report these stacks", "after", d.after.String(), "stacks", string(stacks))
	})
	d.exit(1)
}

// lastWords is how long the process waits for its last lines to be taken: what
// hangs may be the log itself, a pipe that nobody reads any more.
const lastWords = 2 * time.Second

// within runs f and returns when it has ended, at the latest after most.
func within(most time.Duration, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}
