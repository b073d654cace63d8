// What models a provider has: its record's list, and what the endpoint lists.

package relay

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/provider"
	"parley/internal/registry"
)

// Catalog figures: a menu must open within the platform's 3 s.
const (
	catalogFresh = 5 * time.Minute         // how long a listing is used
	catalogAgain = 30 * time.Second        // how long a failed one is not repeated
	catalogWait  = 1200 * time.Millisecond // how long a menu waits for a first listing
	catalogAsk   = 10 * time.Second        // how long an endpoint may take
)

// catalog remembers what endpoints list.
type catalog struct {
	endpoints Endpoints
	log       *slog.Logger
	mu        sync.Mutex
	listings  map[string]*listing
}

// listing is one endpoint's models; done is closed when the asking has ended.
type listing struct {
	done   chan struct{}
	models []provider.Model
	until  time.Time
}

func newCatalog(e Endpoints, log *slog.Logger) *catalog {
	return &catalog{endpoints: e, log: log, listings: map[string]*listing{}}
}

// models are those a person can choose: a given list wins; a record that lists
// none keeps its one model "default", with what the endpoint lists beside it.
func (c *catalog) models(ctx context.Context, p provider.Provider) []provider.Model {
	given := p.Models.List
	if !p.Models.Discover && !onlyDefault(given) {
		return given
	}
	out := slices.Clone(given)
	for _, m := range c.listed(ctx, p) {
		if !slices.ContainsFunc(out, func(have provider.Model) bool { return have.ID == m.ID }) {
			out = append(out, m)
		}
	}
	return out
}

// settled is models, once the endpoint has answered or failed to.
func (c *catalog) settled(ctx context.Context, p provider.Provider) []provider.Model {
	if p.Models.Discover || onlyDefault(p.Models.List) {
		select {
		case <-c.listing(ctx, p).done:
		case <-ctx.Done():
		}
	}
	return c.models(ctx, p)
}

// all is models for each entry, asked at the same time.
func (c *catalog) all(ctx context.Context, entries []registry.Entry) [][]provider.Model {
	lists := make([][]provider.Model, len(entries))
	var asked sync.WaitGroup
	for i, e := range entries {
		asked.Go(func() { lists[i] = c.models(ctx, e.Provider) })
	}
	asked.Wait()
	return lists
}

// onlyDefault reports whether a list is what a record without models gets.
func onlyDefault(list []provider.Model) bool {
	return len(list) == 0 || len(list) == 1 && list[0].ID == "default"
}

// has reports whether p offers the model.
func (c *catalog) has(ctx context.Context, p provider.Provider, model string) bool {
	return slices.ContainsFunc(c.models(ctx, p), func(m provider.Model) bool { return m.ID == model })
}

// listed is the endpoint's own list: the remembered one, or what it answers
// within catalogWait. One question per endpoint is under way at a time.
func (c *catalog) listed(ctx context.Context, p provider.Provider) []provider.Model {
	l := c.listing(ctx, p)
	wait := time.NewTimer(catalogWait)
	defer wait.Stop()
	select {
	case <-l.done:
	case <-wait.C:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return l.models
}

// maxInput is the context length the endpoint tells for a model, 0 while that
// is not known: it never waits, an answer must not.
func (c *catalog) maxInput(ctx context.Context, p provider.Provider, model string) int {
	l := c.listing(ctx, p)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range l.models {
		if m.ID == model {
			return m.MaxInput
		}
	}
	return 0
}

// listing is what is remembered of an endpoint; it is asked again where that is
// too old.
func (c *catalog) listing(ctx context.Context, p provider.Provider) *listing {
	key := p.ID + " " + p.Endpoint
	c.mu.Lock()
	l, ok := c.listings[key]
	if ok {
		select {
		case <-l.done:
			ok = time.Now().Before(l.until)
		default:
		}
	}
	if !ok {
		var before []provider.Model
		if l != nil {
			before = l.models
		}
		l = &listing{done: make(chan struct{}), models: before}
		c.listings[key] = l
		go c.ask(context.WithoutCancel(ctx), p, l)
	}
	c.mu.Unlock()
	return l
}

// ask fills l; it ends by itself after catalogAsk.
func (c *catalog) ask(ctx context.Context, p provider.Provider, l *listing) {
	defer close(l.done)
	ctx, cancel := context.WithTimeout(ctx, catalogAsk)
	defer cancel()
	models, err := c.asked(ctx, p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.log.DebugContext(ctx, "endpoint did not list its models", "provider", p.ID, "error", err)
		l.until = time.Now().Add(catalogAgain)
		return
	}
	l.models, l.until = models, time.Now().Add(catalogFresh)
}

// asked is what the endpoint says. A defect in reading it is a failed listing.
func (c *catalog) asked(ctx context.Context, p provider.Provider) (models []provider.Model, err error) {
	defer func() {
		if defect := fault.Recovered(recover()); defect != nil {
			c.log.ErrorContext(ctx, "listing an endpoint's models failed", "ref", chat.NewRef(), "provider", p.ID, "error", defect)
			err = defect
		}
	}()
	return c.endpoints.Models(ctx, p)
}
