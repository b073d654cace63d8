package registry_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"parley/internal/provider"
	"parley/internal/registry"
	"parley/internal/secret"
)

// A record put over one of the file or a built-in one stands in front of it: it
// uses that one's key on the same server, and removing it brings that one back.
func TestARecordStandsInFrontOfTheFilesAndGivesItBack(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		o := options(t, c, newKey())
		o.Builtins = []provider.Provider{{ID: "openai", Name: "OpenAI", Endpoint: "https://api.openai.com/v1/chat/completions", APIKey: secret.New("sk-env")}}
		o.File, o.FileDigest = map[string]provider.Provider{"corp-gateway": corp()}, "one"
		r := open(t, o)
		put := func(p provider.Provider) registry.Entry {
			t.Helper()
			if _, err := put(t, r, p); err != nil {
				t.Fatal(err)
			}
			e, _ := r.Provider(p.ID)
			return e
		}
		front := corp()
		front.Name, front.APIKey, front.ExtraHeaders = "In front", secret.Text{}, nil
		for range 2 { // also when it is put again
			if e := put(front); e.Name != "In front" || e.APIKey.Reveal() != apiKey || e.ExtraHeaders["X-Corp-Token"].Reveal() != headerKey {
				t.Errorf("over the file's record: %+v", e)
			}
		}
		front.Endpoint, front.Endpoints = "https://evil.example/v1/chat/completions", nil
		if e := put(front); !e.APIKey.IsZero() || len(e.ExtraHeaders) > 0 {
			t.Error("the file's key went to another server")
		}
		if e := put(provider.Provider{ID: "openai", Name: "Mine", Endpoint: "https://api.openai.com/v1/chat/completions"}); e.APIKey.Reveal() != "sk-env" {
			t.Error("over a built-in one the key is lost")
		}
		if e := put(provider.Provider{ID: "openai", Name: "Mine", Endpoint: "https://evil.example/v1/chat/completions"}); !e.APIKey.IsZero() {
			t.Error("the environment's key went to another server")
		}

		r = open(t, o)
		if _, err := r.Remove(t.Context(), somebody(), "corp-gateway"); err != nil {
			t.Fatal(err)
		}
		r = open(t, o)
		if e, ok := r.Provider("corp-gateway"); !ok || e.Source != registry.File || !equal(e.Provider, corp()) {
			t.Errorf("the file's record is not back: %+v, %v", e, ok)
		}
		if ok, err := r.Remove(t.Context(), somebody(), "corp-gateway"); err != nil || !ok {
			t.Errorf("the file's own: %v, %v", ok, err)
		}
		if _, ok := r.Provider("corp-gateway"); ok {
			t.Error("a record of the file cannot be removed")
		}
	})
}

// A key in an endpoint's query lies sealed, and a record of an earlier parley
// that left it open is sealed at the next start.
func TestAKeyInAnEndpointIsSealed(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		key := newKey()
		p := corp()
		p.Endpoint += "?api-version=2024-10-21&key=query-secret-1"
		p.Endpoints = []string{"https://b.corp.example/v1?code=query-secret-2"}
		if _, err := put(t, open(t, options(t, c, key)), p); err != nil {
			t.Fatal(err)
		}
		if all := contents(t, c); strings.Contains(all, "query-secret") || !strings.Contains(all, "api-version=2024-10-21") {
			t.Errorf("in Redis lies %s", all)
		}
		if e, _ := open(t, options(t, c, key)).Provider(p.ID); e.Endpoint != p.Endpoint || e.Endpoints[0] != p.Endpoints[0] {
			t.Errorf("after a restart: %s, %s", e.Endpoint, e.Endpoints)
		}
		const early = `{"v":1,"source":"custom","record":{"name":"Early","endpoint":"https://early.example/v1?key=early-secret","apiStyle":"openai"}}`
		if err := c.HSet(t.Context(), "test:{registry}:providers", "early", early).Err(); err != nil {
			t.Fatal(err)
		}
		if e, _ := open(t, options(t, c, key)).Provider("early"); e.Endpoint != "https://early.example/v1?key=early-secret" {
			t.Errorf("an early record reads %s", e.Endpoint)
		}
		if all := contents(t, c); strings.Contains(all, "early-secret") {
			t.Error("an early record still lies open")
		}
		if e, _ := open(t, options(t, c, key)).Provider("early"); e.Endpoint != "https://early.example/v1?key=early-secret" {
			t.Errorf("once sealed it reads %s", e.Endpoint)
		}
	})
}
