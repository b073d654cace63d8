// LiteLLM's config.yaml: the model_list. Every server in it becomes one
// provider with the models it serves. Fields:
// https://docs.litellm.ai/docs/proxy/configs

package importer

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"parley/internal/provider"
)

// server groups the entries of one server, key and set of headers.
type server struct {
	provider provider.Provider
	notes    []string
}

// liteLLM is what is read of one config.yaml.
type liteLLM struct {
	*reader
	credentials map[string]map[string]any
	servers     map[string]*server
	order       []string // keys of servers, as they came
}

func (in *reader) liteLLM(root any) error {
	m, _ := root.(map[string]any)
	list, ok := m["model_list"].([]any)
	if !ok {
		return errors.New("the file has no list model_list")
	}
	in.environment(child(m, "environment_variables"))
	l := &liteLLM{reader: in, credentials: map[string]map[string]any{}, servers: map[string]*server{}}
	named, _ := m["credential_list"].([]any)
	for _, e := range named {
		entry, _ := e.(map[string]any)
		l.credentials[text(entry["credential_name"])] = child(entry, "credential_values")
	}
	for i, e := range list {
		entry, _ := e.(map[string]any)
		name := text(entry["model_name"])
		if name == "" {
			name = fmt.Sprintf("model_list[%d]", i)
		}
		l.entry(name, entry)
	}
	for _, key := range l.order {
		s := l.servers[key]
		slices.Sort(s.notes)
		in.add(s.provider.Name, s.provider, slices.Compact(s.notes))
	}
	if more := m["include"]; more != nil {
		in.skip("include", "files that are included are not read; import each of them")
	}
	return nil
}

// environment adds variables that a file brings along itself.
func (in *reader) environment(own map[string]any) {
	outside := in.getenv
	in.getenv = func(name string) string {
		if v := text(own[name]); v != "" && !strings.HasPrefix(v, "os.environ/") {
			return v
		}
		return outside(name)
	}
}

// target is the model that an entry names.
type target struct {
	kind  string // the service's prefix
	model string // what the service calls the model; a pattern: all it lists
	service
}

func (t target) wildcard() bool { return strings.Contains(t.model, "*") }

func (l *liteLLM) entry(name string, entry map[string]any) {
	params, err := l.params(child(entry, "litellm_params"))
	if err != nil {
		l.skip(name, "%s", err)
		return
	}
	t, err := l.target(name, entry, params)
	if err != nil {
		l.skip(name, "%s", err)
		return
	}
	endpoint, err := l.endpoint(t, params)
	if err != nil {
		l.skip(name, "%s", err)
		return
	}
	s := l.server(t, endpoint, params)
	for _, note := range leftOut(params, "model", "api_base", "base_url", "api_key", "api_version", "custom_llm_provider", "extra_headers", "organization",
		"litellm_credential_name", "input_cost_per_token", "output_cost_per_token", "rpm", "tpm", "timeout", "stream_timeout", "max_retries", "weight", "order") {
		s.notes = append(s.notes, name+": "+note)
	}
	models := &s.provider.Models
	switch known := models.Find(t.model); {
	case t.wildcard() && t.model != "*":
		models.Discover = true
		s.notes = append(s.notes, fmt.Sprintf("%s: the pattern %s has no place here; all models that the endpoint lists are offered", name, t.model))
	case t.wildcard():
		models.Discover = true
	case known != nil:
		l.skip(name, "it is the model %s of the same server, which is taken as %s", t.model, known.Name)
	default:
		m, note := liteLLMModel(t.model, name, entry, params)
		models.List = append(models.List, m)
		s.notes = append(s.notes, note...)
	}
}

// params are an entry's, with the values of the credential that it names.
func (l *liteLLM) params(own map[string]any) (map[string]any, error) {
	name := text(own["litellm_credential_name"])
	if name == "" {
		return own, nil
	}
	values, ok := l.credentials[name]
	if !ok {
		return nil, fmt.Errorf("its credential %q is not in credential_list%s", name, didYouMean(name, slices.Collect(maps.Keys(l.credentials))))
	}
	out := maps.Clone(values)
	if out == nil {
		out = map[string]any{}
	}
	maps.Copy(out, own)
	return out, nil
}

