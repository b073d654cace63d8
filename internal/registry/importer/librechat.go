// LibreChat's librechat.yaml: endpoints.custom, one provider each. Fields:
// https://www.librechat.ai/docs/configuration/librechat_yaml/object_structure/custom_endpoint

package importer

import (
	"fmt"
	"slices"
	"strings"

	"parley/internal/provider"
)

// endpointNames are the endpoints that LibreChat knows.
var endpointNames = []string{
	"custom", "azureOpenAI", "openAI", "google", "anthropic", "bedrock", "agents", "assistants", "azureAssistants", "gptPlugins", "all",
}

// endpointFields are the fields of a custom endpoint: what parley has a place
// for, what only LibreChat's own pages need, and placeless.
var endpointFields = []string{
	"name", "apiKey", "baseURL", "models", "tokenConfig", "headers", "addParams", "dropParams", "modelDisplayLabel", "directEndpoint", "provider",
	"titleConvo", "titleModel", "titleMethod", "titleTiming", "titleEndpoint", "titlePrompt", "titlePromptTemplate", "titleMessageRole",
	"summarize", "summaryModel", "forcePrompt", "iconURL", "streamRate", "customParams", "maxContextTokens",
}

// placeless are fields of a custom endpoint that change its requests and have no
// place in a record.
var placeless = []string{"customParams", "maxContextTokens"}

// libreChatFile reports whether a file is LibreChat's: it has endpoints, which
// are no record of parley's.
func libreChatFile(m map[string]any) bool {
	_, ok := m["endpoints"].(map[string]any)
	return ok && child(m, "endpoints")["endpoint"] == nil
}

func (in *reader) libreChat(root any) error {
	m, _ := root.(map[string]any)
	endpoints, ok := m["endpoints"].(map[string]any)
	if !ok {
		return fmt.Errorf("the file has neither endpoints.custom nor endpoints.azureOpenAI%s", didYouMeanKey("endpoints", m))
	}
	for _, name := range sortedKeys(endpoints) {
		switch name {
		case "custom":
			in.libreChatCustom(endpoints[name])
		case "azureOpenAI":
			in.libreChatAzure(endpoints[name])
		default:
			if !slices.Contains(endpointNames, name) {
				in.skip("endpoints."+name, "LibreChat knows no such endpoint%s", didYouMean(name, endpointNames))
				continue
			}
			in.skip("endpoints."+name, "it names no server; only endpoints.custom and endpoints.azureOpenAI do")
		}
	}
	return nil
}

func (in *reader) libreChatCustom(value any) {
	list, ok := value.([]any)
	if !ok || len(list) == 0 {
		in.skip("endpoints.custom", "it is no list of endpoints")
	}
	for i, e := range list {
		entry, ok := e.(map[string]any)
		if !ok {
			in.skip(fmt.Sprintf("endpoints.custom[%d]", i), "it is no map")
			continue
		}
		in.libreChatEndpoint(entry)
	}
}

// didYouMeanKey names the key of m that was most likely meant to be name.
func didYouMeanKey(name string, m map[string]any) string {
	if key := nearest(name, sortedKeys(m)); key != "" && key != name {
		return fmt.Sprintf("; there is %q, and LibreChat reads only %q", key, name)
	}
	return ""
}

// misspelt notes the keys of m that LibreChat does not read and that are like
// one it does; rest are the keys that are neither.
func misspelt(m map[string]any, fields []string) (notes, rest []string) {
	for _, key := range sortedKeys(m) {
		if slices.Contains(fields, key) {
			continue
		}
		if meant := nearest(key, fields); meant != "" && m[meant] == nil {
			notes = append(notes, fmt.Sprintf("LibreChat reads no %q, so neither does parley; did you mean %q?", key, meant))
			continue
		}
		rest = append(rest, key)
	}
	return notes, rest
}

func (in *reader) libreChatEndpoint(m map[string]any) {
	name := text(m["name"])
	written := text(m["baseURL"])
	at, missing := in.expand(written)
	switch {
	case len(missing) > 0:
		in.skip(name, "baseURL: %s is not set here", strings.Join(missing, ", "))
		return
	case written == "user_provided":
		in.skip(name, "baseURL is given by each user, so there is no server to register")
		return
	case at == "":
		in.skip(name, "baseURL is missing%s", didYouMeanKey("baseURL", m))
		return
	case strings.EqualFold(text(m["provider"]), "anthropic"):
		in.skip(name, "it speaks Anthropic's own format, not chat completions")
		return
	}
	if text(m["directEndpoint"]) != "true" {
		at = chatURL(at)
	}
	p := provider.Provider{ID: in.id(name), Name: text(m["modelDisplayLabel"]), Endpoint: at, DropParams: texts(m["dropParams"])}
	if p.Name == "" {
		p.Name = name
	}
	notes := in.libreChatKey(&p, text(m["apiKey"]))
	var more []string
	p.ExtraHeaders, more = in.headers(child(m, "headers"))
	notes = append(notes, more...)
	if add := child(m, "addParams"); len(add) > 0 {
		p.AddParams = add
	}
	p.Models = libreChatModels(child(m, "models"), child(m, "tokenConfig"))
	more, rest := misspelt(m, endpointFields)
	notes = append(notes, more...)
	more, _ = misspelt(child(m, "models"), []string{"default", "fetch", "userIdQuery"})
	notes = append(notes, more...)
	if without := withoutPlace(m, rest); without != "" {
		notes = append(notes, without)
	}
	in.add(name, p, notes)
}

// withoutPlace notes the fields that LibreChat or somebody else reads and a
// record has no place for.
func withoutPlace(m map[string]any, unknown []string) string {
	left := slices.Clone(unknown)
	for _, key := range placeless {
		if m[key] != nil {
			left = append(left, key)
		}
	}
	if len(left) == 0 {
		return ""
	}
	slices.Sort(left)
	return "left out: " + strings.Join(left, ", ")
}

// libreChatKey puts an endpoint's key into p.
func (in *reader) libreChatKey(p *provider.Provider, key string) (notes []string) {
	switch key {
	case "":
	case "user_provided":
		notes = []string{"apiKey: it is given by each user; parley has one for all, so put the provider with it"}
	default:
		p.APIKey, notes = in.secret("apiKey", key)
	}
	return notes
}

// libreChatModels takes the default list and what tokenConfig knows of it:
// prices in USD per million tokens and the context length.
func libreChatModels(models, config map[string]any) provider.Models {
	var out provider.Models
	list, _ := models["default"].([]any)
	for _, e := range list {
		id := text(e)
		if m, ok := e.(map[string]any); ok {
			id = text(m["name"])
		}
		if id == "" || out.Find(id) != nil {
			continue
		}
		model := provider.Model{ID: id}
		known := child(config, id)
		if n, ok := number(known["context"]); ok {
			model.MaxInput = int(n)
		}
		prompt, ok1 := number(known["prompt"])
		completion, ok2 := number(known["completion"])
		if ok1 && ok2 {
			model.Pricing = &provider.Pricing{Input: prompt, Output: completion}
		}
		out.List = append(out.List, model)
	}
	if fetch, _ := models["fetch"].(bool); fetch {
		out.Discover = true
	}
	return out
}
