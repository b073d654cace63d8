// Reading the journal at start, and replacing it by a snapshot: at start, when
// it has grown large, and when the disk takes writes again after a failure.

package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"
)

const (
	tickEvery    = 250 * time.Millisecond
	tickAtMost   = 10 * time.Second
	tickShare    = 200         // a tick may take 1/200 of the time
	compactFrom  = 8 << 20     // bytes of journal that are always allowed
	replayBudget = time.Second // for the clock's steps in one journal
	retryEvery   = time.Second // after a failed write
	snapshotPart = 1 << 20     // bytes of one frame in a snapshot
)

// load brings the server to the state the files hold and leaves them as one
// snapshot and one empty journal.
func (e *embedded) load() error {
	began := time.Now()
	snapshots, journals, err := e.files()
	if err != nil {
		return err
	}
	first, last := 1, 0 // the first generation has no snapshot
	if len(snapshots) > 0 {
		first = snapshots[len(snapshots)-1]
		last = first - 1
		if err := e.replay(snapshotName(first), true, false); err != nil {
			return err
		}
	}
	entries := false
	for i, n := range journals {
		if n < first {
			continue
		}
		if n > last+1 {
			return fmt.Errorf("DATA_DIR: %s is missing from %s; restore it from a backup, or move the folder away to start empty", journalName(last+1), e.dir)
		}
		last = n
		if err := e.replay(journalName(n), false, i == len(journals)-1); err != nil {
			return err
		}
		entries = true
	}
	now := e.now()
	e.ticked = now
	if ms := now.UnixMilli(); ms > e.clock {
		e.setClock(ms)
	}
	e.generation = last
	if len(snapshots) > 0 {
		e.generation = max(last, first)
	}
	if err := e.restart(entries || len(snapshots) > 0); err != nil {
		if !entries || !e.goOn(last, err) {
			return fmt.Errorf("DATA_DIR: %s cannot be written: %w; free disk space or restore write access, nothing is lost", e.dir, err)
		}
	}
	if entries {
		e.log.Info("embedded store loaded", "data_dir", e.dir, "keys", len(e.server.Keys()), "took", time.Since(began).Round(time.Millisecond))
	}
	return nil
}

// files lists the generations there are, ascending, and removes what a crash
// left half done.
func (e *embedded) files() (snapshots, journals []int, err error) {
	list, err := os.ReadDir(e.dir)
	if err != nil {
		return nil, nil, fmt.Errorf("DATA_DIR: %w; make %s a folder this user may read", err, e.dir)
	}
	for _, f := range list {
		kind, number, _ := strings.Cut(f.Name(), "-")
		if kind != "snapshot" && kind != "journal" {
			continue
		}
		if strings.HasSuffix(number, ".tmp") {
			_ = os.Remove(filepath.Join(e.dir, f.Name()))
			continue
		}
		n, err := strconv.Atoi(number)
		if err != nil {
			continue
		}
		if kind == "snapshot" {
			snapshots = append(snapshots, n)
		} else {
			journals = append(journals, n)
		}
	}
	sort.Ints(snapshots)
	sort.Ints(journals)
	return snapshots, journals, nil
}

// replay applies one file. A torn tail is cut from the last journal only: the
// others were on the disk as a whole before the next was begun.
func (e *embedded) replay(name string, snapshot, last bool) error {
	path := filepath.Join(e.dir, name)
	damaged := func(err error) error {
		return fmt.Errorf("DATA_DIR: %s: %w; the disk or someone changed it. Restore it from a backup, or move %s away to start empty", path, err, e.dir)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("DATA_DIR: %w", err)
	}
	complete := false
	var bad error
	good, err := readFrames(data, func(payload []byte) error {
		err := readRecords(payload, func(args []string) {
			if err := e.apply(args); err != nil && bad == nil {
				bad = err
			}
		}, e.setClock, func() { complete = true })
		return errors.Join(err, bad)
	})
	switch {
	case errors.Is(err, errNewerFile):
		return fmt.Errorf("DATA_DIR: %s: %w", path, err)
	case err != nil:
		return damaged(err)
	case good == len(data) && (complete || !snapshot):
		if snapshot {
			e.snapshot = int64(len(data))
		}
		return nil
	case snapshot || !last:
		return damaged(damage{good})
	}
	e.log.Warn("the journal ends in a write that a crash cut off; it was never confirmed and is dropped", "file", path, "bytes", len(data)-good)
	return cutFile(path, good)
}

func cutFile(path string, size int) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("DATA_DIR: %w", err)
	}
	defer f.Close()
	if err := f.Truncate(int64(size)); err != nil {
		return fmt.Errorf("DATA_DIR: %w", err)
	}
	return f.Sync()
}

// apply executes one command of the journal. An error reply is no reason to
// stop: the command failed the same way when it was first executed.
func (e *embedded) apply(args []string) error {
	if _, known := e.writes[args[0]]; !known {
		return fmt.Errorf("it holds the command %q, which this version does not know; it was written by a newer one", args[0])
	}
	e.server.Server().Dispatch(e.replayer, args)
	return nil
}

// setClock moves the store's time to ms and lets expire what is due.
func (e *embedded) setClock(ms int64) {
	if e.clock != 0 && ms > e.clock {
		e.server.FastForward(time.Duration(ms-e.clock) * time.Millisecond)
	}
	if ms > e.clock {
		e.clock = ms
		e.server.SetTime(time.UnixMilli(ms))
	}
	e.unsaid = true
}

