// Reading the files at start.

package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"
)

// load brings the server to the state the files hold and leaves them as one
// snapshot and one empty journal.
func (e *embedded) load() error {
	began := time.Now()
	snapshots, journals, err := e.listFiles()
	if err != nil {
		return err
	}
	e.removeUnfinished()
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
			return fmt.Errorf("DATA_DIR: %s is missing from %s; \"parley store repair\" in this directory says what can be saved; or restore it from a backup, or move the folder away to start empty", journalName(last+1), e.dir)
		}
		last = n
		if err := e.replay(journalName(n), false, i == len(journals)-1); err != nil {
			return err
		}
		entries = true
	}
	now := e.now()
	e.clock.ticked = now
	if ms := now.UnixMilli(); ms > e.clock.ms {
		e.setClock(ms)
	}
	e.files.newest = last
	if len(snapshots) > 0 {
		e.files.newest = max(last, first)
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

// listFiles lists the generations there are, ascending.
func (e *embedded) listFiles() (snapshots, journals []int, err error) {
	list, err := os.ReadDir(e.dir)
	if err != nil {
		return nil, nil, fmt.Errorf("DATA_DIR: %w; make %s a folder this user may read", err, e.dir)
	}
	for _, f := range list {
		kind, number, _ := strings.Cut(f.Name(), "-")
		if kind != "snapshot" && kind != "journal" {
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

// removeUnfinished removes what a crash left half written.
func (e *embedded) removeUnfinished() {
	for _, kind := range []string{"snapshot", "journal"} {
		names, _ := filepath.Glob(filepath.Join(e.dir, kind+"-*.tmp"))
		for _, name := range names {
			_ = os.Remove(name)
		}
	}
}

// replay applies one file. Only the last journal may have a torn tail: the others
// were complete on the disk before the next was begun.
func (e *embedded) replay(name string, snapshot, last bool) error {
	path := filepath.Join(e.dir, name)
	damaged := func(err error) error {
		return fmt.Errorf("DATA_DIR: %s: %w; the disk or someone changed it, and parley does not touch it. \"parley store repair\" in this directory says what can be saved; or restore %s from a backup, or move it away to start empty", path, err, e.dir)
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
			e.files.snapshot = int64(len(data))
		}
		return nil
	case snapshot || !last:
		return damaged(damage{good})
	}
	e.log.Warn("the journal ends in a write that a crash cut off; it was never confirmed and is dropped", "file", path, "bytes", len(data)-good)
	return nil
}

// apply executes one command of the journal. An error reply is no reason to
// stop: the command failed the same way when it was first executed.
func (e *embedded) apply(args []string) error {
	if _, known := e.notes.writes[args[0]]; !known {
		return fmt.Errorf("it holds the command %q, which this version does not know; it was written by a newer one", args[0])
	}
	e.server.Server().Dispatch(e.replayer, args)
	return nil
}
