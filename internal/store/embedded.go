// The embedded store: a Redis-compatible server inside the process, and the
// hooks that put what it executes into the journal.
//
// A hook on the client lets one writing operation (command, script, pipeline
// or transaction) run at a time; a hook on the server notes the primitive
// commands that operation executes, those called by scripts included. So the
// journal holds effects in the order of their execution, needs no script to be
// replayed, and an operation costs what it wrote, however large the store is.

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
	"strings"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

type embedded struct {
	dir    string
	log    *slog.Logger
	now    func() time.Time
	lock   *os.File
	server *miniredis.Miniredis
	client *redis.Client

	replayer *server.Peer       // executes the journal's commands at start
	scripts  map[string]*script // by SHA-1; used in a turn only; nil for those the server runs

	// whole lets nobody read while a script is half done.
	whole sync.RWMutex

	writes  map[string]keysOf
	refused map[string]bool

	turn       sync.Mutex // held by the one operation that writes; guards the fields below
	journal    *journal
	generation int
	snapshot   int64 // bytes of the newest snapshot
	clock      int64 // the store's time, Unix milliseconds; what expires is decided by it
	unsaid     bool  // the journal has not been told of clock yet
	ticked     time.Time
	tickTook   time.Duration // the last tick
	tickCost   time.Duration // the cheaper of the last two
	replayCost time.Duration // of the ticks noted since the last snapshot
	closed     bool

	noting struct {
		sync.Mutex
		on      bool
		wrote   bool // something, kept or not
		full    bool // the journal takes nothing: only what it need not keep may be written
		refused bool // something, because of that
		records []byte
	}

	stop    context.CancelFunc
	stopped chan struct{}
}

func openEmbedded(ctx context.Context, dir string, log *slog.Logger, options ...func(*embedded)) (*embedded, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("DATA_DIR: %w; make %s a folder this user may write to", err, dir)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	e := &embedded{
		dir: dir, log: log, lock: lock, now: time.Now,
		writes: writeCommands(), refused: refusedCommands(),
		scripts: map[string]*script{},
		stopped: make(chan struct{}),
	}
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

func (e *embedded) start(ctx context.Context) error {
	e.server = miniredis.NewMiniRedis()
	// Dialling is what starts the server without a port.
	first, err := e.server.Dial()
	if err != nil {
		return fmt.Errorf("the embedded store does not start: %w", err)
	}
	_ = first.Close()
	e.replayer = server.NewPeer(bufio.NewWriter(io.Discard))
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
	e.turn.Lock()
	defer e.turn.Unlock()
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
	e.turn.Lock()
	if e.closed {
		e.turn.Unlock()
		return nil
	}
	e.closed = true
	err := e.explain(e.journal.close())
	e.turn.Unlock()
	err = errors.Join(err, e.client.Close())
	e.server.Close()
	return errors.Join(err, e.lock.Close())
}

// note is the server's hook. It sees every command before it is executed,
// those of scripts included, and notes the ones that write.
func (e *embedded) note(c *server.Peer, name string, args ...string) bool {
	if name == "EVAL" || name == "EVALSHA" {
		return e.isNoting() && e.runScript(c, name, args)
	}
	where, writes := e.writes[name]
	if !writes && !e.refused[name] {
		return false
	}
	if err := e.refusal(name, args); err != nil {
		c.WriteError("ERR " + err.Error())
		return true
	}
	e.noting.Lock()
	defer e.noting.Unlock()
	if !e.noting.on {
		c.WriteError("ERR this connection may not write: it goes around the journal")
		return true
	}
	e.noting.wrote = true
	if !allTransient(where, args) {
		if e.noting.full {
			e.noting.refused = true
			c.WriteError("MISCONF the journal cannot be written")
			return true
		}
		e.noting.records = appendCommand(e.noting.records, append([]string{name}, args...))
	}
	return false
}

// refusal says why the journal cannot keep a command, if it cannot.
func (e *embedded) refusal(name string, args []string) error {
	if e.refused[name] {
		return fmt.Errorf("the embedded store does not keep %s", name)
	}
	if name == "XADD" && strings.Contains(streamID(args), "*") {
		return errors.New("the embedded store keeps XADD with an explicit id only")
	}
	return nil
}

// streamID finds the id among XADD's arguments.
func streamID(args []string) string {
	for i := 1; i < len(args); i++ {
		switch strings.ToUpper(args[i]) {
		case "NOMKSTREAM":
		case "MAXLEN", "MINID":
			if i+1 < len(args) && (args[i+1] == "=" || args[i+1] == "~") {
				i++
			}
			i++
		case "LIMIT":
			i++
		default:
			return args[i]
		}
	}
	return ""
}

func (e *embedded) isNoting() bool {
	e.noting.Lock()
	defer e.noting.Unlock()
	return e.noting.on
}

func (e *embedded) startNoting(full bool) {
	e.noting.Lock()
	defer e.noting.Unlock()
	e.noting.on, e.noting.full = true, full
	e.noting.wrote, e.noting.refused, e.noting.records = false, false, nil
}

func (e *embedded) stopNoting() (records []byte, wrote, refused bool) {
	e.noting.Lock()
	defer e.noting.Unlock()
	e.noting.on = false
	return e.noting.records, e.noting.wrote, e.noting.refused
}

// write runs one writing operation and returns once its effects are on the
// disk. The second error is the journal's: the operation may have happened in
// memory, but is not promised.
func (e *embedded) write(ctx context.Context, script bool, run func() error) (err, lost error) {
	b, err, lost := e.execute(ctx, script, run)
	if b == nil {
		return err, lost
	}
	select {
	case <-b.done:
		return err, e.explain(b.err)
	case <-ctx.Done():
		return err, fmt.Errorf("the disk has not confirmed the write: %w", context.Cause(ctx))
	}
}

func (e *embedded) execute(ctx context.Context, script bool, run func() error) (b *batch, err, lost error) {
	e.turn.Lock()
	defer e.turn.Unlock()
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	if e.closed {
		return nil, nil, errJournalClosed
	}
	failed := e.explain(e.journal.err())
	if failed != nil && !script {
		return nil, nil, failed
	}
	// A script is let try: leases are renewed while the disk is full.
	e.startNoting(failed != nil)
	e.whole.Lock()
	err = run()
	e.whole.Unlock()
	records, wrote, refused := e.stopNoting()
	switch {
	case failed != nil && (refused || !wrote):
		return nil, nil, failed
	case aborted(err) || wrote && len(records) == 0:
		return nil, err, nil
	case !wrote:
		// A script that found its work done: what it found may still be on its
		// way to the disk.
		return e.journal.pending(), err, nil
	}
	if e.unsaid {
		records = append(appendClock(nil, e.clock), records...)
		e.unsaid = false
		e.replayCost += e.tickCost
	}
	b, lost = e.journal.append(records)
	return b, err, e.explain(lost)
}

// aborted reports whether a transaction was given up as a whole.
func aborted(err error) bool {
	return errors.Is(err, redis.TxFailedErr) || err != nil && strings.HasPrefix(err.Error(), "EXECABORT")
}

// hook is the client's side.
type hook struct{ e *embedded }

func (h hook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		writes, err := h.e.judge(cmd, false)
		if err != nil {
			return err
		}
		if !writes {
			defer h.e.reading(cmd)()
			return next(ctx, cmd)
		}
		script := strings.HasPrefix(cmd.Name(), "eval")
		err, lost := h.e.write(ctx, script, func() error { return next(context.WithoutCancel(ctx), cmd) })
		if lost != nil {
			return lost
		}
		return err
	}
}

