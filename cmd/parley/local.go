// Model servers on this machine: Ollama is a built-in provider while it
// answers, and others are offered in the playground.

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

// lookEvery is how often this machine is looked over.
const lookEvery = 20 * time.Second

// local keeps an eye on the model servers of this machine.
type local struct {
	client     *completion.Client
	registry   *registry.Registry
	builtins   []provider.Provider // without those found here
	ollamaHost string
	offer      bool // DISCOVER_LOCAL, on the embedded store
	watch      bool // whether somebody is shown if a provider has ever answered
	found      atomic.Pointer[[]provider.Provider]
	heard      sync.Map           // endpoints that have answered: string → true
	asked      map[string]respite // by endpoint; for Run alone
}

func newLocal(c *completion.Client, r *registry.Registry, builtins []provider.Provider, ollamaHost string, offer bool) *local {
	return &local{client: c, registry: r, builtins: builtins, ollamaHost: ollamaHost, offer: offer, asked: map[string]respite{}}
}

// Run looks at once and then every lookEvery, until ctx ends.
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

const (
	// listenEvery is how soon a provider is asked whether it answers; each that
	// does not is asked half as often every time, at least once a minute.
	listenEvery   = 5 * time.Second
	listenSeldom  = time.Minute
	listenTimeout = 5 * time.Second
)

// respite is when a provider that did not answer is asked again.
type respite struct {
	next time.Time
	wait time.Duration
}

// listen asks the providers for their models until one has answered: a record
// alone is no connected model.
func (l *local) listen(ctx context.Context) {
	for _, e := range l.registry.Providers() {
		if e.ID == "demo" || e.Problem != "" {
			continue
		}
		if _, known := l.heard.Load(e.Endpoint); known {
			return
		}
	}
	for _, e := range l.registry.Providers() {
		p := l.asked[e.Endpoint]
		if e.ID == "demo" || e.Problem != "" || time.Now().Before(p.next) {
			continue
		}
		asking, cancel := context.WithTimeout(ctx, listenTimeout)
		_, err := l.client.Models(asking, e.Provider)
		cancel()
		if answers(err) {
			l.heard.Store(e.Endpoint, true)
			return
		}
		p.wait = min(max(listenEvery, 2*p.wait), listenSeldom)
		p.next = time.Now().Add(p.wait - time.Second) // the ticks are no more exact
		l.asked[e.Endpoint] = p
	}
}

// answers reports whether a server that gave err as its list of models may be
// one that answers: many have no list.
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

// silent reports whether nothing has answered at an endpoint yet, as far as is
// known: once one provider has answered, the others are not asked.
func (l *local) silent(endpoint string) bool {
	if !l.watch {
		return false
	}
	_, known := l.heard.Load(endpoint)
	return !known
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
