// Commands refused for a moment because of where their keys are.

package store

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

// refusal is an error as a Redis node gives it.
type refusal string

func (r refusal) Error() string { return string(r) }
func (refusal) RedisError()     {}

const (
	tryAgain  = refusal("TRYAGAIN Multiple keys request during rehashing of slot")
	downForIt = refusal("CLUSTERDOWN Hash slot not served")
)

func TestARefusedCommandIsTriedAgainForTwoSeconds(t *testing.T) {
	for _, err := range []error{tryAgain, downForIt, refusal("ASK 1 10.0.0.1:6379"), refusal("MOVED 1 10.0.0.1:6379")} {
		for times, answered := range map[int]bool{1: true, 8: true, 1 << 20: false} {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				process := movingHook{}.ProcessHook(func(context.Context, redis.Cmder) error {
					if asked++; asked > times {
						return nil
					}
					return err
				})
				began := time.Now()
				got := process(t.Context(), redis.NewCmd(t.Context(), "evalsha", "x"))
				if (got == nil) != answered {
					t.Errorf("%v, %d times: %v after %d", err, times, got, asked)
				}
				if took := time.Since(began); took > movingWait || !answered && took < movingWait-movingMost {
					t.Errorf("%v, %d times: it took %s", err, times, took)
				}
			})
		}
	}
}

func TestWhatIsNoMoveIsNotTriedAgain(t *testing.T) {
	for _, err := range []error{nil, redis.Nil, errors.New("TRYAGAIN, says no node"), refusal("ERR user_script:1: it said TRYAGAIN"), refusal("ASKING"), refusal("NOSCRIPT No matching script")} {
		asked := 0
		got := movingHook{}.ProcessHook(func(context.Context, redis.Cmder) error { asked++; return err })(t.Context(), nil)
		if got != err || asked != 1 {
			t.Errorf("%v: asked %d times, %v", err, asked, got)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	got := movingHook{}.ProcessHook(func(context.Context, redis.Cmder) error { asked++; cancel(); return tryAgain })(ctx, nil)
	if got != tryAgain || asked != 1 {
		t.Errorf("a caller who left: asked %d times, %v", asked, got)
	}
}

func TestOfAPipelineOnlyWhatWasRefusedIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong := refusal("WRONGTYPE Operation against a key holding the wrong kind of value")
		for _, c := range []struct {
			names []string
			want  []int // how often each is executed
			err   error
		}{
			{[]string{"set", "evalsha", "hset"}, []int{1, 1, 1}, nil},
			{[]string{"set", "evalsha", "wrong"}, []int{1, 1, 1}, wrong},
			{[]string{"multi", "set", "evalsha", "exec"}, []int{1, 1, 1, 1}, nil},
		} {
			executed, refusals := map[string]int{}, 3
			cmds := make([]redis.Cmder, len(c.names))
			for i, name := range c.names {
				cmds[i] = redis.NewCmd(t.Context(), name)
			}
			pipeline := movingHook{}.ProcessPipelineHook(func(_ context.Context, cmds []redis.Cmder) (first error) {
				refusals--
				tx := cmds[0].Name() == "multi"
				for _, cmd := range cmds {
					cmd.SetErr(nil)
					switch {
					case refusals >= 0 && cmd.Name() == "evalsha":
						cmd.SetErr(tryAgain)
					case refusals >= 0 && tx: // queued, then given up
					default:
						executed[cmd.Name()]++
						if cmd.Name() == "wrong" {
							cmd.SetErr(wrong)
						}
					}
					if first == nil {
						first = cmd.Err()
					}
				}
				return first
			})
			if err := pipeline(t.Context(), cmds); err != c.err {
				t.Errorf("%v: %v", c.names, err)
			}
			for i, name := range c.names {
				if executed[name] != c.want[i] {
					t.Errorf("%v: %s was executed %d times", c.names, name, executed[name])
				}
			}
		}
	})
}
