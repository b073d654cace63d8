// LibreChat's librechat.yaml: endpoints.custom. Fields:
// https://www.librechat.ai/docs/configuration/librechat_yaml/object_structure/custom_endpoint

package importer

import (
	"errors"
	"strings"

	"parley/internal/provider"
	"parley/internal/secret"
)

func (in *reader) libreChat(root any) error {
	m, _ := root.(map[string]any)
	custom, ok := child(m, "endpoints")["custom"].([]any)
	if !ok {
		return errors.New("the file has no list endpoints.custom")
	}
	for _, e := range custom {
		entry, _ := e.(map[string]any)
		in.libreChatEndpoint(entry)
	}
	for _, name := range sortedKeys(child(m, "endpoints")) {
		if name != "custom" {
			in.skip("endpoints."+name, "only endpoints.custom speaks for one server")
		}
	}
	return nil
}

func (in *reader) libreChatEndpoint(m map[string]any) {
	name := text(m["name"])
	base, missing := in.expand(text(m["baseURL"]))
	switch {
	case len(missing) > 0:
		in.skip(name, "baseURL: %s is not set here", strings.Join(missing, ", "))
		return
	case base == "" || base == "user_provided":
		in.skip(name, "baseURL is given by each user, so there is no server to register")
		return
	case strings.EqualFold(text(m["provider"]), "anthropic"):
		in.skip(name, "it speaks Anthropic's own format, not chat completions")
		return
	}
	if text(m["directEndpoint"]) != "true" {
		base = chatURL(base)
	}
	p := provider.Provider{ID: in.id(name), Name: text(m["modelDisplayLabel"]), Endpoint: base, DropParams: texts(m["dropParams"])}
	if p.Name == "" {
		p.Name = name
	}
	var notes []string
	if key := text(m["apiKey"]); key == "user_provided" {
		notes = append(notes, "apiKey: it is given by each user; parley has one for all, so put the provider with it")
	} else if key != "" {
		var more []string
		p.APIKey, more = in.secret("apiKey", key)
		notes = append(notes, more...)
	}
	for _, header := range sortedKeys(child(m, "headers")) {
		value := text(child(m, "headers")[header])
		if strings.Contains(value, "{{") {
			notes = append(notes, "header "+header+" names the person who asks; it is left out")
			continue
		}
		v, more := in.secret("header "+header, value)
		notes = append(notes, more...)
		if len(more) == 0 {
			if p.ExtraHeaders == nil {
				p.ExtraHeaders = map[string]secret.Text{}
			}
			p.ExtraHeaders[header] = v
		}
	}
	if add := child(m, "addParams"); len(add) > 0 {
		p.AddParams = add
	}
	p.Models = libreChatModels(child(m, "models"), child(m, "tokenConfig"))
	notes = append(notes, leftOut(m, "name", "provider", "apiKey", "baseURL", "models", "tokenConfig", "headers", "addParams", "dropParams",
		"modelDisplayLabel", "directEndpoint", "titleConvo", "titleModel", "titleMethod", "titleTiming", "titleEndpoint", "titlePrompt", "titlePromptTemplate",
		"summarize", "summaryModel", "forcePrompt", "iconURL")...)
	in.add(name, p, notes)
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
