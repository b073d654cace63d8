// Replacing the journal by a snapshot, and a disk that takes no more.

package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestCompactionLosesNothingWhileOthersWrite(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	e := openTest(t, dir)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var count atomic.Int64
	for w := range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := e.client.HSet(ctx, fmt.Sprint("h", w), rand.IntN(50), n).Err(); err != nil {
					t.Error(err)
					return
				}
				count.Add(1)
			}
		})
	}
	for range 10 {
		before := count.Load()
		if err := e.compact(); err != nil {
			t.Fatal(err)
		}
		wait(t, func() bool { return count.Load() > before }) // somebody writes between any two
	}
	close(stop)
	wg.Wait()
	want := state(t, e.client)
	names, _ := filepath.Glob(filepath.Join(dir, "*-0*"))
	if len(names) != 4 { // a snapshot and a journal, and the generation before
		t.Errorf("files left: %v", names)
	}
	again := openTest(t, crashed(t, dir))
	if got := state(t, again.client); got != want {
		t.Errorf("after compaction:\n%s\nbefore:\n%s", got, want)
	}
}

func TestACrashAtAnyStepOfACompactionLosesNothing(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	e := openTest(t, dir)
	set := func(v string) {
		t.Helper()
		if err := e.client.Append(ctx, "k", v).Err(); err != nil {
			t.Fatal(err)
		}
	}
	set("a")
	if err := e.compact(); err != nil {
		t.Fatal(err)
	}
	set("b")
	before := crashed(t, dir) // snapshot 2, journal 2
	if err := e.compact(); err != nil {
		t.Fatal(err)
	}
	set("c")
	after := crashed(t, dir) // snapshot 3, journal 3
	mix := func(names map[string]string) string {
		mixed := t.TempDir()
		for name, from := range names {
			data, err := os.ReadFile(filepath.Join(from, name))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(mixed, strings.TrimSuffix(name, "+")), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return mixed
	}
	s2, j2, s3, j3 := snapshotName(2), journalName(2), snapshotName(3), journalName(3)
	for step, dir := range map[string]string{
		"new journal begun, snapshot not yet there": mix(map[string]string{s2: before, j2: before, j3: after}),
		"snapshot there, old files not yet removed": mix(map[string]string{s2: before, j2: before, s3: after, j3: after}),
		"old snapshot removed, old journal not":     mix(map[string]string{j2: before, s3: after, j3: after}),
	} {
		if err := os.WriteFile(filepath.Join(dir, snapshotName(3)+".tmp"), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		again := openTest(t, dir)
		if v := again.client.Get(ctx, "k").Val(); v != "abc" {
			t.Errorf("%s: k = %q", step, v)
		}
	}
	for _, missing := range []string{mix(map[string]string{s2: before, j3: after}), mix(map[string]string{j2: before}), mix(map[string]string{j2: before, j3: after})} {
		if e, err := openEmbedded(ctx, missing, testLog(t)); err == nil {
			closeTest(t, e)
			t.Error("a missing file was not noticed")
		} else if !strings.Contains(err.Error(), "missing") {
			t.Error(err)
		}
	}
	alone := openTest(t, mix(map[string]string{s3: after})) // a repair that was cut off
	if v := alone.client.Get(ctx, "k").Val(); v != "ab" {
		t.Errorf("a snapshot alone: k = %q", v)
	}
}

func TestALargeJournalIsCompactedByItself(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	e := openTest(t, dir)
	value := strings.Repeat("v", 1<<20)
	for n := range 10 {
		if err := e.client.Set(ctx, "k", value, 0).Err(); err != nil {
			t.Fatal(err, n)
		}
	}
	wait(t, func() bool {
		_, err := os.Stat(filepath.Join(dir, snapshotName(2)))
		return err == nil
	})
	if v := e.client.Get(ctx, "k").Val(); v != value {
		t.Error("the value is gone")
	}
}

// wait polls until the condition holds.
func wait(t testing.TB, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatal("it did not come true within a minute")
		case <-tick.C:
		}
	}
}

func TestAFullDiskIsToldAndSurvived(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	e := openTest(t, dir)
	if err := e.client.Set(ctx, "before", "1", 0).Err(); err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	// The folder is out of reach as well, so that the store cannot recover yet.
	away := dir + ".away"
	if err := os.Rename(dir, away); err != nil {
		t.Fatal(err)
	}
	e.writeMu.Lock()
	e.journal.mu.Lock()
	sound := e.journal.file
	e.journal.file = full
	e.journal.mu.Unlock()
	e.writeMu.Unlock()
	defer sound.Close()

	for range 2 {
		err = e.client.Set(ctx, "during", "1", 0).Err()
		if err == nil || !strings.Contains(err.Error(), "no space left on device") || !strings.Contains(err.Error(), "DATA_DIR") {
			t.Fatalf("a write on a full disk ended with %v", err)
		}
	}
	_, err = e.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, "during", "2", 0)
		return nil
	})
	if err == nil {
		t.Error("a pipeline on a full disk succeeded")
	}
	if err := e.ready(); err == nil {
		t.Error("the store says it is ready")
	}
	if v, err := e.client.Get(ctx, "before").Result(); v != "1" || err != nil {
		t.Errorf("reading: %q, %v", v, err)
	}
	// Leases go on; nothing else a script writes does, not even half of it.
	if err := e.client.Eval(ctx, `redis.call('SET', 'x:lease', '1', 'PX', 5000) return redis.call('GET', 'before')`, nil).Err(); err != nil {
		t.Errorf("renewing a lease: %v", err)
	}
	for _, source := range []string{
		`redis.call('INCR', 'during') return 1`,
		`redis.pcall('INCR', 'during') return 1`,
		`return redis.call('EXISTS', 'before')`, // "seen before" is no promise now
	} {
		if err := e.client.Eval(ctx, source, nil).Err(); err == nil || !strings.Contains(err.Error(), "DATA_DIR") {
			t.Errorf("%s: %v", source, err)
		}
	}
	if err := os.Rename(away, dir); err != nil {
		t.Fatal(err)
	}
	wait(t, func() bool { return e.ready() == nil })
	if err := e.client.Set(ctx, "after", "1", 0).Err(); err != nil {
		t.Fatal(err)
	}
	again := openTest(t, crashed(t, dir))
	for _, k := range []string{"before", "after"} {
		if n := again.client.Exists(ctx, k).Val(); n != 1 {
			t.Errorf("%s is lost", k)
		}
	}
}

// An old journal whose file cannot be closed must not leave the store taking
// nothing for ever: its state is written anew, as after any failed write.
func TestAJournalThatCannotBeClosedIsReplaced(t *testing.T) {
	e := openTest(t, t.TempDir())
	if err := e.client.Set(t.Context(), "before", "1", 0).Err(); err != nil {
		t.Fatal(err)
	}
	_ = e.journal.file.Close() // the next close fails
	if err := e.compact(); err == nil {
		t.Fatal("the compaction did not notice")
	}
	wait(t, func() bool { return e.client.Set(t.Context(), "after", "1", 0).Err() == nil })
	if v := e.client.Get(t.Context(), "before").Val(); v != "1" {
		t.Errorf("before = %q", v)
	}
}
