// A conversation longer than the model's window, and a provider that is busy.

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"parley/internal/fake/openai"
	"parley/internal/fake/slack"
)

// The endpoint says that the prompt is too long: the question is asked again
// with less of the conversation, and answered.
func TestATooLongConversationIsFitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	w.start()
	w.model.Answer(strings.Repeat("A long answer. ", 40) + "End.")
	ts := ws.Mention("C1", "U1", "first "+strings.Repeat("x", 900))
	w.until("the first is answered", func() bool { return len(ws.Answers("C1", ts)) == 1 })
	w.onSlack("C1", ts, strings.Repeat("A long answer. ", 40)+"End.")
	w.model.Func(func(r openai.Request) openai.Reply {
		if len(r.Messages) > 2 {
			return openai.Reply{Status: 400, Message: "This model's maximum context length is 128 tokens. However, your messages resulted in 900 tokens.", Code: "context_length_exceeded"}
		}
		return openai.Reply{Text: "Short and sweet."}
	})
	ws.Reply("C1", ts, "U1", "second")
	w.onSlack("C1", ts, "Short and sweet.")
	last, _ := w.model.Last()
	if got := last.Prompt(); got != "second" || last.System() != "Be brief." {
		t.Errorf("system prompt and question must stay: %q, %q", last.System(), got)
	}
	w.clean()
}

// limited is a model with a context of its own, which tells it, or does not, when
// a prompt is longer. It counts a token for every four bytes.
func limited(limit int, tells bool, refusals *atomic.Int64) func(openai.Request) openai.Reply {
	return func(r openai.Request) openai.Reply {
		size := 0
		for _, m := range r.Messages {
			size += len(m.Content)/4 + 4
		}
		if size <= limit {
			return openai.Reply{Text: strings.Repeat("Words of a long answer. ", 30) + r.Prompt()[:6]}
		}
		refusals.Add(1)
		if !tells {
			return openai.Reply{Status: 400, Message: "input length exceeds the context length"}
		}
		return openai.Reply{Status: 400, Body: fmt.Sprintf(`{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":%d,"n_ctx":%d}}`, size, limit)}
	}
}

// A conversation that outgrows a model whose limit nobody told goes on.
func TestAConversationOutgrowsAModel(t *testing.T) {
	t.Parallel()
	for name, tells := range map[string]bool{"the error tells the numbers": true, "the error tells nothing": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.write("bots/helper.yaml", strings.Replace(helperYAML, "max_tokens: 2048", "max_tokens: 100", 1))
			ws := w.useSlack(slack.Options{}, false)
			s := w.start()
			var refusals atomic.Int64
			w.model.Func(limited(1200, tells, &refusals))
			long := strings.Repeat("Words of a long answer. ", 30)
			ts := ws.Mention("C1", "U1", "say 00")
			w.onSlack("C1", ts, long+"say 00")
			for i := 1; i < 9; i++ {
				question := fmt.Sprintf("say %02d %s", i, strings.Repeat("because of this and that ", 10))
				ws.Reply("C1", ts, "U1", question)
				w.until("it is answered", func() bool {
					a := ws.Answers("C1", ts)
					return len(a) == i+1 && strings.HasSuffix(a[i].Seen, fmt.Sprintf("say %02d", i)) && len(a[i].Controls) == 0
				})
			}
			if last, _ := w.model.Last(); len(last.Messages) < 3 {
				t.Errorf("%d messages went along: the history was dropped whole", len(last.Messages))
			}
			if !tells {
				return
			}
			if n := refusals.Load(); n == 0 || n > 2 {
				t.Errorf("%d requests were refused: the limit was not remembered", n)
			}
			var shown struct {
				Learned map[string]struct {
					MaxInput int `json:"maxInput"`
				} `json:"learned"`
			}
			if err := json.Unmarshal([]byte(s.do(http.MethodGet, "/api/v1/providers/lab", nil, http.StatusOK)), &shown); err != nil || shown.Learned["m1"].MaxInput != 1200 {
				t.Errorf("learned %+v, %v", shown, err)
			}
		})
	}
}

