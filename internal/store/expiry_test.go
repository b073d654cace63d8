// What expires, and when, also across restarts.

package store

import (
	"sync/atomic"
	"testing"
	"time"
)

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
