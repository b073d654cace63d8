// The stored form of a provider. It is a type of its own, so that what is shown or
// logged can never be stored by accident. Each secret is sealed for its key.

package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"parley/internal/provider"
	"parley/internal/secret"
)

// record is one opened record.
type record struct {
	provider provider.Provider
	source   string
	// builtinKey says that the record uses the API key of the built-in provider
	// with the same id. It is not copied, so changing the variable is enough.
	builtinKey bool
	problem    string
	stale      bool // sealed with an older key
}

// stored is a record as JSON in Redis.
type stored struct {
	Version    int    `json:"v"`
	Source     string `json:"source"`
	Plain      plain  `json:"record"`
	BuiltinKey bool   `json:"builtinKey,omitempty"`
	Sealed     []byte `json:"sealed,omitempty"` // secrets, sealed for this place
}

// plain is the part of a provider that is not encrypted in Redis.
type plain struct {
	Name           string            `json:"name"`
	Endpoint       string            `json:"endpoint"`
	Models         []provider.Model  `json:"models,omitempty"`
	Discover       bool              `json:"discover,omitempty"`
	APIStyle       string            `json:"apiStyle,omitempty"`
	Pricing        *provider.Pricing `json:"pricing,omitempty"`
	MaxInput       int               `json:"maxInput,omitempty"`
	AddParams      json.RawMessage   `json:"addParams,omitempty"`
	DropParams     []string          `json:"dropParams,omitempty"`
	Preset         string            `json:"preset,omitempty"`
	Endpoints      []string          `json:"endpoints,omitempty"`
	MaxConcurrent  int               `json:"maxConcurrent,omitempty"`
	SilenceTimeout int               `json:"silenceTimeout,omitempty"`
	TLS            *provider.TLS     `json:"tls,omitempty"`
}

