package relay

import (
	"strings"
	"testing"

	"parley/internal/chat"
)

// A Stop button stands below an answer for all to see. Whoever may not write /stop
// for it may not press it either.
func TestWhoMayStopAnAnswer(t *testing.T) {
	t.Parallel()
	channel := chat.Place{Platform: "memory", Workspace: "W1", Channel: "C1"}
	thread, direct := channel, channel
	thread.Thread, direct.Direct = "T1", true
	for name, c := range map[string]struct {
		place, from chat.Place
		who         string
		may         bool
	}{
		"in a channel, who asked":                 {channel, channel, "U1", true},
		"in a channel, an admin":                  {channel, channel, "U7", true},
		"in a channel, somebody else":             {channel, channel, "U2", false},
		"in a thread, somebody else":              {thread, thread, "U2", true},
		"in a thread, from its channel":           {thread, channel, "U2", false},
		"in a thread, from its channel, an admin": {thread, channel, "U7", true},
		"in a direct message":                     {direct, direct, "U1", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.model = hold(half, nil)
			f.platform.member = func(a chat.Author) (chat.Member, error) { return chat.Member{Admin: a.ID == "U7"}, nil }
			p := f.start()
			m := asked("Hi")
			m.Place = c.place
			p.put(m)
			f.shows(half)
			running, err := p.in.Running(t.Context(), "memory:1")
			if err != nil || len(running) != 1 {
				t.Fatalf("%d answers run, %v", len(running), err)
			}
			_, err = p.Press(t.Context(), chat.Press{
				Action: chat.ActionStop, Args: running[0].Turn, Scope: "memory:1", Bot: "helper", Place: c.from, Author: chat.Author{ID: c.who},
			})
			if c.may {
				if err != nil {
					t.Fatal(err)
				}
				p.end()
				return
			}
			if err == nil || !strings.Contains(err.Error(), "Only the person who asked") {
				t.Errorf("the press is answered %v", err)
			}
			if left, err := p.in.Running(t.Context(), "memory:1"); err != nil || len(left) != 1 {
				t.Errorf("%d answers run, %v", len(left), err)
			}
			f.shows(half)
		})
	}
}
