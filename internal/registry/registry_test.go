package registry_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/internal/provider"
	"parley/internal/registry"
	"parley/internal/secret"
	"parley/internal/store"
	"parley/internal/store/storetest"
)

const (
	apiKey    = "sk-very-secret-value"
	headerKey = "corp-header-secret"
)

// each runs a test against the embedded store and a real Redis.
func each(t *testing.T, test func(t *testing.T, c redis.UniversalClient)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, s *store.Store) { test(t, s.Client) })
}

func newKey() string { return secret.GenerateKey("a") }

func ring(t *testing.T, entries ...string) *secret.Ring {
	t.Helper()
	r, err := secret.ParseRing(strings.Join(entries, ","))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func options(t *testing.T, c redis.UniversalClient, key string) registry.Options {
	t.Helper()
	return registry.Options{Client: c, Prefix: "test", Ring: ring(t, key), Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

func open(t *testing.T, o registry.Options) *registry.Registry {
	t.Helper()
	r, err := registry.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// somebody is the author where a test does not care.
func somebody() chat.Actor { return chat.Actor{Kind: chat.ByToken} }

func put(t *testing.T, r *registry.Registry, p provider.Provider) (created bool, err error) {
	_, created, err = r.Revise(t.Context(), somebody(), registry.Revision{Provider: p})
	return created, err
}

func corp() provider.Provider {
	return provider.Provider{
		ID: "corp-gateway", Name: "Corp", Endpoint: "https://llm.corp.example/v1/chat/completions",
		APIKey:       secret.New(apiKey),
		ExtraHeaders: map[string]secret.Text{"X-Corp-Token": secret.New(headerKey)},
		Models:       provider.Models{List: []provider.Model{{ID: "gpt-4o", Name: "GPT-4o", MaxInput: 128000, Pricing: &provider.Pricing{Input: 1, Output: 2}, Vision: true}}},
		APIStyle:     "openai", Pricing: &provider.Pricing{Input: 2.5, Output: 10}, MaxInput: 64000,
		AddParams: map[string]any{"user": "parley"}, DropParams: []string{"stop"},
		Preset: "vllm", Endpoints: []string{"https://b.corp.example/v1/chat/completions"}, MaxConcurrent: 4,
		SilenceTimeout: 30, TLS: &provider.TLS{CAFile: "/etc/ca.pem"}, Proxy: "http://u:proxy-secret@proxy:3128",
	}
}

// until waits for a condition without a fixed pause.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("%s: did not happen", what)
		case <-tick.C:
		}
	}
}

func follow(t *testing.T, r *registry.Registry) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

// contents is every key and value there is.
func contents(t *testing.T, c redis.UniversalClient) string {
	t.Helper()
	var all bytes.Buffer
	keys, err := c.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		all.WriteString(k + "\n")
		switch kind := c.Type(t.Context(), k).Val(); kind {
		case "hash":
			for f, v := range c.HGetAll(t.Context(), k).Val() {
				all.WriteString(f + " " + v + "\n")
			}
		case "list":
			for _, line := range c.LRange(t.Context(), k, 0, -1).Val() {
				all.WriteString(line + "\n")
			}
		case "string":
			all.WriteString(c.Get(t.Context(), k).Val() + "\n")
		default:
			t.Fatalf("key %q is a %s; teach the test to read it", k, kind)
		}
	}
	return all.String()
}

func TestARecordKeepsEveryFieldOverARestart(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		key := newKey()
		created, err := put(t, open(t, options(t, c, key)), corp())
		if err != nil || !created {
			t.Fatalf("Put = %v, %v", created, err)
		}
		got, ok := open(t, options(t, c, key)).Provider("corp-gateway")
		if !ok || got.Source != registry.Custom || got.Problem != "" {
			t.Fatalf("after a restart: %+v, %v", got, ok)
		}
		if want := corp(); !equal(got.Provider, want) {
			t.Errorf("after a restart:\n got %+v\nwant %+v", got.Provider, want)
		}
	})
}

