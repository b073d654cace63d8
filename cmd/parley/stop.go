// Stopping the process: signals, and the hard deadline.

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

// untilSignal returns a context that the first SIGTERM or SIGINT cancels. A second
// signal ends the process immediately. It never stops catching signals.
func untilSignal(ctx context.Context, stderr io.Writer, exit func(code int)) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // ends with the process
		<-signals
		cancel()
		again := <-signals
		within(lastWords, func() {
			_, _ = fmt.Fprintf(stderr, "parley: second signal (%s): exiting now; the next start continues unfinished answers\n", again)
		})
		exit(1)
	}()
	return ctx
}

// ignoreHangup logs SIGHUP and ignores it until stop is called: closing a terminal,
// or reloading out of habit, must not interrupt answers.
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

// overtime is how long after SHUTDOWN_GRACE the process exits in any case.
const overtime = 10 * time.Second

// deadline ends the process if a stop hangs, so that a hung part cannot hold the
// address and the store forever.
type deadline struct {
	after time.Duration
	log   *slog.Logger
	exit  func(code int)

	mu    sync.Mutex
	timer *time.Timer
	over  bool
}

// begin starts the timer when it is first called.
func (d *deadline) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer == nil && !d.over {
		d.timer = time.AfterFunc(d.after, d.end)
	}
}

// met cancels the deadline: everything has stopped.
func (d *deadline) met() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
	if d.timer != nil {
		d.timer.Stop()
	}
}

// stackLimit is the most bytes of goroutine stacks to log.
const stackLimit = 4 << 20

func (d *deadline) end() {
	stacks := make([]byte, stackLimit)
	stacks = stacks[:runtime.Stack(stacks, true)]
	within(lastWords, func() {
		d.log.Error("stop timed out: exiting now; please report these stacks", "after", d.after.String(), "stacks", string(stacks))
	})
	d.exit(1)
}

// lastWords is how long the process waits to write its last lines: the log itself
// may hang, for example on a pipe that nobody reads.
const lastWords = 2 * time.Second

// within runs f and returns when f has returned, or after most.
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
