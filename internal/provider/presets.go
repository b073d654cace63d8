// The services that parley knows by name, one row each. No other code depends
// on a service.

package provider

import (
	"net/url"
	"slices"
	"strings"

	"parley/internal/secret"
)

// Preset is what parley knows about a service besides its endpoint. The zero
// value is OpenAI's behavior.
type Preset struct {
	Name     string // for a record's "preset"
	Title    string // for people
	Docs     string // its documentation
	Endpoint string // default endpoint; {A} is filled in from variable A
	Model    string // default model of a built-in; empty: the endpoint's first
	Key      string // environment variable of a built-in's key; empty: no built-in

	// Hosts recognize the service: a host ("api.groq.com"), a host suffix
	// (".openai.azure.com"), or a port on any host (":11434").
	Hosts []string

	KeyHeader string   // header that carries the key; empty: Authorization: Bearer
	Quirks    Quirks   // what its requests need
	NoModels  bool     // it has no list of models
	Local     []string // loopback addresses it listens on by default
}

var presets = []Preset{
	// Hosted services.
	{Name: "openai", Title: "OpenAI", Docs: "https://platform.openai.com/docs/api-reference/chat", Endpoint: "https://api.openai.com/v1/chat/completions",
		Model: "gpt-5.4-mini", Key: "OPENAI_API_KEY", Hosts: []string{"api.openai.com", "eu.api.openai.com"},
		Quirks: Quirks{Rename: map[string]string{"max_tokens": "max_completion_tokens"}}},
	{Name: "anthropic", Title: "Anthropic", Docs: "https://docs.claude.com/en/api/openai-sdk", Endpoint: "https://api.anthropic.com/v1/chat/completions",
		Model: "claude-sonnet-4-6", Key: "ANTHROPIC_API_KEY", Hosts: []string{"api.anthropic.com"},
		Quirks: Quirks{Max: map[string]float64{"temperature": 1}}},
	{Name: "gemini", Title: "Google Gemini", Docs: "https://ai.google.dev/gemini-api/docs/openai", Endpoint: "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
		Model: "gemini-flash-latest", Key: "GEMINI_API_KEY", Hosts: []string{"generativelanguage.googleapis.com"}},
	{Name: "xai", Title: "xAI", Docs: "https://docs.x.ai/docs/api-reference", Endpoint: "https://api.x.ai/v1/chat/completions",
		Model: "grok-4.3", Key: "XAI_API_KEY", Hosts: []string{"api.x.ai"},
		Quirks: Quirks{Rename: map[string]string{"max_tokens": "max_completion_tokens"}}},
	{Name: "openrouter", Title: "OpenRouter", Docs: "https://openrouter.ai/docs/api-reference/overview", Endpoint: "https://openrouter.ai/api/v1/chat/completions",
		Model: "openrouter/auto", Key: "OPENROUTER_API_KEY", Hosts: []string{"openrouter.ai"}},
	{Name: "deepseek", Title: "DeepSeek", Docs: "https://api-docs.deepseek.com", Endpoint: "https://api.deepseek.com/v1/chat/completions",
		Model: "deepseek-v4-flash", Key: "DEEPSEEK_API_KEY", Hosts: []string{"api.deepseek.com"}},
	{Name: "groq", Title: "Groq", Docs: "https://console.groq.com/docs/openai", Endpoint: "https://api.groq.com/openai/v1/chat/completions",
		Model: "openai/gpt-oss-120b", Key: "GROQ_API_KEY", Hosts: []string{"api.groq.com"}},
	{Name: "mistral", Title: "Mistral", Docs: "https://docs.mistral.ai/api", Endpoint: "https://api.mistral.ai/v1/chat/completions",
		Model: "mistral-small-latest", Key: "MISTRAL_API_KEY", Hosts: []string{"api.mistral.ai", "codestral.mistral.ai"},
		Quirks: Quirks{Drop: []string{"stream_options"}}},
	{Name: "cloudflare", Title: "Cloudflare Workers AI", Docs: "https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility", Endpoint: "https://api.cloudflare.com/client/v4/accounts/{CLOUDFLARE_ACCOUNT_ID}/ai/v1/chat/completions",
		Model: "@cf/meta/llama-3.3-70b-instruct-fp8-fast", Key: "CLOUDFLARE_API_TOKEN", Hosts: []string{"api.cloudflare.com"}, NoModels: true},
	{Name: "azure", Title: "Azure OpenAI", Docs: "https://learn.microsoft.com/azure/ai-services/openai/reference", Endpoint: "https://{RESOURCE}.openai.azure.com/openai/deployments/{DEPLOYMENT}/chat/completions?api-version=2024-10-21",
		Hosts: []string{".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com"}, KeyHeader: "api-key", NoModels: true},

	// Servers that teams run themselves.
	{Name: "ollama", Title: "Ollama", Docs: "https://docs.ollama.com/openai", Endpoint: "http://127.0.0.1:11434/v1/chat/completions",
		Hosts: []string{":11434"}, Local: []string{"127.0.0.1:11434"}},
	{Name: "lmstudio", Title: "LM Studio", Docs: "https://lmstudio.ai/docs/app/api/endpoints/openai", Endpoint: "http://127.0.0.1:1234/v1/chat/completions",
		Hosts: []string{":1234"}, Local: []string{"127.0.0.1:1234"}},
	{Name: "llamacpp", Title: "llama.cpp server", Docs: "https://github.com/ggml-org/llama.cpp/tree/master/tools/server", Endpoint: "http://127.0.0.1:8080/v1/chat/completions",
		Local: []string{"127.0.0.1:8080"}},
	{Name: "localai", Title: "LocalAI", Docs: "https://localai.io/features/text-generation", Endpoint: "http://127.0.0.1:8080/v1/chat/completions"},
	{Name: "vllm", Title: "vLLM", Docs: "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html", Endpoint: "http://127.0.0.1:8000/v1/chat/completions",
		Local: []string{"127.0.0.1:8000"}},
	{Name: "jan", Title: "Jan", Docs: "https://jan.ai/docs/api-server", Endpoint: "http://127.0.0.1:1337/v1/chat/completions",
		Hosts: []string{":1337"}, Local: []string{"127.0.0.1:1337"}},
	{Name: "tgi", Title: "Text Generation Inference", Docs: "https://huggingface.co/docs/text-generation-inference/messages_api", Endpoint: "http://127.0.0.1:3000/v1/chat/completions",
		Hosts:  []string{".endpoints.huggingface.cloud"},
		Quirks: Quirks{Min: map[string]float64{"temperature": 0.01, "top_p": 0.01}, Max: map[string]float64{"top_p": 0.99}},
		Local:  []string{"127.0.0.1:3000"}},
	{Name: "litellm", Title: "LiteLLM", Docs: "https://docs.litellm.ai/docs/proxy/user_keys", Endpoint: "http://127.0.0.1:4000/v1/chat/completions",
		Hosts: []string{":4000"}, Local: []string{"127.0.0.1:4000"}},
}

