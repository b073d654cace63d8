package provider

import (
	"net/url"
	"strings"
	"testing"
)

func TestServicesAreRecognisedFromTheirURL(t *testing.T) {
	for endpoint, want := range map[string]string{
		"https://api.openai.com/v1/chat/completions":                                                   "openai",
		"https://API.OPENAI.COM/v1/chat/completions":                                                   "openai",
		"https://api.anthropic.com/v1/chat/completions":                                                "anthropic",
		"https://generativelanguage.googleapis.com/v1beta/openai/chat/completions":                     "gemini",
		"https://api.x.ai/v1/chat/completions":                                                         "xai",
		"https://openrouter.ai/api/v1/chat/completions":                                                "openrouter",
		"https://api.deepseek.com/chat/completions":                                                    "deepseek",
		"https://api.groq.com/openai/v1/chat/completions":                                              "groq",
		"https://api.mistral.ai/v1/chat/completions":                                                   "mistral",
		"https://api.cloudflare.com/client/v4/accounts/a/ai/v1/chat/completions":                       "cloudflare",
		"https://corp.openai.azure.com/openai/deployments/gpt/chat/completions?api-version=2024-10-21": "azure",
		"http://127.0.0.1:11434/v1/chat/completions":                                                   "ollama",
		"http://gpu.lan:1234/v1/chat/completions":                                                      "lmstudio",
		"http://gpu.lan:4000/v1/chat/completions":                                                      "litellm",
		"https://x.endpoints.huggingface.cloud/v1/chat/completions":                                    "tgi",
		"https://gateway.corp/v1/chat/completions":                                                     "",
		"https://api.openai.com.evil.example/v1/chat/completions":                                      "",
		"https://notopenai.azure.com.example/openai/deployments/gpt/chat/completions":                  "",
		"http://127.0.0.1:8080/v1/chat/completions":                                                    "", // llama.cpp's and LocalAI's: only the answer tells
	} {
		if got := Recognize(Provider{Endpoint: endpoint}).Name; got != want {
			t.Errorf("%s: %q, want %q", endpoint, got, want)
		}
	}
	if got := Recognize(Provider{Preset: "azure", Endpoint: "https://api.openai.com/v1/chat/completions"}).Name; got != "azure" {
		t.Errorf("what the record says goes first: %q", got)
	}
}

func TestEveryServiceOfTheListHasAPreset(t *testing.T) {
	for name := range strings.FieldsSeq("litellm localai vllm tgi ollama llamacpp jan lmstudio cloudflare azure openai anthropic gemini xai openrouter deepseek groq mistral") {
		p, ok := PresetNamed(name)
		if !ok {
			t.Errorf("%s has no preset", name)
			continue
		}
		docs, err := url.Parse(p.Docs)
		if err != nil || docs.Scheme != "https" || p.Title == "" || !strings.Contains(p.Endpoint, "/chat/completions") {
			t.Errorf("%s is incomplete: %+v", name, p)
		}
		if p.Key != "" && p.Model == "" {
			t.Errorf("%s is built in and names no default model", name)
		}
	}
}

func TestQuirksAddUp(t *testing.T) {
	a := Quirks{Drop: []string{"stop"}, Rename: map[string]string{"max_tokens": "max_completion_tokens"}, Max: map[string]float64{"temperature": 2}}
	b := Quirks{Drop: []string{"stop", "seed"}, Max: map[string]float64{"temperature": 1}, Min: map[string]float64{"top_p": 0.1}}
	if got := a.With(b).String(); got != "without stop; without seed; max_tokens as max_completion_tokens; top_p at least 0.1; temperature at most 1" {
		t.Error(got)
	}
	if len(a.Drop) != 1 || a.Max["temperature"] != 2 {
		t.Error("With changed its receiver")
	}
	if !(Quirks{}).With(Quirks{}).IsZero() {
		t.Error("nothing and nothing is nothing")
	}
}

func TestOllamaHostIsReadAsOllamaDoes(t *testing.T) {
	for host, want := range map[string]string{
		"": "http://127.0.0.1:11434", "0.0.0.0": "http://127.0.0.1:11434", ":8000": "http://127.0.0.1:8000", "gpu": "http://gpu:11434", "gpu:99": "http://gpu:99",
		"http://gpu": "http://gpu", "https://gpu/": "https://gpu", "http://gpu:1/sub/": "http://gpu:1/sub", "[::1]:5": "http://[::1]:5", "[::]": "http://127.0.0.1:11434", `"gpu"`: "http://gpu:11434",
	} {
		if got := ollamaEndpoint(host); got != want+"/v1/chat/completions" {
			t.Errorf("OLLAMA_HOST=%s: %s, want %s…", host, got, want)
		}
	}
}
