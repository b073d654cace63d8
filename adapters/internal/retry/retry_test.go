package retry

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestPausesGrowToAMost(t *testing.T) {
	p := Growing(time.Second, 10*time.Second)
	for range 2 {
		for _, want := range []time.Duration{1, 2, 4, 8, 10, 10} {
			want *= time.Second
			if got := p.NextBackOff(); got < want*3/4 || got > want*5/4+1 {
				t.Errorf("%s, want about %s", got, want)
			}
		}
		p.Reset()
	}
}

var errPassing = errors.New("in passing")

func TestUntilItSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, attempts := time.Now(), 0
		err := Until(t.Context(), Growing(time.Hour, 100*time.Hour), func() error {
			if attempts++; attempts < 6 { // for longer than any usual limit
				return errPassing
			}
			return nil
		})
		if took := time.Since(begun); err != nil || attempts != 6 || took < 23*time.Hour {
			t.Errorf("%v after %d attempts in %s", err, attempts, took)
		}
	})
}

func TestUntilItFailsForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		final := errors.New("for good")
		attempts := 0
		err := Until(t.Context(), Growing(time.Second, time.Minute), func() error {
			if attempts++; attempts < 3 {
				return errPassing
			}
			return Never(final)
		})
		if err != final || attempts != 3 {
			t.Errorf("%v after %d attempts", err, attempts)
		}
	})
}

func TestUntilTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := errors.New("stopped")
		ctx, stop := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { stop(told) })
		begun := time.Now()
		if err := Until(ctx, Growing(time.Hour, time.Hour), func() error { return errPassing }); !errors.Is(err, told) || time.Since(begun) != time.Minute {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
	})
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		begun := time.Now()
		if !Sleep(ctx, time.Second) || time.Since(begun) != time.Second || !Sleep(ctx, 0) || !Sleep(ctx, -1) {
			t.Errorf("it slept for %s", time.Since(begun))
		}
		if Sleep(ctx, time.Hour) || time.Since(begun) != time.Minute || Sleep(ctx, 0) {
			t.Errorf("it slept for %s, past the end", time.Since(begun))
		}
	})
}

func TestAtLeast(t *testing.T) {
	for range 100 {
		if got := AtLeast(time.Second); got < time.Second || got > 5*time.Second/4 {
			t.Errorf("%s", got)
		}
	}
	for _, d := range []time.Duration{0, -1, -time.Hour} { // what a server says may be anything
		if got := AtLeast(d); got != 0 {
			t.Errorf("%s of %s", got, d)
		}
	}
}
