package completion_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/bots"
	"parley/internal/completion"
	"parley/internal/fake/openai"
	"parley/internal/provider"
	"parley/internal/secret"
)

func newClient(t *testing.T, change ...func(*completion.Options)) *completion.Client {
	t.Helper()
	n, err := provider.ParseNetworks("loopback", true)
	if err != nil {
		t.Fatal(err)
	}
	o := completion.Options{Networks: n, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for _, f := range change {
		f(&o)
	}
	return completion.NewClient(o)
}

func corp(srv *openai.Server) provider.Provider {
	p := provider.Provider{ID: "corp", Endpoint: srv.Endpoint()}
	p.Normalize()
	return p
}

func ask(words string) completion.Request {
	return completion.Request{Model: "m", Messages: []completion.Message{completion.Text("system", "You are terse."), completion.Text("user", words)}}
}

// answer collects a stream.
type answer struct {
	text, reasoning, finish string
	usage                   completion.Usage
	err                     *completion.Error
}

func collect(t *testing.T, ctx context.Context, c *completion.Client, p provider.Provider, r completion.Request) (a answer) {
	t.Helper()
	for d, err := range c.Stream(ctx, p, r) {
		if a.err != nil {
			t.Fatal("something came after the error")
		}
		if err != nil {
			e, ok := errors.AsType[*completion.Error](err)
			if !ok {
				t.Fatalf("error is %T: %v", err, err)
			}
			a.err = e
			continue
		}
		a.text += d.Text
		a.reasoning += d.Reasoning
		a.finish += d.Finish
		if d.Usage != nil {
			a.usage = *d.Usage
		}
	}
	return a
}

func TestStreamsAnAnswerWithUsageAndReasoningApart(t *testing.T) {
	srv := openai.New(t)
	srv.Next(openai.Reply{Text: "The answer is 42.", Reasoning: "let me see", Usage: &openai.Usage{Prompt: 11, Completion: 7}})
	a := collect(t, t.Context(), newClient(t), corp(srv), ask("hi"))
	if a.err != nil || a.text != "The answer is 42." || a.reasoning != "let me see" || a.finish != "stop" || a.usage != (completion.Usage{PromptTokens: 11, CompletionTokens: 7}) {
		t.Errorf("got %+v", a)
	}
}

func TestAWholeMessageIsAnAnswerToo(t *testing.T) {
	srv := openai.New(t)
	srv.Next(openai.Reply{Text: "Whole.", NoStream: true})
	if a := collect(t, t.Context(), newClient(t), corp(srv), ask("hi")); a.err != nil || a.text != "Whole." || a.finish != "stop" {
		t.Errorf("got %+v", a)
	}
}

func TestTheBodyHoldsOnlyWhatWasSet(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "sk-of-the-environment") // never for another provider's URL
	srv := openai.New(t)
	c := newClient(t)
	collect(t, t.Context(), c, corp(srv), ask("hi"))
	last, _ := srv.Last()
	var names []string
	for name := range last.Fields {
		names = append(names, name)
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"messages", "model", "stream", "stream_options"}) || strings.Contains(string(last.Body), "null") {
		t.Errorf("body: %s", last.Body)
	}
	if last.Header.Get("Authorization") != "" {
		t.Error("no key was set, yet one was sent")
	}

	p := corp(srv)
	p.APIKey = secret.New("k-1")
	p.ExtraHeaders = map[string]secret.Text{"X-Corp-Token": secret.New("t-1")}
	p.AddParams = map[string]any{"seed": 7, "chat_template_kwargs": map[string]any{"enable_thinking": false}, "nothing": nil}
	p.DropParams = []string{"presence_penalty"}
	r := ask("a <b> & c")
	r.Params = bots.Params{Temperature: new(0.0), TopP: new(1.0), FrequencyPenalty: new(0.5), PresencePenalty: new(0.25), MaxTokens: new(99), Stop: []string{"###"},
		ResponseFormat: map[string]any{"type": "text"}, ReasoningEffort: new("low")}
	collect(t, t.Context(), c, p, r)
	last, _ = srv.Last()
	want := `{"chat_template_kwargs":{"enable_thinking":false},"frequency_penalty":0.5,"max_tokens":99,"model":"m","reasoning_effort":"low","response_format":{"type":"text"},"seed":7,"stop":["###"],"stream":true,"stream_options":{"include_usage":true},"temperature":0,"top_p":1,"messages":[{"role":"system","content":"You are terse."},{"role":"user","content":"a <b> & c"}]}`
	if string(last.Body) != want {
		t.Errorf("body\n got %s\nwant %s", last.Body, want)
	}
	if last.Header.Get("Authorization") != "Bearer k-1" || last.Header.Get("X-Corp-Token") != "t-1" || last.Header.Get("Content-Type") != "application/json" {
		t.Errorf("headers: %v", last.Header)
	}
}

