// A chain: writing changes with their entries, and keeping it within its limits.

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

// Keep is how long entries are kept where nothing else is set.
const Keep = 400 * 24 * time.Hour

// Most is how many entries a chain holds, whatever their age: some 30 MB.
const Most = 100_000

// ErrBusy says that others wrote to the chain so often that a change found no
// gap; trying again helps.
var ErrBusy = errors.New("others are making changes at the same time; try again")

// attempts bounds how often a change is tried when another came between.
const attempts = 50

var (
	//go:embed trim.lua
	trimLua string
	//go:embed step.lua
	stepLua string
)

var trim = redis.NewScript(trimLua + "trim(KEYS[1], KEYS[2], tonumber(ARGV[1]), tonumber(ARGV[2])) return 1")

// Script is an atomic step on keys of one hash tag that takes its entries along.
type Script struct{ script *redis.Script }

// NewScript makes a Script of body, which sees KEYS and ARGV as they are given
// to Run. It returns an integer: 0 where it changed nothing, so that no entry is
// written, else 1 or more.
func NewScript(body string) Script {
	return Script{redis.NewScript(trimLua + "local function step(KEYS, ARGV)\n" + body + "\nend\n" + stepLua)}
}

// Chain is the audit trail of one hash tag. It is safe for concurrent use.
type Chain struct {
	client  redis.UniversalClient
	log     string // list of entries, oldest first
	state   string // hash: "head" of the last entry, "anchor" of the last that was trimmed
	keep    time.Duration
	most    int
	writing chan struct{} // holds one token: writers of one process do not compete
	now     func() time.Time
}

// NewChain is the chain under base, which holds a hash tag and ends in a colon.
// Entries older than keep are removed; 0 stands for Keep.
func NewChain(client redis.UniversalClient, base string, keep time.Duration) *Chain {
	if keep <= 0 {
		keep = Keep
	}
	return &Chain{
		client: client, log: base + "audit", state: base + "audit-state", keep: keep, most: Most,
		writing: make(chan struct{}, 1), now: time.Now,
	}
}

// Run makes one atomic step of s and the entries of changes, and returns what s
// did: 0 says that nothing was changed and no entry written. A step whose reply
// was lost is not made twice; it then returns 1.
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

// try is one attempt; -1 says that another entry came between.
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

// Trim removes the entries that are too old.
func (c *Chain) Trim(ctx context.Context) error {
	err := trim.Run(ctx, c.client, []string{c.log, c.state}, c.now().Add(-c.keep).UnixMilli(), c.most).Err()
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

// trimEvery is how often chains that nobody writes to are trimmed.
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
