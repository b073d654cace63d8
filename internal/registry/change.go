// Changes. Each is one compare-and-set on the version, so that replicas never
// overwrite each other, and is published to all of them. Its audit entries are
// part of the same step.

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

	"parley/internal/audit"
	"parley/internal/chat"
	"parley/internal/provider"
)

// ErrBusy says that others changed the registry too often for this change to get
// through. Try again.
var ErrBusy = errors.New("the registry is being changed by others; try again")

// BuiltinError says that a built-in provider cannot be removed.
type BuiltinError struct{ ID string }

func (e *BuiltinError) Error() string {
	return fmt.Sprintf("provider %q is built in and cannot be removed; one that has an environment variable goes when that is unset", e.ID)
}

// commitLua writes a list of (operation, key number, field, value) if the version
// is still the expected one, raises the version and publishes it. It returns the
// new version, or 0 if the version was another one. A version is the time in
// milliseconds, or the previous version plus one: if Redis falls back to an older
// state, no version is used again for different content.
const commitLua = `
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

// change collects the writes of one commit and its audit entries.
type change struct {
	r     *Registry
	by    chat.Actor
	keys  []string
	args  []any
	notes []chat.Change
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

// note adds an audit entry.
func (c *change) note(n chat.Change) {
	n.By = c.by
	c.notes = append(c.notes, n)
}

// attempts bounds how often a change is retried because another one came between
// its read and its write.
const attempts = 20

// update runs plan on the current state in Redis and commits what it collected. If
// another change came first, it starts over. A plan that collects nothing writes
// nothing.
func (r *Registry) update(ctx context.Context, by chat.Actor, plan func(s *snapshot, c *change) error) error {
	for range attempts {
		s, err := r.load(ctx)
		if err != nil {
			return err
		}
		c := &change{r: r, by: by, keys: []string{r.keys.version}}
		if err := plan(s, c); err != nil {
			return err
		}
		if len(c.args) == 0 {
			return nil
		}
		n, err := r.trail.Run(ctx, r.commit, c.keys, append([]any{s.version, r.keys.channel, time.Now().UnixMilli()}, c.args...), c.notes...)
		if errors.Is(err, audit.ErrBusy) {
			return ErrBusy
		}
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

// put writes a record and drops what was learned about the previous one.
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
	old, _ := s.find(p.ID)
	fields, err := changedFields(old.Provider, p)
	if err != nil {
		return err
	}
	if old.Source != source {
		fields = append(fields, "source")
	}
	if len(fields) > 0 {
		c.note(chat.Change{Action: "provider.put", Target: p.ID, Fields: fields, Values: map[string]string{"source": source}})
	}
	return nil
}

// drop removes a record, or replaces it by below if that is not empty.
func (c *change) drop(s *snapshot, id, below string) {
	if below != "" {
		c.set(c.r.keys.providers, id, below)
		c.remove(c.r.keys.shadowed, id)
	} else {
		c.remove(c.r.keys.providers, id)
	}
	c.forget(s, id)
	c.note(chat.Change{Action: "provider.remove", Target: id})
}

func (c *change) forget(s *snapshot, id string) {
	for _, field := range slices.Sorted(maps.Keys(s.learned)) {
		if strings.HasPrefix(field, id+"/") {
			c.remove(c.r.keys.learned, field)
		}
	}
}

// Remove deletes a stored record and reports whether there was one. The record of
// the providers file, or the built-in provider, that it overrode takes effect
// again. A built-in provider without a stored record gives *BuiltinError. A record
// of the file stays removed until the file changes.
func (r *Registry) Remove(ctx context.Context, by chat.Actor, id string) (bool, error) {
	removed := false
	err := r.update(ctx, by, func(s *snapshot, c *change) error {
		if _, removed = s.stored[id]; removed {
			c.drop(s, id, s.shadowed[id])
			return nil
		}
		if _, ok := s.builtin(id); ok {
			return &BuiltinError{ID: id}
		}
		return nil
	})
	if err == nil && removed {
		r.log.InfoContext(ctx, "provider removed", "provider", id, "via", by.Via(), "by", by.ID)
	}
	return removed && err == nil, err
}

// SetDefault sets the bot's default; nil restores the one in its file.
func (r *Registry) SetDefault(ctx context.Context, by chat.Actor, bot string, c *Choice) error {
	return r.update(ctx, by, func(s *snapshot, ch *change) error {
		old, found := s.defaults[bot]
		switch {
		case c == nil && found:
			ch.remove(r.keys.defaults, bot)
			ch.note(old.change("bot.default", bot, Choice{}))
		case c != nil && (!found || old != *c):
			text, err := json.Marshal(c)
			if err != nil {
				return err
			}
			ch.set(r.keys.defaults, bot, string(text))
			ch.note(old.change("bot.default", bot, *c))
		}
		return nil
	})
}

// change is the audit entry for replacing c by next.
func (c Choice) change(action, target string, next Choice) chat.Change {
	n := chat.Change{Action: action, Target: target, Values: map[string]string{"provider": next.Provider, "model": next.Model}}
	if c.Provider != next.Provider {
		n.Fields = append(n.Fields, "provider")
	}
	if c.Model != next.Model {
		n.Fields = append(n.Fields, "model")
	}
	return n
}
