package kept

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/adapters/internal/background"
)

func TestAValueIsKeptForATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string](10, time.Minute)
		c.Put("a", "one")
		time.Sleep(50 * time.Second)
		if v, ok := c.Get("a"); v != "one" || !ok {
			t.Errorf("%q, %v before its time is over", v, ok)
		}
		time.Sleep(20 * time.Second) // looking does not make it younger
		if v, ok := c.Get("a"); ok {
			t.Errorf("%q after its time", v)
		}
		c.Put("a", "two")
		c.Drop("a")
		if v, ok := c.Get("a"); ok {
			t.Errorf("%q after it was dropped", v)
		}
	})
}

func TestWhatWasUsedLongestAgoMakesRoom(t *testing.T) {
	c := New[int](3, 0)
	for n := range 3 {
		c.Put(fmt.Sprint(n), n)
	}
	c.Get("0")
	c.Put("3", 3)
	if _, ok := c.Get("1"); ok {
		t.Error("what nobody used stays")
	}
	for _, name := range []string{"0", "2", "3"} {
		if _, ok := c.Get(name); !ok {
			t.Errorf("%s is gone", name)
		}
	}
}

// desk counts what it is asked.
type desk struct {
	mu    sync.Mutex
	asked int
	after time.Duration
	err   error
}

func (d *desk) ask(ctx context.Context) (int, time.Duration, error) {
	d.mu.Lock()
	d.asked++
	n, after, err := d.asked, d.after, d.err
	d.mu.Unlock()
	select {
	case <-time.After(after):
		return n, time.Minute, err
	case <-ctx.Done():
		return 0, 0, context.Cause(ctx)
	}
}

func answers(most int) (*Answers[int], *background.Group) {
	g := background.New(slog.New(slog.DiscardHandler))
	return NewAnswers[int](g, most, 30*time.Second, time.Hour), g
}

var errAway = errors.New("away")

func TestAnAnswerCountsUntilItIsStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := answers(10)
		d := &desk{}
		get := func() (int, error) { return a.Get(t.Context(), "x", d.ask) }
		expect := func(what string, want int, wantErr error) {
			t.Helper()
			if v, err := get(); v != want || !errors.Is(err, wantErr) {
				t.Errorf("%s: %d, %v", what, v, err)
			}
		}
		expect("at first", 1, nil)
		expect("fresh", 1, nil)
		time.Sleep(61 * time.Second)
		expect("asked again", 2, nil)
		time.Sleep(30 * time.Minute)
		d.err = errAway
		expect("nobody answers", 2, nil)
		expect("still nobody", 2, nil)
		if d.asked != 4 {
			t.Errorf("asked %d times, want again each time", d.asked)
		}
		time.Sleep(31 * time.Minute)
		if _, err := get(); !errors.Is(err, errAway) {
			t.Errorf("what is stale counts: %v", err)
		}
		d.err = nil
		expect("it answers again", 6, nil)
	})
}

func TestAQuestionIsSharedAndOutlivesItsAskers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := answers(10)
		d := &desk{after: 10 * time.Second}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if _, err := a.Get(short, "x", d.ask); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("given up: %v", err)
				}
			})
			all.Go(func() {
				if v, err := a.Get(t.Context(), "x", d.ask); v != 1 || err != nil {
					t.Errorf("%d, %v", v, err)
				}
			})
		}
		all.Wait()
		if d.asked != 1 {
			t.Errorf("asked %d times", d.asked)
		}
	})
}

func TestAQuestionEndsWithADefectOrItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, g := answers(10)
		for name, ask := range map[string]func(context.Context) (int, time.Duration, error){
			"a defect": func(context.Context) (int, time.Duration, error) { panic("x") },
			"too long": (&desk{after: time.Hour}).ask,
		} {
			if v, err := a.Get(t.Context(), name, ask); err == nil {
				t.Errorf("%s: %d", name, v)
			}
		}
		g.Finish(time.Minute)
	})
}

func TestAgeMakesAnswersOlder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := answers(10)
		d := &desk{}
		get := func() int { v, _ := a.Get(t.Context(), "x", d.ask); return v }
		if get(); get() != 1 {
			t.Error("not fresh")
		}
		a.Age(2 * time.Minute)
		if get() != 2 {
			t.Error("still fresh")
		}
		d.err = errAway
		if a.Age(30 * time.Minute); get() != 2 {
			t.Error("stale too early")
		}
		if a.Age(time.Hour); get() != 0 {
			t.Error("never stale")
		}
	})
}