func TestARefusedFieldIsLearned(t *testing.T) {
	srv := openai.New(t)
	srv.Refuse("max_tokens", "max_completion_tokens")
	srv.Refuse("temperature", "")
	srv.Refuse("stream_options", "")
	c := newClient(t)
	r := ask("hi")
	r.Params = bots.Params{MaxTokens: new(10), Temperature: new(0.5)}
	if a := collect(t, t.Context(), c, corp(srv), r); a.err != nil || a.text == "" {
		t.Fatalf("got %+v", a)
	}
	last, _ := srv.Last()
	if last.Fields["max_completion_tokens"] != float64(10) || last.Fields["temperature"] != nil || last.Fields["stream_options"] != nil {
		t.Errorf("body: %s", last.Body)
	}
	before := len(srv.Requests())
	collect(t, t.Context(), c, corp(srv), r)
	if n := len(srv.Requests()) - before; n != 1 {
		t.Errorf("%d requests the second time: the lesson was forgotten", n)
	}

	p := corp(srv)
	p.AddParams = map[string]any{"temperature": 0.9}
	if a := collect(t, t.Context(), c, p, r); a.err == nil || a.err.Kind != completion.KindBadRequest || a.err.Field != "temperature" {
		t.Errorf("a field the record itself adds must stay: %+v", a)
	}
}

func TestRetriesBeforeTheFirstDelta(t *testing.T) {
	for _, r := range []openai.Reply{{Status: 500}, {Status: 502}, {Status: 503}, {Status: 504}, {Status: 429, RetryAfter: "0"}, {Refuse: true}, {Fault: openai.FaultTruncate}, {Fault: openai.FaultError}, {Fault: openai.FaultReset}, {Fault: openai.FaultSwallow}} {
		srv := openai.New(t)
		srv.Next(r)
		if a := collect(t, t.Context(), newClient(t), corp(srv), ask("hi")); a.err != nil || a.text == "" || len(srv.Requests()) != 2 {
			t.Errorf("%+v: %+v after %d requests", r, a, len(srv.Requests()))
		}
	}
	for _, r := range []openai.Reply{{Status: 400}, {Status: 401}, {Status: 403}, {Status: 404}, {Status: 402}, {Status: 301}, {Body: "<html>hi</html>"}, {Fault: openai.FaultTruncate, After: 1}, {Fault: openai.FaultReset, After: 2}, {Fault: openai.FaultError, After: 1}} {
		srv := openai.New(t)
		srv.Next(r)
		if a := collect(t, t.Context(), newClient(t), corp(srv), ask("hi")); a.err == nil || len(srv.Requests()) != 1 {
			t.Errorf("%+v: %+v after %d requests", r, a, len(srv.Requests()))
		}
	}
}

