// The journal: what a crash at any point leaves behind is whole, in order and
// never less than what was promised.

package store

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func testLog(t testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

func openTest(t testing.TB, dir string, options ...func(*embedded)) *embedded {
	t.Helper()
	e, err := openEmbedded(t.Context(), dir, testLog(t), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.close() })
	return e
}

func closeTest(t testing.TB, e *embedded) {
	t.Helper()
	if err := e.close(); err != nil {
		t.Fatal(err)
	}
}

// crashed copies the folder as it stands: what kill -9 would leave.
func crashed(t testing.TB, dir string) string {
	t.Helper()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return copied
}

// state is everything in the store, as text.
func state(t testing.TB, c *redis.Client) string {
	t.Helper()
	ctx := t.Context()
	keys := c.Keys(ctx, "*").Val()
	slices.Sort(keys)
	var b strings.Builder
	for _, k := range keys {
		kind := c.Type(ctx, k).Val()
		var v any
		switch kind {
		case "string":
			v = c.Get(ctx, k).Val()
		case "hash":
			v = c.HGetAll(ctx, k).Val() // fmt sorts maps
		case "list":
			v = c.LRange(ctx, k, 0, -1).Val()
		case "set":
			members := c.SMembers(ctx, k).Val()
			slices.Sort(members)
			v = members
		case "zset":
			v = c.ZRangeWithScores(ctx, k, 0, -1).Val()
		case "stream":
			v = c.XRange(ctx, k, "-", "+").Val()
		}
		fmt.Fprintf(&b, "%s %s %v\n", k, kind, v)
	}
	return b.String()
}

func newestJournal(t testing.TB, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "journal-*"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no journal in %s: %v", dir, err)
	}
	slices.Sort(names)
	return names[len(names)-1]
}

func TestAJournalCutAtAnyByteGivesAPrefixOfWhatWasWritten(t *testing.T) {
	dir := t.TempDir()
	e := openTest(t, dir)
	const writes = 12
	ends := []int64{e.journal.bytes()}
	for n := range writes {
		if err := e.client.RPush(t.Context(), "list", strings.Repeat("x", n), n).Err(); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, e.journal.bytes())
	}
	path := newestJournal(t, crashed(t, dir))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(whole)) != ends[writes] {
		t.Fatalf("the journal has %d bytes, the last confirmed write ended at %d", len(whole), ends[writes])
	}
	for size := range len(whole) + 1 {
		promised := 0 // writes whose frame is whole
		for promised < writes && ends[promised+1] <= int64(size) {
			promised++
		}
		cut := t.TempDir()
		if err := os.WriteFile(filepath.Join(cut, journalName(1)), whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := openEmbedded(t.Context(), cut, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatalf("cut at byte %d: %v", size, err)
		}
		if n := again.client.LLen(t.Context(), "list").Val(); n != int64(2*promised) {
			t.Errorf("cut at byte %d: %d elements, want %d", size, n, 2*promised)
		}
		closeTest(t, again)
	}
}

