// Model servers on this machine: Ollama is a built-in provider while it
// answers, and others are offered in the playground.

package main

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"parley/adapters/playground"
	"parley/internal/provider"
	"parley/internal/registry"
)

// lookEvery is how often this machine is looked over.
const lookEvery = 20 * time.Second

// local keeps an eye on the model servers of this machine.
type local struct {
	client     *provider.Client
	registry   *registry.Registry
	builtins   []provider.Provider // without those found here
	ollamaHost string
	offer      bool // DISCOVER_LOCAL, on the embedded store
	found      atomic.Pointer[[]provider.Provider]
}

func newLocal(c *provider.Client, r *registry.Registry, builtins []provider.Provider, ollamaHost string, offer bool) *local {
	return &local{client: c, registry: r, builtins: builtins, ollamaHost: ollamaHost, offer: offer}
}

// Run looks at once and then every lookEvery, until ctx ends.
func (l *local) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		l.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look makes Ollama a built-in provider while it answers. The other servers are
// looked for only while nobody registered a provider.
func (l *local) look(ctx context.Context) {
	all := l.builtins
	if p, ok := l.client.Ollama(ctx, l.ollamaHost); ok {
		all = append(slices.Clip(all), p)
	}
	l.registry.SetBuiltins(all)
	var found []provider.Provider
	if l.offer && !l.registered() {
		found = l.client.DiscoverLocal(ctx, l.ollamaHost)
	}
	l.found.Store(&found)
}

// registered reports whether there is a provider besides the demo and those
// that were found.
func (l *local) registered() bool {
	for _, e := range l.registry.Providers() {
		if e.ID != "demo" && e.ID != "ollama" {
			return true
		}
	}
	return false
}

// offers are the servers found that nobody registered yet.
func (l *local) offers(context.Context) []playground.Server {
	found := l.found.Load()
	if found == nil {
		return nil
	}
	var out []playground.Server
	for _, p := range *found {
		if _, known := l.registry.Provider(p.ID); known && p.ID != "ollama" {
			continue
		}
		offer := playground.Server{ID: p.ID, Name: p.Name, Endpoint: p.Endpoint}
		for _, m := range p.Models.List {
			offer.Models = append(offer.Models, m.ID)
		}
		out = append(out, offer)
	}
	return out
}
