// A slot that is moved from one node of a real Redis Cluster to another.

package store_test

import (
	"context"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/store/storetest"
)

func TestAScriptOverSeveralKeysWaitsWhileItsSlotIsMoved(t *testing.T) {
	t.Parallel()
	url := storetest.Cluster(t)
	s, err := open(t, url)
	if err != nil {
		t.Fatal(err)
	}
	m := newMove(t, url, "{moved}:a")
	keys := []string{"{moved}:a", "{moved}:b"}
	for _, key := range keys {
		if err := s.Client.Set(t.Context(), key, "0", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	m.begin()
	m.key(keys[0]) // each node has one of them

	add := redis.NewScript(`redis.call('INCR', KEYS[1]) return redis.call('INCR', KEYS[2])`)
	var wg sync.WaitGroup
	ask := func(what string, do func(context.Context) error) {
		wg.Go(func() {
			if err := do(t.Context()); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		})
	}
	ask("a script", func(ctx context.Context) error { return add.Run(ctx, s.Client, keys).Err() })
	ask("an urgent script", func(ctx context.Context) error { return add.Run(ctx, s.Urgent, keys).Err() })
	ask("a transaction", func(ctx context.Context) error {
		_, err := s.Client.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.Eval(ctx, `redis.call('INCR', KEYS[1]) return redis.call('INCR', KEYS[2])`, keys)
			return nil
		})
		return err
	})
	m.refused(20) // more than the library alone would try
	m.key(keys[1])
	m.end()
	wg.Wait()
	for _, key := range keys {
		if v := s.Client.Get(t.Context(), key).Val(); v != "3" {
			t.Errorf("%s = %s, want each of the three once", key, v)
		}
	}
}

// move takes one slot from the node that has it to another.
type move struct {
	t        *testing.T
	slot     string
	from, to *redis.Client
	ids      [2]string
	all      []*redis.Client
}

func newMove(t *testing.T, url, key string) *move {
	t.Helper()
	m := &move{t: t}
	for addr := range strings.SplitSeq(strings.TrimPrefix(url, "redis://"), ",") {
		c := redis.NewClient(&redis.Options{Addr: addr, Protocol: 2})
		t.Cleanup(func() { _ = c.Close() })
		m.all = append(m.all, c)
		if err := c.Get(t.Context(), key).Err(); m.from == nil && (err == nil || err == redis.Nil) {
			m.from = c
		} else if m.to == nil {
			m.to = c
		}
	}
	slot, err := m.all[0].ClusterKeySlot(t.Context(), key).Result()
	if err != nil || m.from == nil {
		t.Fatal("no node has the slot", err)
	}
	m.slot = strconv.FormatInt(slot, 10)
	for i, c := range []*redis.Client{m.from, m.to} {
		if m.ids[i], err = c.Do(t.Context(), "CLUSTER", "MYID").Text(); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func (m *move) do(c *redis.Client, args ...any) {
	m.t.Helper()
	if err := c.Do(m.t.Context(), args...).Err(); err != nil {
		m.t.Fatal(args, err)
	}
}

func (m *move) begin() {
	m.t.Helper()
	m.do(m.to, "CLUSTER", "SETSLOT", m.slot, "IMPORTING", m.ids[0])
	m.do(m.from, "CLUSTER", "SETSLOT", m.slot, "MIGRATING", m.ids[1])
}

func (m *move) key(name string) {
	m.t.Helper()
	host, port, _ := net.SplitHostPort(m.to.Options().Addr)
	m.do(m.from, "MIGRATE", host, port, name, "0", "5000")
}

func (m *move) end() {
	m.t.Helper()
	for _, c := range []*redis.Client{m.to, m.from} {
		m.do(c, "CLUSTER", "SETSLOT", m.slot, "NODE", m.ids[1])
	}
}

var refusals = regexp.MustCompile(`errorstat_TRYAGAIN:count=(\d+)`)

// refused waits until the nodes have refused something n times.
func (m *move) refused(n int) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
	defer cancel()
	for sum := 0; sum < n; {
		sum = 0
		for _, c := range m.all {
			info, err := c.Info(ctx, "errorstats").Result()
			if err != nil {
				m.t.Fatal(err)
			}
			if found := refusals.FindStringSubmatch(info); found != nil {
				count, _ := strconv.Atoi(found[1])
				sum += count
			}
		}
	}
}
