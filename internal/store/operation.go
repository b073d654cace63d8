// Operations on the embedded store: which of them write, one of those at a time,
// and its effects on the disk before it returns.

package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

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
	e.writeMu.Lock()
	defer e.writeMu.Unlock()
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
	// Scripts may try all the same: leases are renewed while the disk is full.
	e.notes.start(failed != nil)
	e.scriptMu.Lock()
	err = run()
	e.scriptMu.Unlock()
	records, wrote, refused := e.notes.end()
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
	b, lost = e.journal.append(e.clock.stamp(records))
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
	e.scriptMu.RLock()
	return e.scriptMu.RUnlock
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
		return true, e.notes.refusal(name, args)
	}
	if err := e.notes.refusal(name, nil); err != nil {
		return false, err
	}
	_, writes = e.notes.writes[name]
	return writes, nil
}
