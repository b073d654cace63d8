// What answers leave in the store.

package relay

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Keys that live for ever are those of the scope, however much was answered in it.
func TestAnswersLeaveNoKeyForEver(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.start()
	const answers = 200
	for n := range answers {
		m := asked(fmt.Sprint("Question ", n))
		m.Place.Thread = fmt.Sprint("T", n)
		p.put(m)
	}
	for range answers {
		if e := p.end(); e.Err != nil {
			t.Fatal(e.Err)
		}
	}
	ctx, store := t.Context(), f.Store.Client
	f.until("the scope has no open turn", func() bool { return f.Open(p.in, "memory:1") == 0 })
	keys, err := store.Keys(ctx, "parley:{memory:1}:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	var lasting []string
	for _, key := range keys {
		if store.PTTL(ctx, key).Val() < 0 {
			lasting = append(lasting, strings.TrimPrefix(key, "parley:{memory:1}:"))
		}
	}
	slices.Sort(lasting)
	if want := []string{"events", "events:last", "owner"}; !slices.Equal(lasting, want) {
		t.Errorf("of %d keys these live for ever: %q, want %q", len(keys), lasting, want)
	}
	t.Logf("%d keys after %d answers in as many threads, of which %d live for ever", len(keys), answers, len(lasting))
}
