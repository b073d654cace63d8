package store_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/audit/audittest"
	"parley/internal/chat"
	"parley/internal/store"
	"parley/internal/store/storetest"
)

func TestRecordsAreChangedByOneAtATime(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := store.NewRecords(s, "parley", 0)
		if v, err := r.Read(t.Context(), "k"); v != "" || err != nil {
			t.Fatalf("%q, %v", v, err)
		}
		var won, first atomic.Int32
		var all sync.WaitGroup
		for _, next := range []string{"a", "b", "c", "d"} {
			all.Go(func() {
				if ok, err := r.Swap(t.Context(), "k", "", next); err != nil {
					t.Error(err)
				} else if ok {
					won.Add(1)
				}
				if ok, err := r.First(t.Context(), "f", time.Hour); err != nil {
					t.Error(err)
				} else if ok {
					first.Add(1)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 || first.Load() != 1 {
			t.Errorf("%d swapped, %d were first", won.Load(), first.Load())
		}
		now, _ := r.Read(t.Context(), "k")
		if ok, err := r.Swap(t.Context(), "k", "other", "x"); ok || err != nil {
			t.Errorf("swapped what was another: %v", err)
		}
		// A call whose reply was lost is sent again.
		for range 2 {
			if ok, err := r.Swap(t.Context(), "k", now, "e"); !ok || err != nil {
				t.Errorf("its own value is refused: %v", err)
			}
		}
	})
}

func TestWhoChangedARecordIsInItsTrail(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := store.NewRecords(s, "parley", 0)
		note := chat.Change{By: chat.Actor{Kind: chat.ByToken}, Action: "thing.put", Target: "x"}
		for old, next := range map[string]string{"": "a", "other": "b"} {
			if _, err := r.Swap(t.Context(), "k", old, next, note); err != nil {
				t.Fatal(err)
			}
		}
		got := audittest.Read(t, s.Client, "parley:{records}:")
		if len(got) != 1 || got[0].Action != "thing.put" || got[0].Via != "api" {
			t.Errorf("%+v", got)
		}
	})
}
