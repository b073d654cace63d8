// Damaged files: the start refuses and touches nothing, and Repair saves what is whole.

package store

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	inSnapshot = 20
	inJournal  = 40
)

// kept makes a folder with a snapshot, a journal and the generation before them.
func kept(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	e := openTest(t, dir)
	set := func(name string, n int) {
		t.Helper()
		for i := range n {
			if err := e.client.Set(t.Context(), fmt.Sprint(name, i), strings.Repeat("v", 200), 0).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	set("early", inSnapshot)
	if err := e.compact(); err != nil {
		t.Fatal(err)
	}
	set("late", inJournal)
	return crashed(t, dir)
}

// contents are the store's files and what is in them.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	names, err := filepath.Glob(filepath.Join(dir, "*-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(name)] = string(data)
	}
	return all
}

func flipped(at, bit int) func([]byte) []byte {
	return func(data []byte) []byte {
		data[at] ^= 1 << bit
		return data
	}
}

func middle(data []byte) []byte { return flipped(len(data)/2, 3)(data) }

func TestDamageStopsTheStartAndIsRepaired(t *testing.T) {
	journal, snapshot := journalName(2), snapshotName(2)
	const all = inSnapshot + inJournal
	for name, c := range map[string]struct {
		file     string
		damage   func([]byte) []byte
		least    int // keys that are saved
		most     int
		complete bool
	}{
		"a bit of the format's name":   {journal, flipped(2, 1), all, all, true},
		"a bit of the format's number": {journal, flipped(7, 0), all, all, true},
		"a bit of the salt":            {journal, flipped(12, 5), all, all, true},
		"a bit of the header's sum":    {journal, flipped(headerSize-1, 7), all, all, true},
		"a bit in the middle":          {journal, middle, all - 1, all - 1, false},
		"the last 4 KB are zeros": {journal, func(b []byte) []byte {
			clear(b[len(b)-4096:])
			return b
		}, inSnapshot + 10, all - 15, false},
		"the last 4 KB are noise": {journal, func(b []byte) []byte {
			for i := len(b) - 4096; i < len(b); i++ {
				b[i] = byte(i * 7)
			}
			return b
		}, inSnapshot + 10, all - 15, false},
		"the journal is empty":            {journal, func([]byte) []byte { return nil }, inSnapshot, inSnapshot, false},
		"the journal is a part of header": {journal, func(b []byte) []byte { return b[:headerSize-1] }, inSnapshot, inSnapshot, false},
		"a bit of the snapshot":           {snapshot, middle, all, all, true},
		"a bit of the snapshot's header":  {snapshot, flipped(12, 5), all, all, true},
		"the snapshot is empty":           {snapshot, func([]byte) []byte { return nil }, all, all, true},
		"the snapshot is cut":             {snapshot, func(b []byte) []byte { return b[:len(b)/2] }, all, all, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := kept(t)
			path := filepath.Join(dir, c.file)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			data = c.damage(data)
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			before := contents(t, dir)

			e, err := openEmbedded(t.Context(), dir, slog.New(slog.DiscardHandler))
			if err == nil {
				closeTest(t, e)
				t.Fatal("parley started on it")
			}
			if text := err.Error(); !strings.Contains(text, c.file) || !strings.Contains(text, "parley store repair") || strings.Contains(text, "newer") {
				t.Errorf("it says: %v", err)
			}
			dry, err := Repair(t.Context(), dir, false)
			if err != nil || !dry.Damaged || dry.Complete != c.complete || dry.Keys < c.least || dry.Keys > c.most || dry.Written != "" {
				t.Errorf("it can save: %+v, %v", dry, err)
			}
			if !maps.Equal(contents(t, dir), before) {
				t.Error("the start or the dry run changed a file")
			}

			done, err := Repair(t.Context(), dir, true)
			if err != nil || done.Keys != dry.Keys || done.Written == "" || len(done.Aside) == 0 {
				t.Fatalf("it saved: %+v, %v", done, err)
			}
			after := contents(t, dir)
			if !slices.Contains(slices.Collect(maps.Values(after)), string(data)) || after[c.file] != "" || !strings.Contains(strings.Join(done.Aside, " "), c.file) {
				t.Errorf("the damaged file is not beside it: %v", slices.Sorted(maps.Keys(after)))
			}
			e = openTest(t, dir)
			if n := len(e.client.Keys(t.Context(), "*").Val()); n != dry.Keys {
				t.Errorf("%d keys after the repair, want %d", n, dry.Keys)
			}
			if err := e.compact(); err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(slices.Collect(maps.Values(contents(t, dir))), string(data)) {
				t.Error("a later compaction removed the damaged file")
			}
		})
	}
}