// target reads which model of which service an entry is, or why it is none that
// can be taken.
func (l *liteLLM) target(name string, entry, params map[string]any) (target, error) {
	model := text(params["model"])
	if model == "" {
		return target{}, errors.New("it has no litellm_params.model")
	}
	if model == "*" {
		return target{}, errors.New(`"*" is every model of every service; name the services, as in openai/*`)
	}
	mode := text(child(entry, "model_info")["mode"])
	if mode != "" && mode != "chat" {
		return target{}, fmt.Errorf("its mode is %q, not chat", mode)
	}
	kind, id := split(model, text(params["custom_llm_provider"]))
	t := target{kind: kind, model: id}
	var known bool
	if t.service, known = services[kind]; !known {
		switch {
		case translated[kind]:
			return t, fmt.Errorf("LiteLLM asks %q in another format than chat completions; register your LiteLLM proxy as a provider instead", kind)
		case base(params) == "":
			return t, fmt.Errorf("parley does not know where %q is%s; give the entry an api_base that speaks chat completions", kind, didYouMean(kind, slices.Collect(maps.Keys(services))))
		}
	}
	if rest, ok := strings.CutPrefix(t.model, "responses/"); ok {
		return t, fmt.Errorf("%s is asked through the responses API, not chat completions", rest)
	}
	for _, series := range []string{"o_series/", "gpt5_series/"} {
		t.model = strings.TrimPrefix(t.model, series) // a hint for LiteLLM
	}
	if kind == "fireworks_ai" && !t.wildcard() && !strings.HasPrefix(t.model, "accounts/") && !strings.Contains(t.model, "#") {
		t.model = "accounts/fireworks/models/" + t.model
	}
	if mode == "" && otherwise.MatchString(t.model) {
		return t, errors.New("its name says that it is no chat model; if it is one, give it model_info.mode: chat")
	}
	return t, nil
}

// otherwise matches the names of models that do not chat.
var otherwise = regexp.MustCompile(`(?i)(?:^|[-_/])(?:text-embedding|embeddings?|embed|whisper|tts|dall-e|gpt-image|rerank(?:er)?|moderation|transcribe)(?:$|[-_/.])`)

// split splits LiteLLM's "prefix/model".
func split(model, given string) (kind, id string) {
	if given != "" {
		return given, strings.TrimPrefix(model, given+"/")
	}
	kind, id, ok := strings.Cut(model, "/")
	if !ok {
		return "openai", model // LiteLLM's own default for bare names
	}
	return kind, id
}

// base is an entry's base URL as it is written.
func base(params map[string]any) string {
	if b := text(params["api_base"]); b != "" {
		return b
	}
	return text(params["base_url"])
}

// endpoint is the full URL that an entry is asked at.
func (l *liteLLM) endpoint(t target, params map[string]any) (string, error) {
	given := base(params)
	if name := bases[t.kind]; given == "" && name != "" && l.getenv(name) != "" {
		given = l.getenv(name)
	}
	if given == "" {
		given = t.service.endpoint()
		if given == "" {
			return "", fmt.Errorf("it has no api_base, and parley knows no address of %q", t.kind)
		}
	}
	at, missing := l.expand(given)
	if len(missing) > 0 {
		return "", fmt.Errorf("api_base: %s is not set here", strings.Join(missing, ", "))
	}
	if t.kind == "azure" || t.kind == "azure_ai" {
		return l.azure(t, at, params)
	}
	if base(params) == "" && given == t.service.endpoint() {
		return at, nil
	}
	switch t.kind {
	case "ollama", "ollama_chat", "huggingface":
		if !strings.Contains(at, "/v1") {
			at = below(at, "v1") // LiteLLM adds it, or speaks Ollama's own API there
		}
	case "anthropic", "gemini":
		known := t.service.endpoint()
		if host(at) != host(known) {
			return "", fmt.Errorf("api_base of %q is for that service's own format", t.kind)
		}
		return known, nil
	}
	return chatURL(at), nil
}

// azure is a deployment's URL on Azure OpenAI, or a model's on Azure AI.
func (l *liteLLM) azure(t target, at string, params map[string]any) (string, error) {
	version, missing := l.expand(text(params["api_version"]))
	if len(missing) > 0 {
		return "", fmt.Errorf("api_version: %s is not set here", strings.Join(missing, ", "))
	}
	u, err := url.Parse(at)
	if err != nil {
		return "", errors.New("api_base is no valid URL") // which may hold a key: it is not quoted
	}
	u.Path = strings.TrimRight(u.Path, "/")
	at = u.String()
	switch onOpenAI := t.kind == "azure"; {
	case strings.Contains(u.Path, "/anthropic"):
		return "", errors.New("api_base is for Anthropic's own format")
	case strings.HasSuffix(u.Path, "/v1") || strings.HasSuffix(u.Path, "/chat/completions") && !onOpenAI:
		return chatURL(at), nil
	case t.wildcard() && onOpenAI:
		return "", errors.New("Azure lists no deployments; name each of them")
	case strings.Contains(u.Path, "/openai/deployments/"):
		return versioned(chatURL(at), version, "2024-10-21"), nil
	case onOpenAI:
		return versioned(below(at, "openai/deployments/"+url.PathEscape(t.model)+"/chat/completions"), version, "2024-10-21"), nil
	case strings.HasSuffix(u.Hostname(), ".services.ai.azure.com"):
		u.Path = strings.TrimSuffix(u.Path, "/models")
		return versioned(below(u.String(), "models/chat/completions"), version, "2024-05-01-preview"), nil
	}
	return below(at, "v1/chat/completions"), nil
}

