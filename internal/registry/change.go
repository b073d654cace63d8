// Changes: each is one compare-and-set on the version, so that two replicas
// never lose each other's, and is announced to all.

package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/provider"
)

// ErrBusy says that others changed the registry so often that this change found
// no gap; trying again helps.
var ErrBusy = errors.New("the registry is being changed by others; try again")

// BuiltinError says that a built-in provider cannot be removed.
type BuiltinError struct{ ID string }

func (e *BuiltinError) Error() string {
	return fmt.Sprintf("provider %q is built in and cannot be removed; one that has an environment variable goes when that is unset", e.ID)
}

// commit writes a list of (operation, key number, field, value) if the version
// is still the expected one, raises it and tells everyone. It returns the new
// version, or 0 when the version was another. A version is the time in
// milliseconds, or one more than the version before: after Redis went back to
// an older state none comes again for other content.
const commit = `
local version = redis.call('GET', KEYS[1]) or ''
if version ~= ARGV[1] then return 0 end
for i = 4, #ARGV, 4 do
  local op, key, field, value = ARGV[i], KEYS[tonumber(ARGV[i+1])], ARGV[i+2], ARGV[i+3]
  if op == 'hset' then redis.call('HSET', key, field, value)
  elseif op == 'hdel' then redis.call('HDEL', key, field)
  elseif op == 'set' then redis.call('SET', key, value) end
end
local next = math.max((tonumber(version) or 0) + 1, tonumber(ARGV[3]))
local text = string.format('%d', next)
redis.call('SET', KEYS[1], text)
redis.call('PUBLISH', ARGV[2], text)
return next`

// change collects the writes of one commit.
type change struct {
	r    *Registry
	keys []string
	args []any
}

func (c *change) add(op, key, field, value string) {
	i := slices.Index(c.keys, key)
	if i < 0 {
		c.keys = append(c.keys, key)
		i = len(c.keys) - 1
	}
	c.args = append(c.args, op, strconv.Itoa(i+1), field, value)
}

func (c *change) set(key, field, value string) { c.add("hset", key, field, value) }
func (c *change) remove(key, field string)     { c.add("hdel", key, field, "") }

// attempts bounds how often a change is tried again because another came
// between reading and writing.
const attempts = 20

// update runs make on what Redis holds now and commits what it collected,
// again when another change came first. Collecting nothing writes nothing.
func (r *Registry) update(ctx context.Context, plan func(s *snapshot, c *change) error) error {
	for range attempts {
		s, err := r.load(ctx)
		if err != nil {
			return err
		}
		c := &change{r: r, keys: []string{r.keys.version}}
		if err := plan(s, c); err != nil {
			return err
		}
		if len(c.args) == 0 {
			return nil
		}
		n, err := r.client.Eval(ctx, commit, c.keys, append([]any{s.version, r.keys.channel, time.Now().UnixMilli()}, c.args...)...).Int64()
		if err != nil {
			return fmt.Errorf("registry: %w", err)
		}
		if n == 0 {
			continue
		}
		if _, err := r.load(ctx); err != nil {
			r.log.WarnContext(ctx, "registry stored a change but could not read it back yet", "error", err)
		}
		return nil
	}
	return ErrBusy
}

// Put stores p as a custom record; created says that none was stored under its
// id. It may stand in front of a built-in provider or of one from the providers
// file, which is there again when the custom one is removed. A key and headers
// that it leaves out are those of the record it stands in front of, as long as
// provider.Moved has no objection.
func (r *Registry) Put(ctx context.Context, p provider.Provider) (created bool, err error) {
	return r.Update(ctx, p.ID, func(Entry, bool) (provider.Provider, error) { return p, nil })
}

// Update stores as custom record what next makes of the provider there is now:
// the newest state, not the snapshot, and nobody else's change comes between.
// next may run several times; its error is returned as it is.
func (r *Registry) Update(ctx context.Context, id string, next func(old Entry, found bool) (provider.Provider, error)) (created bool, err error) {
	err = r.update(ctx, func(s *snapshot, c *change) error {
		old, found := s.find(id)
		p, err := next(old, found)
		if err != nil {
			return err
		}
		p.ID = id
		known, there := s.stored[id]
		created = !there
		if there && known.source == File {
			c.set(r.keys.shadowed, id, s.raw[id])
		}
		if under, ok := r.under(s, id); ok && provider.Moved(under, p) == "" {
			if p.APIKey.IsZero() {
				p.APIKey = under.APIKey
			}
			if len(p.ExtraHeaders) == 0 {
				p.ExtraHeaders = under.ExtraHeaders
			}
		}
		return c.put(s, p, Custom)
	})
	if err == nil {
		r.log.InfoContext(ctx, "provider stored", "provider", id, "created", created)
	}
	return created, err
}

