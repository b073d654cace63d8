// Several endpoints of one provider, and a breaker for each: the least busy
// one is asked, one that keeps failing is left alone for a while.

package provider

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
)

const (
	breakAfter = 10              // failures in a row
	breakFor   = 5 * time.Second // then nothing is sent, and after that one try
)

// endpoints counts what runs where.
type endpoints struct {
	mu   sync.Mutex
	turn int
	byID map[string]*endpoint // by URL
}

type endpoint struct {
	busy    int
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
}

func (es *endpoints) get(url string) *endpoint {
	e, ok := es.byID[url]
	if !ok {
		e = &endpoint{}
		e.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
			Timeout:      breakFor,
			ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakAfter },
			IsSuccessful: func(err error) bool { return !unhealthy(err) },
			IsExcluded: func(err error) bool {
				e, ok := errors.AsType[*Error](err)
				return ok && e.Kind == KindCanceled
			},
		})
		if es.byID == nil {
			es.byID = map[string]*endpoint{}
		}
		es.byID[url] = e
	}
	return e
}

// unhealthy reports whether err says that the server is not there or not up to
// work, rather than that it disliked a request.
func unhealthy(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err != nil
	}
	switch e.Kind {
	case KindConnect, KindTLS, KindSilence, KindOverloaded:
		return true
	case KindServer:
		return e.Status >= 502
	}
	return false
}

// pick chooses the endpoint of p with the fewest open requests, another than
// last where there is one, and a healthy one before a broken one.
func (es *endpoints) pick(p Provider, last string) string {
	if len(p.Endpoints) == 0 {
		return p.Endpoint
	}
	all := append([]string{p.Endpoint}, p.Endpoints...)
	es.mu.Lock()
	defer es.mu.Unlock()
	es.turn++
	best, least := "", 0
	for i := range all {
		url := all[(i+es.turn)%len(all)]
		e := es.get(url)
		load := e.busy
		if e.breaker.State() == gobreaker.StateOpen {
			load += 1 << 20
		}
		if url == last {
			load += 1 << 19
		}
		if best == "" || load < least {
			best, least = url, load
		}
	}
	return best
}

// ticket is one request's place at an endpoint.
type ticket struct {
	es   *endpoints
	e    *endpoint
	done func(error)
}

// enter counts a request, or refuses it while the breaker is open; a forced one
// is let through and does not count for the breaker.
func (es *endpoints) enter(url string, force bool) (*ticket, error) {
	es.mu.Lock()
	e := es.get(url)
	es.mu.Unlock()
	done, err := e.breaker.Allow()
	if force && err != nil {
		done = nil
	} else if err != nil {
		return nil, &Error{Kind: KindOverloaded, RetryAfter: time.Second, Err: fmt.Errorf("not asked: it failed %d times in a row and is left alone for %s", breakAfter, breakFor)}
	}
	es.mu.Lock()
	e.busy++
	es.mu.Unlock()
	return &ticket{es: es, e: e, done: done}, nil
}

// outcome tells the breaker how the request began.
func (t *ticket) outcome(err error) {
	if t.done != nil {
		t.done(err)
		t.done = nil
	}
}

func (t *ticket) leave() {
	t.outcome(&Error{Kind: KindCanceled}) // it never got as far as an outcome
	t.es.mu.Lock()
	t.e.busy--
	t.es.mu.Unlock()
}
