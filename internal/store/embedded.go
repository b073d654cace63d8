// The embedded store: a Redis-compatible server inside the process, and the
// hooks that put what it executes into the journal.
//
// A hook on the client (operation.go) lets one writing operation run at a time:
// a command, script, pipeline or transaction. A hook on the server (notes.go)
// notes the primitive commands that operation executes, those called by scripts
// included. So the journal holds effects in the order of their execution, needs
// no script to be replayed, and an operation costs what it wrote, however large
// the store is.

package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// embedded is the store. One operation that writes runs at a time: it holds
// writeMu. Reads run beside it, but not beside a script.
type embedded struct {
	dir  string
	lock *os.File // keeps other processes out of dir
	log  *slog.Logger
	now  func() time.Time

	server   *miniredis.Miniredis
	client   *redis.Client
	replayer *server.Peer       // executes the journal's commands at start
	scripts  map[string]*script // by SHA-1; nil for those the server runs; guarded by writeMu
	scriptMu sync.RWMutex       // blocks reads while a script runs
	notes    notes

	writeMu sync.Mutex // guards what follows
	journal *journal
	files   generations
	clock   storeClock
	closed  bool

	stop    context.CancelFunc // ends tend
	stopped chan struct{}      // closed when tend has ended
}

// generations say which files the store is in.
type generations struct {
	newest   int   // number of the journal being written
	snapshot int64 // bytes of the newest snapshot
}

func openEmbedded(ctx context.Context, dir string, log *slog.Logger, options ...func(*embedded)) (*embedded, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("DATA_DIR: %w; make %s a folder this user may write to", err, dir)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	e := newEmbedded(dir, log, lock)
	for _, o := range options {
		o(e)
	}
	if err := e.start(ctx); err != nil {
		if e.server != nil {
			e.server.Close()
		}
		_ = lock.Close()
		return nil, err
	}
	return e, nil
}

func newEmbedded(dir string, log *slog.Logger, lock *os.File) *embedded {
	return &embedded{
		dir: dir, log: log, lock: lock, now: time.Now,
		scripts: map[string]*script{},
		notes:   notes{writes: writeCommands(), never: refusedCommands()},
		stopped: make(chan struct{}),
	}
}

// startServer starts the server, empty, and what replays files into it.
func (e *embedded) startServer() error {
	e.server = miniredis.NewMiniRedis()
	// Dialling is what starts the server without a port.
	first, err := e.server.Dial()
	if err != nil {
		return fmt.Errorf("the embedded store does not start: %w", err)
	}
	_ = first.Close()
	e.replayer = server.NewPeer(bufio.NewWriter(io.Discard))
	return nil
}

func (e *embedded) start(ctx context.Context) error {
	if err := e.startServer(); err != nil {
		return err
	}
	if err := e.load(); err != nil {
		return err
	}
	e.server.Server().SetPreHook(e.note)
	e.client = redis.NewClient(&redis.Options{
		Addr: "embedded",
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			return newMemoryConn(e.server.Server()), nil
		},
		// A command is executed once, and its end is always awaited: the
		// journal must know what happened.
		MaxRetries: -1, ReadTimeout: -1, WriteTimeout: -1,
		// Memory needs no large buffers; every connection has two.
		PoolSize: 64, ReadBufferSize: 8 << 10, WriteBufferSize: 8 << 10, PipelinePoolSize: -1,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	e.client.AddHook(hook{e})
	ctx, e.stop = context.WithCancel(context.WithoutCancel(ctx))
	go e.tend(ctx)
	return nil
}

func (e *embedded) ready() error {
	e.writeMu.Lock()
	defer e.writeMu.Unlock()
	if e.closed {
		return errJournalClosed
	}
	return e.explain(e.journal.err())
}

// explain turns a failed write into words for the operator.
func (e *embedded) explain(err error) error {
	if err == nil || errors.Is(err, errJournalClosed) {
		return err
	}
	return fmt.Errorf("DATA_DIR: the journal in %s cannot be written, so nothing is accepted until it can: %w; free disk space or restore write access, parley tries again by itself", e.dir, err)
}

func (e *embedded) close() error {
	e.stop()
	<-e.stopped
	e.writeMu.Lock()
	if e.closed {
		e.writeMu.Unlock()
		return nil
	}
	e.closed = true
	err := e.explain(e.journal.close())
	e.writeMu.Unlock()
	err = errors.Join(err, e.client.Close())
	e.server.Close()
	return errors.Join(err, e.lock.Close())
}
