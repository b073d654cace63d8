// Changes that the registry makes on its own: it applies the providers file and
// encrypts records again that an older key sealed.

package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/internal/provider"
)

// applyFile stores the records of the providers file, unless this content was the
// last one applied, and removes the records that the file no longer has.
func (r *Registry) applyFile(ctx context.Context, file map[string]provider.Provider, digest string) error {
	if digest == "" {
		return nil
	}
	applied := false
	err := r.update(ctx, chat.Actor{Kind: chat.ByFile}, func(s *snapshot, c *change) error {
		last, err := r.client.Get(ctx, r.keys.digest).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return fmt.Errorf("registry: %w", err)
		}
		if applied = last != digest; !applied {
			return nil
		}
		for _, id := range slices.Sorted(maps.Keys(s.stored)) {
			if _, still := file[id]; !still && s.stored[id].source == File {
				c.drop(s, id, "")
			}
		}
		for _, id := range slices.Sorted(maps.Keys(s.shadowed)) {
			c.remove(r.keys.shadowed, id)
		}
		for _, id := range slices.Sorted(maps.Keys(file)) {
			p := file[id]
			p.ID = id
			if err := c.put(s, p, File); err != nil {
				return err
			}
		}
		c.add("set", r.keys.digest, "", digest)
		return nil
	})
	if err == nil && applied {
		r.log.InfoContext(ctx, "providers file applied", "providers", len(file))
	}
	return err
}

// reseal encrypts the records that an older key of the ring sealed with the newest
// key.
func (r *Registry) reseal(ctx context.Context) error {
	return r.update(ctx, chat.Actor{Kind: chat.BySystem}, func(s *snapshot, c *change) error {
		for _, id := range slices.Sorted(maps.Keys(s.stored)) {
			rec := s.stored[id]
			if !rec.stale || rec.problem != "" {
				continue
			}
			text, err := r.encode(rec)
			if err != nil {
				return err
			}
			c.set(r.keys.providers, id, text)
		}
		if len(c.args) > 0 {
			c.note(chat.Change{Action: "key.rotate", Fields: []string{"providers"}})
		}
		return nil
	})
}
