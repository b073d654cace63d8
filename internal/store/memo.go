// Small things a part wants to find again after a restart.

package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/secret"
)

// Memo keeps small sealed values by name. It is safe for concurrent use.
type Memo struct {
	client redis.UniversalClient
	ring   *secret.Ring
	base   string
}

// NewMemo keeps values under prefix:{memo}:.
func NewMemo(s *Store, prefix string, ring *secret.Ring) *Memo {
	return &Memo{client: s.Client, ring: ring, base: prefix + ":{memo}:"}
}

// Save keeps data under key for ttl, 0 for ever.
func (m *Memo) Save(ctx context.Context, key string, data []byte, ttl time.Duration) error {
	key = m.base + key
	if err := m.client.Set(ctx, key, m.ring.Seal(data, key), ttl).Err(); err != nil {
		return fmt.Errorf("keep %s: %w", key, err)
	}
	return nil
}

// claimAge is how long a claim holds.
const claimAge = time.Hour

// Once reports true to the first who asks for key within an hour, over all
// processes.
func (m *Memo) Once(ctx context.Context, key string) (bool, error) {
	key = m.base + "once/" + key
	// The client repeats a command whose reply was lost: by its own value a
	// caller finds that it was first all the same.
	mark := rand.Text()
	first, err := m.client.SetNX(ctx, key, mark, claimAge).Result()
	if err != nil || first {
		return first, m.claimed(key, err)
	}
	holder, err := m.client.Get(ctx, key).Result()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	return err == nil && holder == mark, m.claimed(key, err)
}

func (m *Memo) claimed(key string, err error) error {
	if err != nil {
		return fmt.Errorf("claim %s: %w", key, err)
	}
	return nil
}

// Load returns what is kept under key, nil when there is nothing.
func (m *Memo) Load(ctx context.Context, key string) ([]byte, error) {
	return m.open(m.base+key, m.client.Get(ctx, m.base+key))
}

// Take returns what is kept under key to one caller only, and removes it.
func (m *Memo) Take(ctx context.Context, key string) ([]byte, error) {
	return m.open(m.base+key, m.client.GetDel(ctx, m.base+key))
}

func (m *Memo) open(key string, c *redis.StringCmd) ([]byte, error) {
	sealed, err := c.Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	data, _, err := m.ring.Open(sealed, key)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return data, nil
}
