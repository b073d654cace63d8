// A limit of concurrent requests per provider, with a queue that is fair
// between those who ask: each gets a turn before anyone gets a second.

package completion

import (
	"context"
	"sync"
	"time"

	"parley/internal/provider"
)

// tellPlace is how long to wait before the place in the queue is told.
const tellPlace = 2 * time.Second

// queues holds one queue per provider.
type queues struct {
	mu   sync.Mutex
	byID map[string]*queue
}

// queue is one provider's. Its fields are guarded by queues.mu.
type queue struct {
	limit   int
	running int
	round   int            // of the request that was let in last
	rounds  map[string]int // the latest round of each one who asks
	waiting []*waiter
	next    int
}

type waiter struct {
	round, number int
	who           string
	admitted      chan struct{}
	moved         chan struct{} // the place may have changed
}

func (w *waiter) before(o *waiter) bool {
	return w.round < o.round || w.round == o.round && w.number < o.number
}

// enter waits for a place. The caller calls release when the request is over.
func (qs *queues) enter(ctx context.Context, p provider.Provider, r Request) (release func(), err error) {
	if p.MaxConcurrent <= 0 {
		return func() {}, nil
	}
	q, w := qs.join(p, r.For)
	leave := func() { qs.leave(q, p.ID) }
	select {
	case <-w.admitted:
		return leave, nil
	default:
	}
	var place int
	tell := time.NewTimer(tellPlace)
	defer tell.Stop()
	waited := false
	for {
		select {
		case <-w.admitted:
			return leave, nil
		case <-ctx.Done():
			qs.quit(q, w, p.ID)
			return nil, context.Cause(ctx)
		case <-tell.C:
			waited = true
		case <-w.moved:
		}
		if now := qs.place(q, w); waited && now != place && now > 0 && r.Queued != nil {
			place = now
			r.Queued(place)
		}
	}
}

func (qs *queues) join(p provider.Provider, who string) (*queue, *waiter) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	q, ok := qs.byID[p.ID]
	if !ok {
		q = &queue{rounds: map[string]int{}}
		if qs.byID == nil {
			qs.byID = map[string]*queue{}
		}
		qs.byID[p.ID] = q
	}
	q.limit = p.MaxConcurrent
	w := &waiter{who: who, number: q.next, admitted: make(chan struct{}), moved: make(chan struct{}, 1)}
	w.round = max(q.rounds[who]+1, q.round)
	q.rounds[who] = w.round
	q.next++
	q.waiting = append(q.waiting, w)
	q.admit()
	return q, w
}

// admit lets in whoever is next while there is room, and tells the others.
func (q *queue) admit() {
	for q.running < q.limit && len(q.waiting) > 0 {
		first := 0
		for i, w := range q.waiting {
			if w.before(q.waiting[first]) {
				first = i
			}
		}
		w := q.waiting[first]
		q.waiting = append(q.waiting[:first], q.waiting[first+1:]...)
		q.round = max(q.round, w.round)
		q.running++
		close(w.admitted)
	}
	for _, w := range q.waiting {
		select {
		case w.moved <- struct{}{}:
		default:
		}
	}
}

func (qs *queues) leave(q *queue, id string) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	q.running--
	q.admit()
	qs.forget(q, id)
}

// quit takes back a wait; one that was let in meanwhile gives its place on.
func (qs *queues) quit(q *queue, w *waiter, id string) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	for i, o := range q.waiting {
		if o == w {
			q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
			q.admit()
			qs.forget(q, id)
			return
		}
	}
	q.running--
	q.admit()
	qs.forget(q, id)
}

// forget drops a queue that nobody uses, and with it the rounds.
func (qs *queues) forget(q *queue, id string) {
	if q.running == 0 && len(q.waiting) == 0 && qs.byID[id] == q {
		delete(qs.byID, id)
	}
}

// place is w's place, 1 being next; 0 when it is not waiting.
func (qs *queues) place(q *queue, w *waiter) int {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	place, waiting := 1, false
	for _, o := range q.waiting {
		if o == w {
			waiting = true
		} else if o.before(w) {
			place++
		}
	}
	if !waiting {
		return 0
	}
	return place
}
