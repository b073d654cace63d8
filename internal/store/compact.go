// Replacing the journal by a snapshot: when it has grown large, when the disk
// takes writes again after a failure, and at each start.

package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	compactFrom  = 8 << 20     // bytes of journal that are always allowed
	replayBudget = time.Second // for the clock's steps in one journal
	retryEvery   = time.Second // after a failed write
)

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

func (e *embedded) failure() error {
	e.writeMu.Lock()
	defer e.writeMu.Unlock()
	return e.journal.err()
}

func (e *embedded) large() bool {
	e.writeMu.Lock()
	defer e.writeMu.Unlock()
	return e.journal.bytes() > max(compactFrom, e.files.snapshot) || e.clock.replayCost > replayBudget
}

// compact begins a new journal and writes the state it begins with as a
// snapshot. Writers wait only while the state is copied in memory; until the
// snapshot is complete, the older files and the new journal hold everything.
func (e *embedded) compact() error {
	began := time.Now()
	e.writeMu.Lock()
	generation := e.files.newest + 1
	next, err := createJournal(filepath.Join(e.dir, journalName(generation)))
	if err != nil {
		e.writeMu.Unlock()
		return err
	}
	if err := e.journal.close(); err != nil {
		// What is in memory is ahead of the disk: repair, not compact.
		_ = next.close()
		_ = os.Remove(filepath.Join(e.dir, journalName(generation)))
		e.writeMu.Unlock()
		return err
	}
	chunks := e.dump()
	e.journal, e.files.newest = next, generation
	e.clock.begin()
	stalled := time.Since(began)
	e.writeMu.Unlock()

	if err := writeWhole(filepath.Join(e.dir, snapshotName(generation)), chunks); err != nil {
		return err
	}
	e.writeMu.Lock()
	e.files.snapshot = total(chunks)
	e.writeMu.Unlock()
	e.removeOld()
	e.log.Debug("journal compacted", "bytes", total(chunks), "stalled", stalled, "took", time.Since(began))
	return nil
}

// repair replaces a journal that could not be written by a snapshot of what is
// in memory: writes that were reported as failed may have happened there.
func (e *embedded) repair(failed error) {
	e.writeMu.Lock()
	defer e.writeMu.Unlock()
	_ = e.journal.close()
	if err := e.restart(true); err != nil {
		e.removeExcept(1) // a full disk needs the room more than the generation before
		e.log.Error("the journal cannot be written; nothing is accepted until it can", "data_dir", e.dir, "error", err)
		return
	}
	e.log.Info("the journal can be written again", "data_dir", e.dir, "was", failed)
}

// goOn continues the newest journal, which is sound, when there is no room for a
// snapshot. False means that the journal cannot be opened for writing either, or
// would not be read at the next start.
func (e *embedded) goOn(last int, cause error) bool {
	if e.files.newest != last || e.hasSnapshot(last+1) {
		return false
	}
	j, err := openJournal(filepath.Join(e.dir, journalName(last)))
	if err != nil {
		return false
	}
	e.log.Warn("no snapshot can be written; the store goes on with the journal there is: free disk space", "data_dir", e.dir, "journal", journalName(last), "error", cause)
	e.journal, e.clock.unwritten = j, true
	return true
}

// hasSnapshot reports whether a generation has its snapshot: older
// journals are not read beside it.
func (e *embedded) hasSnapshot(generation int) bool {
	_, err := os.Stat(filepath.Join(e.dir, snapshotName(generation)))
	return !errors.Is(err, fs.ErrNotExist)
}

// restart writes a snapshot, if there is anything, and begins a journal. The
// snapshot comes first: it makes the older files, sound or not, meaningless.
func (e *embedded) restart(full bool) error {
	generation := e.files.newest + 1
	if full {
		chunks := e.dump()
		if err := writeWhole(filepath.Join(e.dir, snapshotName(generation)), chunks); err != nil {
			return err
		}
		e.files.snapshot = total(chunks)
	}
	e.files.newest = generation
	j, err := createJournal(filepath.Join(e.dir, journalName(generation)))
	if err != nil {
		return err
	}
	e.journal = j
	e.clock.begin()
	e.removeOld()
	return nil
}

// removeOld removes all generations but the newest two that have a snapshot: should
// the newest files be damaged, the ones before still hold nearly everything. What stays
// behind costs space only.
func (e *embedded) removeOld() { e.removeExcept(2) }

// removeExcept removes what is older than the newest so many snapshots.
func (e *embedded) removeExcept(keep int) {
	snapshots, journals, err := e.listFiles()
	if err != nil || len(snapshots) < keep {
		return
	}
	oldest := snapshots[len(snapshots)-keep]
	for _, n := range snapshots {
		if n < oldest {
			_ = os.Remove(filepath.Join(e.dir, snapshotName(n)))
		}
	}
	for _, n := range journals {
		if n < oldest {
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