// That the wait is within 2 s is a row of TestTheWaitBeforeARetryIsBounded.
func TestWithAFallbackLeftAProviderIsRetriedOnce(t *testing.T) {
	srv := openai.New(t)
	srv.Next(openai.Reply{Status: 503}, openai.Reply{Status: 503})
	r := ask("hi")
	r.Retry = completion.BeforeFallback()
	a := collect(t, t.Context(), newClient(t), corp(srv), r)
	if a.err == nil || a.err.Kind != completion.KindOverloaded || len(srv.Requests()) != 2 {
		t.Errorf("%+v after %d requests", a, len(srv.Requests()))
	}

	srv.Next(openai.Reply{Status: 429, RetryAfter: "30"})
	a = collect(t, t.Context(), newClient(t), corp(srv), r)
	if a.err == nil || a.err.RetryAfter != 30*time.Second || len(srv.Requests()) != 3 {
		t.Errorf("a server that asks for 30 s is not asked again within 2: %+v after %d", a, len(srv.Requests()))
	}
}

func TestATruncatedAnswerIsToldAndKeepsItsText(t *testing.T) {
	for _, f := range []openai.Fault{openai.FaultTruncate, openai.FaultCut, openai.FaultReset} {
		srv := openai.New(t)
		srv.Next(openai.Reply{Text: "one two three", Fault: f, After: 2, Interval: time.Millisecond})
		a := collect(t, t.Context(), newClient(t), corp(srv), ask("hi"))
		if a.text != "one two " || a.err == nil || a.err.Kind != completion.KindTruncated || !errors.Is(a.err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %+v", f, a)
		}
	}
}

func TestSilenceIsAnErrorAndTheServerIsFreed(t *testing.T) {
	srv := openai.New(t)
	p := corp(srv)
	p.SilenceTimeout = 3
	srv.Next(openai.Reply{Text: "one two", Fault: openai.FaultSilence, After: 1})
	a := collect(t, t.Context(), newClient(t), p, ask("hi"))
	if a.text != "one " || a.err == nil || a.err.Kind != completion.KindSilence {
		t.Errorf("got %+v", a)
	}
	if err := srv.Wait(t.Context(), func(s *openai.Server) bool { return s.Open() == 0 }); err != nil {
		t.Error(err)
	}
}