// tick moves the store's time on by what has passed: by the wall clock, which
// counts a machine's sleep, or by the monotonic one when the wall clock was
// set back.
func (e *embedded) tick() {
	e.turn.Lock()
	defer e.turn.Unlock()
	now := e.now()
	passed := max(now.Sub(e.ticked), now.Round(0).Sub(e.ticked.Round(0)))
	if passed < time.Millisecond {
		return
	}
	e.ticked = now
	began := time.Now()
	e.setClock(e.clock + passed.Milliseconds())
	// One slow tick on a busy machine is no reason to tick rarely.
	took := time.Since(began)
	e.tickCost, e.tickTook = min(took, e.tickTook), took
}

// tend ticks, compacts and, after a failed write, tries again.
func (e *embedded) tend(ctx context.Context) {
	defer close(e.stopped)
	look := time.NewTicker(tickEvery)
	defer look.Stop()
	var nextTick, nextTry time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-look.C:
			if now.After(nextTick) {
				e.tick()
				nextTick = now.Add(e.tickPause())
			}
			switch failed := e.failure(); {
			case now.Before(nextTry):
			case failed != nil:
				e.repair(failed)
				nextTry = now.Add(retryEvery)
			case e.large():
				if err := e.compact(); err != nil {
					e.log.ErrorContext(ctx, "the journal could not be compacted; it goes on growing until it can", "data_dir", e.dir, "error", err)
					nextTry = now.Add(retryEvery)
				}
			}
		}
	}
}

// tickPause is how long to wait for the next tick, so that ticks take a small
// share of the time however many keys there are.
func (e *embedded) tickPause() time.Duration {
	e.turn.Lock()
	defer e.turn.Unlock()
	return min(e.tickCost*tickShare, tickAtMost)
}

func (e *embedded) failure() error {
	e.turn.Lock()
	defer e.turn.Unlock()
	return e.journal.err()
}

func (e *embedded) large() bool {
	e.turn.Lock()
	defer e.turn.Unlock()
	return e.journal.bytes() > max(compactFrom, e.snapshot) || e.replayCost > replayBudget
}

// compact begins a new journal and writes the state it begins with as a
// snapshot. Writers wait only while the state is copied in memory; until the
// snapshot stands, the older files and the new journal hold everything.
func (e *embedded) compact() error {
	began := time.Now()
	e.turn.Lock()
	generation := e.generation + 1
	next, err := createJournal(filepath.Join(e.dir, journalName(generation)))
	if err != nil {
		e.turn.Unlock()
		return err
	}
	if err := e.journal.close(); err != nil {
		// What is in memory is ahead of the disk: repair, not compact.
		_ = next.close()
		_ = os.Remove(filepath.Join(e.dir, journalName(generation)))
		e.turn.Unlock()
		return err
	}
	chunks := e.dump()
	e.journal, e.generation = next, generation
	e.replayCost, e.unsaid = 0, true
	stalled := time.Since(began)
	e.turn.Unlock()

	if err := writeWhole(filepath.Join(e.dir, snapshotName(generation)), chunks); err != nil {
		return err
	}
	e.turn.Lock()
	e.snapshot = total(chunks)
	e.turn.Unlock()
	e.removeBefore(generation)
	e.log.Debug("journal compacted", "bytes", total(chunks), "stalled", stalled, "took", time.Since(began))
	return nil
}

// repair replaces a journal that could not be written by a snapshot of what is
// in memory: writes that were reported as failed may have happened there.
func (e *embedded) repair(failed error) {
	e.turn.Lock()
	defer e.turn.Unlock()
	_ = e.journal.close()
	if err := e.restart(true); err != nil {
		e.log.Error("the journal cannot be written; nothing is accepted until it can", "data_dir", e.dir, "error", err)
		return
	}
	e.log.Info("the journal can be written again", "data_dir", e.dir, "was", failed)
}

// goOn starts with the newest journal, which is sound, when there is no room for
// a snapshot. False means that not even that can be opened for writing, or that
// it would not be read again.
func (e *embedded) goOn(last int, cause error) bool {
	if e.generation != last || e.hasSnapshot(last+1) {
		return false
	}
	j, err := openJournal(filepath.Join(e.dir, journalName(last)))
	if err != nil {
		return false
	}
	e.log.Warn("no snapshot can be written; the store goes on with the journal there is: free disk space", "data_dir", e.dir, "journal", journalName(last), "error", cause)
	e.journal, e.unsaid = j, true
	return true
}

// hasSnapshot reports whether the snapshot of a generation stands: older
// journals are not read beside it.
func (e *embedded) hasSnapshot(generation int) bool {
	_, err := os.Stat(filepath.Join(e.dir, snapshotName(generation)))
	return !errors.Is(err, fs.ErrNotExist)
}

// restart writes a snapshot, if there is anything, and begins a journal. The
// snapshot comes first: it makes the older files, sound or not, meaningless.
func (e *embedded) restart(full bool) error {
	generation := e.generation + 1
	if full {
		chunks := e.dump()
		if err := writeWhole(filepath.Join(e.dir, snapshotName(generation)), chunks); err != nil {
			return err
		}
		e.snapshot = total(chunks)
	}
	e.generation = generation
	j, err := createJournal(filepath.Join(e.dir, journalName(generation)))
	if err != nil {
		return err
	}
	e.journal = j
	e.replayCost, e.unsaid = 0, true
	e.removeBefore(generation)
	return nil
}

// removeBefore removes older generations. What stays behind costs space only.
func (e *embedded) removeBefore(generation int) {
	snapshots, journals, err := e.files()
	if err != nil {
		return
	}
	for _, n := range snapshots {
		if n < generation {
			_ = os.Remove(filepath.Join(e.dir, snapshotName(n)))
		}
	}
	for _, n := range journals {
		if n < generation {
			_ = os.Remove(filepath.Join(e.dir, journalName(n)))
		}
	}
}

func total(chunks [][]byte) (n int64) {
	for _, c := range chunks {
		n += int64(len(c))
	}
	return n
}
