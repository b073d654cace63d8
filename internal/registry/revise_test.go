package registry_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"

	"parley/internal/provider"
	"parley/internal/registry"
	"parley/internal/secret"
)

// faults names the secrets that could not stay.
func faults(err error) []string {
	kept, ok := errors.AsType[*registry.KeepError](err)
	if !ok {
		return nil
	}
	var out []string
	for _, f := range kept.Faults {
		why := "nothing stored"
		if f.Moved != "" {
			why = "moved"
		}
		out = append(out, fmt.Sprint(f.Field, " ", why, f.Params))
	}
	return out
}

func TestAnAddedProviderIsNew(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		o := options(t, c, newKey())
		o.Builtins = []provider.Provider{{ID: "openai", Name: "OpenAI", Endpoint: "https://api.openai.com/v1/chat/completions"}}
		r := open(t, o)
		add := func(p provider.Provider) error {
			_, _, err := r.Revise(t.Context(), somebody(), registry.Revision{Provider: p, Mode: registry.Add})
			return err
		}
		if err := add(corp()); err != nil {
			t.Fatal(err)
		}
		for id, source := range map[string]string{"corp-gateway": registry.Custom, "openai": registry.Builtin} {
			p := corp()
			p.ID, p.Name = id, "Second"
			if taken, ok := errors.AsType[*registry.TakenError](add(p)); !ok || taken.Source != source {
				t.Errorf("%s: %v", id, taken)
			}
			if e, _ := r.Provider(id); e.Name == "Second" {
				t.Errorf("%s was replaced", id)
			}
		}
	})
}

// An edit gives what a form asks for; the rest stays, and no secret goes to
// another server.
func TestAnEditKeepsWhatAFormDoesNotAskFor(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		o := options(t, c, newKey())
		o.Builtins = []provider.Provider{{ID: "openai", Name: "OpenAI", Endpoint: "https://api.openai.com/v1/chat/completions"}}
		r := open(t, o)
		edit := func(p provider.Provider) (provider.Provider, error) {
			stored, _, err := r.Revise(t.Context(), somebody(), registry.Revision{Provider: p, Mode: registry.Edit})
			return stored, err
		}
		for _, id := range []string{"openai", "nobody"} {
			if _, err := edit(provider.Provider{ID: id, Endpoint: "https://x.example/v1"}); !errors.Is(err, registry.ErrNotStored) {
				t.Errorf("%s: %v", id, err)
			}
		}
		if _, err := put(t, r, corp()); err != nil {
			t.Fatal(err)
		}
		form := provider.Provider{ID: "corp-gateway", Name: "New name", Endpoint: corp().Endpoint, Models: provider.Models{List: []provider.Model{{ID: "gpt-4o"}, {ID: "more"}}}}
		got, err := edit(form)
		if err != nil {
			t.Fatal(err)
		}
		want := corp()
		want.Name = "New name"
		want.Models.List = append(want.Models.List, provider.Model{ID: "more"})
		if !equal(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		if e, _ := r.Provider("corp-gateway"); e.APIKey.Reveal() != apiKey || e.ExtraHeaders["X-Corp-Token"].Reveal() != headerKey || e.Proxy != corp().Proxy || e.Models.List[0].MaxInput != 128000 {
			t.Errorf("stored is %+v", e)
		}

		form.Endpoint = "https://elsewhere.example/v1"
		if _, err := edit(form); !slices.Equal(faults(err), []string{"apiKey moved[]", "extraHeaders.X-Corp-Token moved[]"}) {
			t.Errorf("to another server: %v", err)
		}
		form.APIKey = secret.New("sk-for-elsewhere")
		if _, err := edit(form); !slices.Equal(faults(err), []string{"extraHeaders.X-Corp-Token moved[]"}) {
			t.Errorf("to another server with a key: %v", err)
		}
		if e, _ := r.Provider("corp-gateway"); e.Endpoint != corp().Endpoint {
			t.Errorf("a refused edit was stored: %s", e.Endpoint)
		}

		plain := corp()
		plain.ExtraHeaders = nil
		if _, err := put(t, r, plain); err != nil {
			t.Fatal(err)
		}
		if got, err := edit(form); err != nil || got.APIKey.Reveal() != "sk-for-elsewhere" || got.Endpoint != form.Endpoint || got.Proxy != "" || len(got.Endpoints) > 0 {
			t.Errorf("with a key and no headers it moves: %+v, %v", got, err)
		}
	})
}

func TestSecretsThatSaySetStayOnTheirServersOnly(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		r := open(t, options(t, c, newKey()))
		kept := secret.New(provider.Kept)
		revise := func(p provider.Provider) (provider.Provider, error) {
			p.ID, p.APIKey, p.Proxy = "corp-gateway", kept, provider.Kept
			p.ExtraHeaders = map[string]secret.Text{"x-corp-token": kept}
			p.Endpoint += "?key=set"
			stored, _, err := r.Revise(t.Context(), somebody(), registry.Revision{Provider: p})
			return stored, err
		}
		if _, err := revise(corp()); !slices.Equal(faults(err), []string{"endpoint nothing stored[key]", "apiKey nothing stored[]", "extraHeaders.x-corp-token nothing stored[]", "proxy nothing stored[]"}) {
			t.Errorf("of a new provider: %v", err)
		}
		first := corp()
		first.Endpoint += "?key=query-secret"
		if _, err := put(t, r, first); err != nil {
			t.Fatal(err)
		}
		got, err := revise(corp())
		if err != nil || got.APIKey.Reveal() != apiKey || got.Proxy != corp().Proxy || got.ExtraHeaders["x-corp-token"].Reveal() != headerKey || got.Endpoint != first.Endpoint {
			t.Errorf("%+v, %v", got, err)
		}
		moved := corp()
		moved.Endpoints = []string{"https://evil.example/v1"}
		if _, err := revise(moved); !slices.Equal(faults(err), []string{"endpoint moved[]", "apiKey moved[]", "extraHeaders.x-corp-token moved[]", "proxy moved[]"}) {
			t.Errorf("to a further server: %v", err)
		}
		if e, _ := r.Provider("corp-gateway"); !slices.Equal(e.Endpoints, corp().Endpoints) {
			t.Errorf("a refused revision was stored: %v", e.Endpoints)
		}
	})
}
