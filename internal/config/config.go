// Package config reads the environment into one typed struct and reports all
// problems together.
package config

import (
	"log/slog"
	"net"
	"net/netip"
	"time"

	"parley/internal/secret"
)

// Config holds every setting of the server. Field tags: "want" describes a
// valid value and "example" shows one, both for errors; "oneof" lists the
// allowed words.
type Config struct {
	// The server itself.
	HTTPAddr      string        `env:"HTTP_ADDR" envDefault:"127.0.0.1:7070" want:"host:port" example:"127.0.0.1:7070"`
	AdminToken    secret.Text   `env:"ADMIN_TOKEN" want:"a token without white space"`
	Playground    string        `env:"PLAYGROUND" envDefault:"auto" oneof:"auto,on,off"`
	Metrics       string        `env:"METRICS" envDefault:"token" oneof:"token,open"`
	ShutdownGrace time.Duration `env:"SHUTDOWN_GRACE" envDefault:"25s" want:"a duration with its unit" example:"25s"`
	LogLevel      string        `env:"LOG_LEVEL" envDefault:"info" oneof:"debug,info,warn,error"`
	LogFormat     string        `env:"LOG_FORMAT" envDefault:"text" oneof:"text,json"`

	// The store.
	RedisURL          secret.Text `env:"REDIS_URL" want:"redis://host:port, rediss://host:port or a comma-separated list of them" example:"redis://127.0.0.1:6379"`
	RedisPrefix       string      `env:"REDIS_PREFIX" envDefault:"parley" want:"a word without white space, braces or *" example:"parley"`
	RedisWaitReplicas int         `env:"REDIS_WAIT_REPLICAS" envDefault:"0" want:"a whole number from 0 up" example:"1"`
	DataDir           string      `env:"DATA_DIR" envDefault:"./data"`
	MasterKeys        secret.Text `env:"MASTER_KEYS" want:"name:base64(32 bytes)[,older…]"`
	AuditKeep         Age         `env:"AUDIT_KEEP" envDefault:"400d" want:"a number of days, or a duration of at least an hour" example:"400d"`

	// Bots and providers.
	BotsDir          string `env:"BOTS_DIR"`
	ProvidersFile    string `env:"PROVIDERS_FILE"`
	ProviderNetworks string `env:"PROVIDER_NETWORKS" want:"a comma-separated list of public, private, loopback and CIDRs" example:"public,10.1.0.0/16"`
	DiscoverLocal    string `env:"DISCOVER_LOCAL" envDefault:"auto" oneof:"auto,off"`

	// Platforms.
	Platforms map[string]string `env:"-"` // the values of their Variables, by name

	// Built-in providers: setting the variable enables the provider.
	OpenAIKey         secret.Text `env:"OPENAI_API_KEY"`
	AnthropicKey      secret.Text `env:"ANTHROPIC_API_KEY"`
	GeminiKey         secret.Text `env:"GEMINI_API_KEY"`
	XAIKey            secret.Text `env:"XAI_API_KEY"`
	OpenRouterKey     secret.Text `env:"OPENROUTER_API_KEY"`
	DeepSeekKey       secret.Text `env:"DEEPSEEK_API_KEY"`
	GroqKey           secret.Text `env:"GROQ_API_KEY"`
	MistralKey        secret.Text `env:"MISTRAL_API_KEY"`
	CloudflareToken   secret.Text `env:"CLOUDFLARE_API_TOKEN"`
	CloudflareAccount string      `env:"CLOUDFLARE_ACCOUNT_ID"`
	OllamaHost        string      `env:"OLLAMA_HOST"`

	// Traces, with OpenTelemetry's variable names.
	OTLPEndpoint string      `env:"OTEL_EXPORTER_OTLP_ENDPOINT" want:"an http or https URL" example:"http://127.0.0.1:4318"`
	OTLPProtocol string      `env:"OTEL_EXPORTER_OTLP_PROTOCOL" envDefault:"http/protobuf"`
	OTLPHeaders  secret.Text `env:"OTEL_EXPORTER_OTLP_HEADERS" want:"name=value pairs separated by commas"`
	ServiceName  string      `env:"OTEL_SERVICE_NAME" envDefault:"parley"`

	// HTTPAddrGiven is set if HTTP_ADDR was set: then the server must not use
	// another port.
	HTTPAddrGiven bool `env:"-"`
}

// Operator holds additional settings for the verbs that talk to a running
// server.
type Operator struct {
	URL string `env:"PARLEY_URL" want:"an http or https URL" example:"https://parley.example.com"`
}

// Loopback reports whether only this machine can reach HTTP_ADDR.
func (c Config) Loopback() bool { return loopback(c.HTTPAddr) }

// Embedded reports whether the embedded store is used.
func (c Config) Embedded() bool { return c.RedisURL.IsZero() }

// PlaygroundServed reports whether the playground is enabled.
func (c Config) PlaygroundServed() bool {
	return c.Playground == "on" || (c.Playground == "auto" && c.Loopback())
}

// Level is LOG_LEVEL as a slog level.
func (c Config) Level() slog.Level {
	var l slog.Level
	_ = l.UnmarshalText([]byte(c.LogLevel)) // cannot fail: checked by Load
	return l
}

// loopback accepts "localhost" and loopback addresses. It does not trust other
// names, because they may resolve differently while the server runs.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
