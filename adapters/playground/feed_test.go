// The feed of an open page.

package playground

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// event is one server-sent event.
type event struct {
	kind string
	data map[string]any
}

// feed follows the events of a channel until the test ends, a minute at
// most: who waits for one that never comes must fail, not hang.
func (s *stage) feed(query string, headers ...string) <-chan event {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	s.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server.URL+"/playground/events?"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.authorize(r)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	if kind := answer.Header.Get("Content-Type"); answer.StatusCode != http.StatusOK || kind != "text/event-stream" {
		s.t.Fatalf("%d %s", answer.StatusCode, kind)
	}
	out := make(chan event, 1000)
	go func() {
		defer func() { _ = answer.Body.Close(); close(out) }()
		var e event
		lines := bufio.NewScanner(answer.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			field, value, _ := strings.Cut(lines.Text(), ": ")
			switch field {
			case "event":
				e.kind = value
			case "data":
				_ = json.Unmarshal([]byte(value), &e.data)
			case "":
				if e.kind != "" {
					out <- e
				}
				e = event{}
			}
		}
	}()
	return out
}

// A growing answer reaches an open page in steps, the last of them whole.
func TestTheFeedShowsAnAnswerGrow(t *testing.T) {
	s := newStage(t)
	s.answer, s.pace = strings.Repeat("one two three four five six seven eight nine ", 4)+"ten.", 60*time.Millisecond
	here, elsewhere := s.feed("channel=C-general"), s.feed("channel=C-random")
	s.until("both pages are known", func() bool {
		s.adapter.hub.mu.Lock()
		defer s.adapter.hub.mu.Unlock()
		return len(s.adapter.hub.viewers) == 2
	})
	s.script("/playground/post", "channel", "C-general", "text", "@helper count")
	states, kinds := []string{}, map[string]bool{}
	for e := range here {
		kinds[e.kind] = true
		if e.kind != "post" || e.data["bot"] != "helper" {
			continue
		}
		states = append(states, fmt.Sprint(e.data["html"]))
		if e.data["growing"] == false {
			break
		}
	}
	if len(states) < 4 {
		t.Errorf("%d states, want at least 4", len(states))
	}
	if last := states[len(states)-1]; !strings.Contains(last, "ten.") || strings.Contains(last, "Stop") {
		t.Errorf("the last state is %q", last)
	}
	if first := states[0]; !strings.Contains(first, `aria-busy="true"`) || !strings.Contains(first, "stop turn-1") {
		t.Errorf("the first state is %q", first)
	}
	if !kinds["typing"] || !kinds["replies"] {
		t.Errorf("kinds %v, want typing and replies too", kinds)
	}
	for e := range elsewhere {
		if e.kind == "post" || e.kind == "typing" {
			t.Fatalf("a page of another channel got %v", e)
		}
		if e.kind == "unread" && e.data["channel"] == "C-general" {
			break
		}
	}
}

// A page that was away gets what it missed when it comes back.
func TestAPageThatWasAwayCatchesUp(t *testing.T) {
	s := newStage(t)
	s.script("/playground/post", "channel", "D-helper", "text", "while you were out")
	s.until("it is answered", func() bool { ids, _, _ := s.board.List(t.Context(), "D-helper", noTime, 9); return len(ids) == 2 })
	var texts strings.Builder
	for e := range s.feed("channel=D-helper&since=99999999999999", "Last-Event-ID", "1") {
		texts.WriteString(fmt.Sprint(e.data["html"]))
		if strings.Contains(texts.String(), "while you were out") && strings.Contains(texts.String(), "Hello there.") {
			return
		}
	}
	t.Errorf("the feed ended after %q", texts.String())
}

// faulty is a board whose record of one name cannot be read without a panic.
type faulty struct {
	Board
	id string
}

func (f faulty) Get(ctx context.Context, id string) ([]byte, bool, error) {
	if id == f.id {
		panic("a defect")
	}
	return f.Board.Get(ctx, id)
}

func TestADefectInShowingOneMessageEndsNeitherFeedNorServer(t *testing.T) {
	s := newStage(t, func(o *Options) { o.Board = faulty{o.Board, "bad"} })
	here := s.feed("channel=C-general")
	s.until("the page is known", func() bool {
		s.adapter.hub.mu.Lock()
		defer s.adapter.hub.mu.Unlock()
		return len(s.adapter.hub.viewers) == 1
	})
	s.adapter.hub.changed("C-general", "bad", "")
	s.script("/playground/post", "channel", "C-general", "text", "and this one?")
	for e := range here {
		if e.kind == "post" {
			return
		}
	}
	t.Error("nothing is shown any more")
}
