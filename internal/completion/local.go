// Model servers on this machine, found where their makers put them.

package completion

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"parley/internal/provider"
)

// localTimeout is how long a server on this machine may take to list its
// models.
const localTimeout = 2 * time.Second

// DiscoverLocal looks for model servers on the loopback ports their makers
// default to, Ollama at ollamaHost (OLLAMA_HOST; empty: its default), and
// returns a usable record for each that lists at least one model. It sends no
// key, takes at most two seconds, and finds nothing where PROVIDER_NETWORKS
// does not allow loopback.
func (c *Client) DiscoverLocal(ctx context.Context, ollamaHost string) []provider.Provider {
	ctx, cancel := context.WithTimeout(ctx, localTimeout)
	defer cancel()
	candidates := localCandidates(ollamaHost)
	found := make([]*provider.Provider, len(candidates))
	var wg sync.WaitGroup
	for i, candidate := range candidates {
		wg.Go(func() { found[i] = c.localServer(ctx, candidate) })
	}
	wg.Wait()
	var out []provider.Provider
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
func localCandidates(ollamaHost string) []provider.Provider {
	var out []provider.Provider
	for _, preset := range provider.Presets() {
		for _, at := range preset.Local {
			p := provider.Provider{ID: preset.Name, Name: preset.Title, Preset: preset.Name, Endpoint: "http://" + at + "/v1/chat/completions"}
			if preset.Name == "ollama" {
				p = provider.Ollama(ollamaHost)
			}
			out = append(out, p)
		}
	}
	return out
}

// localServer asks one address; nil when no model server answers.
func (c *Client) localServer(ctx context.Context, p provider.Provider) *provider.Provider {
	raw, header, err := c.getWithHeader(ctx, p, modelsURL(p.Endpoint))
	if err != nil {
		return nil
	}
	list, ok := readModels(raw)
	if !ok || len(list) == 0 {
		return nil
	}
	if preset, ok := provider.PresetNamed(identify(raw, header)); ok {
		p.ID, p.Name, p.Preset = preset.Name, preset.Title, preset.Name
	}
	p.Models = provider.Models{Discover: true, List: list}
	p.Normalize()
	return &p
}

// Ollama looks for the Ollama server at host (OLLAMA_HOST; empty: its default)
// and returns its record when it answers within two seconds.
func (c *Client) Ollama(ctx context.Context, host string) (provider.Provider, bool) {
	ctx, cancel := context.WithTimeout(ctx, localTimeout)
	defer cancel()
	p := provider.Ollama(host)
	if _, err := c.models(ctx, p); err != nil {
		return provider.Provider{}, false
	}
	return p, true
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
