// Saving what can be read of damaged files: the operator's "store repair".

package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Finding is what Repair found of one file.
type Finding struct {
	File    string `json:"file"`
	Bytes   int    `json:"bytes"`
	Writes  int    `json:"writes"` // group commits that are whole; of a snapshot its parts
	Lost    int    `json:"lost"`   // bytes that belong to none
	Damaged bool   `json:"damaged"`
	Note    string `json:"note"` // for the operator
}

// RepairReport is what Repair found and did.
type RepairReport struct {
	Dir      string    `json:"dir"`
	Damaged  bool      `json:"damaged"`  // parley does not start on these files
	Complete bool      `json:"complete"` // and yet nothing is lost
	Files    []Finding `json:"files"`
	Keys     int       `json:"keys"`              // that the store has with what is whole
	Written  string    `json:"written,omitempty"` // the new file; empty: nothing was written
	Aside    []string  `json:"aside,omitempty"`   // new names of the damaged files
}

// Repair reads the files of the embedded store in dir as far as they are whole. If
// they are damaged and write is set, it writes a snapshot of what is whole, and then
// gives the damaged files new names beside it; it removes nothing. It refuses while a
// server uses the folder. The error is for the operator.
func Repair(ctx context.Context, dir string, write bool) (RepairReport, error) {
	if _, err := os.Stat(dir); err != nil {
		return RepairReport{}, fmt.Errorf("DATA_DIR: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return RepairReport{}, err
	}
	defer lock.Close()
	e := newEmbedded(dir, slog.New(slog.DiscardHandler), lock)
	if err := e.startServer(); err != nil {
		return RepairReport{}, err
	}
	defer e.server.Close()
	m := &mender{e: e, report: RepairReport{Dir: dir, Complete: true, Files: []Finding{}}}
	if err := m.read(); err != nil {
		return RepairReport{}, err
	}
	m.report.Keys = len(e.server.Keys())
	if !write || !m.report.Damaged || ctx.Err() != nil {
		return m.report, context.Cause(ctx)
	}
	return m.report, m.write()
}

// mender reads the files of one folder.
type mender struct {
	e       *embedded
	report  RepairReport
	newest  int      // generation
	damaged []string // file names
}

// read finds the newest files from which the state can be rebuilt, and applies what is
// whole of them. A snapshot that is not whole is replaced by the generation before it,
// whose journals led to it.
func (m *mender) read() error {
	snapshots, journals, err := m.e.listFiles()
	if err != nil {
		return err
	}
	m.newest = max(0, slices.Max(append(snapshots, 0)), slices.Max(append(journals, 0)))
	first, start, err := m.begin(snapshots, journals)
	if err != nil {
		return err
	}
	if err := m.apply(start); err != nil {
		return err
	}
	next := first
	for _, n := range journals {
		if n < first {
			continue
		}
		for ; next < n; next++ {
			m.report.Complete = false
			m.note(Finding{File: journalName(next), Damaged: true, Note: "missing"})
		}
		next = n + 1
		s, err := m.salvage(journalName(n), n == journals[len(journals)-1])
		if err != nil {
			return err
		}
		if err := m.apply(s); err != nil {
			return err
		}
		if s.finding.Damaged && (s.finding.Lost > 0 || s.finding.Bytes == 0) {
			m.report.Complete = false
		}
	}
	return nil
}

// begin chooses the snapshot to begin with, and its generation; nil is none.
func (m *mender) begin(snapshots, journals []int) (first int, start *salvaged, err error) {
	var partly *salvaged
	partlyOf := 1
	for _, n := range slices.Backward(snapshots) {
		s, err := m.salvage(snapshotName(n), false)
		if err != nil {
			return 0, nil, err
		}
		if s.finding.Damaged && !s.complete() {
			if partly == nil {
				partly, partlyOf = s, n
			}
			continue
		}
		return n, s, nil
	}
	if slices.Contains(journals, 1) || partly == nil {
		return 1, nil, nil // the first generation has no snapshot
	}
	m.report.Complete = false
	return partlyOf, partly, nil
}

// note adds to the report.
func (m *mender) note(f Finding) {
	m.report.Files = append(m.report.Files, f)
	m.report.Damaged = m.report.Damaged || f.Damaged
}

// apply executes what is whole of one file.
func (m *mender) apply(s *salvaged) error {
	if s == nil {
		return nil
	}
	for _, payload := range s.payloads {
		var bad error
		err := readRecords(payload, func(args []string) {
			if err := m.e.apply(args); err != nil && bad == nil {
				bad = err
			}
		}, m.e.setClock, func() {})
		if err := errors.Join(err, bad); err != nil {
			return fmt.Errorf("DATA_DIR: %s: %w", filepath.Join(m.e.dir, s.finding.File), err)
		}
	}
	return nil
}

// write makes the new generation, and then moves the damaged files aside. The snapshot
// comes first: once it is there, the start reads nothing older.
func (m *mender) write() error {
	now := m.e.now().UnixMilli()
	if now > m.e.clock.ms {
		m.e.setClock(now)
	}
	name := snapshotName(m.newest + 1)
	if err := writeWhole(filepath.Join(m.e.dir, name), m.e.dump()); err != nil {
		return fmt.Errorf("DATA_DIR: %w; nothing was changed", err)
	}
	m.report.Written = name
	for _, old := range m.damaged {
		aside, err := setAside(m.e.dir, old, m.e.now())
		if err != nil {
			return fmt.Errorf("DATA_DIR: %s is written, but the damaged %s could not be given another name: %w; copy it before parley starts if you want to keep it", name, old, err)
		}
		m.report.Aside = append(m.report.Aside, aside)
	}
	return syncDir(m.e.dir)
}

// setAside renames a file to a name that nothing reads or removes.
func setAside(dir, name string, now time.Time) (string, error) {
	base := "damaged-" + name + "-" + now.UTC().Format("20060102T150405Z")
	for n := range 100 {
		aside := base
		if n > 0 {
			aside = fmt.Sprintf("%s-%d", base, n)
		}
		if _, err := os.Lstat(filepath.Join(dir, aside)); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return aside, os.Rename(filepath.Join(dir, name), filepath.Join(dir, aside))
	}
	return "", fs.ErrExist
}
