package completion_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"parley/bots"
	"parley/internal/completion"
	"parley/internal/fake/openai"
	"parley/internal/probe"
	"parley/internal/provider"
	"parley/internal/secret"
)

// service is one service's fake and a client that knows it only by its URL.
type service struct {
	profile openai.Profile
	srv     *openai.Server
	client  *completion.Client
	p       provider.Provider
}

// conformanceText holds what is easily broken on the way.
const conformanceText = "Grüße 😀 an alle!\n\n```go\nfmt.Println(\"<b>\")\n```\n\n| a | b |\n"

// errSkip says that a service has no such behaviour.
var errSkip = errors.New("–")

// behaviours are the columns of the table.
var behaviours = []struct {
	name  string
	check func(t *testing.T, s service) error
}{
	{"answer", func(t *testing.T, s service) error {
		s.srv.Next(openai.Reply{Text: conformanceText})
		return s.expect(t, conformanceText, "")
	}},
	{"whole", func(t *testing.T, s service) error {
		s.srv.Next(openai.Reply{Text: conformanceText, NoStream: true})
		return s.expect(t, conformanceText, "")
	}},
	{"reasoning", func(t *testing.T, s service) error {
		s.srv.Next(openai.Reply{Text: "42", Reasoning: "let me think 😀"})
		a := collect(t, t.Context(), s.client, s.p, ask("hi"))
		if a.err != nil || a.text != "42" || a.reasoning != "let me think 😀" {
			return fmt.Errorf("text %q, reasoning %q, %w", a.text, a.reasoning, a.err)
		}
		return nil
	}},
	{"usage", func(t *testing.T, s service) error {
		if s.profile.Usage == "none" {
			return errSkip
		}
		s.srv.Next(openai.Reply{Text: "a b", Usage: &openai.Usage{Prompt: 321, Completion: 12}})
		if a := collect(t, t.Context(), s.client, s.p, ask("hi")); a.err != nil || a.usage.PromptTokens != 321 || a.usage.CompletionTokens != 12 {
			return fmt.Errorf("%+v, %w", a.usage, a.err)
		}
		return nil
	}},
	{"key", func(t *testing.T, s service) error {
		p := s.p
		p.APIKey = secret.New("wrong-key")
		if s.profile.KeyHeader != "" {
			p.APIKey, p.ExtraHeaders = secret.Text{}, map[string]secret.Text{s.profile.KeyHeader: secret.New("wrong-key")}
		}
		return kindIs(collect(t, t.Context(), s.client, p, ask("hi")), completion.KindAuth)
	}},
	{"model", func(t *testing.T, s service) error {
		if s.profile.AnyModel {
			return errSkip
		}
		r := ask("hi")
		r.Model = "no-such-model"
		return kindIs(collect(t, t.Context(), s.client, s.p, r), completion.KindModel)
	}},
	{"failure", func(t *testing.T, s service) error {
		r := ask("hi")
		r.Retry.Max = -1
		s.srv.Next(openai.Reply{Status: 500, Message: "the engine caught fire"})
		a := collect(t, t.Context(), s.client, s.p, r)
		if a.err != nil && a.err.Text != "the engine caught fire" {
			return fmt.Errorf("text %q", a.err.Text)
		}
		return kindIs(a, completion.KindServer)
	}},
	{"busy", func(t *testing.T, s service) error {
		s.srv.Next(openai.Reply{Status: 429, RetryAfter: "0", Message: "slow down"})
		return s.expect(t, "fine", "fine")
	}},
	{"mid-error", func(t *testing.T, s service) error {
		want := completion.KindServer
		switch s.profile.Name {
		case "ollama": // it swallows errors: all one can see is that the end is missing
			want = completion.KindTruncated
		case "anthropic":
			want = completion.KindOverloaded
		}
		s.srv.Next(openai.Reply{Text: "one two three", Fault: openai.FaultError, After: 2, Message: "the engine caught fire"})
		a := collect(t, t.Context(), s.client, s.p, ask("hi"))
		if a.text != "one two " {
			return fmt.Errorf("text %q", a.text)
		}
		if want != completion.KindTruncated && a.err != nil && a.err.Text != "the engine caught fire" {
			return fmt.Errorf("text %q", a.err.Text)
		}
		return kindIs(a, want)
	}},
	{"cut off", func(t *testing.T, s service) error {
		for _, f := range []openai.Fault{openai.FaultTruncate, openai.FaultCut, openai.FaultReset} {
			s.srv.Next(openai.Reply{Text: "one two three", Fault: f, After: 1, Interval: time.Millisecond})
			a := collect(t, t.Context(), s.client, s.p, ask("hi"))
			if err := kindIs(a, completion.KindTruncated); err != nil || a.text != "one " {
				return fmt.Errorf("%s: text %q, %w", f, a.text, err)
			}
		}
		return nil
	}},
	{"params", func(t *testing.T, s service) error {
		r := ask("hi")
		r.Params = bots.Params{Temperature: new(1.5), TopP: new(1.0), FrequencyPenalty: new(0.5), PresencePenalty: new(0.5), MaxTokens: new(50),
			Stop: []string{"###"}, ResponseFormat: map[string]any{"type": "text"}, ReasoningEffort: new("low")}
		for try := range 2 {
			before := len(s.srv.Requests())
			a := collect(t, t.Context(), s.client, s.p, r)
			if a.err != nil {
				return fmt.Errorf("try %d: %w", try, a.err)
			}
			last, _ := s.srv.Last()
			_, short := last.Fields["max_tokens"]
			_, long := last.Fields["max_completion_tokens"]
			if short == long {
				return fmt.Errorf("the limit of tokens got lost: %s", last.Body)
			}
			if n := len(s.srv.Requests()) - before; try == 1 && n != 1 {
				return fmt.Errorf("%d requests although all was learned", n)
			}
		}
		return nil
	}},
	{"models", func(t *testing.T, s service) error {
		list, err := s.client.Models(t.Context(), s.p)
		if s.profile.NoModels {
			if err == nil {
				return errors.New("a list where there is none")
			}
			return errSkip
		}
		if err != nil || len(list) != 2 || list[0].ID != "m" {
			return fmt.Errorf("%v, %w", list, err)
		}
		if len(s.profile.ModelFields) > 0 && list[0].MaxInput == 0 {
			return errors.New("the context length was not read")
		}
		return nil
	}},
	{"waiting", func(t *testing.T, s service) error {
		s.srv.Next(openai.Reply{Text: "fine", FirstToken: 20 * time.Millisecond, KeepAlive: 5 * time.Millisecond})
		return s.expect(t, "fine", "")
	}},
	{"cancel", func(t *testing.T, s service) error {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		gone := s.srv.Canceled()
		s.srv.Next(openai.Reply{Text: "one two", Fault: openai.FaultSilence, After: 1})
		for _, err := range s.client.Stream(ctx, s.p, ask("hi")) {
			cancel()
			if e, ok := errors.AsType[*completion.Error](err); ok && e.Kind != completion.KindCanceled {
				return e
			}
		}
		return s.srv.Wait(t.Context(), func(srv *openai.Server) bool { return srv.Open() == 0 && srv.Canceled() == gone+1 })
	}},
	{"probe", func(t *testing.T, s service) error {
		s.srv.Next(openai.Reply{Text: "one two three four five six", Interval: 20 * time.Millisecond})
		report := probe.Run(t.Context(), s.client, s.p, "")
		if !report.OK || !report.Streams || report.Diagnosis == "" {
			return fmt.Errorf("%+v", report)
		}
		return nil
	}},
}

