// A conversation longer than the model's window, and a provider that is busy.

package main

import (
	"net/http"
	"strings"
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
