package prompt

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley/adapters/internal/background"
)

func TestWhatIsGivenInTimeIsTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := background.New(slog.New(slog.DiscardHandler))
		begun, after := time.Now(), false
		got, err := Ask(t.Context(), g, begun.Add(3*time.Second), time.Minute, func(_ context.Context, give func(string) bool) {
			<-time.After(time.Second)
			if !give("done") || give("twice") {
				t.Error("one answer counts, the first")
			}
			<-time.After(10 * time.Second)
			after = true
		})
		if took := time.Since(begun); got != "done" || err != nil || took != time.Second {
			t.Errorf("%q, %v after %s", got, err, took)
		}
		g.Finish(time.Hour)
		if !after {
			t.Error("the work ended with its answer")
		}
	})
}

func TestWhatIsLateIsTheWorksOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := background.New(slog.New(slog.DiscardHandler))
		begun, told := time.Now(), ""
		_, err := Ask(t.Context(), g, begun.Add(3*time.Second), time.Minute, func(_ context.Context, give func(string) bool) {
			<-time.After(5 * time.Second)
			if !give("done") {
				told = "done"
			}
		})
		if took := time.Since(begun); !errors.Is(err, ErrLate) || took != 3*time.Second {
			t.Errorf("%v after %s", err, took)
		}
		g.Finish(time.Hour)
		if told != "done" {
			t.Error("nobody told what was late")
		}
	})
}

func TestWorkThatGivesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := background.New(slog.New(slog.DiscardHandler))
		for name, work := range map[string]func(context.Context, func(string) bool){
			"returns": func(context.Context, func(string) bool) {},
			"panics":  func(context.Context, func(string) bool) { panic("x") },
		} {
			begun := time.Now()
			if _, err := Ask(t.Context(), g, begun.Add(3*time.Second), time.Minute, work); !errors.Is(err, ErrNothing) || time.Since(begun) != 0 {
				t.Errorf("%s: %v after %s", name, err, time.Since(begun))
			}
		}
		g.Finish(time.Hour)
	})
}

// At the very moment, either the caller has the answer or the work tells it.
func TestNoAnswerIsLostOrToldTwice(t *testing.T) {
	g := background.New(slog.New(slog.DiscardHandler))
	for range 2000 {
		var told atomic.Int32
		_, err := Ask(t.Context(), g, time.Now().Add(20*time.Microsecond), time.Minute, func(_ context.Context, give func(int) bool) {
			for end := time.Now().Add(20 * time.Microsecond); time.Now().Before(end); {
			}
			if !give(1) {
				told.Add(1)
			}
		})
		g.Finish(time.Minute)
		if (err == nil) == (told.Load() == 1) {
			t.Fatalf("%v, and told %d times", err, told.Load())
		}
	}
}
