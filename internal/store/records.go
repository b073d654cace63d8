// Small values that several processes change.

package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Records keeps small values that are no secret, by name, for processes that
// change them together. It is safe for concurrent use.
type Records struct {
	client redis.UniversalClient
	base   string
}

// NewRecords keeps values under prefix:{records}:.
func NewRecords(s *Store, prefix string) *Records {
	return &Records{client: s.Client, base: prefix + ":{records}:"}
}

// Read returns what is kept under key, "" when there is nothing.
func (r *Records) Read(ctx context.Context, key string) (string, error) {
	value, err := r.client.Get(ctx, r.base+key).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("read %s: %w", key, err)
	}
	return value, nil
}

// swap sets a value if the one before is still the expected one. A call whose
// reply was lost is sent again and finds its own value: that is success.
const swap = `
local now = redis.call('GET', KEYS[1]) or ''
if now == ARGV[2] then return 1 end
if now ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1`

// Swap keeps next under key if old is what is there ("": nothing) and reports
// whether next is there now.
func (r *Records) Swap(ctx context.Context, key, old, next string) (bool, error) {
	done, err := r.client.Eval(ctx, swap, []string{r.base + key}, old, next).Int()
	if err != nil {
		return false, fmt.Errorf("change %s: %w", key, err)
	}
	return done == 1, nil
}

// First reports true to the first who asks for key within a time, over all
// processes.
func (r *Records) First(ctx context.Context, key string, within time.Duration) (bool, error) {
	key = r.base + "first/" + key
	mine := rand.Text() // a call whose reply was lost is sent again and finds this
	won, err := r.client.SetNX(ctx, key, mine, within).Result()
	if err != nil || won {
		return won, err
	}
	holder, err := r.client.Get(ctx, key).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return false, err
	}
	return holder == mine, nil
}
