// Following the changes of other replicas: publish makes it quick, polling makes
// it certain.

package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	poll   = time.Second      // how late a change is seen if its message was lost
	reread = 30 * time.Second // reload even if the version is the same
)

// Run follows the changes of other replicas until ctx ends, which is its only
// error. While Redis is unreachable, the last snapshot is used.
func (r *Registry) Run(ctx context.Context) error {
	sub := r.client.Subscribe(ctx, r.keys.channel)
	defer func() { _ = sub.Close() }()
	words := sub.Channel()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	down := false
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case _, ok := <-words:
			if !ok {
				words = nil
			}
		case <-tick.C:
		}
		full := time.Since(last) >= reread
		if full {
			last = time.Now()
		}
		err := r.follow(ctx, full)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if (err != nil) != down {
			down = err != nil
			if down {
				r.log.WarnContext(ctx, "registry cannot follow changes; using what it knows", "error", err)
			} else {
				r.log.InfoContext(ctx, "registry follows changes again")
			}
		}
	}
}

func (r *Registry) follow(ctx context.Context, full bool) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if !full {
		version, err := r.client.Get(ctx, r.keys.version).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
		if version == r.now.Load().version {
			return nil
		}
	}
	s, err := r.load(ctx)
	if err != nil {
		return err
	}
	for _, rec := range s.stored {
		if rec.stale {
			return r.reseal(ctx)
		}
	}
	return nil
}

// load reads everything and publishes it as the snapshot. It reads the version
// first, so a snapshot is never older than its version.
func (r *Registry) load(ctx context.Context) (*snapshot, error) {
	r.loading.Lock()
	defer r.loading.Unlock()
	pipe := r.client.Pipeline()
	version := pipe.Get(ctx, r.keys.version)
	providers := pipe.HGetAll(ctx, r.keys.providers)
	shadowed := pipe.HGetAll(ctx, r.keys.shadowed)
	defaults := pipe.HGetAll(ctx, r.keys.defaults)
	learned := pipe.HGetAll(ctx, r.keys.learned)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("registry: %w", err)
	}
	before := r.now.Load()
	next := &snapshot{
		version:  version.Val(),
		builtins: before.builtins,
		raw:      providers.Val(),
		shadowed: shadowed.Val(),
		stored:   map[string]record{},
		defaults: map[string]Choice{},
		learned:  map[string]lesson{},
	}
	for id, text := range next.raw {
		if rec, ok := r.opened(ctx, before, id, text); ok {
			next.stored[id] = rec
		}
	}
	for bot, text := range defaults.Val() {
		var c Choice
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			r.log.ErrorContext(ctx, "stored default of a bot is not readable", "bot", bot, "error", err)
			continue
		}
		next.defaults[bot] = c
	}
	for field, text := range learned.Val() {
		var l lesson
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			r.log.ErrorContext(ctx, "stored lesson is not readable", "model", field, "error", err)
			continue
		}
		next.learned[field] = l
	}
	next.merge()
	r.now.Store(next)
	return next, nil
}

// opened decodes a record, or takes it from the previous snapshot if it has not
// changed. If this process cannot open it, because another replica has a newer key
// already, the record keeps the secrets that this process knows.
func (r *Registry) opened(ctx context.Context, before *snapshot, id, text string) (record, bool) {
	known, had := before.stored[id]
	if had && before.raw[id] == text {
		return known, true
	}
	rec, err := r.decode(id, text)
	if err != nil {
		r.log.ErrorContext(ctx, "stored provider is not readable", "provider", id, "error", err)
		return known, had
	}
	if rec.problem == "" {
		return rec, true
	}
	if had && known.problem == "" && fingerprint(known.provider) == fingerprint(rec.provider) {
		r.log.WarnContext(ctx, "stored provider was sealed with a key this process lacks; using the secrets it knows", "provider", id)
		return known, true
	}
	r.log.ErrorContext(ctx, "stored provider cannot be used", "provider", id, "reason", rec.problem)
	return rec, true
}
