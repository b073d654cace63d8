package provider

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func limited(n int) Provider { return Provider{ID: "lab", MaxConcurrent: n} }

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
	p := Provider{Endpoint: "http://a", Endpoints: []string{"http://b", "http://c"}}
	count := map[string]int{}
	var tickets []*ticket
	for range 9 {
		url := es.pick(p, "")
		count[url]++
		ticket, err := es.enter(url, false)
		if err != nil {
			t.Fatal(err)
		}
		tickets = append(tickets, ticket)
	}
	if count["http://a"] != 3 || count["http://b"] != 3 || count["http://c"] != 3 {
		t.Errorf("spread %v", count)
	}
	for i, url := range []string{"http://a", "http://b", "http://c"} {
		if i == 1 {
			continue
		}
		es.get(url).busy = 10
	}
	if got := es.pick(p, ""); got != "http://b" {
		t.Errorf("picked %s", got)
	}
	if got := es.pick(p, "http://b"); got == "http://b" {
		t.Error("a retry asked the same endpoint again although there are others")
	}
	for _, ticket := range tickets {
		ticket.leave()
	}
	if got := es.pick(Provider{Endpoint: "http://a"}, "http://a"); got != "http://a" {
		t.Errorf("picked %s", got)
	}
}

func TestAnEndpointThatKeepsFailingIsLeftAloneForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var es endpoints
		p := Provider{Endpoint: "http://a", Endpoints: []string{"http://b"}}
		try := func(err error) error {
			ticket, refused := es.enter("http://a", false)
			if refused != nil {
				return refused
			}
			ticket.outcome(err)
			ticket.leave()
			return nil
		}
		for range breakAfter - 1 {
			_ = try(&Error{Kind: KindConnect})
		}
		_ = try(&Error{Kind: KindCanceled}) // says nothing about the server
		_ = try(&Error{Kind: KindConnect})
		refused, ok := try(nil).(*Error)
		if !ok || refused.Kind != KindOverloaded || refused.RetryAfter == 0 {
			t.Fatalf("after %d failures: %v", breakAfter, refused)
		}
		for range 4 {
			if es.pick(p, "") != "http://b" {
				t.Error("a broken endpoint was preferred")
			}
		}
		if _, err := es.enter("http://a", true); err != nil {
			t.Errorf("a probe must get through: %v", err)
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
