package usage_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/inbox"
	"parley/internal/provider"
	"parley/internal/secret"
	"parley/internal/store"
	"parley/internal/store/storetest"
	"parley/internal/usage"
)

// What closed turns used is added up by each grouping, on both stores.
func TestReport(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ring, err := secret.ParseRing(secret.GenerateKey("a"))
		if err != nil {
			t.Fatal(err)
		}
		in := inbox.New(inbox.Options{Client: s.Client, Prefix: "test", Ring: ring})
		ledger := usage.New(s.Client, in.ScopeKey, in.Scopes)
		now := time.Now()
		closed := make(chan struct{}, 8)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			_ = in.Run(ctx, func(ctx context.Context, turn *inbox.Turn) error {
				m := turn.Message
				price := map[string]*provider.Pricing{"ann": {Input: 1, Output: 10}, "bob": {}}[m.Author.ID]
				err := turn.Close(ctx, ledger.Add(usage.Entry{
					Scope: m.Scope, Bot: "helper", Provider: "lab", Model: m.Text, User: m.Author.ID, Channel: m.Place.Channel,
					In: 100, Out: 10, Cost: usage.Price(price, 100, 10), Estimated: m.Author.ID == "bob", At: now,
				}))
				closed <- struct{}{}
				return err
			}, inbox.RunOptions{})
		}()
		for i, by := range []string{"ann", "ann", "bob", "cyd"} {
			m := chat.Message{
				Key: fmt.Sprint(i), ID: "m", Scope: fmt.Sprintf("slack:A:T%d", i%2), Text: fmt.Sprintf("m%d", i), Trigger: chat.Mention,
				Place: chat.Place{Platform: "slack", Channel: "C1"}, Author: chat.Author{ID: by},
			}
			if err := in.Put(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		for range 4 {
			<-closed
		}
		report := func(by usage.By, f usage.Filter) []usage.Row {
			t.Helper()
			rows, err := ledger.Report(t.Context(), by, f, now.AddDate(0, 0, -2), now)
			if err != nil {
				t.Fatal(err)
			}
			return rows
		}
		users := report(usage.ByUser, usage.Filter{})
		if len(users) != 3 || users[0].Key != "ann" || users[0].Answers != 2 || users[0].In != 200 || users[0].Out != 20 || users[1].Estimated != 1 {
			t.Fatalf("by user: %+v", users)
		}
		if got := users[0].Cost; got == nil || *got < 0.000399 || *got > 0.000401 {
			t.Errorf("two answers cost %v, want 0.0004", got)
		}
		if free := users[1]; free.Cost == nil || *free.Cost != 0 || free.Unpriced != 0 {
			t.Errorf("a free answer: %+v", free)
		}
		if unknown := users[2]; unknown.Cost != nil || unknown.Unpriced != 1 {
			t.Errorf("an answer without a price: %+v", unknown)
		}
		if rows := report(usage.ByModel, usage.Filter{}); len(rows) != 4 || rows[0].Answers != 1 {
			t.Errorf("by model: %+v", rows)
		}
		if rows := report(usage.ByChannel, usage.Filter{User: "ann"}); len(rows) != 1 || rows[0].Key != "C1" || rows[0].Answers != 2 {
			t.Errorf("ann by channel: %+v", rows)
		}
		if rows := report(usage.ByDay, usage.Filter{}); len(rows) != 1 || rows[0].Key != now.UTC().Format(time.DateOnly) || rows[0].Answers != 4 || rows[0].Cost == nil || rows[0].Unpriced != 1 {
			t.Errorf("by day: %+v", rows)
		}
	})
}

func TestWithoutAPriceNothingIsCharged(t *testing.T) {
	if got := usage.Price(nil, 1000, 1000); got != nil {
		t.Errorf("got %v", *got)
	}
	if got := usage.Price(&provider.Pricing{Input: 2.5, Output: 10}, 1_000_000, 100_000); *got != 3.5 {
		t.Errorf("got %v, want 3.5", *got)
	}
}