func TestEveryBitOfTheHeaderCounts(t *testing.T) {
	header, salt := newFileHeader()
	frame := appendClock(make([]byte, frameHeader), 5)
	sealFrame(frame, salt)
	whole := slices.Concat(header, frame)
	for bit := range 8 * headerSize {
		bad := flipped(bit/8, bit%8)(slices.Clone(whole))
		if _, err := readFrames(bad, func([]byte) error { return nil }); err == nil {
			t.Fatalf("bit %d is wrong and nobody noticed", bit)
		}
		mendedSalt, mended, err := mendHeader(bad)
		if err != nil || !mended || string(mendedSalt) != string(salt) {
			t.Fatalf("bit %d cannot be put right: %v", bit, err)
		}
	}
}

func TestWhatACrashLeavesIsNoDamage(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"nothing":                          func(b []byte) []byte { return b },
		"a part of the last write":         func(b []byte) []byte { return b[:len(b)-100] },
		"a part of its header":             func(b []byte) []byte { return b[:strings.LastIndex(string(b), frameMagic)+5] },
		"the last write, partly not there": func(b []byte) []byte { clear(b[len(b)-150:]); return b },
	} {
		dir := kept(t)
		path := filepath.Join(dir, journalName(2))
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, change(data), 0o600); err != nil {
			t.Fatal(err)
		}
		before := contents(t, dir)
		r, err := Repair(t.Context(), dir, true)
		if err != nil || r.Damaged || r.Written != "" || !maps.Equal(contents(t, dir), before) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		e := openTest(t, dir)
		if n := len(e.client.Keys(t.Context(), "*").Val()); n < inSnapshot+inJournal-1 || n != r.Keys {
			t.Errorf("%s: %d keys, and repair counts %d", name, n, r.Keys)
		}
		if contents(t, dir)[journalName(2)] != before[journalName(2)] {
			t.Errorf("%s: the start changed the journal it read", name)
		}
		if _, err := Repair(t.Context(), dir, true); err == nil || !strings.Contains(err.Error(), "another parley is using") {
			t.Errorf("%s: repair beside a running server: %v", name, err)
		}
		closeTest(t, e)
	}
}

func TestAJournalThatIsMissingIsReported(t *testing.T) {
	dir := kept(t)
	for _, name := range []string{journalName(1), snapshotName(2)} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Repair(t.Context(), dir, true)
	if err != nil || !r.Damaged || r.Complete || r.Keys != inJournal {
		t.Errorf("%+v, %v", r, err)
	}
	e := openTest(t, dir)
	if n := len(e.client.Keys(t.Context(), "*").Val()); n != inJournal {
		t.Errorf("%d keys", n)
	}
}

func TestAFullDiskCostsTheGenerationBefore(t *testing.T) {
	dir := kept(t)
	e := &embedded{dir: dir}
	e.removeOld()
	if _, err := os.Stat(filepath.Join(dir, journalName(1))); err != nil {
		t.Error("the generation before is not kept:", err)
	}
	e.removeExcept(1)
	if left := slices.Sorted(maps.Keys(contents(t, dir))); !slices.Equal(left, []string{journalName(2), snapshotName(2)}) {
		t.Errorf("left: %v", left)
	}
}