func TestDamageBeforeTheEndStopsTheStart(t *testing.T) {
	dir := t.TempDir()
	e := openTest(t, dir)
	for n := range 5 {
		if err := e.client.Set(t.Context(), fmt.Sprint("k", n), strings.Repeat("v", 50), 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := os.ReadFile(newestJournal(t, crashed(t, dir)))
	if err != nil {
		t.Fatal(err)
	}
	lastFrame := strings.LastIndex(string(whole), frameMagic)
	for at := 0; at < lastFrame; at += 3 {
		bad := slices.Clone(whole)
		bad[at] ^= 0x40
		damaged := t.TempDir()
		if err := os.WriteFile(filepath.Join(damaged, journalName(1)), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := openEmbedded(t.Context(), damaged, slog.New(slog.DiscardHandler))
		if err == nil {
			closeTest(t, again)
			// Damage of the salt spoils every frame alike: nothing good follows.
			if at >= len(fileMagic) && at < headerSize {
				continue
			}
			t.Fatalf("a flipped bit at byte %d was not noticed", at)
		}
		if text := err.Error(); !strings.Contains(text, "journal-00000001") || !strings.Contains(text, "backup") {
			t.Fatalf("the error does not say what to do: %v", err)
		}
	}
}

func TestACrashWhileManyWriteKeepsWhatWasConfirmed(t *testing.T) {
	dir := t.TempDir()
	e := openTest(t, dir)
	script := redis.NewScript(`
		local n = redis.call('INCR', KEYS[1])
		redis.call('XADD', KEYS[2], n .. '-0', 'v', ARGV[1])
		if n % 3 == 0 then redis.call('XDEL', KEYS[2], (n - 1) .. '-0') end
		redis.call('SET', KEYS[3], ARGV[1], 'PX', 100000)
		return n`)
	var confirmed atomic.Int64
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for n := range 40 {
				var err error
				switch n % 4 {
				case 0:
					err = script.Run(t.Context(), e.client, []string{"n", "s", "last:lease"}, fmt.Sprint(w, n)).Err()
				case 1:
					_, err = e.client.Pipelined(t.Context(), func(p redis.Pipeliner) error {
						p.HIncrByFloat(t.Context(), "h", "f", 0.25)
						p.Get(t.Context(), "n")
						p.SAdd(t.Context(), fmt.Sprint("set", w), n)
						return nil
					})
				case 2:
					_, err = e.client.TxPipelined(t.Context(), func(p redis.Pipeliner) error {
						p.ZAdd(t.Context(), "z", redis.Z{Score: float64(n), Member: w})
						p.LPush(t.Context(), "l", n)
						p.LTrim(t.Context(), "l", 0, 20)
						return nil
					})
				default:
					err = e.client.Set(t.Context(), fmt.Sprint("k", w), n, time.Hour).Err()
				}
				if err != nil && err != redis.Nil {
					t.Error(err)
				}
				confirmed.Add(1)
			}
		})
	}
	wg.Wait()
	if confirmed.Load() != 8*40 {
		t.Fatal("not every write returned")
	}
	want := state(t, e.client)
	e.turn.Lock()
	e.server.Del("last:lease")
	e.turn.Unlock()
	want = state(t, e.client)

	again := openTest(t, crashed(t, dir))
	if got := state(t, again.client); got != want {
		t.Errorf("after a crash:\n%s\nbefore:\n%s", got, want)
	}
	closeTest(t, again)
}

func TestAnAbortedTransactionLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	e := openTest(t, dir)
	ctx := t.Context()
	err := e.client.Watch(ctx, func(tx *redis.Tx) error {
		if err := e.client.Set(ctx, "watched", "2", 0).Err(); err != nil {
			return err
		}
		_, err := tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.Set(ctx, "never", "1", 0)
			return nil
		})
		return err
	}, "watched")
	if err != redis.TxFailedErr {
		t.Fatalf("the transaction ended with %v", err)
	}
	again := openTest(t, crashed(t, dir))
	if n := again.client.Exists(ctx, "never").Val(); n != 0 {
		t.Error("a transaction that was given up came back")
	}
}

