package demo_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/completion"
	"parley/internal/demo"
	"parley/internal/provider"
)

func ask(t *testing.T, h *demo.Handler, r completion.Request) (text, finish string, usage *completion.Usage, deltas int) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	n, err := provider.ParseNetworks("loopback", true)
	if err != nil {
		t.Fatal(err)
	}
	p := provider.Provider{ID: "demo", Endpoint: srv.URL + "/v1/chat/completions"}
	p.Normalize()
	c := completion.NewClient(completion.Options{Networks: n})
	for d, err := range c.Stream(t.Context(), p, r) {
		if err != nil {
			t.Fatal(err)
		}
		deltas++
		text += d.Text
		finish += d.Finish
		if d.Usage != nil {
			usage = d.Usage
		}
	}
	models, err := c.Models(t.Context(), p)
	if err != nil || len(models) != 1 || models[0].ID != demo.Model {
		t.Errorf("models: %v, %v", models, err)
	}
	return text, finish, usage, deltas
}

func user(words ...string) []completion.Message {
	var out []completion.Message
	for _, w := range words {
		out = append(out, completion.Text("user", w))
	}
	return out
}

func TestTheDemoSaysWhatItIsAndStreamsEveryKindOfMarkdown(t *testing.T) {
	text, finish, usage, deltas := ask(t, demo.NewPaced(demo.Pace{}), completion.Request{Model: "demo", Messages: user("my password is hunter2")})
	for _, want := range []string{"# This is the demo, not a model", "- this message **grows", "| Server | Endpoint | Key |", "```sh\n", "/provider add", "parley provider put"} {
		if !strings.Contains(text, want) {
			t.Errorf("the answer lacks %q", want)
		}
	}
	if strings.Contains(text, "hunter2") || finish != "stop" || usage == nil || usage.CompletionTokens < 100 || deltas < 100 {
		t.Errorf("finish %q, usage %+v, %d deltas:\n%s", finish, usage, deltas, text)
	}
}

func TestTheDemoKnowsThatAConversationGoesOn(t *testing.T) {
	text, _, _, _ := ask(t, demo.NewPaced(demo.Pace{}), completion.Request{Model: "demo", Messages: user("one", "two", "three")})
	if !strings.Contains(text, "message number 3") || !strings.Contains(text, "no model") {
		t.Errorf("got %s", text)
	}
}

func TestTheDemoStopsAtMaxTokens(t *testing.T) {
	r := completion.Request{Model: "demo", Messages: user("hi")}
	r.Params.MaxTokens = new(4)
	if text, finish, _, _ := ask(t, demo.NewPaced(demo.Pace{}), r); finish != "length" || len(strings.Fields(text)) != 4 {
		t.Errorf("finish %q: %s", finish, text)
	}
}

func TestTheDemoTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/chat/completions", strings.NewReader(`{"messages":[{"role":"user","content":"hi"}],"stream":true,"max_tokens":50}`))
		w := httptest.NewRecorder()
		demo.New().ServeHTTP(w, r)
		// 0.4 s before the first word, then about thirty a second.
		if d := time.Since(start); w.Code != http.StatusOK || d < time.Second || d > 4*time.Second {
			t.Errorf("HTTP %d, fifty words in %s: nobody could watch them come", w.Code, d)
		}
	})
}

// Clients of the format expect these of any server.
func TestTheDemoKeepsToTheFormat(t *testing.T) {
	h := demo.NewPaced(demo.Pace{})
	send := func(method, path, body string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
		return w.Code, w.Body.String()
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		holds              string
	}{
		{"GET", "/v1/models", "", 200, `"created":1`},
		{"GET", "/v1/models/demo", "", 200, `"id":"demo"`},
		{"GET", "/v1/models/demo", "", 200, `"created":1`},
		{"GET", "/v1/models/org/other", "", 404, `"code":"model_not_found"`},
		{"POST", "/v1/chat/completions", `{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}`, 404, `"param":"model"`},
		{"POST", "/v1/chat/completions", `{"model":"","messages":[{"role":"user","content":"hi"}]}`, 404, `"code":"model_not_found"`},
		{"POST", "/v1/chat/completions", `{"messages":[{"role":"user","content":"hi"}]}`, 200, `"created":1`},
		{"POST", "/v1/chat/completions", `{"model":"demo","messages":[{"role":"user","content":"hi"}],"stream":true,"max_tokens":3}`, 200, `"created":1`},
	} {
		if status, got := send(c.method, c.path, c.body); status != c.status || !strings.Contains(got, c.holds) {
			t.Errorf("%s %s %s: HTTP %d %s", c.method, c.path, c.body, status, got)
		}
	}
	_, stream := send("POST", "/v1/chat/completions", `{"model":"demo","messages":[{"role":"user","content":"hi"}],"stream":true,"stream_options":{"include_usage":true},"max_tokens":3}`)
	if strings.Count(stream, `"created":`) != strings.Count(stream, "data: {") {
		t.Errorf("a chunk has no created: %s", stream)
	}
}
