package openai_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley/internal/fake/openai"
)

const question = `{"model":"m","stream":true,"messages":[{"role":"system","content":"S"},{"role":"user","content":[{"type":"text","text":"two "},{"type":"text","text":"parts"}]}]}`

func TestScriptedRepliesComeInOrderAndThenTheDefault(t *testing.T) {
	srv := openai.New(t)
	srv.Answer("default")
	srv.Next(openai.Reply{Text: "first"}, openai.Reply{Status: 503, Message: "busy", RetryAfter: "7"})
	if _, body := post(t, srv.Endpoint(), question); !strings.Contains(body, `"content":"first"`) {
		t.Error(body)
	}
	resp, body := post(t, srv.Endpoint(), question)
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "7" || !strings.Contains(body, `"message":"busy"`) {
		t.Error(resp.Status, body)
	}
	if _, body := post(t, srv.Endpoint(), question); !strings.Contains(body, `"content":"default"`) {
		t.Error(body)
	}
	srv.Func(func(r openai.Request) openai.Reply { return openai.Reply{Text: r.System() + " " + r.Prompt()} })
	if _, body := post(t, srv.Endpoint(), question); !strings.Contains(body, `"content":"S "`) || !strings.Contains(body, `"content":"parts"`) {
		t.Error(body)
	}
}

func TestARequestThatIsRefusedUsesUpNoReply(t *testing.T) {
	srv := openai.NewWith(t, openai.Options{Key: "k", Models: []string{"other"}})
	srv.Next(openai.Reply{Text: "kept"})
	if resp, _ := post(t, srv.Endpoint(), question); resp.StatusCode != http.StatusUnauthorized {
		t.Error(resp.Status)
	}
	srv = openai.NewWith(t, openai.Options{Models: []string{"other"}})
	srv.Next(openai.Reply{Text: "kept"})
	if resp, body := post(t, srv.Endpoint(), question); resp.StatusCode != http.StatusNotFound || !strings.Contains(body, "model_not_found") {
		t.Error(resp.Status, body)
	}
	srv.SetModels("m")
	srv.Refuse("temperature", "")
	if resp, body := post(t, srv.Endpoint(), strings.Replace(question, `"stream"`, `"temperature":1,"stream"`, 1)); resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, `"param":"temperature"`) {
		t.Error(resp.Status, body)
	}
	if _, body := post(t, srv.Endpoint(), question); !strings.Contains(body, "kept") {
		t.Error(body)
	}
}

func TestWholeAnswersModelsAndUnknownPaths(t *testing.T) {
	srv := openai.NewWith(t, openai.Options{Models: []string{"m"}, Answer: "whole"})
	if resp, body := post(t, srv.Endpoint(), strings.Replace(question, "true", "false", 1)); resp.Header.Get("Content-Type") != "application/json" || !strings.Contains(body, `"content":"whole"`) {
		t.Error(body)
	}
	resp, err := http.Get(srv.URL() + "/v1/models")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}
	if resp, _ := post(t, srv.URL()+"/nowhere", question); resp.StatusCode != http.StatusNotFound {
		t.Error(resp.Status)
	}
	if n := len(srv.Requests()); n != 1 {
		t.Errorf("%d chat requests recorded", n)
	}
}

func TestFaultsBreakTheStreamWhereTheyShould(t *testing.T) {
	for _, f := range []openai.Fault{openai.FaultCut, openai.FaultReset} {
		srv := openai.New(t)
		srv.Next(openai.Reply{Text: "one two three", Fault: f, After: 2, Interval: time.Millisecond})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.Endpoint(), strings.NewReader(question))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		buf := make([]byte, 4096)
		for err == nil {
			var n int
			n, err = resp.Body.Read(buf)
			b.Write(buf[:n])
		}
		_ = resp.Body.Close()
		if err.Error() == "EOF" || !strings.Contains(b.String(), "two ") || strings.Contains(b.String(), "three") {
			t.Errorf("%s: %v after %s", f, err, b.String())
		}
	}
	for f, want := range map[openai.Fault]string{openai.FaultError: `"error":{"message":"boom"`, openai.FaultTruncate: "two ", openai.FaultSwallow: `"content":""`} {
		srv := openai.New(t)
		srv.Next(openai.Reply{Text: "one two three", Fault: f, After: 2, Message: "boom"})
		if _, body := post(t, srv.Endpoint(), question); !strings.Contains(body, want) || strings.Contains(body, "[DONE]") || strings.Contains(body, "three") {
			t.Errorf("%s: %s", f, body)
		}
	}
}

func TestAnAnswerCanBeHeldAndSteppedThrough(t *testing.T) {
	srv := openai.New(t)
	gate, step := make(chan struct{}), make(chan struct{})
	srv.Next(openai.Reply{Text: "one two", Gate: gate, Step: step})
	ended := make(chan string)
	go func() {
		_, body := post(t, srv.Endpoint(), question)
		ended <- body
	}()
	if err := srv.Wait(t.Context(), func(s *openai.Server) bool { return s.Open() == 1 }); err != nil {
		t.Fatal(err)
	}
	close(gate)
	step <- struct{}{}
	step <- struct{}{}
	if body := <-ended; !strings.Contains(body, "two") {
		t.Error(body)
	}
	if srv.MostOpen() != 1 || srv.Connections() != 1 {
		t.Errorf("%d at once over %d connections", srv.MostOpen(), srv.Connections())
	}
}

func TestClosingEndsWhatIsOpen(t *testing.T) {
	srv := openai.New(t)
	srv.Next(openai.Reply{Start: time.Hour})
	failed := make(chan error)
	go func() {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.Endpoint(), strings.NewReader(question))
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			err = resp.Body.Close()
		}
		failed <- err
	}()
	if err := srv.Wait(t.Context(), func(s *openai.Server) bool { return s.Open() == 1 }); err != nil {
		t.Fatal(err)
	}
	srv.Close()
	if err := <-failed; err == nil {
		t.Error("the open request got an answer")
	}
	srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := openai.New(t).Wait(ctx, func(*openai.Server) bool { return false }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestEveryProfileStarts(t *testing.T) {
	for _, p := range openai.Profiles() {
		srv := openai.NewWith(t, openai.Options{Profile: p.Name, Answer: "día 🎉"})
		if resp, body := post(t, srv.Endpoint(), question); resp.StatusCode != http.StatusOK || !strings.Contains(body, "data:") {
			t.Errorf("%s: %s %s", p.Name, resp.Status, body)
		}
	}
	if _, err := openai.Start(openai.Options{Profile: "nobody"}); err == nil {
		t.Error("an unknown profile started")
	}
}