// under is the provider that a custom record with this id stands in front of:
// the file's, else the built-in one.
func (r *Registry) under(s *snapshot, id string) (provider.Provider, bool) {
	text, ok := s.shadowed[id]
	if known, there := s.stored[id]; there && known.source == File {
		text, ok = s.raw[id], true
	}
	if !ok {
		return s.builtin(id)
	}
	rec, err := r.decode(id, text)
	if err != nil || rec.problem != "" {
		return provider.Provider{}, false
	}
	return rec.provider, true
}

// put writes one record and forgets what was learned of the one before.
func (c *change) put(s *snapshot, p provider.Provider, source string) error {
	p.Models.List = slices.Clone(p.Models.List) // the caller's, or a snapshot's
	p.Normalize()
	rec := record{provider: p, source: source}
	if b, ok := s.builtin(p.ID); ok && source == Custom && !p.APIKey.IsZero() &&
		p.APIKey.Reveal() == b.APIKey.Reveal() && provider.SameServer(p.Endpoint, b.Endpoint) {
		rec.builtinKey = true
	}
	text, err := c.r.encode(rec)
	if err != nil {
		return err
	}
	c.set(c.r.keys.providers, p.ID, text)
	c.forget(s, p.ID)
	return nil
}

func (c *change) forget(s *snapshot, id string) {
	for _, field := range slices.Sorted(maps.Keys(s.learned)) {
		if strings.HasPrefix(field, id+"/") {
			c.remove(c.r.keys.learned, field)
		}
	}
}

// Remove deletes a stored record and reports whether there was one. A provider
// of the file or a built-in one behind it is there again; a built-in one without
// a stored record gives *BuiltinError. A record of the file is gone until the
// file changes.
func (r *Registry) Remove(ctx context.Context, id string) (bool, error) {
	removed := false
	err := r.update(ctx, func(s *snapshot, c *change) error {
		if _, removed = s.stored[id]; !removed {
			if _, ok := s.builtin(id); ok {
				return &BuiltinError{ID: id}
			}
			return nil
		}
		if below, ok := s.shadowed[id]; ok {
			c.set(r.keys.providers, id, below)
			c.remove(r.keys.shadowed, id)
		} else {
			c.remove(r.keys.providers, id)
		}
		c.forget(s, id)
		return nil
	})
	if err == nil && removed {
		r.log.InfoContext(ctx, "provider removed", "provider", id)
	}
	return removed && err == nil, err
}

// SetDefault makes c the bot's default; nil gives it back its file's.
func (r *Registry) SetDefault(ctx context.Context, bot string, c *Choice) error {
	return r.update(ctx, func(s *snapshot, ch *change) error {
		old, found := s.defaults[bot]
		switch {
		case c == nil && found:
			ch.remove(r.keys.defaults, bot)
		case c != nil && (!found || old != *c):
			text, err := json.Marshal(c)
			if err != nil {
				return err
			}
			ch.set(r.keys.defaults, bot, string(text))
		}
		return nil
	})
}

// applyFile stores the records of the providers file unless that very content
// was applied before. Records of an earlier file that are gone from it go.
func (r *Registry) applyFile(ctx context.Context, file map[string]provider.Provider, digest string) error {
	if digest == "" {
		return nil
	}
	applied := false
	err := r.update(ctx, func(s *snapshot, c *change) error {
		last, err := r.client.Get(ctx, r.keys.digest).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return fmt.Errorf("registry: %w", err)
		}
		if applied = last != digest; !applied {
			return nil
		}
		for _, id := range slices.Sorted(maps.Keys(s.stored)) {
			if _, still := file[id]; !still && s.stored[id].source == File {
				c.remove(r.keys.providers, id)
				c.forget(s, id)
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

// reseal stores records anew that an older key of the ring sealed.
func (r *Registry) reseal(ctx context.Context) error {
	return r.update(ctx, func(s *snapshot, c *change) error {
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
		return nil
	})
}
