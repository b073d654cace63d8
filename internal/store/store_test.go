package store_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/store"
	"parley/internal/store/storetest"
)

func TestWhatWasWrittenIsThereAfterReopening(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	open := func() *store.Store {
		s, err := store.Open(ctx, store.Options{DataDir: dir, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	script := redis.NewScript(`redis.call('SET', KEYS[1], ARGV[1], 'PX', 60000) redis.call('HINCRBYFLOAT', KEYS[2], 'n', '1.5') return redis.call('XADD', KEYS[3], '7-0', 'm', ARGV[1])`)
	for _, err := range []error{
		s.Client.Set(ctx, "a", "1", 0).Err(),
		s.Client.Set(ctx, "x:lease", "1", time.Minute).Err(),
		script.Run(ctx, s.Client, []string{"b", "c", "d"}, "v").Err(),
		s.Client.Watch(ctx, func(tx *redis.Tx) error {
			_, err := tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
				p.RPush(ctx, "e", "1", "2")
				p.Incr(ctx, "f")
				return nil
			})
			return err
		}, "a"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open()
		if v := s.Client.Get(ctx, "a").Val(); v != "1" {
			t.Errorf("a = %q", v)
		}
		if v := s.Client.Exists(ctx, "x:lease").Val(); v != 0 {
			t.Error("a lease outlived its process")
		}
		if d := s.Client.PTTL(ctx, "b").Val(); d < 50*time.Second || d > 60*time.Second {
			t.Errorf("b lives for %s", d)
		}
		if v := s.Client.HGet(ctx, "c", "n").Val(); v != "1.5" {
			t.Errorf("c.n = %q", v)
		}
		if v := s.Client.XRange(ctx, "d", "-", "+").Val(); len(v) != 1 || v[0].ID != "7-0" || v[0].Values["m"] != "v" {
			t.Errorf("d = %v", v)
		}
		if v := s.Client.LRange(ctx, "e", 0, -1).Val(); len(v) != 2 {
			t.Errorf("e = %v", v)
		}
		if v := s.Client.Get(ctx, "f").Val(); v != "1" {
			t.Errorf("f = %q", v)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestEachStoreTakesWritesAndIsReady(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		if err := s.Client.Set(t.Context(), "k", "v", 0).Err(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Ready(ctx); err != nil {
			t.Fatal(err)
		}
	})
}
