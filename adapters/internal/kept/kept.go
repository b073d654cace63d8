// Package kept remembers what a platform said, for a time and up to a number, and
// asks about one thing once at a time.
package kept

import (
	"time"

	"github.com/jellydator/ttlcache/v3"
)

// Cache remembers values by name. When it is full, what was used longest ago
// makes room. Its methods are safe for concurrent use.
type Cache[V any] struct{ items *ttlcache.Cache[string, V] }

// New makes a cache of most values, each kept for age after it was put there; 0
// is until it has to make room.
func New[V any](most int, age time.Duration) *Cache[V] {
	return &Cache[V]{ttlcache.New(
		ttlcache.WithCapacity[string, V](uint64(most)), ttlcache.WithTTL[string, V](age), ttlcache.WithDisableTouchOnHit[string, V](),
	)}
}

// Get gives a value that is remembered.
func (c *Cache[V]) Get(name string) (v V, ok bool) {
	if item := c.items.Get(name); item != nil {
		return item.Value(), true
	}
	return v, false
}

// Put remembers a value from now on.
func (c *Cache[V]) Put(name string, v V) { c.items.Set(name, v, ttlcache.DefaultTTL) }

// Drop forgets a value.
func (c *Cache[V]) Drop(name string) { c.items.Delete(name) }