func TestWhatTheJournalCannotKeepIsRefused(t *testing.T) {
	e := openTest(t, t.TempDir())
	ctx := t.Context()
	for name, err := range map[string]error{
		"SPOP":           e.client.SPop(ctx, "s").Err(),
		"XADD *":         e.client.XAdd(ctx, &redis.XAddArgs{Stream: "x", Values: []string{"a", "b"}}).Err(),
		"XADD * MAXLEN":  e.client.XAdd(ctx, &redis.XAddArgs{Stream: "x", MaxLen: 5, Approx: true, Values: []string{"a", "b"}}).Err(),
		"SPOP in script": e.client.Eval(ctx, `return redis.call('SPOP', KEYS[1])`, []string{"s"}).Err(),
		"XADD in script": e.client.Eval(ctx, `return redis.call('XADD', KEYS[1], '*', 'a', 'b')`, []string{"x"}).Err(),
		"pipeline": func() error {
			_, err := e.client.Pipelined(ctx, func(p redis.Pipeliner) error {
				p.Set(ctx, "k", "v", 0)
				p.BLPop(ctx, time.Second, "l")
				return nil
			})
			return err
		}(),
		"script in MULTI": func() error {
			_, err := e.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
				p.Eval(ctx, "return 1", nil)
				return nil
			})
			return err
		}(),
	} {
		if err == nil || !strings.Contains(err.Error(), "embedded store keeps") && !strings.Contains(err.Error(), "embedded store does not keep") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if keys := e.client.Keys(ctx, "*").Val(); len(keys) != 0 {
		t.Errorf("refused commands left %v", keys)
	}
	if err := e.client.XAdd(ctx, &redis.XAddArgs{Stream: "x", ID: "5-*", Values: []string{"a", "*"}}).Err(); err == nil {
		t.Error("a half-chosen id was taken")
	}
	if err := e.client.XAdd(ctx, &redis.XAddArgs{Stream: "x", ID: "5-1", Values: []string{"a", "*"}}).Err(); err != nil {
		t.Errorf("a star as a value: %v", err)
	}
}

func TestNobodyWritesAroundTheJournal(t *testing.T) {
	e := openTest(t, t.TempDir())
	known := *e.client.Options()
	around := redis.NewClient(&known) // without the hook
	defer around.Close()
	for what, err := range map[string]error{
		"a command": around.Set(t.Context(), "k", "v", 0).Err(),
		"a script":  around.Eval(t.Context(), `return redis.call('SET', KEYS[1], 'v')`, []string{"k"}).Err(),
	} {
		if err == nil || !strings.Contains(err.Error(), "goes around the journal") {
			t.Errorf("%s went around the journal: %v", what, err)
		}
	}
}

// clock is a fake wall clock.
type clock struct{ ms atomic.Int64 }

func (c *clock) now() time.Time          { return time.UnixMilli(c.ms.Load()) }
func (c *clock) option(e *embedded)      { e.now = c.now }
func (c *clock) advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

func TestKeysExpireAtTheirTimeAlsoAcrossRestarts(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	c := &clock{}
	c.ms.Store(1_800_000_000_000)
	e := openTest(t, dir, c.option)
	set := func(key string, ttl time.Duration) {
		t.Helper()
		if err := e.client.Set(ctx, key, "v", ttl).Err(); err != nil {
			t.Fatal(err)
		}
	}
	move := func(d time.Duration) {
		c.advance(d)
		e.tick()
	}
	set("minute", time.Minute)
	move(30 * time.Second)
	set("hour", time.Hour)
	if err := e.client.ExpireAt(ctx, "hour", c.now().Add(2*time.Hour)).Err(); err != nil {
		t.Fatal(err)
	}
	move(29 * time.Second)
	// What a script decided on a key's presence must be decided the same way
	// again, although the key is gone by the time of the next start.
	if err := e.client.SetNX(ctx, "minute", "never", 0).Err(); err != nil {
		t.Fatal(err)
	}
	move(2 * time.Second)
	if n := e.client.Exists(ctx, "minute").Val(); n != 0 {
		t.Fatal("a key outlived its time")
	}
	if err := e.client.SetNX(ctx, "minute", "anew", 0).Err(); err != nil {
		t.Fatal(err)
	}
	check := func(e *embedded, wantTTL time.Duration) {
		t.Helper()
		if v := e.client.Get(ctx, "minute").Val(); v != "anew" {
			t.Errorf("minute = %q", v)
		}
		if d := e.client.PTTL(ctx, "hour").Val(); (d - wantTTL).Abs() > time.Second {
			t.Errorf("hour lives for %s, want %s", d, wantTTL)
		}
	}
	wantTTL := 2*time.Hour - 31*time.Second
	check(e, wantTTL)
	again := openTest(t, crashed(t, dir), c.option)
	check(again, wantTTL)
	closeTest(t, again)

	// Down for an hour, then for two.
	closeTest(t, e)
	c.advance(time.Hour)
	e = openTest(t, dir, c.option)
	check(e, wantTTL-time.Hour)
	closeTest(t, e)
	c.advance(2 * time.Hour)
	e = openTest(t, dir, c.option)
	if n := e.client.Exists(ctx, "hour").Val(); n != 0 {
		t.Error("a key outlived its time while the store was closed")
	}
}

