// STREAM_MODE=auto: Slack streams the answers by itself.

package main

import (
	"strings"
	"testing"
	"time"

	"parley/internal/fake/openai"
	"parley/internal/fake/slack"
)

func TestMentionStreamedBySlack(t *testing.T) {
	w := newWorld(t)
	w.env["STREAM_MODE"] = "auto"
	ws := w.useSlack(slack.Options{}, false)
	s := w.start()
	long := sixSeconds()
	w.model.Next(long)
	answer := w.onSlack("C1", ws.Mention("C1", "U1", "tell me everything"), long.Text)
	if n := slackGrowth(w, answer.TS); n < 3 || len(ws.Calls("chat.startStream")) != 1 || len(ws.Calls("chat.update")) != 0 {
		t.Errorf("it was seen to grow %d times, with %d updates", n, len(ws.Calls("chat.update")))
	}

	// Slack's own Stop frees the model; the text stays.
	endless := openai.Reply{Text: strings.Repeat("On and on it goes. ", 2000), Interval: 10 * time.Millisecond}
	w.model.Next(endless)
	ts := ws.Mention("C1", "U1", "go on")
	w.until("the answer is streamed", func() bool { a := ws.Answers("C1", ts); return len(a) == 1 && a[0].Streaming })
	ws.StopStream(ws.Answers("C1", ts)[0].TS)
	w.until("the model is freed", func() bool { return w.model.Open() == 0 && w.model.Canceled() == 1 })
	w.until("the turn is closed as stopped", func() bool { return strings.Contains(s.log.String(), "outcome=stopped") })
	if a := ws.Answers("C1", ts)[0]; a.Streaming || len(a.Controls) > 0 || !strings.HasPrefix(a.Seen, "On and on it goes.") {
		t.Errorf("left standing: %+v", a)
	}

	// A process that is killed while Slack streams: the next one ends the
	// stream and finishes the answer in the same message.
	text := strings.TrimSpace(strings.Repeat("This is a sentence of the answer. ", 30))
	w.model.Func(func(openai.Request) openai.Reply {
		return openai.Reply{Text: text, Fault: openai.FaultSilence, After: 60}
	})
	ts = ws.Mention("C1", "U1", "write")
	w.until("the answer is streamed", func() bool { a := ws.Answers("C1", ts); return len(a) == 1 && a[0].Streaming })
	first := ws.Answers("C1", ts)[0]
	s.kill()
	w.model.Func(nil)
	w.model.Answer(text)
	w.start()
	if again := w.onSlack("C1", ts, text); again.TS != first.TS || again.Streaming || len(ws.Answers("C1", ts)) != 1 {
		t.Errorf("the answer stands in %d messages: %+v", len(ws.Answers("C1", ts)), again)
	}
	w.clean()
}