func TestSecretsAreSealedInRedis(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		r := open(t, options(t, c, newKey()))
		if _, err := put(t, r, corp()); err != nil {
			t.Fatal(err)
		}
		all := contents(t, c)
		if !strings.Contains(all, "llm.corp.example") {
			t.Fatal("the record is not there at all")
		}
		for _, s := range []string{apiKey, headerKey, "proxy-secret"} {
			if strings.Contains(all, s) {
				t.Errorf("Redis holds the secret %q", s)
			}
		}
	})
}

func TestTwoReplicasSeeEachOthersChanges(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		key := newKey()
		a, b := open(t, options(t, c, key)), open(t, options(t, c, key))
		follow(t, a)
		follow(t, b)
		if _, err := put(t, a, corp()); err != nil {
			t.Fatal(err)
		}
		until(t, "b sees a's provider", func() bool { _, ok := b.Provider("corp-gateway"); return ok })
		if err := b.SetDefault(t.Context(), somebody(), "helper", &registry.Choice{Provider: "corp-gateway", Model: "gpt-4o"}); err != nil {
			t.Fatal(err)
		}
		until(t, "a sees b's default", func() bool { d, ok := a.Default("helper"); return ok && d.Model == "gpt-4o" })
		if removed, err := b.Remove(t.Context(), somebody(), "corp-gateway"); err != nil || !removed {
			t.Fatal(removed, err)
		}
		until(t, "a sees b's removal", func() bool { _, ok := a.Provider("corp-gateway"); return !ok })
	})
}

func TestCustomStandsInFrontOfBuiltin(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		o := options(t, c, newKey())
		o.Builtins = []provider.Provider{{ID: "openai", Name: "OpenAI", Endpoint: "https://api.openai.com/v1/chat/completions", APIKey: secret.New("sk-env")}}
		r := open(t, o)
		if e, ok := r.Provider("openai"); !ok || e.Source != registry.Builtin {
			t.Fatal(e, ok)
		}
		if _, err := r.Remove(t.Context(), somebody(), "openai"); err == nil {
			t.Error("a built-in provider was removed")
		}
		mine := corp()
		mine.ID = "openai"
		if created, err := put(t, r, mine); err != nil || !created {
			t.Fatal(created, err)
		}
		if e, _ := r.Provider("openai"); e.Source != registry.Custom || e.Name != "Corp" {
			t.Errorf("custom record is not in front: %v", e)
		}
		if len(r.Providers()) != 1 {
			t.Errorf("listed twice: %v", r.Providers())
		}
		if ok, err := r.Remove(t.Context(), somebody(), "openai"); err != nil || !ok {
			t.Fatal(ok, err)
		}
		if e, ok := r.Provider("openai"); !ok || e.Source != registry.Builtin || e.APIKey.Reveal() != "sk-env" {
			t.Errorf("the built-in provider is not back: %v %v", e, ok)
		}
	})
}

func TestTheFileUndoesNothingDoneSince(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		key := newKey()
		o := options(t, c, key)
		lab := provider.Provider{ID: "lab", Name: "Lab", Endpoint: "http://lab:8000/v1/chat/completions"}
		o.File, o.FileDigest = map[string]provider.Provider{"corp-gateway": corp(), "lab": lab}, "one"
		r := open(t, o)
		if e, ok := r.Provider("lab"); !ok || e.Source != registry.File {
			t.Fatal(e, ok)
		}
		changed := corp()
		changed.Name = "By hand"
		if created, err := put(t, r, changed); err != nil || created {
			t.Fatal(created, err)
		}
		if _, err := r.Remove(t.Context(), somebody(), "lab"); err != nil {
			t.Fatal(err)
		}

		r = open(t, o)
		if e, _ := r.Provider("corp-gateway"); e.Name != "By hand" || e.Source != registry.Custom {
			t.Errorf("the same file undid a change: %v", e)
		}
		if _, ok := r.Provider("lab"); ok {
			t.Error("the same file brought a removed provider back")
		}

		o.File, o.FileDigest = map[string]provider.Provider{"lab": lab}, "two"
		r = open(t, o)
		if e, ok := r.Provider("lab"); !ok || e.Source != registry.File {
			t.Error("a changed file was not applied")
		}
		if _, ok := r.Provider("corp-gateway"); !ok {
			t.Error("a changed file removed what was put by hand")
		}
		o.File, o.FileDigest = map[string]provider.Provider{}, "three"
		if _, ok := open(t, o).Provider("lab"); ok {
			t.Error("a record that left the file is still there")
		}
	})
}

