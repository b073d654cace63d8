package completion

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"

	"parley/internal/provider"
)

// unending answers with delta, again and again, until it is left alone.
func unending(delta string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		piece := strings.Repeat(chunk(delta), 100)
		for {
			if _, err := io.WriteString(w, piece); err != nil {
				return
			}
		}
	}
}

func TestAnAnswerWithoutAnEndIsCutOff(t *testing.T) {
	word := strings.Repeat("word ", 200)
	for name, delta := range map[string]string{
		"text":                         `{"content":"` + word + `é"}`,
		"reasoning":                    `{"reasoning_content":"` + word + `"}`,
		"a block of thoughts mid-text": `{"content":"x <think>` + word + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := quietServer(t, unending(delta))
			text, finish, rest := 0, "", ""
			for d, err := range loopbackClient(t).Stream(t.Context(), record(srv.URL+"/v1/chat/completions", "m"), Request{Model: "m"}) {
				if err != nil {
					t.Fatal(err)
				}
				text, finish = text+len(d.Text), finish+d.Finish
				rest = strings.ToValidUTF8(d.Text, "?")
				if rest != d.Text {
					t.Fatal("cut inside a character")
				}
			}
			if finish != "length" || text > MaxAnswer {
				t.Errorf("%d bytes of text, finish %q", text, finish)
			}
		})
	}
}

func TestCountsBelowZeroDoNotCount(t *testing.T) {
	deltas, end := decodeAll(t, strings.NewReader(chunk(`{"content":"x"}`)+stopChunk+
		`data: {"choices":[],"usage":{"prompt_tokens":-1,"completion_tokens":99999999999,"prompt_tokens_details":{"cached_tokens":-7}}}`+"\n\n"+
		`data: {"choices":[],"usage":{"prompt_tokens":-1,"completion_tokens":5}}`+"\n\n"+done), "text/event-stream")
	last := deltas[len(deltas)-1]
	if end != nil || last.Usage == nil || *last.Usage != (Usage{CompletionTokens: 5}) {
		t.Errorf("usage %+v, %v", last.Usage, end)
	}
}

// An answer is complete with its finish reason, whatever keeps coming.
func TestKeepAlivesAfterTheFinishDoNotHoldTheAnswer(t *testing.T) {
	freed := make(chan struct{})
	srv := quietServer(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(freed)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, chunk(`{"content":"whole"}`)+stopChunk)
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, ": keep-alive\n\n")
			_ = http.NewResponseController(w).Flush()
		}
	})
	text := ""
	for d, err := range loopbackClient(t).Stream(t.Context(), record(srv.URL+"/v1/chat/completions", "m"), Request{Model: "m"}) {
		if err != nil {
			t.Fatal(err)
		}
		text += d.Text
	}
	if text != "whole" {
		t.Errorf("got %q", text)
	}
	<-freed
}

// White space before an answer is looked through with every piece.
func TestWhiteSpaceBeforeAnAnswerIsBounded(t *testing.T) {
	for _, space := range []string{" ", "\u00a0"} {
		var pieces, whole thinkSplitter
		many := strings.Repeat(space, 5*maxLead)
		var got []byte
		add := func(answer, _ []byte) { got = append(got, answer...) }
		for range 5 * maxLead {
			add(pieces.split([]byte(space)))
			if len(pieces.held) > maxLead {
				t.Fatalf("%d bytes are held", len(pieces.held))
			}
		}
		add(pieces.split([]byte("<think>no</think> yes")))
		answer, _ := whole.split([]byte(many + "<think>no</think> yes"))
		if string(got) != string(answer) || space == " " && string(got) != "yes" {
			t.Errorf("with a block of thoughts: in pieces %d bytes, whole %d", len(got), len(answer))
		}

		pieces, whole, got = thinkSplitter{}, thinkSplitter{}, nil
		for range 5 * maxLead {
			add(pieces.split([]byte(space)))
		}
		add(pieces.split([]byte("yes")))
		answer, _ = whole.split([]byte(many + "yes"))
		if string(got) != string(answer) || !strings.HasSuffix(string(got), space+"yes") {
			t.Errorf("in pieces %d bytes, whole %d", len(got), len(answer))
		}
	}
}

func TestASlowTrialDoesNotKeepOthersOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var es endpoints
		one := provider.Provider{Endpoint: "http://a"}
		for range breakAfter {
			ticket, err := es.enter(one, "", false)
			if err != nil {
				t.Fatal(err)
			}
			ticket.outcome(&Error{Kind: KindConnect})
			ticket.leave()
		}
		time.Sleep(breakFor + time.Millisecond)
		trial, err := es.enter(one, "", false)
		if err != nil {
			t.Fatal(err)
		}
		trial.asked(nil) // and now it reads a long prompt
		other, err := es.enter(one, "", false)
		if err == nil {
			t.Error("two trials at once")
		}
		other.leave()
		time.Sleep(trialFor + time.Millisecond)
		if other, err = es.enter(one, "", false); err != nil {
			t.Errorf("it was not refused for %s, and yet: %v", trialFor, err)
		}
		other.leave()

		// It has not succeeded either: what becomes of it decides.
		state := func() gobreaker.State { return es.get("http://a").breaker.State() }
		if state() != gobreaker.StateHalfOpen {
			t.Errorf("before an answer the breaker is %s", state())
		}
		trial.outcome(&Error{Kind: KindSilence})
		trial.leave()
		if state() != gobreaker.StateOpen {
			t.Errorf("after silence the breaker is %s", state())
		}
		time.Sleep(breakFor + time.Millisecond)
		if trial, err = es.enter(one, "", false); err != nil {
			t.Fatal(err)
		}
		trial.asked(nil)
		time.Sleep(12 * time.Second)
		trial.outcome(nil)
		trial.leave()
		if state() != gobreaker.StateClosed {
			t.Errorf("after a late answer the breaker is %s", state())
		}
	})
}

func TestAPanicOfTheReaderLeavesTheEndpoint(t *testing.T) {
	srv := quietServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, chunk(`{"content":"x"}`)+stopChunk+done)
	})
	c, p := loopbackClient(t), record(srv.URL+"/v1/chat/completions", "m")
	func() {
		defer func() { _ = recover() }()
		for range c.Stream(t.Context(), p, Request{Model: "m"}) {
			panic("a defect of the reader")
		}
	}()
	if busy := c.endpoints.get(p.Endpoint).busy; busy != 0 {
		t.Errorf("%d requests are counted at the endpoint", busy)
	}
}
