// Lessons of a client that has no registry to keep them.

package completion

import (
	"context"
	"sync"

	"parley/internal/provider"
)

type lessons struct {
	mu   sync.Mutex
	byID map[[2]string]provider.Quirks
}

func (l *lessons) get(id, model string) provider.Quirks {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byID[[2]string{id, model}]
}

func (l *lessons) put(_ context.Context, id, model string, q provider.Quirks) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byID == nil {
		l.byID = map[[2]string]provider.Quirks{}
	}
	key := [2]string{id, model}
	l.byID[key] = l.byID[key].With(q)
}
