// Model servers on this machine, found where their makers put them.

package provider

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// localTimeout is how long a server on this machine may take to list its
// models.
const localTimeout = 2 * time.Second

// DiscoverLocal looks for model servers on the loopback ports their makers
// default to, Ollama at ollamaHost (OLLAMA_HOST; empty: its default), and
// returns a usable record for each that lists at least one model. It sends no
// key, takes at most two seconds, and finds nothing where PROVIDER_NETWORKS
// does not allow loopback.
func (c *Client) DiscoverLocal(ctx context.Context, ollamaHost string) []Provider {
	ctx, cancel := context.WithTimeout(ctx, localTimeout)
	defer cancel()
	candidates := localCandidates(ollamaHost)
	found := make([]*Provider, len(candidates))
	var wg sync.WaitGroup
	for i, candidate := range candidates {
		wg.Go(func() { found[i] = c.localServer(ctx, candidate) })
	}
	wg.Wait()
	var out []Provider
	taken := map[string]bool{}
	for _, p := range found {
		if p != nil && !taken[p.ID] {
			taken[p.ID] = true
			out = append(out, *p)
		}
	}
	return out
}

// localCandidates are the records to try, by the table's order.
func localCandidates(ollamaHost string) []Provider {
	var out []Provider
	for _, preset := range presets {
		for _, at := range preset.Local {
			p := Provider{ID: preset.Name, Name: preset.Title, Preset: preset.Name, Endpoint: "http://" + at + "/v1/chat/completions"}
			if preset.Name == "ollama" {
				p = Ollama(ollamaHost)
			}
			out = append(out, p)
		}
	}
	return out
}

// localServer asks one address; nil when no model server answers.
func (c *Client) localServer(ctx context.Context, p Provider) *Provider {
	raw, header, err := c.getWithHeader(ctx, p, modelsURL(p.Endpoint))
	if err != nil {
		return nil
	}
	list, ok := readModels(raw)
	if !ok || len(list) == 0 {
		return nil
	}
	if preset, ok := PresetNamed(identify(raw, header)); ok {
		p.ID, p.Name, p.Preset = preset.Name, preset.Title, preset.Name
	}
	p.Models = Models{Discover: true, List: list}
	p.Normalize()
	return &p
}

// Ollama is the record of the Ollama server at host, as OLLAMA_HOST has it:
// a host, a port, both, or a URL; empty means Ollama's default. It may not be
// running.
func Ollama(host string) Provider {
	preset, _ := PresetNamed("ollama")
	p := Provider{ID: preset.Name, Name: preset.Title, Preset: preset.Name, Endpoint: ollamaEndpoint(host), Models: Models{Discover: true}}
	p.Normalize()
	return p
}

// Ollama looks for the Ollama server at host (OLLAMA_HOST; empty: its default)
// and returns its record when it answers within two seconds.
func (c *Client) Ollama(ctx context.Context, host string) (Provider, bool) {
	ctx, cancel := context.WithTimeout(ctx, localTimeout)
	defer cancel()
	p := Ollama(host)
	if _, err := c.models(ctx, p); err != nil {
		return Provider{}, false
	}
	return p, true
}

// ollamaEndpoint follows Ollama's own reading of the variable: a scheme brings
// its own default port, without one it is 11434; an address to listen on at
// every interface is asked at loopback.
func ollamaEndpoint(host string) string {
	host = strings.Trim(strings.TrimSpace(host), `"'`)
	scheme, rest, hasScheme := strings.Cut(host, "://")
	if !hasScheme {
		scheme, rest = "http", host
	}
	rest = strings.TrimSuffix(rest, "/")
	u, err := url.Parse(scheme + "://" + rest)
	if err != nil {
		u = &url.URL{Scheme: "http"}
	}
	name, port := u.Hostname(), u.Port()
	switch name {
	case "", "0.0.0.0", "::":
		name = "127.0.0.1"
	}
	if port == "" && !hasScheme {
		port = "11434"
	}
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	if port != "" {
		name += ":" + port
	}
	return u.Scheme + "://" + name + strings.TrimSuffix(u.Path, "/") + "/v1/chat/completions"
}

// identify names the preset of a server by what it says of itself: its Server
// header, or who "owns" its models.
func identify(models []byte, header http.Header) string {
	server := strings.ToLower(header.Get("Server"))
	for _, sign := range []struct{ part, preset string }{{"llama.cpp", "llamacpp"}, {"ollama", "ollama"}, {"localai", "localai"}} {
		if strings.Contains(server, sign.part) {
			return sign.preset
		}
	}
	var list struct {
		Data []struct {
			OwnedBy string `json:"owned_by"`
		} `json:"data"`
	}
	if json.Unmarshal(models, &list) != nil || len(list.Data) == 0 {
		return ""
	}
	return owners[strings.ToLower(list.Data[0].OwnedBy)]
}

// owners are the words servers put into owned_by.
var owners = map[string]string{
	"llamacpp": "llamacpp", "vllm": "vllm", "library": "ollama", "organization_owner": "lmstudio", "organization-owner": "lmstudio", "localai": "localai", "cortex": "jan",
}
