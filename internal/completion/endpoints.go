// Several endpoints of one provider, with a circuit breaker each: parley uses
// the least busy, and skips one that keeps failing for a while.

package completion

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"parley/internal/provider"
)

const (
	breakAfter = 10              // failures in a row
	breakFor   = 5 * time.Second // then nothing is sent, and after that one trial
	trialFor   = 2 * time.Second // a trial that is not refused for so long lets another begin
)

// endpoints tracks open requests per endpoint.
type endpoints struct {
	mu   sync.Mutex
	next int                  // where the search among equals starts
	byID map[string]*endpoint // by URL
}

type endpoint struct {
	busy    int
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
	cause   atomic.Pointer[Error] // the last failure that counted for the breaker
}

// failed stores what is needed of err to repeat it, if it counts for the
// breaker.
func (e *endpoint) failed(err error) {
	if cause, ok := errors.AsType[*Error](err); ok && unhealthy(err) {
		e.cause.Store(&Error{Kind: cause.Kind, Provider: cause.Provider, Status: cause.Status, Text: cause.Text, Page: cause.Page, Err: cause.Err})
	}
}

// refusal is the error while an endpoint is skipped, with the cause that
// opened its breaker, so that everyone reads the same reason. The call adds
// provider and model. The server's text may be about an earlier request, so
// only the provider it was sent to gets it.
func (e *endpoint) refusal(provider string) *Error {
	r := &Error{Kind: KindOverloaded, RetryAfter: time.Second, leftAlone: true}
	r.Err = fmt.Errorf("not asked: it failed %d times in a row and is left alone for %s", breakAfter, breakFor)
	cause := e.cause.Load()
	if cause == nil {
		return r
	}
	r.Kind, r.Status = cause.Kind, cause.Status
	if cause.Provider == provider {
		r.Text, r.Page = cause.Text, cause.Page
	}
	if cause.Err != nil {
		r.Err = fmt.Errorf("%w: %w", r.Err, cause.Err)
	}
	return r
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

// unhealthy reports whether err means that the server is down or overloaded,
// rather than that it refused a request.
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

// ticket is one request at an endpoint.
type ticket struct {
	url   string
	es    *endpoints
	e     *endpoint
	trial bool // others wait for its outcome

	mu   sync.Mutex
	done func(error)
	late bool // others no longer wait for the trial, but its outcome is still open
}

// enter chooses an endpoint of p and counts a request there: the one with the
// fewest open requests, if possible not last, and healthy ones first. While
// its breaker is open, the request is refused; a forced one is sent and does
// not count for the breaker. enter always returns a ticket, and its leave must
// be called.
func (es *endpoints) enter(p provider.Provider, last string, force bool) (*ticket, error) {
	es.mu.Lock()
	defer es.mu.Unlock()
	url := p.Endpoint
	if len(p.Endpoints) > 0 {
		url = es.pick(append([]string{p.Endpoint}, p.Endpoints...), last)
	}
	t := &ticket{url: url, es: es, e: es.get(url)}
	t.e.busy++
	done, err := t.e.breaker.Allow()
	switch {
	case err == nil:
		t.done = done
		t.trial = t.e.breaker.State() == gobreaker.StateHalfOpen
	case !force:
		return t, t.e.refusal(p.ID)
	}
	return t, nil
}

// pick chooses among several endpoints; the lock is held.
func (es *endpoints) pick(all []string, last string) string {
	es.next++
	best, least := "", 0
	for i := range all {
		url := all[(i+es.next)%len(all)]
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

// outcome tells the breaker how the request began. The text of err is clean,
// because the next caller who is refused may be someone else.
func (t *ticket) outcome(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.late && !errors.Is(err, errNoOutcome) {
		t.late = false
		t.done, _ = t.e.breaker.Allow() // nil if another trial is running or decided
	}
	if t.done != nil {
		t.e.failed(err) // before the breaker opens: from then on others read the cause
		t.done(err)
		t.done = nil
	}
}

// errNoOutcome says nothing about the endpoint.
var errNoOutcome = &Error{Kind: KindCanceled}

// asked records that the request was sent, or why not. A server may send
// nothing for minutes while it reads a long prompt; others need not wait for
// that.
func (t *ticket) asked(err error) {
	if err != nil || !t.trial {
		return
	}
	time.AfterFunc(trialFor, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.done != nil {
			t.done(errNoOutcome)
			t.done, t.late = nil, true
		}
	})
}

func (t *ticket) leave() {
	t.outcome(errNoOutcome) // if it never got an outcome
	t.es.mu.Lock()
	t.e.busy--
	t.es.mu.Unlock()
}
