// Package provider defines providers: the record of an endpoint, how it is
// written, checked and shown, which services are known by name, and which
// networks an endpoint may be in. Package completion sends the requests.
package provider

import (
	"strings"
	"time"

	"parley/internal/secret"
)

// Provider is one record of the registry: an endpoint and how to talk to it.
// Its secrets print and marshal as "[redacted]"; the registry and the console
// each have their own form.
type Provider struct {
	ID           string                 `json:"-"`
	Name         string                 `json:"name"`
	Endpoint     string                 `json:"endpoint"` // full URL of chat completions
	APIKey       secret.Text            `json:"apiKey,omitzero"`
	Models       Models                 `json:"models"`
	APIStyle     string                 `json:"apiStyle,omitempty"`
	ExtraHeaders map[string]secret.Text `json:"extraHeaders,omitempty"`
	Pricing      *Pricing               `json:"pricing"`
	MaxInput     int                    `json:"maxInput"` // context length in tokens, 0 = unknown
	AddParams    map[string]any         `json:"addParams,omitempty"`
	DropParams   []string               `json:"dropParams,omitempty"`

	Preset         string   `json:"preset,omitempty"`         // named quirks; empty: recognised from the URL
	Endpoints      []string `json:"endpoints,omitempty"`      // further replicas of the same endpoint, least busy first
	MaxConcurrent  int      `json:"maxConcurrent,omitempty"`  // requests at once, 0 = unlimited
	SilenceTimeout int      `json:"silenceTimeout,omitempty"` // seconds without a byte before giving up, 0 = default
	TLS            *TLS     `json:"tls,omitempty"`
	Proxy          string   `json:"proxy,omitempty"` // outbound HTTP proxy; none is taken from the environment

	// own authenticates parley to a server that it runs itself. It is never part
	// of a record or stored.
	own *ownServer
}

type ownServer struct {
	base string // prefix of every request's URL
	key  secret.Text
}

// Own marks p as a provider that parley itself serves at base. Its requests
// carry key if they go there directly.
func (p Provider) Own(base string, key secret.Text) Provider {
	p.own = &ownServer{base: strings.TrimRight(base, "/") + "/", key: key}
	return p
}

// OwnKey is the key for a request to url, if that goes directly to parley's
// own server.
func (p Provider) OwnKey(url string) (key secret.Text, own bool) {
	if p.own == nil || p.Proxy != "" || !strings.HasPrefix(url, p.own.base) {
		return secret.Text{}, false
	}
	return p.own.key, true
}

// Keys are the keys that requests to p may carry: its own, and that of OwnKey.
func (p Provider) Keys() []secret.Text {
	if p.own == nil {
		return []secret.Text{p.APIKey}
	}
	return []secret.Text{p.APIKey, p.own.key}
}

// DefaultSilence is how long a server may send nothing if its record sets no
// silenceTimeout. It is long because a loaded server sends no header before
// the first token.
const DefaultSilence = 5 * time.Minute

// Models is a provider's list of models, or says to ask the endpoint. In JSON
// it is a list of objects or strings, a comma-separated string, or
// {"discover": true}.
type Models struct {
	List     []Model
	Discover bool
}

// Model is one model of a provider.
type Model struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	MaxInput int      `json:"maxInput,omitempty"`
	Pricing  *Pricing `json:"pricing,omitempty"`
	Vision   bool     `json:"vision,omitempty"`
}

// Pricing is in USD per million tokens.
type Pricing struct {
	Input  float64 `json:"input"`
	Output float64 `json:"output"`
}

// TLS names the files for an endpoint with a private CA or client
// certificates.
type TLS struct {
	CAFile   string `json:"caFile,omitempty"`
	CertFile string `json:"certFile,omitempty"`
	KeyFile  string `json:"keyFile,omitempty"`
}
