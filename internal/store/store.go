// Package store opens what parley keeps its state in: a Redis that the
// operator runs (single node, Sentinel or Cluster), or a Redis-compatible
// server inside the process whose writes are journalled in DATA_DIR. Both give
// the same client, so that the rest of the program has one code path.
//
// The embedded store promises: a write whose call returned nil is on the disk;
// after kill -9 or a power cut the store holds every such write, in the order
// in which they were executed, and of the others a prefix. Keys whose last
// part is "lease" are the exception: they belong to a running process and do
// not outlive it.
//
// How: one writing operation runs at a time, and the primitive commands it
// executes, those of its scripts included, are appended to a journal that one
// goroutine writes and fsyncs in batches; the operation returns when its batch
// is on the disk. What expires is decided by a clock that moves in steps, and
// the steps are in the journal too, so that a replay ends in the same state.
// At start, and when the journal has grown as large as the state itself, the
// state is written as a snapshot and a new journal begins: the price of an
// operation is what it wrote, however much the store holds. The files' format
// is in frame.go, what is kept and what is refused in commands.go.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
)

// Store is an open store. Client is safe for concurrent use.
type Store struct {
	Client redis.UniversalClient
	// Urgent is the same store by a few connections of its own, for what must not
	// wait behind everything else.
	Urgent redis.UniversalClient
	Kind   string // "redis", "sentinel", "cluster" or "embedded"

	embedded *embedded // nil for a Redis of the operator's
	prefix   string
	log      *slog.Logger
	user     string // of REDIS_URL; empty: the default user

	probing chan struct{} // capacity 1: held by the one who asks; guards the two below
	probed  time.Time
	found   error // what the last probe found
}

// Options say which store to open.
type Options struct {
	URL     string // REDIS_URL; empty opens the embedded store
	DataDir string // DATA_DIR, of the embedded store only
	Prefix  string // REDIS_PREFIX, the first part of every key; empty: "parley"
	Log     *slog.Logger
}

// Open connects to the Redis of o.URL, or starts the embedded store in
// o.DataDir. It waits a few seconds for a Redis that is still starting. The
// error is written for the operator: it says what is wrong and what to do, and
// holds no password.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Prefix == "" {
		o.Prefix = "parley"
	}
	if o.URL != "" {
		return openRedis(ctx, o)
	}
	if o.DataDir == "" {
		return nil, errors.New("DATA_DIR is empty: the embedded store needs a folder for its journal; set DATA_DIR, or REDIS_URL to use a Redis server")
	}
	e, err := openEmbedded(ctx, o.DataDir, o.Log)
	if err != nil {
		return nil, err
	}
	o.Log.WarnContext(ctx, "single process: the embedded store is in use, so only one parley can run on it; set REDIS_URL to run several", "data_dir", o.DataDir)
	return &Store{Client: e.client, Urgent: e.client, Kind: "embedded", embedded: e, prefix: o.Prefix, log: o.Log, probing: make(chan struct{}, 1)}, nil
}

// readyFor is how long an answer of Ready is good for others who ask.
const readyFor = time.Second

// Ready reports whether the store can take a write now, with a reason when not:
// it writes. Who asks within a second of the last answer gets that one.
func (s *Store) Ready(ctx context.Context) error {
	if s.embedded != nil {
		if err := s.embedded.ready(); err != nil {
			return err
		}
	}
	select {
	case s.probing <- struct{}{}:
		defer func() { <-s.probing }()
	case <-ctx.Done():
		return fmt.Errorf("the store does not answer: %w", context.Cause(ctx))
	}
	if !s.probed.IsZero() && time.Since(s.probed) < readyFor {
		return s.found
	}
	err := s.Client.Set(ctx, s.prefix+":{store}:ready", "1", 0).Err()
	_, refused := errors.AsType[redis.Error](err)
	switch {
	case err == nil:
	case refused:
		err = fmt.Errorf("the store takes no write: %w", s.explain(err))
	default:
		err = fmt.Errorf("the store does not answer: %w", err)
	}
	s.probed, s.found = time.Now(), err
	return err
}

// Close ends the connections; the embedded store writes what is left to the
// disk and releases the directory lock. Nothing may use the client afterwards.
func (s *Store) Close() error {
	if s.embedded != nil {
		return s.embedded.close()
	}
	return errors.Join(s.Client.Close(), s.Urgent.Close())
}