// Down to the question alone, and then one sentence.
func TestAQuestionTooLongForTheModelIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	w.start()
	ts := ws.Mention("C1", "U1", "say hi")
	w.until("the first is answered", func() bool { return len(ws.Answers("C1", ts)) == 1 && len(ws.Answers("C1", ts)[0].Controls) == 0 })
	w.model.Func(func(openai.Request) openai.Reply {
		return openai.Reply{Status: 400, Message: "input length exceeds the context length"}
	})
	before := len(w.model.Requests())
	ws.Reply("C1", ts, "U1", "say more")
	w.until("it is said", func() bool {
		a := ws.Answers("C1", ts)
		return len(a) == 2 && strings.Contains(a[1].Seen, "lab/m1 cannot take a conversation this long")
	})
	if last, _ := w.model.Last(); len(last.Messages) != 2 || len(w.model.Requests())-before > 4 {
		t.Errorf("%d requests, the last with %d messages", len(w.model.Requests())-before, len(last.Messages))
	}
}

// What was shown and turned out to be reasoning is edited away, and is in no
// transcript; the next answer is held from the start.
func TestUnopenedReasoningIsTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	s := w.start()
	step := make(chan struct{})
	thinking := openai.Reply{Chunks: []string{"Okay, the user wants 17 times 23, which I know. ", "That is 391.\n", "</think>", "\n\n17 times 23 is **391**."}}
	stepped := thinking
	stepped.Step = step
	w.model.Next(stepped, thinking)
	ts := ws.Mention("C1", "U1", "what is 17*23?")
	step <- struct{}{}
	step <- struct{}{}
	w.until("the thoughts stand", func() bool {
		a := ws.Answers("C1", ts)
		return len(a) == 1 && strings.Contains(a[0].Seen, "the user wants")
	})
	close(step)
	w.onSlack("C1", ts, "17 times 23 is **391**.")
	before := len(ws.Calls("chat.postMessage"))
	ws.Reply("C1", ts, "U1", "again?")
	w.until("the second is answered", func() bool { a := ws.Answers("C1", ts); return len(a) == 2 && len(a[1].Controls) == 0 })
	second := ws.Answers("C1", ts)[1]
	if second.Seen != "17 times 23 is **391**." || strings.Contains(fmt.Sprint(ws.Calls("chat.postMessage")[before:]), "the user wants") {
		t.Errorf("the second was not held: %+v", second)
	}
	last, _ := w.model.Last()
	if body := string(last.Body); strings.Contains(body, "the user wants") || !strings.Contains(body, "17 times 23 is **391**.") {
		t.Errorf("the transcript holds the thoughts: %s", body)
	}
	if shown := s.do(http.MethodGet, "/api/v1/providers/lab", nil, http.StatusOK); !strings.Contains(shown, `"thinking": "unopened"`) {
		t.Errorf("not shown as learned: %s", shown)
	}
	s.do(http.MethodPut, "/api/v1/providers/lab", map[string]any{"endpoint": w.model.Endpoint(), "models": "m1", "name": "Lab"}, http.StatusOK)
	if shown := s.do(http.MethodGet, "/api/v1/providers/lab", nil, http.StatusOK); strings.Contains(shown, "unopened") {
		t.Errorf("a PUT forgets nothing: %s", shown)
	}
	w.clean()
}

// With a limit of one request at once the second person is told their place.
func TestThePlaceInTheQueueIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	s := w.start()
	s.do(http.MethodPut, "/api/v1/providers/busy", map[string]any{"endpoint": w.model.Endpoint(), "models": "m1", "maxConcurrent": 1}, http.StatusCreated)
	s.do(http.MethodPatch, "/api/v1/bots/helper", map[string]any{"provider": "busy", "model": "m1"}, http.StatusOK)
	gate := make(chan struct{})
	w.model.Next(openai.Reply{Text: "First.", Gate: gate})
	w.model.Answer("Second.")
	first := ws.Mention("C1", "U1", "one")
	w.until("the model is busy", func() bool { return w.model.Open() == 1 })
	second := ws.Mention("C2", "U2", "two")
	w.private("C2", "U2", "number 1 in its queue")
	close(gate)
	w.onSlack("C1", first, "First.")
	w.onSlack("C2", second, "Second.")
	w.clean()
}
