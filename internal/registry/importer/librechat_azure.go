// LibreChat's endpoints.azureOpenAI: groups of deployments, one provider for each
// address. Fields:
// https://www.librechat.ai/docs/configuration/librechat_yaml/object_structure/azure_openai

package importer

import (
	"fmt"
	"net/url"
	"strings"

	"parley/internal/provider"
)

var (
	groupFields = []string{
		"group", "apiKey", "instanceName", "deploymentName", "version", "baseURL", "serverless", "models", "additionalHeaders", "addParams", "dropParams",
		"assistants", "forcePrompt",
	}
	deploymentFields = []string{"deploymentName", "version", "assistants"}
)

func (in *reader) libreChatAzure(value any) {
	m, _ := value.(map[string]any)
	groups, ok := m["groups"].([]any)
	if !ok || len(groups) == 0 {
		in.skip("endpoints.azureOpenAI", "it has no groups%s", didYouMeanKey("groups", m))
	}
	for i, e := range groups {
		group, ok := e.(map[string]any)
		name := text(group["group"])
		if name == "" {
			name = fmt.Sprintf("azureOpenAI.groups[%d]", i)
		}
		if !ok {
			in.skip(name, "it is no map")
			continue
		}
		in.azureGroup(name, group)
	}
}

// azureGroup takes the models of a group: those with one address are one
// provider.
func (in *reader) azureGroup(name string, group map[string]any) {
	models := child(group, "models")
	if len(models) == 0 {
		in.skip(name, "it has no models%s", didYouMeanKey("models", group))
		return
	}
	notes, rest := misspelt(group, groupFields)
	if len(rest) > 0 {
		notes = append(notes, "left out: "+strings.Join(rest, ", "))
	}
	byEndpoint := map[string]*provider.Provider{}
	var order []string
	for _, id := range sortedKeys(models) {
		own, _ := models[id].(map[string]any)
		more, _ := misspelt(own, deploymentFields)
		endpoint, err := in.azureDeployment(group, own)
		if err != nil {
			in.skip(name+"/"+id, "%s%s", err, suffix(more))
			continue
		}
		for _, note := range more {
			notes = append(notes, id+": "+note)
		}
		p := byEndpoint[endpoint]
		if p == nil {
			title := name
			if len(models) > 1 {
				title += " " + id
			}
			p = &provider.Provider{ID: in.id(title), Name: title, Endpoint: endpoint, Preset: "azure", DropParams: texts(group["dropParams"])}
			in.taken[p.ID] = true
			byEndpoint[endpoint], order = p, append(order, endpoint)
		}
		p.Models.List = append(p.Models.List, provider.Model{ID: id})
	}
	for _, endpoint := range order {
		in.azureProvider(byEndpoint[endpoint], group, notes)
	}
}

// azureProvider adds what a group's providers share.
func (in *reader) azureProvider(p *provider.Provider, group map[string]any, shared []string) {
	notes := in.libreChatKey(p, text(group["apiKey"]))
	var more []string
	p.ExtraHeaders, more = in.headers(child(group, "additionalHeaders"))
	notes = append(append(notes, more...), shared...)
	if add := child(group, "addParams"); len(add) > 0 {
		p.AddParams = add
	}
	in.add(p.Name, *p, notes)
}

func suffix(notes []string) string {
	if len(notes) == 0 {
		return ""
	}
	return "; " + strings.Join(notes, "; ")
}

// azureDeployment is the full URL of a model, from its own fields and its
// group's.
func (in *reader) azureDeployment(group, model map[string]any) (string, error) {
	field := func(name string) (string, error) {
		value := text(model[name])
		if value == "" {
			value = text(group[name])
		}
		if value == "" || value == "true" {
			return "", fmt.Errorf("%s is missing%s", name, didYouMeanKey(name, group))
		}
		out, missing := in.expand(value)
		if len(missing) > 0 {
			return "", fmt.Errorf("%s: %s is not set here", name, strings.Join(missing, ", "))
		}
		return out, nil
	}
	if serverless, _ := group["serverless"].(bool); serverless {
		at, err := field("baseURL")
		if err != nil {
			return "", err
		}
		if version, err := field("version"); err == nil {
			return versioned(chatURL(at), version, ""), nil
		}
		return chatURL(at), nil
	}
	var parts [3]string
	for i, name := range []string{"instanceName", "deploymentName", "version"} {
		var err error
		if parts[i], err = field(name); err != nil {
			return "", err
		}
	}
	return in.azureURL(text(group["baseURL"]), parts[0], parts[1], parts[2])
}

// azureURL puts the parts of a deployment together. A base URL may name them
// itself.
func (in *reader) azureURL(base, instance, deployment, version string) (string, error) {
	if base == "" {
		if !strings.Contains(instance, ".") {
			instance += ".openai.azure.com"
		}
		return versioned("https://"+instance+"/openai/deployments/"+url.PathEscape(deployment)+"/chat/completions", version, ""), nil
	}
	base = strings.NewReplacer("${INSTANCE_NAME}", instance, "${DEPLOYMENT_NAME}", url.PathEscape(deployment)).Replace(base)
	at, missing := in.expand(base)
	if len(missing) > 0 {
		return "", fmt.Errorf("baseURL: %s is not set here", strings.Join(missing, ", "))
	}
	return versioned(chatURL(at), version, ""), nil
}
