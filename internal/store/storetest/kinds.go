// Cluster and Sentinel, as small as they come.

package storetest

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Cluster starts a Redis Cluster of three masters and returns its REDIS_URL.
func Cluster(t testing.TB) (url string) {
	t.Helper()
	const nodes, slots = 3, 16384
	var addrs []string
	for range nodes {
		// The bus needs a port of its own: the usual one (10,000 above) may not exist.
		addrs = append(addrs, Start(t, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(freePort(t)), "--cluster-node-timeout", "5000").Addr)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var clients []*redis.Client
	for i, addr := range addrs {
		c := redis.NewClient(&redis.Options{Addr: addr})
		defer c.Close()
		clients = append(clients, c)
		if err := c.ClusterAddSlotsRange(ctx, i*slots/nodes, (i+1)*slots/nodes-1).Err(); err != nil {
			t.Fatal(err)
		}
		if err := c.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
			t.Fatal(err)
		}
	}
	bus := func(c *redis.Client) string {
		// "<id> 127.0.0.1:6379@16379 myself,master …"
		own, err := c.ClusterNodes(ctx).Result()
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(own, "@")
		port, _, _ := strings.Cut(after, " ")
		port, _, _ = strings.Cut(port, ",")
		return port
	}
	for _, c := range clients[1:] {
		host, port, _ := net.SplitHostPort(c.Options().Addr)
		if err := clients[0].Do(ctx, "CLUSTER", "MEET", host, port, bus(c)).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range clients {
		poll(t, ctx, "the cluster did not form", func() bool {
			info := c.ClusterInfo(ctx).Val()
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", nodes))
		})
	}
	return "redis://" + strings.Join(addrs, ",")
}

// Sentinel starts one Sentinel that watches the master at addr under name, and
// returns the Sentinel's own address. It fails over after about a second.
func Sentinel(t testing.TB, name, master string) (addr string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(master)
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	config := fmt.Sprintf("sentinel monitor %s %s %s 1\nsentinel down-after-milliseconds %s 1000\nsentinel failover-timeout %s 5000\n", name, host, port, name, name)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return Start(t, file, "--sentinel").Addr
}

func poll(t testing.TB, ctx context.Context, failure string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatal(failure)
		case <-tick.C:
		}
	}
}
