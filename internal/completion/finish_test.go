package completion

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/provider"
)

// event is one write of a server, after a pause.
type event struct {
	after time.Duration
	text  string
}

// timed asks a server that sends the events at their times and then nothing,
// and returns what came and how long it took. It runs in a bubble of synctest.
func timed(t *testing.T, events []event) (text, finish string, failed *Error, took time.Duration) {
	t.Helper()
	c := NewClient(Options{})
	c.transports.dial = func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			r := bufio.NewReader(server)
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			_, _ = io.WriteString(server, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
			for _, e := range events {
				time.Sleep(e.after)
				if _, err := io.WriteString(server, e.text); err != nil {
					return
				}
			}
			_, _ = r.ReadByte() // until the client leaves
		}()
		return client, nil
	}
	began := time.Now()
	for d, err := range c.Stream(t.Context(), record("http://model.test/v1/chat/completions", "m"), Request{Model: "m", Retry: Retry{Max: -1}}) {
		if err != nil {
			failed, _ = errors.AsType[*Error](err)
			break
		}
		text += d.Text
		if d.Finish != "" {
			finish = d.Finish
		}
	}
	took = time.Since(began)
	time.Sleep(time.Minute) // until the server has noticed
	return text, finish, failed, took
}

// The wait for usage after a finish reason begins again with text that comes
// after it. What our own limit cuts is complete only where nothing spoke against
// the finish reason.
func TestTheWaitAfterAFinish(t *testing.T) {
	said := func(text, finish string) string {
		return `data: {"choices":[{"index":0,"delta":{"content":"` + text + `"},"finish_reason":` + finish + `}]}` + "\n\n"
	}
	const usage = `data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}` + "\n\n"
	late := 1900 * time.Millisecond
	for name, c := range map[string]struct {
		events       []event
		text, finish string
		kind         Kind
		took         time.Duration
	}{
		"null for longer than the wait": {[]event{{0, said("a", `"null"`)}, {5 * time.Second, said("b", `"null"`)}, {5 * time.Second, said("c", `"stop"`) + done}}, "abc", "stop", "", 10 * time.Second},
		"a finish and silence":          {[]event{{0, said("a", "null") + stopChunk}}, "a", "stop", "", afterFinish},
		"a finish with its text":        {[]event{{0, said("a", `"length"`)}}, "a", "length", "", afterFinish},
		"text after it, each time":      {[]event{{0, said("a", `"stop"`)}, {late, said("b", `"stop"`)}, {late, said("c", `"stop"`)}, {late, done}}, "abc", "stop", "", 3 * late},
		"text after it, then the end":   {[]event{{0, said("a", `"stop"`)}, {late, said("b", "null")}, {late, stopChunk}}, "ab", "stop", "", 2*late + afterFinish},
		"text after it, then nothing":   {[]event{{0, said("a", `"stop"`)}, {late, said("b", "null")}}, "ab", "stop", KindTruncated, late + afterFinish},
		"stop with every piece, cut":    {[]event{{0, said("a", `"stop"`)}, {late, said("b", `"stop"`)}, {3 * time.Second, said("c", `"stop"`)}}, "ab", "stop", KindTruncated, late + afterFinish},
		"usage does not prolong it":     {[]event{{0, said("a", "null") + stopChunk}, {time.Second, usage}, {time.Second, usage}}, "a", "stop", "", afterFinish},
		"no finish":                     {[]event{{0, said("a", `"none"`)}}, "a", "", KindSilence, provider.DefaultSilence},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				text, finish, err, took := timed(t, c.events)
				kind := Kind("")
				if err != nil {
					kind = err.Kind
				}
				if text != c.text || finish != c.finish || kind != c.kind {
					t.Errorf("%q, finish %q, %v", text, finish, err)
				}
				if off := took - c.took; off < 0 || off > batchFor {
					t.Errorf("it took %s, want %s", took, c.took)
				}
			})
		})
	}
}
