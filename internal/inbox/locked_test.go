package inbox_test

import (
	"context"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/inbox"
	"parley/internal/secret"
	"parley/internal/store"
	"parley/internal/store/storetest"
)

// In a rolling change of MASTER_KEYS one replica owns the scope and lacks the
// key of a message that another one could open.
func TestAMessageGoesToTheProcessThatHasItsKey(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		old, fresh := secret.GenerateKey("old"), secret.GenerateKey("fresh")
		with := func(line string) func(*inbox.Options) {
			ring, err := secret.ParseRing(line)
			if err != nil {
				t.Fatal(err)
			}
			return func(o *inbox.Options) { o.Ring = ring }
		}
		answered := func(in *inbox.Inbox) chan chat.Message {
			handled := make(chan chat.Message, 9)
			run(t, in, func(ctx context.Context, turn *inbox.Turn) error {
				err := turn.Close(ctx)
				handled <- turn.Message
				return err
			}, inbox.RunOptions{})
			return handled
		}
		lacks := newInbox(t, s, with(old))
		put(t, lacks, message("1", "C1", "hello"))
		byOld := answered(lacks)
		if m := receive(t, byOld); m.Key != "1" {
			t.Errorf("%s was handled", m.Key)
		}
		has := newInbox(t, s, with(fresh+","+old))
		put(t, has, message("2", "C1", "hello"))
		put(t, lacks, message("3", "C1", "hello")) // what it can open holds nobody up
		byFresh := answered(has)
		got := map[string]bool{}
		for len(got) < 2 {
			select {
			case m := <-byOld:
				got[m.Key] = true
			case m := <-byFresh:
				got[m.Key] = true
			case <-time.After(time.Minute):
				t.Fatalf("handled were %v", got)
			}
		}
		if !got["2"] || !got["3"] || stored(t, s, has) != 0 {
			t.Errorf("handled were %v", got)
		}
	})
}
