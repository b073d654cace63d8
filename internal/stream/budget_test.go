package stream

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/chat"
)

// Limits that no answer has drawn on for long are forgotten: there is one for
// every channel, and on some platforms for every answer.
func TestUnusedLimitsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewScheduler(Options{})
		defer s.Close()
		for i := range 300 {
			p := newPlatform(chat.Limits{Posts: chat.Budget{Key: fmt.Sprint("channel-", i), Calls: 60, Window: time.Minute, Burst: 4}})
			a := openOn(t, s, p, Job{})
			a.Append("A short answer.")
			end(t, a)
			<-time.After(time.Minute)
		}
		if n := len(s.budgets); n > 150 {
			t.Errorf("%d limits are kept", n)
		}
	})
}

// A limit that is whole again before a restart is over is not written down.
func TestShortLimitsAreNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book := &notebook{kept: map[string]Learned{}}
		s := NewScheduler(Options{Memory: book})
		p := newPlatform(chat.Limits{
			Edits:  chat.Budget{Key: "long", Calls: 50, Window: time.Minute, Burst: 10},
			Global: chat.Budget{Key: "short", Calls: 50, Window: time.Second, Sliding: true},
		})
		a := openOn(t, s, p, Job{})
		say(a, 50*time.Millisecond, many(100)...)
		end(t, a)
		s.Close()
		if _, ok := book.kept["long"]; !ok || len(book.kept) != 1 {
			t.Errorf("kept %+v", book.kept)
		}
	})
}

// A memory that hangs or fails holds nothing up for long.
func TestAMemoryThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewScheduler(Options{Memory: amnesia{}})
		p := newPlatform(chat.Limits{Edits: chat.Budget{Key: "e", Calls: 50, Window: time.Minute, Burst: 10}})
		begin := time.Now()
		a := openOn(t, s, p, Job{})
		if took := time.Since(begin); took > saveTimeout {
			t.Errorf("opening took %v", took)
		}
		want := say(a, 50*time.Millisecond, many(50)...)
		end(t, a)
		s.Close()
		if p.shown() != want {
			t.Errorf("in the end stands %q", p.shown())
		}
	})
}

type amnesia struct{}

func (amnesia) Load(ctx context.Context, _ string) (Learned, bool, error) {
	<-ctx.Done()
	return Learned{}, false, ctx.Err()
}

func (amnesia) Save(ctx context.Context, _ string, _ Learned) error {
	<-ctx.Done()
	return ctx.Err()
}
