// LiteLLM's config.yaml: the model_list. Every server in it becomes one
// provider with the models it serves. Fields:
// https://docs.litellm.ai/docs/proxy/configs

package importer

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"parley/internal/provider"
	"parley/internal/secret"
)

// compatible are LiteLLM's prefixes for servers that speak chat completions at
// api_base, and the preset whose endpoint is meant when there is no api_base.
var compatible = map[string]string{
	"openai": "openai", "custom_openai": "", "openai_like": "", "hosted_vllm": "", "litellm_proxy": "", "lm_studio": "lmstudio", "llamafile": "",
	"xai": "xai", "openrouter": "openrouter", "deepseek": "deepseek", "groq": "groq", "mistral": "mistral",
	"anthropic": "anthropic", "gemini": "gemini", "ollama": "ollama", "ollama_chat": "ollama", "azure": "azure",
}

// server groups the entries of one server and key.
type server struct {
	provider provider.Provider
	notes    []string
}

func (in *reader) liteLLM(root any) error {
	m, _ := root.(map[string]any)
	list, ok := m["model_list"].([]any)
	if !ok {
		return errors.New("the file has no list model_list")
	}
	servers := map[string]*server{}
	var order []string
	for i, e := range list {
		entry, _ := e.(map[string]any)
		name := text(entry["model_name"])
		if name == "" {
			name = fmt.Sprintf("model_list[%d]", i)
		}
		in.liteLLMEntry(name, entry, servers, &order)
	}
	for _, key := range order {
		s := servers[key]
		slices.Sort(s.notes)
		in.add(s.provider.Name, s.provider, slices.Compact(s.notes))
	}
	return nil
}

func (in *reader) liteLLMEntry(name string, entry map[string]any, servers map[string]*server, order *[]string) {
	params := child(entry, "litellm_params")
	model := text(params["model"])
	if model == "" {
		in.skip(name, "it has no litellm_params.model")
		return
	}
	if mode := text(child(entry, "model_info")["mode"]); mode != "" && mode != "chat" {
		in.skip(name, "its mode is %q, not chat", mode)
		return
	}
	kind, id := service(model, text(params["custom_llm_provider"]))
	preset, ok := compatible[kind]
	if !ok {
		in.skip(name, "%q is a service that does not speak chat completions itself; register your LiteLLM proxy as a provider instead", kind)
		return
	}
	endpoint, err := in.liteLLMEndpoint(kind, preset, id, params)
	if err != nil {
		in.skip(name, "%s", err)
		return
	}
	key, notes := in.secret("apiKey", text(params["api_key"]))
	group := endpoint + "\x00" + text(params["api_key"])
	s, ok := servers[group]
	if !ok {
		title := serverName(kind, endpoint)
		s = &server{provider: provider.Provider{ID: in.id(title), Name: title, Endpoint: endpoint}}
		if kind == "azure" {
			s.provider.Preset = "azure"
		}
		s.provider.APIKey = key
		s.provider.ExtraHeaders, s.notes = in.headers(child(params, "extra_headers"))
		in.taken[s.provider.ID] = true
		servers[group] = s
		*order = append(*order, group)
	}
	s.notes = append(s.notes, notes...)
	for _, note := range leftOut(params, "model", "api_base", "base_url", "api_key", "api_version", "custom_llm_provider", "extra_headers", "input_cost_per_token", "output_cost_per_token",
		"rpm", "tpm", "timeout", "stream_timeout", "max_retries", "weight", "order") {
		s.notes = append(s.notes, name+": "+note)
	}
	if s.provider.Models.Find(id) == nil {
		s.provider.Models.List = append(s.provider.Models.List, liteLLMModel(id, name, entry, params))
	}
}

// service splits LiteLLM's "prefix/model".
func service(model, given string) (kind, id string) {
	if given != "" {
		return given, strings.TrimPrefix(model, given+"/")
	}
	kind, id, ok := strings.Cut(model, "/")
	if !ok {
		return "openai", model // LiteLLM's own default for bare names
	}
	return kind, id
}

func (in *reader) liteLLMEndpoint(kind, preset, model string, params map[string]any) (string, error) {
	base := text(params["api_base"])
	if base == "" {
		base = text(params["base_url"])
	}
	base, missing := in.expand(base)
	if len(missing) > 0 {
		return "", fmt.Errorf("api_base: %s is not set here", strings.Join(missing, ", "))
	}
	switch {
	case kind == "azure":
		if base == "" {
			return "", errors.New("an Azure model needs api_base")
		}
		version, _ := in.expand(text(params["api_version"]))
		if version == "" {
			version = "2024-10-21"
		}
		return strings.TrimRight(base, "/") + "/openai/deployments/" + url.PathEscape(model) + "/chat/completions?api-version=" + url.QueryEscape(version), nil
	case base == "":
		p, ok := provider.PresetNamed(preset)
		if !ok || preset == "" {
			return "", errors.New("it has no api_base")
		}
		return p.Endpoint, nil
	case strings.HasPrefix(kind, "ollama") && !strings.Contains(base, "/v1"):
		base = strings.TrimRight(base, "/") + "/v1" // LiteLLM speaks Ollama's own API there
	case kind == "anthropic" || kind == "gemini":
		return "", fmt.Errorf("api_base of %q is for that service's own format", kind)
	}
	return chatURL(base), nil
}

func (in *reader) headers(m map[string]any) (map[string]secret.Text, []string) {
	var out map[string]secret.Text
	var notes []string
	for _, name := range sortedKeys(m) {
		value, more := in.secret("header "+name, text(m[name]))
		notes = append(notes, more...)
		if len(more) == 0 {
			if out == nil {
				out = map[string]secret.Text{}
			}
			out[name] = value
		}
	}
	return out, notes
}

// liteLLMModel is one entry's model; LiteLLM counts USD per token.
func liteLLMModel(id, name string, entry, params map[string]any) provider.Model {
	info := child(entry, "model_info")
	m := provider.Model{ID: id, Name: name}
	if n, ok := number(info["max_input_tokens"]); ok {
		m.MaxInput = int(n)
	}
	m.Vision, _ = info["supports_vision"].(bool)
	price := func(field string) (float64, bool) {
		if n, ok := number(info[field]); ok {
			return n, true
		}
		return number(params[field])
	}
	in, ok1 := price("input_cost_per_token")
	out, ok2 := price("output_cost_per_token")
	if ok1 || ok2 {
		m.Pricing = &provider.Pricing{Input: perMillion(in), Output: perMillion(out)}
	}
	return m
}

// perMillion keeps prices free of binary fractions' tails.
func perMillion(perToken float64) float64 {
	var f float64
	_, _ = fmt.Sscan(fmt.Sprintf("%.9g", perToken*1e6), &f)
	return f
}

// serverName is the service at its own endpoint, else the host: it is what
// people know a server by.
func serverName(kind, endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return kind
	}
	if p, ok := provider.PresetNamed(compatible[kind]); ok && p.Endpoint == endpoint {
		return kind
	}
	return u.Host
}