// versioned adds Azure's api-version where a URL has none.
func versioned(at, version, usual string) string {
	u, err := url.Parse(at)
	if err != nil || u.Query().Has("api-version") {
		return at
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "api-version=" + url.QueryEscape(cmp.Or(version, usual))
	return u.String()
}

func host(at string) string {
	u, err := url.Parse(at)
	if err != nil {
		return ""
	}
	return u.Host
}

// server is the one that an entry belongs to, made where there is none yet.
func (l *liteLLM) server(t target, endpoint string, params map[string]any) *server {
	key := text(params["api_key"])
	if key == "" {
		key = l.implied(t, base(params) != "", endpoint)
	}
	headers := maps.Clone(child(params, "extra_headers"))
	if o := text(params["organization"]); o != "" {
		if headers == nil {
			headers = map[string]any{}
		}
		headers["OpenAI-Organization"] = o
	}
	group := endpoint + "\x00" + key
	for _, name := range sortedKeys(headers) {
		group += "\x00" + strings.ToLower(name) + "\x00" + text(headers[name])
	}
	if s, ok := l.servers[group]; ok {
		return s
	}
	title := serverName(t, endpoint)
	s := &server{provider: provider.Provider{ID: l.id(title), Name: title, Endpoint: endpoint}}
	if t.kind == "azure" {
		s.provider.Preset = "azure"
	}
	s.provider.APIKey, s.notes = l.secret("apiKey", key)
	var more []string
	s.provider.ExtraHeaders, more = l.headers(headers)
	s.notes = append(s.notes, more...)
	if i := slices.IndexFunc(l.order, func(other string) bool { return l.servers[other].provider.Name == title }); i >= 0 {
		s.notes = append(s.notes, fmt.Sprintf("it differs from %s in its address, key or headers; --id %s=NEW gives it another id", l.servers[l.order[i]].provider.ID, s.provider.ID))
	}
	if _, known := services[t.kind]; !known {
		s.notes = append(s.notes, fmt.Sprintf("parley does not know %q; whether it speaks chat completions at api_base, parley provider test tells", t.kind))
	}
	l.taken[s.provider.ID] = true
	l.servers[group] = s
	l.order = append(l.order, group)
	return s
}

// implied is where LiteLLM takes a service's key from when an entry has none. A
// key of a service with an address of its own is for that server only.
func (l *liteLLM) implied(t target, given bool, endpoint string) string {
	own := t.service.endpoint()
	if given && own != "" && host(own) != host(endpoint) {
		return ""
	}
	names := t.service.keyNames()
	for _, name := range names {
		if l.getenv(name) != "" {
			return "os.environ/" + name
		}
	}
	if len(names) == 0 || given && own == "" { // there it may need none
		return ""
	}
	return "os.environ/" + names[0]
}

// liteLLMModel is one entry's model; LiteLLM counts USD per token. Half a price is
// none: what is not known is not free.
func liteLLMModel(id, name string, entry, params map[string]any) (m provider.Model, notes []string) {
	info := child(entry, "model_info")
	m = provider.Model{ID: id, Name: name}
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
	switch {
	case ok1 && ok2:
		m.Pricing = &provider.Pricing{Input: perMillion(in), Output: perMillion(out)}
	case ok1 || ok2:
		notes = []string{name + ": only one of input_cost_per_token and output_cost_per_token is a number, so its price is left out"}
	}
	return m, notes
}

// perMillion keeps prices free of binary fractions' tails.
func perMillion(perToken float64) float64 {
	var f float64
	_, _ = fmt.Sscan(fmt.Sprintf("%.9g", perToken*1e6), &f)
	return f
}

// serverName is the service at its own endpoint, else the host: it is what
// people know a server by.
func serverName(t target, endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || host(t.service.endpoint()) == u.Host {
		return t.kind
	}
	return u.Host
}
