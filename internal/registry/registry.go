// Package registry holds the providers and who uses which: the stored records
// with their secrets sealed, the built-in providers, the choices made for channels
// and threads, and what was learned about each endpoint. Reads come from an
// in-memory snapshot that follows the changes of every replica and survives an
// outage of Redis.
package registry

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/audit"
	"parley/internal/provider"
	"parley/internal/secret"
)

// The sources of a provider record.
const (
	Builtin = "builtin" // built in; usable because its variable is set
	File    = "file"    // from PROVIDERS_FILE, not changed since
	Custom  = "custom"  // saved by a person; may override one of the other two
)

// Entry is a provider and where it comes from.
type Entry struct {
	provider.Provider
	Source string // Builtin, File or Custom
	// Problem tells a person why the record cannot be used (its secrets do not
	// open); empty when it can.
	Problem string
}

// Options is what a Registry needs. Client, Prefix, Ring and Log are required.
type Options struct {
	Client redis.UniversalClient
	Prefix string // first part of every key
	Ring   *secret.Ring
	Log    *slog.Logger
	// Builtins are the providers usable without a record.
	Builtins []provider.Provider
	// File is the parsed PROVIDERS_FILE and FileDigest the digest of its content.
	// Open applies the file unless this digest was the last one applied.
	File       map[string]provider.Provider
	FileDigest string
	// AuditKeep is how long audit entries are kept; 0 means audit.Keep.
	AuditKeep time.Duration
}

// Registry is safe for use by many goroutines.
type Registry struct {
	client redis.UniversalClient
	keys   keys
	ring   *secret.Ring
	log    *slog.Logger

	trail              *audit.Chain
	commit, bindScript audit.Script

	loading sync.Mutex // one load at a time, so that snapshots only move forward
	now     atomic.Pointer[snapshot]
}

// snapshot is everything readers need. It is immutable once published.
type snapshot struct {
	version  string
	builtins []provider.Provider
	stored   map[string]record // as in Redis, secrets opened
	raw      map[string]string // as in Redis, to see what changed
	defaults map[string]Choice
	learned  map[string]lesson
	shadowed map[string]string // records of the providers file that a custom one overrides, as in Redis

	entries []Entry // built-in and stored, by id
}

// keys are the registry's Redis keys; all share one hash tag.
type keys struct {
	version, providers, shadowed, defaults, learned, digest, channel, bindings, bots string
}

// base is the prefix of every registry key.
func base(prefix string) string { return prefix + ":{registry}:" }

func newKeys(prefix string) keys {
	base := base(prefix)
	return keys{
		version:   base + "version",
		providers: base + "providers",
		shadowed:  base + "shadowed",
		defaults:  base + "defaults",
		learned:   base + "learned",
		digest:    base + "file-digest",
		channel:   base + "changed",
		bindings:  base + "bindings:",
		bots:      base + "bots:",
	}
}

// Open loads the registry and applies the providers file if its content changed
// since it was last applied.
func Open(ctx context.Context, o Options) (*Registry, error) {
	if len(o.File) > 0 && o.FileDigest == "" {
		return nil, errors.New("registry: a providers file needs a digest")
	}
	r := &Registry{
		client: o.Client, keys: newKeys(o.Prefix), ring: o.Ring, log: o.Log,
		trail:  audit.NewChain(o.Client, base(o.Prefix), o.AuditKeep),
		commit: audit.NewScript(commitLua), bindScript: audit.NewScript(bindLua),
	}
	r.now.Store(&snapshot{builtins: slices.Clone(o.Builtins)})
	if _, err := r.load(ctx); err != nil {
		return nil, err
	}
	if err := r.applyFile(ctx, o.File, o.FileDigest); err != nil {
		return nil, err
	}
	return r, r.reseal(ctx)
}

// Trail is the registry's audit trail.
func (r *Registry) Trail() *audit.Chain { return r.trail }

// Providers lists every provider, sorted by id. The slice is shared: do not
// modify it.
func (r *Registry) Providers() []Entry { return r.now.Load().entries }

// Provider returns the provider with this id.
func (r *Registry) Provider(id string) (Entry, bool) { return r.now.Load().find(id) }

// Default is the operator's choice for a bot, which overrides its file.
func (r *Registry) Default(bot string) (Choice, bool) {
	c, ok := r.now.Load().defaults[bot]
	return c, ok
}

// SetBuiltins replaces the built-in providers of this process: some depend on a
// local server that may start or stop.
func (r *Registry) SetBuiltins(list []provider.Provider) {
	r.loading.Lock()
	defer r.loading.Unlock()
	next := *r.now.Load()
	next.builtins = slices.Clone(list)
	next.merge()
	r.now.Store(&next)
}

func (s *snapshot) find(id string) (Entry, bool) {
	i, ok := slices.BinarySearchFunc(s.entries, id, func(e Entry, id string) int {
		switch {
		case e.ID < id:
			return -1
		case e.ID > id:
			return 1
		}
		return 0
	})
	if !ok {
		return Entry{}, false
	}
	return s.entries[i], true
}

func (s *snapshot) builtin(id string) (provider.Provider, bool) {
	for _, p := range s.builtins {
		if p.ID == id {
			return p, true
		}
	}
	return provider.Provider{}, false
}

// merge builds the list of entries: stored records override built-in providers.
func (s *snapshot) merge() {
	all := map[string]Entry{}
	for _, p := range s.builtins {
		all[p.ID] = Entry{Provider: p, Source: Builtin}
	}
	for id, rec := range s.stored {
		all[id] = rec.entry(s)
	}
	s.entries = make([]Entry, 0, len(all))
	for _, id := range slices.Sorted(maps.Keys(all)) {
		s.entries = append(s.entries, all[id])
	}
}
