package completion

import (
	"testing"

	"parley/internal/fake/openai"
	"parley/internal/provider"
)

func TestLocalServersAreFoundAndNamedByWhatTheyAre(t *testing.T) {
	srv := openai.NewWith(t, openai.Options{Profile: "ollama", Models: []string{"qwen3:8b", "llama3.2"}})
	c := loopbackClient(t)
	found := c.localServer(t.Context(), provider.Provider{ID: "vllm", Endpoint: srv.Endpoint()})
	if found == nil || found.ID != "ollama" || found.Preset != "ollama" || !found.Models.Discover || len(found.Models.List) != 2 {
		t.Fatalf("got %+v", found)
	}
	if problems := found.Validate(); problems != nil {
		t.Error(problems)
	}
	if c.localServer(t.Context(), record(quietServer(t, page(200, "hi")).URL+"/v1/chat/completions")) != nil {
		t.Error("a web page is no model server")
	}
	blocked := NewClient(Options{Networks: networks(t, "public", false)})
	if blocked.localServer(t.Context(), record(srv.Endpoint())) != nil {
		t.Error("PROVIDER_NETWORKS does not allow loopback")
	}
	list := c.DiscoverLocal(t.Context(), srv.Addr())
	if len(list) == 0 || list[0].ID != "ollama" || list[0].Endpoint != srv.Endpoint() {
		t.Errorf("OLLAMA_HOST was not asked: %+v", list)
	}
}
