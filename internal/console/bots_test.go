package console_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"parley/internal/console"
	"parley/internal/provider"
)

type botReply struct {
	ID, Name, Description, Provider, Model, Problem string
	File                                            struct{ Provider, Model string }
	Platforms                                       []string
}

func TestBotsShowWhatTheyUse(t *testing.T) {
	b := newBench(t, withPages)
	list := decode[struct{ Bots []botReply }](t, b.want(b.do("GET", "/api/v1/bots", ""), 200)).Bots
	if len(list) != 2 || list[1].ID != "helper" || list[1].Name != "Helper" || list[1].Description != "Answers." ||
		list[1].Provider != "openai" || list[1].Model != "gpt-4o-mini" || strings.Join(list[1].Platforms, " ") != "slack playground" {
		t.Errorf("%+v", list)
	}
	if got := b.want(b.do("GET", "/api/v1/bots/helpr", ""), 404); !strings.Contains(got.Body, "Did you mean helper?") {
		t.Error(got.Body)
	}
}

func TestANewDefaultOfABot(t *testing.T) {
	b := newBench(t)
	b.want(b.do("PUT", "/api/v1/providers/corp", full), 201)
	for _, c := range []struct{ body, provider, model string }{
		{`{"provider":"corp","model":"mini"}`, "corp", "mini"},
		{`{"model":"gpt-4o"}`, "corp", "gpt-4o"},
		{`{}`, "corp", "gpt-4o"},
		{`{"provider":"openai"}`, "openai", "gpt-4o-mini"},
		{`{"provider":"corp"}`, "corp", "gpt-4o"},
		{`{"provider":null,"model":null}`, "openai", "gpt-4o-mini"},
		{`{"provider":"corp","model":"mini"}`, "corp", "mini"},
		{`{"provider":null}`, "openai", "gpt-4o-mini"},
		{`{"provider":"corp","model":"mini"}`, "corp", "mini"},
		{`{"provider":"corp","model":null}`, "corp", "gpt-4o"},
		{`{"model":null}`, "openai", "gpt-4o-mini"},
		{`{"provider":"corp","model":"mini"}`, "corp", "mini"},
		{`null`, "openai", "gpt-4o-mini"},
	} {
		got := decode[botReply](t, b.want(b.do("PATCH", "/api/v1/bots/helper", c.body), 200))
		if got.Provider != c.provider || got.Model != c.model {
			t.Errorf("after %s: %s/%s, want %s/%s", c.body, got.Provider, got.Model, c.provider, c.model)
		}
		if got.File.Provider != "openai" || got.File.Model != "gpt-4o-mini" {
			t.Errorf("after %s the file's default shows as %+v", c.body, got.File)
		}
		read := decode[botReply](t, b.want(b.do("GET", "/api/v1/bots/helper", ""), 200))
		if read.Provider != c.provider || read.Model != c.model {
			t.Errorf("after %s a read shows %+v", c.body, read)
		}
	}
	if got := decode[botReply](t, b.do("GET", "/api/v1/bots/coder", "")); got.Provider != "openai" {
		t.Error("another bot changed too")
	}
	if _, ok := b.registry.Default("helper"); ok {
		t.Error("a choice is still stored though all went back to the file")
	}
}

func TestABadDefaultOfABotIsRefused(t *testing.T) {
	b := newBench(t)
	b.want(b.do("PUT", "/api/v1/providers/corp", full), 201)
	for _, c := range []struct {
		body   string
		status int
		says   string
	}{
		{`{"provider":"crop"}`, 422, "Did you mean corp?"},
		{`{"provider":"corp","model":"gpt-4"}`, 422, "Did you mean gpt-4o?"},
		{`{"provider":"corp","model":"zzz"}`, 422, "It has gpt-4o, mini."},
		{`{"provider":5}`, 422, "string"},
		{`{"provider":""}`, 422, "empty"},
		{`{"name":"x"}`, 422, "name"},
		{`[]`, 422, "object"},
		{`{`, 400, "line 1"},
		{``, 400, "empty"},
	} {
		got := b.want(b.do("PATCH", "/api/v1/bots/helper", c.body), c.status)
		if !strings.Contains(got.Body, c.says) {
			t.Errorf("%s: %q is not said: %s", c.body, c.says, got.Body)
		}
	}
	b.want(b.do("PATCH", "/api/v1/bots/none", `{"provider":"corp"}`), 404)
	if _, ok := b.registry.Default("helper"); ok {
		t.Error("a refused change was stored")
	}
}

func TestModelsOfAnEndpointThatListsThemItself(t *testing.T) {
	down := false
	b := newBench(t, func(o *console.Options) {
		o.Models = func(context.Context, provider.Provider) ([]provider.Model, error) {
			if down {
				return nil, errors.New("down")
			}
			return []provider.Model{{ID: "qwen3-8b"}}, nil
		}
	})
	b.want(b.do("PUT", "/api/v1/providers/lab", `{"endpoint":"http://lab:8000/v1/chat/completions","models":{"discover":true}}`), 201)
	b.want(b.do("PATCH", "/api/v1/bots/helper", `{"provider":"lab","model":"qwen3-8b"}`), 200)
	if got := b.want(b.do("PATCH", "/api/v1/bots/helper", `{"provider":"lab","model":"qwen3-7b"}`), 422); !strings.Contains(got.Body, "Did you mean qwen3-8b?") {
		t.Error(got.Body)
	}
	down = true
	b.want(b.do("PATCH", "/api/v1/bots/helper", `{"provider":"lab","model":"anything"}`), 200)
}