func TestAClockSetBackExpiresNothingEarlyOrNever(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	c := &clock{}
	c.ms.Store(1_800_000_000_000)
	e := openTest(t, dir, c.option)
	if err := e.client.Set(ctx, "k", "v", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	closeTest(t, e)
	c.advance(-24 * time.Hour)
	e = openTest(t, dir, c.option)
	if d := e.client.PTTL(ctx, "k").Val(); d <= 0 || d > time.Minute {
		t.Fatalf("k lives for %s", d)
	}
	c.advance(time.Minute)
	e.tick()
	if n := e.client.Exists(ctx, "k").Val(); n != 0 {
		t.Error("a key outlived its time")
	}
}

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
		for count.Load() == before { // somebody writes between any two
			time.Sleep(0)
		}
	}
	close(stop)
	wg.Wait()
	want := state(t, e.client)
	names, _ := filepath.Glob(filepath.Join(dir, "*-0*"))
	if len(names) != 2 {
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
		info, err := os.Stat(newestJournal(t, dir))
		return err == nil && info.Size() < 1<<20
	})
	if v := e.client.Get(ctx, "k").Val(); v != value {
		t.Error("the value is gone")
	}
}

// wait polls until the condition holds.
func wait(t testing.TB, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatal("it did not come true within 20 s")
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
	e.turn.Lock()
	e.journal.mu.Lock()
	sound := e.journal.file
	e.journal.file = full
	e.journal.mu.Unlock()
	e.turn.Unlock()
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

func TestOneProcessPerFolder(t *testing.T) {
	dir := t.TempDir()
	openTest(t, dir)
	if _, err := openEmbedded(t.Context(), dir, testLog(t)); err == nil || !strings.Contains(err.Error(), "another parley is using") {
		t.Errorf("a second store on the same folder: %v", err)
	}
}

func TestAFolderThatCannotBeUsedIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := openEmbedded(t.Context(), filepath.Join(file, "data"), testLog(t))
	if err == nil || !strings.Contains(err.Error(), "DATA_DIR") || !strings.Contains(err.Error(), file) {
		t.Error(err)
	}
}

func TestAJournalOfANewerVersionStopsTheStart(t *testing.T) {
	header, salt := newFileHeader()
	frame := appendCommand(make([]byte, frameHeader), []string{"FUTURE", "k"})
	sealFrame(frame, salt)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, journalName(1)), append(header, frame...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openEmbedded(t.Context(), dir, testLog(t)); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Error(err)
	}
}

func FuzzAnyFileIsReadOrRefused(f *testing.F) {
	header, salt := newFileHeader()
	frame := appendClock(appendCommand(make([]byte, frameHeader), []string{"SET", "k", "v"}), 5)
	sealFrame(frame, salt)
	f.Add(append(header, frame...), 30)
	f.Fuzz(func(t *testing.T, data []byte, _ int) {
		nothing := func(p []byte) error {
			return readRecords(p, func([]string) {}, func(int64) {}, func() {})
		}
		good, err := readFrames(data, nothing)
		if good < 0 || good > len(data) {
			t.Errorf("%d good bytes of %d (%v)", good, len(data), err)
		}
		_ = nothing(data)
	})
}