// Presets returns all rows of the table.
func Presets() []Preset { return slices.Clone(presets) }

// PresetNamed returns a row of the table by its name.
func PresetNamed(name string) (Preset, bool) {
	i := slices.IndexFunc(presets, func(p Preset) bool { return p.Name == name })
	if i < 0 {
		return Preset{}, false
	}
	return presets[i], true
}

// PresetNames lists the names of all presets.
func PresetNames() []string {
	names := make([]string, len(presets))
	for i, p := range presets {
		names[i] = p.Name
	}
	return names
}

// Recognize returns the preset of p: the one it names, else the one that its
// endpoint's host matches, else the zero Preset.
func Recognize(p Provider) Preset {
	if preset, ok := PresetNamed(p.Preset); ok {
		return preset
	}
	u, err := url.Parse(p.Endpoint)
	if err != nil {
		return Preset{}
	}
	for _, preset := range presets {
		for _, h := range preset.Hosts {
			if matchHost(u, h) {
				return preset
			}
		}
	}
	return Preset{}
}

func matchHost(u *url.URL, pattern string) bool {
	host := strings.ToLower(u.Hostname())
	switch pattern[0] {
	case ':':
		return ":"+u.Port() == pattern
	case '.':
		return strings.HasSuffix(host, pattern)
	}
	return host == pattern
}

// Builtins returns the providers with their environment variables set. It does
// not include Ollama: see completion.Client.Ollama.
func Builtins(getenv func(string) string) []Provider {
	var out []Provider
	for _, preset := range presets {
		if preset.Key == "" {
			continue
		}
		key := strings.TrimSpace(getenv(preset.Key))
		endpoint, filled := fill(preset.Endpoint, getenv)
		if key == "" || !filled {
			continue
		}
		p := Provider{
			ID: preset.Name, Name: preset.Title, Endpoint: endpoint, APIKey: secret.New(key), Preset: preset.Name,
			Models: Models{List: []Model{{ID: preset.Model, Name: preset.Model}}},
		}
		p.Normalize()
		out = append(out, p)
	}
	return out
}

// fill replaces {NAME} in an endpoint with the variable of that name.
func fill(endpoint string, getenv func(string) string) (string, bool) {
	before, rest, found := strings.Cut(endpoint, "{")
	if !found {
		return endpoint, true
	}
	name, after, _ := strings.Cut(rest, "}")
	value := strings.TrimSpace(getenv(name))
	if value == "" {
		return "", false
	}
	return before + url.PathEscape(value) + after, true
}