func (s service) expect(t *testing.T, text, answer string) error {
	t.Helper()
	s.srv.Answer(answer)
	a := collect(t, t.Context(), s.client, s.p, ask("hi"))
	finish := "stop"
	if s.profile.NoFinish && a.finish == "" {
		finish = ""
	}
	if a.err != nil || a.text != text || a.finish != finish {
		return fmt.Errorf("text %q, finish %q, %w", a.text, a.finish, errOf(a.err))
	}
	return nil
}

func errOf(e *completion.Error) error {
	if e == nil {
		return errors.New("no error")
	}
	return e
}

func kindIs(a answer, want completion.Kind) error {
	if a.err == nil || a.err.Kind != want {
		return fmt.Errorf("want %s, got %w (text %q)", want, errOf(a.err), a.text)
	}
	return nil
}

// TestConformance runs the client over every service's fake and prints the
// table: go test -run TestConformance -v ./internal/provider
func TestConformance(t *testing.T) {
	results := map[string]string{}
	var mu sync.Mutex
	t.Run("services", func(t *testing.T) {
		for _, profile := range openai.Profiles() {
			for _, b := range behaviours {
				t.Run(profile.Name+"/"+b.name, func(t *testing.T) {
					t.Parallel()
					result := "ok"
					if err := b.check(t, newService(t, profile)); errors.Is(err, errSkip) {
						result = "–"
					} else if err != nil {
						result = "FAIL"
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					results[profile.Name+b.name] = result
				})
			}
		}
	})
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "service")
	for _, b := range behaviours {
		fmt.Fprint(w, "\t", b.name)
	}
	for _, profile := range openai.Profiles() {
		fmt.Fprint(w, "\n", profile.Name)
		for _, b := range behaviours {
			fmt.Fprint(w, "\t", results[profile.Name+b.name])
		}
	}
	_ = w.Flush()
	t.Log("\n" + table.String())
}

