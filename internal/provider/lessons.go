// Lessons of a client that has no registry to keep them.

package provider

import (
	"context"
	"sync"
)

type lessons struct {
	mu   sync.Mutex
	byID map[[2]string]Quirks
}

func (l *lessons) get(provider, model string) Quirks {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byID[[2]string{provider, model}]
}

func (l *lessons) put(_ context.Context, provider, model string, q Quirks) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byID == nil {
		l.byID = map[[2]string]Quirks{}
	}
	key := [2]string{provider, model}
	l.byID[key] = l.byID[key].With(q)
}