func TestAThreadsChoiceComesBeforeItsChannels(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		r := open(t, options(t, c, newKey()))
		channel := chat.Place{Platform: "slack", Workspace: "T1", Channel: "C1"}
		thread := channel
		thread.Thread = "17.1"
		check := func(p chat.Place, want string) {
			t.Helper()
			got, ok, err := r.Choice(t.Context(), "helper", p)
			if err != nil || ok != (want != "") || got.Model != want {
				t.Errorf("at %s: %v %v %v, want %q", p.Conversation(), got, ok, err, want)
			}
			if b, err := r.At(t.Context(), "helper", p); err != nil || b != (registry.Bound{Choice: got, Chosen: ok}) {
				t.Errorf("all at once at %s: %+v %v, want %q", p.Conversation(), b, err, want)
			}
		}
		choose := func(p chat.Place, model string) {
			t.Helper()
			var c *registry.Choice
			if model != "" {
				c = &registry.Choice{Provider: "lab", Model: model}
			}
			if err := r.Choose(t.Context(), somebody(), "helper", p, c); err != nil {
				t.Fatal(err)
			}
		}
		check(thread, "")
		choose(channel, "a")
		check(thread, "a")
		choose(thread, "b")
		check(thread, "b")
		check(channel, "a")
		choose(thread, "") // "back to the bot's default", not to the channel's choice
		check(thread, "")
		check(channel, "a")
		if _, ok, _ := r.Choice(t.Context(), "other", channel); ok {
			t.Error("one bot's choice holds for another")
		}
		choose(channel, "")
		check(channel, "")

		direct := chat.Place{Platform: "slack", Workspace: "T1", Channel: "D1", Direct: true}
		choose(direct, "c")
		direct.Thread = "18.1"
		check(direct, "c")
	})
}

func TestAPlaceIsGivenToAnotherBot(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		r := open(t, options(t, c, newKey()))
		channel := chat.Place{Platform: "slack", Workspace: "T1", Channel: "C1"}
		thread := channel
		thread.Thread = "17.1"
		give := func(p chat.Place, bot string) {
			t.Helper()
			if err := r.GiveTo(t.Context(), somebody(), "helper", p, bot); err != nil {
				t.Fatal(err)
			}
		}
		check := func(p chat.Place, want string) {
			t.Helper()
			if got, _, err := r.BotFor(t.Context(), "helper", p); err != nil || got != want {
				t.Errorf("at %s: %q %v, want %q", p.Conversation(), got, err, want)
			}
			if b, err := r.At(t.Context(), "helper", p); err != nil || b != (registry.Bound{Bot: want}) {
				t.Errorf("all at once at %s: %+v %v, want %q", p.Conversation(), b, err, want)
			}
		}
		give(channel, "coder")
		check(thread, "coder")
		give(thread, "helper")
		check(thread, "helper")
		give(channel, "helper")
		check(channel, "")
	})
}

func TestWhatWasLearnedIsForgottenWhenTheRecordChanges(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		key := newKey()
		r := open(t, options(t, c, key))
		if _, err := put(t, r, corp()); err != nil {
			t.Fatal(err)
		}
		learn := func(q provider.Quirks) {
			t.Helper()
			if err := r.Learn(t.Context(), "corp-gateway", "org/gpt-4o", q); err != nil {
				t.Fatal(err)
			}
		}
		learn(provider.Quirks{Drop: []string{"stop"}})
		learn(provider.Quirks{Rename: map[string]string{"max_tokens": "max_completion_tokens"}})
		got := open(t, options(t, c, key)).Learned("corp-gateway", "org/gpt-4o")
		if len(got.Drop) != 1 || got.Rename["max_tokens"] != "max_completion_tokens" {
			t.Errorf("after a restart: %+v", got)
		}
		if l := r.Lessons("corp-gateway"); len(l) != 1 || l["org/gpt-4o"].IsZero() {
			t.Errorf("Lessons = %v", l)
		}
		if _, err := put(t, r, corp()); err != nil {
			t.Fatal(err)
		}
		if got := r.Learned("corp-gateway", "org/gpt-4o"); !got.IsZero() {
			t.Errorf("after a change: %+v", got)
		}
	})
}
