// Model servers on this machine: Ollama is a built-in provider while it answers;
// the playground offers the others.

package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"parley/adapters/playground"
	"parley/internal/completion"
	"parley/internal/provider"
	"parley/internal/registry"
)

// lookEvery is how often to look for servers on this machine.
const lookEvery = 20 * time.Second

// local watches the model servers on this machine.
type local struct {
	client     *completion.Client
	registry   *registry.Registry
	builtins   []provider.Provider // without those found here
	ollamaHost string
	offer      bool // DISCOVER_LOCAL, with the embedded store
	watch      bool // the pages show whether a provider has ever answered
	found      atomic.Pointer[[]provider.Provider]
	answered   sync.Map         // endpoints that have answered: string → true
	retries    map[string]retry // by endpoint; only Run uses it
}

func newLocal(c *completion.Client, r *registry.Registry, builtins []provider.Provider, ollamaHost string, offer bool) *local {
	return &local{client: c, registry: r, builtins: builtins, ollamaHost: ollamaHost, offer: offer, retries: map[string]retry{}}
}

// Run looks immediately and then every lookEvery, until ctx ends.
func (l *local) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	listen := time.NewTicker(listenEvery)
	defer listen.Stop()
	l.look(ctx)
	for {
		if l.watch {
			l.listen(ctx)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			l.look(ctx)
		case <-listen.C:
		}
	}
}

// look makes Ollama a built-in provider while it answers. It looks for other
// servers only while no provider is registered.
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

const (
	// listenEvery is how soon to ask a provider again whether it answers. The pause
	// doubles with each failure, up to listenSeldom.
	listenEvery   = 5 * time.Second
	listenSeldom  = time.Minute
	listenTimeout = 5 * time.Second
)

// retry is when to ask again a provider that did not answer.
type retry struct {
	next time.Time
	wait time.Duration
}

// listen asks the providers for their models until one has answered: a record does
// not prove that a model is connected.
func (l *local) listen(ctx context.Context) {
	for _, e := range l.registry.Providers() {
		if e.ID == "demo" || e.Problem != "" {
			continue
		}
		if _, known := l.answered.Load(e.Endpoint); known {
			return
		}
	}
	for _, e := range l.registry.Providers() {
		p := l.retries[e.Endpoint]
		if e.ID == "demo" || e.Problem != "" || time.Now().Before(p.next) {
			continue
		}
		asking, cancel := context.WithTimeout(ctx, listenTimeout)
		_, err := l.client.Models(asking, e.Provider)
		cancel()
		if answers(err) {
			l.answered.Store(e.Endpoint, true)
			return
		}
		p.wait = min(max(listenEvery, 2*p.wait), listenSeldom)
		p.next = time.Now().Add(p.wait - time.Second) // ticks are not more precise than that
		l.retries[e.Endpoint] = p
	}
}

// answers reports whether err, from asking a server for its models, shows that
// the server is running: many servers have no model list.
func answers(err error) bool {
	e, ok := errors.AsType[*completion.Error](err)
	if !ok {
		return err == nil
	}
	switch e.Kind {
	case completion.KindNotFound, completion.KindProtocol, completion.KindBadRequest, completion.KindRateLimit:
		return true
	}
	return false
}

// silent reports whether an endpoint is not known to have answered. Once one
// provider has answered, the others are no longer asked.
func (l *local) silent(endpoint string) bool {
	if !l.watch {
		return false
	}
	_, known := l.answered.Load(endpoint)
	return !known
}

// registered reports whether there is a provider besides the demo and Ollama.
func (l *local) registered() bool {
	for _, e := range l.registry.Providers() {
		if e.ID != "demo" && e.ID != "ollama" {
			return true
		}
	}
	return false
}

// offers are the found servers that are not registered.
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
