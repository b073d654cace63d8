// Small things a part wants to find again after a restart.

package store

import (
	"context"
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
	first, err := claim(ctx, m.client, m.base+"once/"+key, claimAge)
	if err != nil {
		return false, fmt.Errorf("claim %s: %w", m.base+key, err)
	}
	return first, nil
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
