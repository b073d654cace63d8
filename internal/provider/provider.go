// Package provider speaks to model servers: any endpoint of the OpenAI
// chat-completions format. It builds the body, reads the wire, names what went
// wrong and probes an endpoint. Why its own reader: ARCHITECTURE.md.
package provider

import (
	"strings"
	"time"

	"parley/bots"
	"parley/internal/secret"
)

// Provider is one record of the registry: an endpoint and how to speak to it.
// Secrets in it print and marshal as "[redacted]"; the registry stores its own
// form and the console shows another.
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

	// own is what parley proves itself with to the one server that it serves
	// itself. No record sets it and none keeps it.
	own *ownServer
}

type ownServer struct {
	base string // URL that every request to it begins with
	key  secret.Text
}

// Own makes p one that parley serves itself at base: its requests carry key, as
// long as they go there and through nothing else.
func (p Provider) Own(base string, key secret.Text) Provider {
	p.own = &ownServer{base: strings.TrimRight(base, "/") + "/", key: key}
	return p
}

// Models is the list of a provider's models, or the wish to ask the endpoint.
// In JSON it is a list of objects or strings, a comma-separated string, or
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

// TLS names files for an endpoint with a private CA or client certificates.
type TLS struct {
	CAFile   string `json:"caFile,omitempty"`
	CertFile string `json:"certFile,omitempty"`
	KeyFile  string `json:"keyFile,omitempty"`
}

// Request is one chat completion to ask for.
type Request struct {
	Model    string
	Messages []Message
	Params   bots.Params

	// Retry says how hard to try before the first delta.
	Retry Retry
	// For names who asks, so that a queue is fair between people; it is never
	// sent.
	For string
	// Queued, when set, is told the place in the queue of a provider with
	// MaxConcurrent: first after two seconds of waiting, then at every change; 1
	// is next. It is called by the goroutine that ranges over the stream.
	Queued func(place int)
}

// Retry bounds the attempts before the first delta. The zero value is for a
// provider nothing stands behind: four more attempts, at most 20 s before each.
type Retry struct {
	Max  int           // attempts after the first; negative: none; 0: 4
	Wait time.Duration // the longest wait before one, whatever Retry-After says; 0: 20 s
	// Until is when the last attempt may begin; zero: no limit.
	Until time.Time
}

// over reports whether no attempt may begin wait from now.
func (r Retry) over(wait time.Duration) bool {
	return !r.Until.IsZero() && time.Now().Add(wait).After(r.Until)
}

// BeforeFallback is the Retry while a fallback is left: once, within 2 s.
func BeforeFallback() Retry { return Retry{Max: 1, Wait: 2 * time.Second} }

// Message is one entry of a request's messages.
type Message struct {
	Role    string `json:"role"` // "system", "user", "assistant"
	Content string `json:"content"`
	Name    string `json:"name,omitempty"`
}

// Delta is what one event of the stream brought. Any field may be empty.
type Delta struct {
	Text      string
	Reasoning string // kept apart: never part of the answer
	Finish    string // "stop", "length", "content_filter", …; where several come, the last counts
	Usage     *Usage
	// Retract says that all Text before this delta was reasoning and no part of
	// the answer, which begins with this delta's Text.
	Retract bool
}

// Usage is the endpoint's own count of tokens.
type Usage struct {
	PromptTokens     int `json:"promptTokens"`
	CompletionTokens int `json:"completionTokens"`
	CachedTokens     int `json:"cachedTokens,omitempty"`
}

// Kind is the closed set of what can go wrong; it is also the metric's label.
type Kind string

// The kinds of provider errors.
const (
	KindConnect    Kind = "connect"     // name resolution, refused, reset before an answer
	KindProxy      Kind = "proxy"       // the outbound proxy refused
	KindTLS        Kind = "tls"         // certificate or handshake
	KindBlocked    Kind = "blocked"     // the address is not allowed by PROVIDER_NETWORKS
	KindAuth       Kind = "auth"        // 401, 403
	KindNotFound   Kind = "not_found"   // wrong path
	KindModel      Kind = "model"       // the model does not exist there
	KindBadRequest Kind = "bad_request" // a parameter was refused
	KindContext    Kind = "context"     // the prompt is longer than the model takes
	KindFilter     Kind = "filter"      // a content filter refused
	KindRateLimit  Kind = "rate_limit"  // 429
	KindQuota      Kind = "quota"       // out of credit: waiting does not help
	KindOverloaded Kind = "overloaded"  // 503, 529, loading
	KindServer     Kind = "server"      // other 5xx and errors inside the stream
	KindSilence    Kind = "silence"     // no byte for SilenceTimeout
	KindTruncated  Kind = "truncated"   // ended without [DONE] or finish reason
	KindProtocol   Kind = "protocol"    // not chat completions: HTML, garbage, a line over the cap
	KindCanceled   Kind = "canceled"    // the caller's context ended
	KindUnknown    Kind = "unknown"     // none of the above: the provider is not registered, …
)

// Error is every error of this package. Error() is for the log: it holds the
// status and at most 300 characters of the endpoint's text with keys and the
// request's own words cut out. Sentence is for the person in the chat.
type Error struct {
	Kind       Kind
	Provider   string // provider id
	Model      string
	Status     int           // HTTP status, 0 if none
	RetryAfter time.Duration // what the endpoint asked for, 0 if nothing
	Text       string        // the endpoint's own words, cleaned
	Field      string        // the request field a 400/422 names, if any
	Limit      int           // KindContext: the context length in tokens it tells, 0 if none
	Size       int           // KindContext: how many tokens it counted in the prompt, 0 if it does not say
	Err        error

	page     bool     // the endpoint answered a web page
	codes    []string // the endpoint's own codes
	raw      string   // the endpoint's text before cleaning, for learning; never shown
	endpoint string   // whose words these are
}
