package registry

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"parley/internal/provider"
	"parley/internal/secret"
)

func TestSecretsStayWhereEveryRequestGoesTheSameWay(t *testing.T) {
	old := provider.Provider{Endpoint: "https://h/v1", Endpoints: []string{"https://b/v1"}, Proxy: "http://p:3128", TLS: &provider.TLS{CAFile: "/ca"}}
	for name, change := range map[string]func(p *provider.Provider){
		"another host":     func(p *provider.Provider) { p.Endpoint = "https://evil/v1" },
		"another scheme":   func(p *provider.Provider) { p.Endpoint = "http://h/v1" },
		"another port":     func(p *provider.Provider) { p.Endpoint = "https://h:8443/v1" },
		"a further server": func(p *provider.Provider) { p.Endpoints = []string{"https://evil/v1"} },
		"another CA":       func(p *provider.Provider) { p.TLS = &provider.TLS{CAFile: "/tmp/ca"} },
		"no CA":            func(p *provider.Provider) { p.TLS = nil },
		"a client key":     func(p *provider.Provider) { p.TLS = &provider.TLS{CAFile: "/ca", CertFile: "c", KeyFile: "k"} },
		"another proxy":    func(p *provider.Provider) { p.Proxy = "http://evil:3128" },
	} {
		next := old
		change(&next)
		if moved(old, next) == "" {
			t.Errorf("%s carries the secrets along", name)
		}
	}
	for name, change := range map[string]func(p *provider.Provider){
		"nothing":         func(*provider.Provider) {},
		"another path":    func(p *provider.Provider) { p.Endpoint = "https://H:443/v2?api-version=1" },
		"one server less": func(p *provider.Provider) { p.Endpoints = nil },
		"no proxy":        func(p *provider.Provider) { p.Proxy = "" },
	} {
		next := old
		change(&next)
		if why := moved(old, next); why != "" {
			t.Errorf("%s loses the secrets: %s", name, why)
		}
	}
}

// Every field of a provider has a name in the audit trail: a new one that is
// stored and not compared fails here.
func TestEveryFieldThatDiffersIsNamed(t *testing.T) {
	full := provider.Provider{
		Name: "n", Endpoint: "https://h/v1?key=one", APIKey: secret.New("k"), Models: provider.Models{List: []provider.Model{{ID: "m"}}}, APIStyle: "openai",
		ExtraHeaders: map[string]secret.Text{"X": secret.New("v")}, Pricing: &provider.Pricing{Input: 1}, MaxInput: 1,
		AddParams: map[string]any{"a": 1}, DropParams: []string{"stop"}, Preset: "vllm", Endpoints: []string{"https://b/v1?key=one"}, MaxConcurrent: 1,
		SilenceTimeout: 1, TLS: &provider.TLS{CAFile: "/ca"}, Proxy: "http://p",
	}
	if got, err := changedFields(full, full); err != nil || len(got) > 0 {
		t.Errorf("the same differs in %v, %v", got, err)
	}
	of := reflect.TypeFor[provider.Provider]()
	for i := range of.NumField() {
		f := of.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		next := full
		v := reflect.ValueOf(&next).Elem().Field(i)
		if v.IsZero() {
			t.Errorf("%s is not covered by this test", f.Name)
		}
		v.SetZero()
		if got, err := changedFields(full, next); err != nil || !slices.Equal(got, []string{name}) {
			t.Errorf("without %s differ %v, %v", name, got, err)
		}
	}
	for name, change := range map[string]func(p *provider.Provider){
		"endpoint":     func(p *provider.Provider) { p.Endpoint = "https://h/v1?key=two" },
		"endpoints":    func(p *provider.Provider) { p.Endpoints = []string{"https://b/v1?key=two"} },
		"apiKey":       func(p *provider.Provider) { p.APIKey = secret.New("other") },
		"extraHeaders": func(p *provider.Provider) { p.ExtraHeaders = map[string]secret.Text{"X": secret.New("w")} },
		"models":       func(p *provider.Provider) { p.Models.Discover = true },
	} {
		next := full
		change(&next)
		if got, err := changedFields(full, next); err != nil || !slices.Equal(got, []string{name}) {
			t.Errorf("another %s differs in %v, %v", name, got, err)
		}
	}
}