func TestCancellingFreesTheServerAtOnce(t *testing.T) {
	stopped := errors.New("stopped by a person")
	for name, reply := range map[string]openai.Reply{
		"while it writes":         {Text: "one two", Fault: openai.FaultSilence, After: 1},
		"before the first header": {Start: time.Hour},
		"before the first token":  {FirstToken: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			srv := openai.New(t)
			srv.Next(reply)
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() {
				_ = srv.Wait(t.Context(), func(s *openai.Server) bool { return s.Open() == 1 })
				cancel(stopped)
			}()
			a := collect(t, ctx, newClient(t), corp(srv), ask("hi"))
			if a.err == nil || a.err.Kind != completion.KindCanceled || !errors.Is(a.err, stopped) {
				t.Errorf("got %+v", a)
			}
			if err := srv.Wait(t.Context(), func(s *openai.Server) bool { return s.Open() == 0 && s.Canceled() == 1 }); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLeavingTheLoopFreesTheServer(t *testing.T) {
	srv := openai.New(t)
	srv.Next(openai.Reply{Text: "one two", Fault: openai.FaultSilence, After: 1})
	for range newClient(t).Stream(t.Context(), corp(srv), ask("hi")) {
		break
	}
	if err := srv.Wait(t.Context(), func(s *openai.Server) bool { return s.Open() == 0 && s.Canceled() == 1 }); err != nil {
		t.Error(err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	target := openai.New(t)
	srv := openai.New(t)
	srv.Next(openai.Reply{Status: 307, Body: "moved", Header: map[string]string{"Location": target.Endpoint() + "?token=1"}})
	a := collect(t, t.Context(), newClient(t), corp(srv), ask("hi"))
	if a.err == nil || a.err.Kind != completion.KindProtocol || len(target.Requests()) != 0 || !strings.Contains(a.err.Text, target.Endpoint()) || strings.Contains(a.err.Text, "token") {
		t.Errorf("got %+v", a.err)
	}
}

func TestBlockedAddressesAreRefusedAtDialTime(t *testing.T) {
	srv := openai.New(t)
	c := newClient(t, func(o *completion.Options) { o.Networks = provider.Networks{} })
	a := collect(t, t.Context(), c, corp(srv), ask("hi"))
	if a.err == nil || a.err.Kind != completion.KindBlocked || !strings.Contains(a.err.Sentence(), "PROVIDER_NETWORKS") || !strings.Contains(a.err.Error(), "PROVIDER_NETWORKS") || len(srv.Requests()) != 0 {
		t.Errorf("loopback: %+v", a.err)
	}
	p := corp(srv)
	p.Endpoint = "http://[::ffff:169.254.169.254]/latest/meta-data"
	if a := collect(t, t.Context(), newClient(t), p, ask("hi")); a.err == nil || a.err.Kind != completion.KindBlocked {
		t.Errorf("metadata: %+v", a.err)
	}
}

func TestEndpointTextIsCleanOfKeysAndPrompts(t *testing.T) {
	srv := openai.New(t)
	p := corp(srv)
	p.APIKey = secret.New("corp-key-3141592653")
	p.ExtraHeaders = map[string]secret.Text{"X-Token": secret.New("header-token-27182")}
	question := "Tell me about the merger with Initech before Friday"
	body, _ := json.Marshal(map[string]any{"error": map[string]any{"message": "Invalid request with key corp-key-3141592653 and header-token-27182 or sk-abcdef1234567890: '" + question + "' was not understood. " + strings.Repeat("x", 5000)}})
	srv.Next(openai.Reply{Status: 400, Body: string(body)})
	a := collect(t, t.Context(), newClient(t), p, ask(question))
	if a.err == nil {
		t.Fatal("no error")
	}
	for _, s := range []string{a.err.Error(), a.err.Sentence(), a.err.Text} {
		for _, bad := range []string{"corp-key", "header-token", "sk-abcdef", "merger", "Initech", "Friday"} {
			if strings.Contains(s, bad) {
				t.Errorf("%q holds %q", s, bad)
			}
		}
	}
	if n := len([]rune(a.err.Text)); n > 300 || !strings.HasPrefix(a.err.Text, "Invalid request with key") {
		t.Errorf("text of %d characters: %s", n, a.err.Text)
	}
}

func TestAnUnreachableServerSaysSo(t *testing.T) {
	srv := openai.New(t)
	p := corp(srv)
	srv.Close()
	r := ask("hi")
	r.Retry = completion.Retry{Max: -1}
	a := collect(t, t.Context(), newClient(t), p, r)
	if a.err == nil || a.err.Kind != completion.KindConnect || !strings.Contains(a.err.Sentence(), "corp/m") {
		t.Errorf("got %+v", a.err)
	}
	p.Endpoint = strings.Replace(openai.New(t).Endpoint(), "http://", "https://", 1)
	if a := collect(t, t.Context(), newClient(t), p, r); a.err == nil || a.err.Kind != completion.KindTLS {
		t.Errorf("https on an http port: %+v", a.err)
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	srv := openai.New(t)
	c := newClient(t)
	for range 5 {
		collect(t, t.Context(), c, corp(srv), ask("hi"))
		if err := srv.Wait(t.Context(), func(s *openai.Server) bool { return s.Open() == 0 }); err != nil {
			t.Fatal(err)
		}
	}
	if n := srv.Connections(); n > 2 {
		t.Errorf("%d connections for 5 answers in a row", n)
	}
}

func TestARecordCanAskForWholeAnswers(t *testing.T) {
	srv := openai.New(t)
	srv.Answer("whole")
	p := corp(srv)
	p.AddParams = map[string]any{"stream": false}
	if a := collect(t, t.Context(), newClient(t), p, ask("hi")); a.err != nil || a.text != "whole" || a.usage.CompletionTokens == 0 {
		t.Errorf("got %+v", a)
	}
	last, _ := srv.Last()
	if last.Stream || last.Fields["stream_options"] != nil {
		t.Errorf("body %s", last.Body)
	}
}

func TestTheOllamaServerIsThereWhenItAnswers(t *testing.T) {
	srv := openai.NewWith(t, openai.Options{Profile: "ollama", Models: []string{"qwen3:8b"}})
	p, ok := newClient(t).Ollama(t.Context(), srv.Addr())
	if !ok || p.ID != "ollama" || !p.Models.Discover || p.Endpoint != srv.Endpoint() {
		t.Errorf("got %+v, %v", p, ok)
	}
	srv.Close()
	if _, ok := newClient(t).Ollama(t.Context(), srv.Addr()); ok {
		t.Error("it does not answer")
	}
}

func TestTheWholeOfAnAnswerIsKnownAtItsFinish(t *testing.T) {
	srv := openai.New(t)
	srv.Next(openai.Reply{Text: "done", NoDone: true})
	if a := collect(t, t.Context(), newClient(t), corp(srv), ask("hi")); a.err != nil || a.text != "done" || a.finish != "stop" {
		t.Errorf("got %+v", a)
	}
}

func TestAProviderWithALimitQueues(t *testing.T) {
	srv := openai.New(t)
	gate := make(chan struct{})
	srv.Func(func(openai.Request) openai.Reply { return openai.Reply{Text: "fine", Gate: gate} })
	p := corp(srv)
	p.MaxConcurrent = 2
	c := newClient(t)
	answers := make(chan answer)
	for range 6 {
		go func() { answers <- collect(t, t.Context(), c, p, ask("hi")) }()
	}
	if err := srv.Wait(t.Context(), func(s *openai.Server) bool { return s.Open() == 2 }); err != nil {
		t.Fatal(err)
	}
	close(gate)
	for range 6 {
		if a := <-answers; a.err != nil || a.text != "fine" {
			t.Errorf("got %+v", a)
		}
	}
	if srv.MostOpen() != 2 {
		t.Errorf("%d at once", srv.MostOpen())
	}
}

func TestReplicasShareTheWork(t *testing.T) {
	a, b := openai.New(t), openai.New(t)
	p := corp(a)
	p.Endpoints = []string{b.Endpoint()}
	c := newClient(t)
	gate := make(chan struct{})
	for _, s := range []*openai.Server{a, b} {
		s.Func(func(openai.Request) openai.Reply { return openai.Reply{Text: "fine", Gate: gate} })
	}
	answers := make(chan answer)
	for range 8 {
		go func() { answers <- collect(t, t.Context(), c, p, ask("hi")) }()
	}
	for _, s := range []*openai.Server{a, b} {
		if err := s.Wait(t.Context(), func(s *openai.Server) bool { return s.Open() == 4 }); err != nil {
			t.Fatal(err)
		}
	}
	close(gate)
	for range 8 {
		<-answers
	}
	a.Close() // one replica dies: nobody notices
	for range 6 {
		if got := collect(t, t.Context(), c, p, ask("hi")); got.err != nil || got.text != "fine" {
			t.Errorf("got %+v", got)
		}
	}
}

func TestNoLogLineHoldsASecretOrAMessage(t *testing.T) {
	var log strings.Builder
	srv := openai.New(t)
	c := newClient(t, func(o *completion.Options) {
		o.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug - 100}))
	})
	p := corp(srv)
	p.APIKey = secret.New("corp-key-3141592653")
	for _, r := range []openai.Reply{{Status: 400, Message: "cannot read 'my secret plan' with corp-key-3141592653"}, {Text: "the secret answer", Fault: openai.FaultError, After: 2, Message: "my secret plan failed"}, {Refuse: true}, {Text: "the secret answer"}} {
		srv.Next(r)
		collect(t, t.Context(), c, p, ask("my secret plan"))
	}
	if log.Len() == 0 || strings.Contains(log.String(), "secret") || strings.Contains(log.String(), "corp-key") {
		t.Errorf("log: %s", log.String())
	}
}
