package background

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

type key struct{}

func TestWorkOutlivesItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(slog.New(slog.DiscardHandler))
		ctx, hangUp := context.WithCancel(context.WithValue(t.Context(), key{}, "kept"))
		done := false
		g.Go(ctx, time.Minute, func(ctx context.Context) {
			<-time.After(time.Second)
			done = ctx.Err() == nil && ctx.Value(key{}) == "kept"
		})
		hangUp()
		g.Finish(time.Hour)
		if !done {
			t.Error("it ended with its request")
		}
	})
}

func TestWorkEndsAfterItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(slog.New(slog.DiscardHandler))
		begun := time.Now()
		g.Go(t.Context(), time.Minute, func(ctx context.Context) { <-ctx.Done() })
		g.Finish(time.Hour)
		if took := time.Since(begun); took != time.Minute {
			t.Errorf("it took %s", took)
		}
	})
}

func TestFinishWaitsThenCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(slog.New(slog.DiscardHandler))
		g.Finish(time.Hour) // nothing is under way
		begun := time.Now()
		var long, later error
		g.Go(t.Context(), time.Hour, func(ctx context.Context) {
			<-ctx.Done()
			long = ctx.Err()
			// What begins after the end is canceled at once.
			g.Go(ctx, time.Hour, func(ctx context.Context) { <-ctx.Done(); later = ctx.Err() })
		})
		g.Finish(5 * time.Second)
		if took := time.Since(begun); took != 5*time.Second || !errors.Is(long, context.Canceled) || !errors.Is(later, context.Canceled) {
			t.Errorf("after %s: %v, %v", took, long, later)
		}
	})
}

func TestFinishWaitsForWhatBeginsMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(slog.New(slog.DiscardHandler))
		done := false
		g.Go(t.Context(), time.Hour, func(ctx context.Context) {
			<-time.After(time.Second)
			g.Go(ctx, time.Hour, func(context.Context) { <-time.After(time.Second); done = true })
		})
		var all [2]chan struct{}
		for i := range all { // two may wait
			all[i] = make(chan struct{})
			go func() { defer close(all[i]); g.Finish(time.Minute) }()
		}
		for _, one := range all {
			<-one
		}
		if !done {
			t.Error("it did not wait")
		}
	})
}

func TestADefectIsLoggedWithoutItsValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		g := New(slog.New(slog.NewTextHandler(&log, nil)))
		g.Go(t.Context(), time.Hour, func(context.Context) { panic("private words") })
		g.Finish(time.Minute)
		if text := log.String(); !strings.Contains(text, "defect") || strings.Contains(text, "private") {
			t.Errorf("logged: %s", text)
		}
	})
}
