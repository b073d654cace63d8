package kept

import (
	"context"
	"errors"
	"sync"
	"time"

	"parley/adapters/internal/background"
)

// errNoAnswer is of a question that a defect ended.
var errNoAnswer = errors.New("the question came to no answer")

// Answers are what a platform said of each thing it was asked about. Who asks
// at the same time shares one question, which goes on when those who wait for
// it give up: who asks again finds the answer.
type Answers[V any] struct {
	group *background.Group
	limit time.Duration
	known *Cache[answer[V]]

	mu   sync.Mutex
	open map[string]*question[V]
}

type answer[V any] struct {
	v     V
	until time.Time // after this it is asked again
}

type question[V any] struct {
	done chan struct{} // closed once v and err are set
	v    V
	err  error
}

// NewAnswers remembers most answers. A question takes limit at most. While a new
// one fails, an answer counts until it is stale.
func NewAnswers[V any](group *background.Group, most int, limit, stale time.Duration) *Answers[V] {
	return &Answers[V]{group: group, limit: limit, known: New[answer[V]](most, stale), open: map[string]*question[V]{}}
}

// Get gives what is remembered of a thing, else what ask says. Ask tells too for
// how long its answer counts as fresh. Where it fails, or ctx ends before, the
// last answer counts, and with none the error.
func (a *Answers[V]) Get(ctx context.Context, name string, ask func(ctx context.Context) (v V, fresh time.Duration, err error)) (V, error) {
	last, known := a.known.Get(name)
	if known && time.Now().Before(last.until) {
		return last.v, nil
	}
	q := a.question(ctx, name, ask)
	var err error
	select {
	case <-q.done:
		if q.err == nil {
			return q.v, nil
		}
		err = q.err
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if known {
		return last.v, nil
	}
	return last.v, err
}

// Known is the last answer about a thing, if there is one that is not stale. It
// asks nothing.
func (a *Answers[V]) Known(name string) (v V, ok bool) {
	last, ok := a.known.Get(name)
	return last.v, ok
}

// question is the one about a thing that is open, or else begins.
func (a *Answers[V]) question(ctx context.Context, name string, ask func(context.Context) (V, time.Duration, error)) *question[V] {
	a.mu.Lock()
	defer a.mu.Unlock()
	if q := a.open[name]; q != nil {
		return q
	}
	q := &question[V]{done: make(chan struct{}), err: errNoAnswer}
	a.open[name] = q
	a.group.Go(ctx, a.limit, func(ctx context.Context) {
		defer func() { // also after a defect
			a.mu.Lock()
			defer a.mu.Unlock()
			delete(a.open, name)
			close(q.done)
		}()
		var fresh time.Duration
		if q.v, fresh, q.err = ask(ctx); q.err == nil {
			a.known.Put(name, answer[V]{q.v, time.Now().Add(fresh)})
		}
	})
	return q
}

// Age makes everything that is remembered older by d: for tests.
func (a *Answers[V]) Age(d time.Duration) {
	for name, item := range a.known.items.Items() {
		if left := time.Until(item.ExpiresAt()) - d; left > 0 {
			v := item.Value()
			v.until = v.until.Add(-d)
			a.known.items.Set(name, v, left)
		} else {
			a.known.Drop(name)
		}
	}
}
