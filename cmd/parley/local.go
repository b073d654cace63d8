// Model servers on this machine: Ollama is a built-in provider while it
// answers, and others are offered in the playground.

package main

import (
	"context"

	"parley/adapters/playground"
	"parley/internal/provider"
	"parley/internal/registry"
)

type local struct{}

func newLocal(*provider.Client, *registry.Registry, []provider.Provider, string, bool) *local {
	return &local{}
}

func (l *local) offers(context.Context) []playground.Server { return nil }

func (l *local) Run(ctx context.Context) error { <-ctx.Done(); return nil }
