// Small values that several processes change.

package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/audit"
	"parley/internal/chat"
)

// Records keeps small values that are no secret, by name, for processes that
// change them together. It is safe for concurrent use.
type Records struct {
	client redis.UniversalClient
	base   string
	trail  *audit.Chain
	swap   audit.Script
}

// NewRecords keeps values under prefix:{records}:, and for auditKeep (0:
// audit.Keep) who changed them.
func NewRecords(s *Store, prefix string, auditKeep time.Duration) *Records {
	base := prefix + ":{records}:"
	return &Records{client: s.Client, base: base, trail: audit.NewChain(s.Client, base, auditKeep), swap: audit.NewScript(swapLua)}
}

// Trail is the audit trail of the values.
func (r *Records) Trail() *audit.Chain { return r.trail }

// Read returns what is kept under key, "" when there is nothing.
func (r *Records) Read(ctx context.Context, key string) (string, error) {
	value, err := r.client.Get(ctx, r.base+key).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("read %s: %w", key, err)
	}
	return value, nil
}

// swapLua sets a value if the one before is still the expected one. A call whose
// reply was lost is sent again and finds its own value: that is success.
const swapLua = `
local now = redis.call('GET', KEYS[1]) or ''
if now == ARGV[2] then return 1 end
if now ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1`

// Swap keeps next under key if old is what is there ("": nothing) and reports
// whether next is there now. What the audit trail is to keep of that is written
// in the same step.
func (r *Records) Swap(ctx context.Context, key, old, next string, notes ...chat.Change) (bool, error) {
	done, err := r.trail.Run(ctx, r.swap, []string{r.base + key}, []any{old, next}, notes...)
	if err != nil {
		return false, fmt.Errorf("change %s: %w", key, err)
	}
	return done == 1, nil
}

// First reports true to the first who asks for key within a time, over all
// processes.
func (r *Records) First(ctx context.Context, key string, within time.Duration) (bool, error) {
	return claim(ctx, r.client, r.base+"first/"+key, within)
}

// claim reports true to the first who asks for key within a time, over all
// processes.
func claim(ctx context.Context, c redis.UniversalClient, key string, within time.Duration) (bool, error) {
	// The client repeats a command whose reply was lost: by its own mark a
	// caller finds that it was first all the same.
	mine := rand.Text()
	first, err := c.SetNX(ctx, key, mine, within).Result()
	if err != nil || first {
		return first, err
	}
	holder, err := c.Get(ctx, key).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return false, err
	}
	return holder == mine, nil
}
