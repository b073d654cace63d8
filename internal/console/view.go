// A provider as the API shows it: every field, with "set" for secrets. A
// client can send it back unchanged.

package console

import (
	"net/url"
	"slices"

	"parley/internal/provider"
	"parley/internal/registry"
)

// providerView is one provider as the API shows it.
type providerView struct {
	ID             string                     `json:"id"`
	Source         string                     `json:"source"`
	Name           string                     `json:"name"`
	Endpoint       string                     `json:"endpoint"`
	APIKey         string                     `json:"apiKey,omitempty"`
	Models         provider.Models            `json:"models"`
	APIStyle       string                     `json:"apiStyle"`
	ExtraHeaders   map[string]string          `json:"extraHeaders"`
	Pricing        *provider.Pricing          `json:"pricing"`
	MaxInput       int                        `json:"maxInput"`
	AddParams      map[string]any             `json:"addParams,omitempty"`
	DropParams     []string                   `json:"dropParams,omitempty"`
	Preset         string                     `json:"preset,omitempty"`
	Endpoints      []string                   `json:"endpoints,omitempty"`
	MaxConcurrent  int                        `json:"maxConcurrent,omitempty"`
	SilenceTimeout int                        `json:"silenceTimeout,omitempty"`
	TLS            *provider.TLS              `json:"tls,omitempty"`
	Proxy          string                     `json:"proxy,omitempty"`
	Learned        map[string]provider.Quirks `json:"learned,omitempty"` // by model
	Problem        string                     `json:"problem,omitempty"` // why it cannot be used
}

// readOnly are the fields that responses contain and a PUT ignores.
var readOnly = []string{"source", "learned", "problem"}

func view(e registry.Entry, learned map[string]provider.Quirks) providerView {
	v := providerView{
		ID: e.ID, Source: e.Source, Name: e.Name, Endpoint: provider.ShownURL(e.Endpoint), Models: e.Models, APIStyle: e.APIStyle,
		ExtraHeaders: map[string]string{}, Pricing: e.Pricing, MaxInput: e.MaxInput, AddParams: e.AddParams,
		DropParams: e.DropParams, Preset: e.Preset, Endpoints: shownURLs(e.Endpoints), MaxConcurrent: e.MaxConcurrent,
		SilenceTimeout: e.SilenceTimeout, TLS: e.TLS, Proxy: shownProxy(e.Proxy), Learned: learned, Problem: e.Problem,
	}
	if v.APIStyle == "" {
		v.APIStyle = "openai"
	}
	if !e.APIKey.IsZero() {
		v.APIKey = provider.Kept
	}
	for name := range e.ExtraHeaders {
		v.ExtraHeaders[name] = provider.Kept
	}
	return v
}

func shownURLs(list []string) []string {
	shown := slices.Clone(list)
	for i, raw := range shown {
		shown[i] = provider.ShownURL(raw)
	}
	return shown
}

// shownProxy hides a proxy's URL if it contains a password.
func shownProxy(raw string) string {
	if raw == "" {
		return ""
	}
	if u, err := url.Parse(raw); err == nil && u.User == nil {
		return raw
	}
	return provider.Kept
}
