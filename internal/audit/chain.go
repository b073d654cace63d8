// Writing a change together with its entries, and trimming a chain.

package audit

import (
	"context"
	_ "embed" // the scripts
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
)

// Keep is how long entries are kept by default.
const Keep = 400 * 24 * time.Hour

// Most is how many entries a chain may hold, about 30 MB.
const Most = 100_000

// ErrBusy says that others wrote to the chain too often for a change to get
// through. Try again.
var ErrBusy = errors.New("others are making changes at the same time; try again")

// attempts bounds how often a change is retried because another one came first.
const attempts = 50

var (
	//go:embed trim.lua
	trimLua string
	//go:embed step.lua
	stepLua string
)

var trim = redis.NewScript(trimLua + "trim(KEYS[1], KEYS[2], tonumber(ARGV[1]), tonumber(ARGV[2])) return 1")

// Script is an atomic step on the keys of one hash tag that also writes entries.
type Script struct{ script *redis.Script }

// NewScript makes a Script from a Lua body, which sees KEYS and ARGV as Run gets
// them. The body returns a number: 0 if it changed nothing, so that no entry is
// written, else 1 or more.
func NewScript(body string) Script {
	return Script{redis.NewScript(trimLua + "local function step(KEYS, ARGV)\n" + body + "\nend\n" + stepLua)}
}

// Chain is the audit trail of one hash tag. It is safe for concurrent use.
type Chain struct {
	client  redis.UniversalClient
	log     string // list of entries, oldest first
	state   string // hash: "head" is the hash of the last entry, "anchor" of the last one that was trimmed
	keep    time.Duration
	most    int
	writing chan struct{} // semaphore: writers of one process take turns
	now     func() time.Time
}

// NewChain is the chain with the key prefix base, which contains a hash tag and
// ends in a colon. Entries older than keep are removed; 0 means Keep.
func NewChain(client redis.UniversalClient, base string, keep time.Duration) *Chain {
	if keep <= 0 {
		keep = Keep
	}
	return &Chain{
		client: client, log: base + "audit", state: base + "audit-state", keep: keep, most: Most,
		writing: make(chan struct{}, 1), now: time.Now,
	}
}

// Run runs s and writes the entries for changes in one atomic step. It returns what
// s returned: 0 if nothing changed and no entry was written. If the reply is lost
// and the client retries, the step is not repeated and Run returns 1.
func (c *Chain) Run(ctx context.Context, s Script, keys []string, args []any, changes ...chat.Change) (int64, error) {
	select {
	case c.writing <- struct{}{}:
		defer func() { <-c.writing }()
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	for range attempts {
		n, err := c.try(ctx, s, keys, args, changes)
		if err != nil || n >= 0 {
			return n, err
		}
	}
	return 0, ErrBusy
}

// try is one attempt; it returns -1 if another entry came first.
func (c *Chain) try(ctx context.Context, s Script, keys []string, args []any, changes []chat.Change) (int64, error) {
	head, at := "", c.now()
	if len(changes) > 0 {
		var err error
		if head, err = c.client.HGet(ctx, c.state, "head").Result(); err != nil && !errors.Is(err, redis.Nil) {
			return 0, fmt.Errorf("audit: %w", err)
		}
	}
	lines, next, err := link(head, changes, at)
	if err != nil {
		return 0, err
	}
	all := []any{len(lines), head, next, at.Add(-c.keep).UnixMilli(), c.most}
	for _, line := range lines {
		all = append(all, line)
	}
	return s.script.Run(ctx, c.client, append([]string{c.log, c.state}, keys...), append(all, args...)...).Int64()
}

// Trim removes entries that are too old or too many.
func (c *Chain) Trim(ctx context.Context) error {
	err := trim.Run(ctx, c.client, []string{c.log, c.state}, c.now().Add(-c.keep).UnixMilli(), c.most).Err()
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

// trimEvery is how often chains are trimmed that nobody writes to.
const trimEvery = time.Hour

// Run trims chains until ctx ends, which is its only error.
func Run(ctx context.Context, log *slog.Logger, chains ...*Chain) error {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	for {
		for _, c := range chains {
			if err := c.Trim(ctx); err != nil && ctx.Err() == nil {
				log.WarnContext(ctx, "audit entries could not be trimmed; trying again in an hour", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
