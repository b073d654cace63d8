// The journal: what a crash at any point leaves behind is whole, in order and
// never less than what was promised.

package store

import (
	"errors"
	"fmt"
	"log/slog"
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
	for size := headerSize; size <= len(whole); size++ {
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
			t.Fatalf("a flipped bit at byte %d was not noticed", at)
		}
		if text := err.Error(); !strings.Contains(text, "journal-00000001") || !strings.Contains(text, "backup") || !strings.Contains(text, "parley store repair") {
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
				if err != nil && !errors.Is(err, redis.Nil) {
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
	e.writeMu.Lock()
	e.server.Del("last:lease")
	e.writeMu.Unlock()
	want := state(t, e.client)

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
	if !errors.Is(err, redis.TxFailedErr) {
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
