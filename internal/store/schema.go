// The version of what the store holds, so that an older parley never works on
// what it does not understand.

package store

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// Schema is the version of the keys and values that this parley reads and
// writes. A store without a version is of schema 1. ARCHITECTURE.md says when
// it is raised.
const Schema = 1

// raise notes a version unless a newer one is there, which it returns.
// KEYS schema; ARGV version, release → {version, release} that hold now
const raise = `
local now = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
if now < tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'version', ARGV[1], 'release', ARGV[2])
end
return redis.call('HMGET', KEYS[1], 'version', 'release')`

// CheckSchema refuses a store that a newer parley has written in a way this one
// does not understand. Of an older store, or one without a version, it notes
// that it is of Schema now; release is this parley's. The error is for the
// operator.
func (s *Store) CheckSchema(ctx context.Context, release string) error {
	return s.checkSchema(ctx, Schema, release)
}

func (s *Store) checkSchema(ctx context.Context, schema int, release string) error {
	key := s.prefix + ":{store}:schema"
	// Rights on channels are asked for here too: a subscription that is refused
	// would only be slow.
	if err := s.Client.Publish(ctx, s.prefix+":inbox", "start").Err(); err != nil {
		return fmt.Errorf("the store does not let parley publish: %w", s.explain(err))
	}
	found, err := s.Client.HMGet(ctx, key, "version", "release").Result()
	if err != nil {
		return fmt.Errorf("the store's version cannot be read: %w", s.explain(err))
	}
	version := schemaOf(found)
	if version < schema {
		found, err = redis.NewScript(raise).Run(ctx, s.Client, []string{key}, schema, release).Slice()
		if err != nil && schema == 1 {
			// No version means 1 as well: a store that is full may be read.
			s.log.WarnContext(ctx, "the store's version could not be noted; the next start tries again", "error", s.explain(err))
			return nil
		}
		if err != nil {
			return fmt.Errorf("the store's version cannot be noted: %w", s.explain(err))
		}
		version = schemaOf(found)
	}
	if version <= schema {
		return nil
	}
	return fmt.Errorf("the store is of a newer parley: its schema is %d, and this parley (%s) reads up to %d; start parley %v or newer, or give this one a store of its own (REDIS_PREFIX or DATA_DIR)",
		version, release, schema, found[1])
}

// schemaOf is the version among the fields, 0 when there is none.
func schemaOf(fields []any) int {
	text, _ := fields[0].(string)
	n, _ := strconv.Atoi(text)
	return n
}
