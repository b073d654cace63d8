// What is written down, and in how many calls.

package stream

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/chat"
)

// calls notes each call of Record, as "announce KEY" and "record KEY".
type calls struct {
	made [][]string
	held []Posted
}

func (c *calls) job() Job {
	return Job{
		Turn: "t",
		Record: func(_ context.Context, all ...Posted) error {
			var one []string
			for _, p := range all {
				if p.Pending {
					one = append(one, "announce "+p.Key)
				} else {
					one = append(one, "record "+p.Key)
				}
			}
			c.made = append(c.made, one)
			return nil
		},
		Hold: func(p Posted) { c.held = append(c.held, p) },
	}
}

func TestAPostIsAnnouncedWithTheRecordOfTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := newPlatform(chat.Limits{Size: 300}), &calls{}
		a := open(t, p, c.job())
		a.Append(strings.Repeat("word ", 150))
		end(t, a)
		want := [][]string{{"announce t-0"}, {"record t-0", "announce t-1"}, {"record t-1", "announce t-2"}}
		if len(p.order) != 3 || !slices.EqualFunc(c.made, want, slices.Equal) {
			t.Errorf("%d messages are written down by %v", len(p.order), c.made)
		}
		if len(c.held) != 1 || c.held[0].Key != "t-2" || c.held[0].ID != p.order[2] {
			t.Errorf("held for the end: %+v", c.held)
		}
		p.settled(t)
	})
}

// A post that was announced ahead of its time may turn out not to be needed.
func TestAnAnnouncedPostThatIsNotNeededIsNotMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := newPlatform(chat.Limits{Size: 300, Posts: chat.Budget{Key: "p", Calls: 1, Window: time.Minute}}), &calls{}
		a := open(t, p, c.job())
		a.Append(strings.Repeat("word ", 120))
		time.Sleep(5 * time.Second) // the second post waits for its limit
		synctest.Wait()
		if !slices.ContainsFunc(c.made, func(one []string) bool { return slices.Contains(one, "announce t-1") }) {
			t.Fatalf("the second post is not announced: %v", c.made)
		}
		a.Retract()
		a.Append("Short.")
		end(t, a)
		if len(p.order) != 1 || p.shown() != "Short." {
			t.Errorf("there stand %q", p.texts())
		}
		p.settled(t)
	})
}
