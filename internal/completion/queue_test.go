package completion

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/provider"
)

func limited(n int) provider.Provider { return provider.Provider{ID: "lab", MaxConcurrent: n} }

func TestThePlaceInTheQueueIsToldAfterTwoSecondsAndWhenItChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var qs queues
		first, err := qs.enter(t.Context(), limited(1), Request{})
		if err != nil {
			t.Fatal(err)
		}
		type told struct {
			place int
			at    time.Duration
		}
		start := time.Now()
		var mine []told
		var releases []func()
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond) // fake time: fixes the order of arrival
				r := Request{}
				if i == 2 {
					r.Queued = func(place int) { mine = append(mine, told{place, time.Since(start).Round(time.Second)}) }
				}
				release, err := qs.enter(t.Context(), limited(1), r)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				releases = append(releases, release)
			})
		}
		pop := func() {
			mu.Lock()
			defer mu.Unlock()
			releases[0]()
			releases = releases[1:]
		}
		time.Sleep(5 * time.Second)
		first()
		time.Sleep(5 * time.Second)
		pop()
		time.Sleep(5 * time.Second)
		pop()
		wg.Wait()
		pop()
		if want := []told{{3, 2 * time.Second}, {2, 5 * time.Second}, {1, 10 * time.Second}}; !slices.Equal(mine, want) {
			t.Errorf("told %v, want %v", mine, want)
		}
		if len(qs.byID) != 0 {
			t.Error("an unused queue is kept")
		}
	})
}

func TestTheQueueIsFairBetweenPeople(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var qs queues
		first, err := qs.enter(t.Context(), limited(1), Request{For: "ann"})
		if err != nil {
			t.Fatal(err)
		}
		var order []string
		var wg sync.WaitGroup
		for i, who := range []string{"ann", "ann", "ann", "bob", "cid", "bob"} {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				release, err := qs.enter(t.Context(), limited(1), Request{For: who})
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, who)
				release()
			})
		}
		time.Sleep(time.Second)
		first()
		wg.Wait()
		if want := []string{"bob", "cid", "ann", "bob", "ann", "ann"}; !slices.Equal(order, want) {
			t.Errorf("served %v, want %v", order, want)
		}
	})
}

func TestLeavingTheQueueGivesTheTurnOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var qs queues
		first, _ := qs.enter(t.Context(), limited(1), Request{})
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := qs.enter(ctx, limited(1), Request{}); !errors.Is(err, gone) {
				t.Errorf("got %v", err)
			}
		})
		synctest.Wait()
		served := false
		wg.Go(func() {
			release, err := qs.enter(t.Context(), limited(1), Request{})
			if err == nil {
				served = true
				release()
			}
		})
		synctest.Wait()
		cancel(gone)
		synctest.Wait()
		first()
		wg.Wait()
		if !served || len(qs.byID) != 0 {
			t.Error("the one behind was not served")
		}
	})
}

func TestNoLimitNoQueue(t *testing.T) {
	var qs queues
	for range 100 {
		if _, err := qs.enter(t.Context(), limited(0), Request{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheLeastBusyEndpointIsAsked(t *testing.T) {
	var es endpoints
	p := provider.Provider{Endpoint: "http://a", Endpoints: []string{"http://b", "http://c"}}
	count := map[string]int{}
	tickets := map[string][]*ticket{}
	take := func(last string) string {
		t.Helper()
		ticket, err := es.enter(p, last, false)
		if err != nil {
			t.Fatal(err)
		}
		count[ticket.url]++
		tickets[ticket.url] = append(tickets[ticket.url], ticket)
		return ticket.url
	}
	for range 9 {
		take("")
	}
	if count["http://a"] != 3 || count["http://b"] != 3 || count["http://c"] != 3 {
		t.Errorf("spread %v", count)
	}
	for range 2 {
		tickets["http://b"][0].leave()
		tickets["http://b"] = tickets["http://b"][1:]
	}
	if got := take(""); got != "http://b" {
		t.Errorf("chose %s", got)
	}
	if got := take("http://b"); got == "http://b" {
		t.Error("a retry asked the same endpoint again although there are others")
	}
	if one, err := es.enter(provider.Provider{Endpoint: "http://a"}, "http://a", false); err != nil || one.url != "http://a" {
		t.Errorf("got %+v, %v", one, err)
	}
}

func TestAnEndpointThatKeepsFailingIsLeftAloneForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var es endpoints
		one, both := provider.Provider{Endpoint: "http://a"}, provider.Provider{Endpoint: "http://a", Endpoints: []string{"http://b"}}
		try := func(err error) error {
			ticket, refused := es.enter(one, "", false)
			defer ticket.leave()
			if refused == nil {
				ticket.outcome(err)
			}
			return refused
		}
		for range breakAfter - 1 {
			_ = try(&Error{Kind: KindConnect})
		}
		_ = try(&Error{Kind: KindCanceled}) // says nothing about the server
		_ = try(&Error{Kind: KindConnect})
		refused, ok := errors.AsType[*Error](try(nil))
		if !ok || refused.Kind != KindConnect || refused.RetryAfter == 0 {
			t.Fatalf("after %d failures: %v", breakAfter, refused)
		}
		for range 4 {
			ticket, err := es.enter(both, "", false)
			if err != nil || ticket.url != "http://b" {
				t.Errorf("a broken endpoint was preferred: %v", err)
			}
		}
		if ticket, err := es.enter(one, "", true); err != nil {
			t.Errorf("a probe must get through: %v", err)
		} else {
			ticket.leave()
		}
		time.Sleep(breakFor + time.Millisecond)
		if err := try(nil); err != nil {
			t.Errorf("no second chance: %v", err)
		}
		for _, kind := range []Kind{KindAuth, KindModel, KindBadRequest, KindRateLimit, KindContext} {
			for range 2 * breakAfter {
				if err := try(&Error{Kind: kind}); err != nil {
					t.Fatalf("%s is not the server's fault: %v", kind, err)
				}
			}
		}
	})
}
