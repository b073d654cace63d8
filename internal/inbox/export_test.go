package inbox

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// WithdrawnMember is what Withdraw notes of a message.
func WithdrawnMember(key string) redis.Z {
	return redis.Z{Score: float64(time.Now().UnixMilli()), Member: digest(key)}
}

// Append adds a step of a kind that only the test knows.
func (t *Turn) Append(ctx context.Context, kind, key string, body any) error {
	return t.append(ctx, step{kind, key, body})
}

// Bodies are the bodies of such steps.
func Bodies[T any](t *Turn, kind string) []T {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bodies[T](t.journal, kind)
}

// StepsStored is how many entries the journal has.
func (t *Turn) StepsStored() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.journal.entries)
}

// MostEarly is how many deletions wait for their messages.
const MostEarly = mostEarly
