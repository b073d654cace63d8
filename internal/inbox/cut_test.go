// An owner whose lease is renewed while its other connections fail.

package inbox_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/inbox"
	"parley/internal/store/storetest"
)

// cut fails every command while it is on: as by an exhausted pool, or a client
// that still asks a former master.
type cut struct {
	on     atomic.Bool
	failed atomic.Int64
}

var errCut = errors.New("cut off")

func (*cut) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *cut) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if c.on.Load() {
			c.failed.Add(1)
			cmd.SetErr(errCut)
			return errCut
		}
		return next(ctx, cmd)
	}
}

func (c *cut) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if c.on.Load() {
			for _, cmd := range cmds {
				cmd.SetErr(errCut)
			}
			return errCut
		}
		return next(ctx, cmds)
	}
}

// cuttable is an inbox whose ordinary client can be cut off, and one beside it.
func cuttable(t *testing.T, change func(*inbox.Options)) (in, beside *inbox.Inbox, c *cut) {
	t.Helper()
	url := storetest.Redis(t)
	s, other := storetest.Open(t, url), storetest.Open(t, url)
	c = &cut{}
	s.Client.AddHook(c)
	in = newInbox(t, s, func(o *inbox.Options) {
		o.Urgent = s.Urgent
		change(o)
	})
	return in, newInbox(t, other, change), c
}

func TestTheGraceOfAStopEndsAlsoWhenTheStoreCannotBeRead(t *testing.T) {
	t.Parallel()
	in, beside, c := cuttable(t, func(o *inbox.Options) { o.Lease = time.Hour }) // what ends here is the grace
	h, stop := byHand(t, in, inbox.RunOptions{Grace: 300 * time.Millisecond})
	put(t, in, message("1", "C1", "hello"))
	receive(t, h.turns)
	c.on.Store(true)
	put(t, beside, message("2", "C2", "hello"))
	until(t, "the stream cannot be read", func() bool { return c.failed.Load() > 1 })
	put(t, beside, message("3", "C3", "hello")) // to be looked for while the last answer finishes
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stop()
	}()
	if err := receive(t, h.ends); !errors.Is(err, inbox.ErrHandedOver) {
		t.Errorf("the handler's context ended with %v", err)
	}
	receive(t, stopped)
	next, _ := byHand(t, beside, inbox.RunOptions{})
	for range 3 {
		turn := receive(t, next.turns)
		if err := turn.Close(t.Context()); err != nil {
			t.Error(err)
		}
		next.out <- nil
	}
}

func TestAnOwnerThatCanOnlyRenewItsLeaseLosesTheScope(t *testing.T) {
	t.Parallel()
	in, beside, c := cuttable(t, func(o *inbox.Options) { o.Lease = time.Second })
	h, _ := byHand(t, in, inbox.RunOptions{Grace: time.Second})
	put(t, in, message("1", "C1", "hello"))
	receive(t, h.turns)
	c.on.Store(true)
	put(t, beside, message("2", "C2", "hello"))
	if err := receive(t, h.ends); !errors.Is(err, inbox.ErrLost) {
		t.Errorf("the handler's context ended with %v", err)
	}
	next, _ := byHand(t, beside, inbox.RunOptions{})
	for range 2 {
		turn := receive(t, next.turns)
		if err := turn.Close(t.Context()); err != nil {
			t.Error(err)
		}
		next.out <- nil
	}
}
