// Waiting while Redis Cluster moves a slot: for a moment some of a script's keys are
// on one node and some on the other, and neither may run it.

package store

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	movingWait  = 2 * time.Second // a platform waits for 3 s until it hears that a message was received
	movingFirst = 20 * time.Millisecond
	movingMost  = 200 * time.Millisecond
)

// whileMoving runs once, and again with back-off for 2 s at most while its error says
// that Redis Cluster is moving the slot, or is choosing who has it. Such an error is
// given before a command is executed, so nothing happens twice. It returns the last
// error; when ctx ends, that is the one before.
func whileMoving(ctx context.Context, once func() error) error {
	until := time.Now().Add(movingWait)
	for wait := movingFirst; ; wait = min(2*wait, movingMost) {
		err := once()
		if !moving(err) {
			return err
		}
		pause := wait/2 + rand.N(wait/2)
		if time.Now().Add(pause).After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// moving reports whether a node refused a command because of where its keys are.
func moving(err error) bool {
	if err == nil {
		return false
	}
	for _, code := range []string{"TRYAGAIN", "ASK", "MOVED", "CLUSTERDOWN"} {
		if redis.HasErrorPrefix(err, code+" ") {
			return true
		}
	}
	return false
}

// movingHook waits so for every command of a client of Redis Cluster. The library
// follows a slot by itself, but a few times in a few milliseconds only.
type movingHook struct{}

func (movingHook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (movingHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		return whileMoving(ctx, func() error { return next(ctx, cmd) })
	}
}

// ProcessPipelineHook repeats a transaction as a whole, as none of it was executed, and
// of other pipelines what was refused.
func (movingHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		tx := len(cmds) > 0 && cmds[0].Name() == "multi"
		left := cmds
		var failed error // of what is not repeated
		err := whileMoving(ctx, func() error {
			err := next(ctx, left)
			refused := refusedOf(left)
			if len(refused) == 0 {
				return err
			}
			if !tx {
				failed = firstOther(failed, left)
				left = refused
			}
			return refused[0].Err()
		})
		if failed != nil {
			return failed
		}
		return err
	}
}

// refusedOf lists the commands that were refused because of where their keys are.
func refusedOf(cmds []redis.Cmder) (refused []redis.Cmder) {
	for _, c := range cmds {
		if moving(c.Err()) {
			refused = append(refused, c)
		}
	}
	return refused
}

// firstOther is before, or the first error among cmds that has another reason.
func firstOther(before error, cmds []redis.Cmder) error {
	for _, c := range cmds {
		if err := c.Err(); before == nil && err != nil && !moving(err) {
			return err
		}
	}
	return before
}
