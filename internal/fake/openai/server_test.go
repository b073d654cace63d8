package openai_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"parley/internal/fake/openai"
)

func post(t *testing.T, url, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func TestStreamsTheAnswerWordByWordAndRecordsTheRequest(t *testing.T) {
	srv := openai.New(t)
	srv.Answer("one two three")
	resp, body := post(t, srv.Endpoint(), `{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}`)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("status %d, type %q", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	for _, want := range []string{`"content":"one "`, `"content":"two "`, `"content":"three"`, `"finish_reason":"stop"`, "data: [DONE]"} {
		if !strings.Contains(body, want) {
			t.Errorf("stream lacks %s:\n%s", want, body)
		}
	}
	got := srv.Requests()
	if len(got) != 1 || got[0].Prompt() != "hi" || got[0].Model != "m" || !got[0].Stream {
		t.Errorf("recorded %+v", got)
	}
}

func TestWordsJoinToTheText(t *testing.T) {
	for _, text := range []string{"", " ", "a", " a  b\n\nc ", "día 🎉 fin"} {
		for n := range 3 {
			if got := strings.Join(openai.Words(text, n), ""); got != text {
				t.Errorf("Words(%q, %d) joins to %q", text, n, got)
			}
		}
	}
}