func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		fail := func(err error) error {
			for _, c := range cmds {
				c.SetErr(err)
			}
			return err
		}
		writing, tx := false, len(cmds) > 0 && cmds[0].Name() == "multi"
		for _, c := range cmds {
			writes, err := h.e.judge(c, tx)
			if err != nil {
				return fail(err)
			}
			writing = writing || writes
		}
		if !writing {
			defer h.e.reading(cmds...)()
			return next(ctx, cmds)
		}
		err, lost := h.e.write(ctx, false, func() error { return next(context.WithoutCancel(ctx), cmds) })
		if lost != nil {
			return fail(lost)
		}
		return err
	}
}

// reading keeps scripts from running while commands read. It does not for
// XREAD, which may wait for something to come, and for what opens a connection,
// which happens in the middle of a writing operation too. The function it
// returns ends it.
func (e *embedded) reading(cmds ...redis.Cmder) (done func()) {
	for _, c := range cmds {
		switch c.Name() {
		case "xread", "hello", "auth", "client", "ping", "select":
			return func() {}
		}
	}
	e.whole.RLock()
	return e.whole.RUnlock
}

// judge says whether a command may write, or why the store refuses it.
func (e *embedded) judge(cmd redis.Cmder, tx bool) (writes bool, err error) {
	name := strings.ToUpper(cmd.Name())
	switch name {
	case "EVAL", "EVALSHA":
		if tx {
			return false, fmt.Errorf("the embedded store keeps no script inside MULTI: put all of it into the script")
		}
		return true, nil
	case "XADD":
		args := make([]string, 0, 8)
		for _, a := range cmd.Args()[1:] {
			args = append(args, fmt.Sprint(a))
		}
		return true, e.refusal(name, args)
	}
	if err := e.refusal(name, nil); err != nil {
		return false, err
	}
	_, writes = e.writes[name]
	return writes, nil
}