// secrets is the encrypted part. A proxy's URL may hold a password, and an
// endpoint's query a key: the plain part shows "set" in its place.
type secrets struct {
	APIKey    string            `json:"apiKey,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	Proxy     string            `json:"proxy,omitempty"`
	Endpoint  string            `json:"endpoint,omitempty"`  // whole, where it holds a secret
	Endpoints []string          `json:"endpoints,omitempty"` // all of them, where one does
}

const storedVersion = 1

func plainOf(p provider.Provider) (plain, error) {
	out := plain{
		Name: p.Name, Endpoint: provider.ShownURL(p.Endpoint), Models: p.Models.List, Discover: p.Models.Discover,
		APIStyle: p.APIStyle, Pricing: p.Pricing, MaxInput: p.MaxInput, DropParams: p.DropParams,
		Preset: p.Preset, Endpoints: shownURLs(p.Endpoints), MaxConcurrent: p.MaxConcurrent,
		SilenceTimeout: p.SilenceTimeout, TLS: p.TLS,
	}
	if len(p.AddParams) > 0 {
		params, err := json.Marshal(p.AddParams)
		if err != nil {
			return plain{}, fmt.Errorf("addParams: %w", err)
		}
		out.AddParams = params
	}
	return out, nil
}

func shownURLs(list []string) []string {
	shown := slices.Clone(list)
	for i, raw := range shown {
		shown[i] = provider.ShownURL(raw)
	}
	return shown
}

func (s plain) provider(id string) (provider.Provider, error) {
	p := provider.Provider{
		ID: id, Name: s.Name, Endpoint: s.Endpoint,
		Models:   provider.Models{List: s.Models, Discover: s.Discover},
		APIStyle: s.APIStyle, Pricing: s.Pricing, MaxInput: s.MaxInput, DropParams: s.DropParams,
		Preset: s.Preset, Endpoints: s.Endpoints, MaxConcurrent: s.MaxConcurrent,
		SilenceTimeout: s.SilenceTimeout, TLS: s.TLS,
	}
	if len(s.AddParams) > 0 {
		d := json.NewDecoder(bytes.NewReader(s.AddParams))
		d.UseNumber() // a large seed must not lose digits
		if err := d.Decode(&p.AddParams); err != nil {
			return p, fmt.Errorf("addParams: %w", err)
		}
	}
	return p, nil
}

// where is the associated data that a record's secrets are sealed with.
func (k keys) where(id string) string { return k.providers + "/" + id }

// encode returns the stored form of rec.
func (r *Registry) encode(rec record) (string, error) {
	p := rec.provider
	open, err := plainOf(p)
	if err != nil {
		return "", err
	}
	s := stored{Version: storedVersion, Source: rec.source, Plain: open, BuiltinKey: rec.builtinKey}
	sec := secrets{Proxy: p.Proxy}
	if !rec.builtinKey {
		sec.APIKey = p.APIKey.Reveal()
	}
	for name, value := range p.ExtraHeaders {
		if sec.Headers == nil {
			sec.Headers = map[string]string{}
		}
		sec.Headers[name] = value.Reveal()
	}
	if provider.HasSecret(p.Endpoint) {
		sec.Endpoint = p.Endpoint
	}
	if slices.ContainsFunc(p.Endpoints, provider.HasSecret) {
		sec.Endpoints = p.Endpoints
	}
	if sec.APIKey != "" || sec.Proxy != "" || sec.Endpoint != "" || len(sec.Endpoints)+len(sec.Headers) > 0 {
		text, err := json.Marshal(sec)
		if err != nil {
			return "", fmt.Errorf("secrets of %q: %w", p.ID, err)
		}
		s.Sealed = r.ring.Seal(text, r.keys.where(p.ID))
	}
	out, err := json.Marshal(s)
	return string(out), err
}

// decode opens a stored record. If its secrets do not open, the record has a
// problem, so that people see it and can save it again.
func (r *Registry) decode(id, text string) (record, error) {
	var s stored
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return record{}, fmt.Errorf("stored provider %q: %w", id, err)
	}
	if s.Version != storedVersion {
		return record{}, fmt.Errorf("stored provider %q: its format %d is newer than this parley", id, s.Version)
	}
	p, err := s.Plain.provider(id)
	if err != nil {
		return record{}, fmt.Errorf("stored provider %q: %w", id, err)
	}
	rec := record{provider: p, source: s.Source, builtinKey: s.BuiltinKey}
	// Earlier releases did not encrypt keys in URLs.
	rec.stale = provider.HasSecret(p.Endpoint) || slices.ContainsFunc(p.Endpoints, provider.HasSecret)
	if len(s.Sealed) == 0 {
		return rec, nil
	}
	text2, stale, err := r.ring.Open(s.Sealed, r.keys.where(id))
	if err != nil {
		rec.problem = "its secrets cannot be opened with the keys in MASTER_KEYS: add the key that sealed them, or save the provider again"
		return rec, nil
	}
	var sec secrets
	if err := json.Unmarshal(text2, &sec); err != nil {
		return record{}, fmt.Errorf("stored provider %q: its secrets are not readable", id)
	}
	rec.stale = rec.stale || stale
	if sec.Endpoint != "" {
		rec.provider.Endpoint = sec.Endpoint
	}
	if len(sec.Endpoints) > 0 {
		rec.provider.Endpoints = sec.Endpoints
	}
	rec.provider.APIKey = secret.New(sec.APIKey)
	rec.provider.Proxy = sec.Proxy
	for name, value := range sec.Headers {
		if rec.provider.ExtraHeaders == nil {
			rec.provider.ExtraHeaders = map[string]secret.Text{}
		}
		rec.provider.ExtraHeaders[name] = secret.New(value)
	}
	return rec, nil
}

// entry is rec as readers see it, with the key of the built-in provider where it
// uses that one.
func (rec record) entry(s *snapshot) Entry {
	e := Entry{Provider: rec.provider, Source: rec.source, Problem: rec.problem}
	if !rec.builtinKey {
		return e
	}
	if b, ok := s.builtin(rec.provider.ID); ok && provider.SameServer(b.Endpoint, e.Endpoint) && !b.APIKey.IsZero() {
		e.APIKey = b.APIKey
		return e
	}
	e.Problem = "it uses the API key of the built-in provider, whose variable is no longer set: set it, or put the provider with a key"
	return e
}

// fingerprint identifies the content of a record without its secrets, so that
// what was learned about one record is not applied to another.
func fingerprint(p provider.Provider) string {
	open, err := plainOf(p)
	if err != nil {
		return ""
	}
	text, err := json.Marshal(open)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
