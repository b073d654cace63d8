// A start that finds no room for a snapshot.

package store

import (
	"os"
	"path/filepath"
	"testing"
)

// blocked takes the name a snapshot is first written under, so that none can be
// written, as on a full disk.
func blocked(t *testing.T, dir string, generation int) string {
	t.Helper()
	name := filepath.Join(dir, snapshotName(generation)+".tmp")
	if err := os.MkdirAll(filepath.Join(name, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestAStartWithoutRoomForASnapshotGoesOnWithTheJournal(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	e := openTest(t, dir)
	if err := e.client.Set(ctx, "before", "1", 0).Err(); err != nil {
		t.Fatal(err)
	}
	generation := e.files.newest
	if err := e.close(); err != nil {
		t.Fatal(err)
	}
	for n := range 2 { // what the journal took after such a start is there after the next
		blocked(t, dir, generation+1)
		e = openTest(t, dir)
		if e.files.newest != generation {
			t.Fatalf("generation %d, want the one there was", e.files.newest)
		}
		if v := e.client.Get(ctx, "before").Val(); v != "1" {
			t.Fatalf("start %d: before = %q", n, v)
		}
		if err := e.client.Incr(ctx, "starts").Err(); err != nil {
			t.Fatalf("start %d takes no write: %v", n, err)
		}
		if err := e.close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, snapshotName(generation+1)+".tmp")); err != nil {
		t.Fatal(err)
	}
	e = openTest(t, dir)
	if v := e.client.Get(ctx, "starts").Val(); v != "2" || e.files.newest == generation {
		t.Errorf("with room again: starts = %q, generation %d", v, e.files.newest)
	}
}