func newService(t *testing.T, profile openai.Profile) service {
	t.Helper()
	s := service{profile: profile, client: newClient(t)}
	s.srv = openai.NewWith(t, openai.Options{Profile: profile.Name, Key: "right-key", Models: []string{"m", "m-large"}})
	s.p = provider.Provider{ID: "corp", Endpoint: s.srv.Endpoint(), APIKey: secret.New("right-key"), Models: provider.ParseModels("m")}
	if profile.KeyHeader != "" {
		s.p.APIKey, s.p.ExtraHeaders = secret.Text{}, map[string]secret.Text{profile.KeyHeader: secret.New("right-key")}
	}
	s.p.Normalize()
	return s
}

// A preset knows beforehand what its service refuses.
func TestAPresetNeedsNoLessons(t *testing.T) {
	for _, name := range []string{"openai", "mistral", "tgi", "anthropic"} {
		fake := name
		if name == "openai" {
			fake = "openai-reasoning"
		}
		profile, _ := openai.ProfileNamed(fake)
		s := newService(t, profile)
		s.p.Preset = name
		r := ask("hi")
		r.Params = bots.Params{MaxTokens: new(50), TopP: nil}
		if name != "openai" {
			r.Params.Temperature, r.Params.TopP = new(1.5), new(1.0)
		}
		if a := collect(t, t.Context(), s.client, s.p, r); a.err != nil || len(s.srv.Requests()) != 1 {
			t.Errorf("%s: %d requests, %v", name, len(s.srv.Requests()), a.err)
		}
	}
}

func TestAzureTakesTheKeyInItsOwnHeader(t *testing.T) {
	profile, _ := openai.ProfileNamed("azure")
	s := newService(t, profile)
	s.p.ExtraHeaders, s.p.APIKey, s.p.Preset = nil, secret.New("right-key"), "azure"
	s.p.Endpoint += "?api-version=2024-10-21"
	if a := collect(t, t.Context(), s.client, s.p, ask("hi")); a.err != nil {
		t.Error(a.err)
	}
	if last, _ := s.srv.Last(); last.Query != "api-version=2024-10-21" {
		t.Errorf("query %q", last.Query)
	}
}
