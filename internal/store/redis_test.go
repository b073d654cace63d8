// A Redis of the operator's: addresses, kinds and what is said when it does
// not work.

package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/store"
	"parley/internal/store/storetest"
)

func open(t testing.TB, url string) (*store.Store, error) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: url, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err == nil {
		t.Cleanup(func() { _ = s.Close() })
	}
	return s, err
}

func TestAWrongAddressIsExplained(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"http://host:6379":                                         "scheme",
		"redis://":                                                 "no host",
		"redis://:p%zz@host":                                       "percent-encoded",
		"redis://a:1,rediss://b:2":                                 "mixes",
		"redis://a:1,b:2/3":                                        "database 0",
		"redis://a:1?what=1":                                       "unexpected option",
		"redis://a:1/notanumber":                                   "database number",
		"redis://:secretpw@127.0.0.1:1":                            "is Redis running there",
		"redis://:secretpw@127.0.0.1:1,127.0.0.1:2":                "127.0.0.1:1, 127.0.0.1:2",
		"redis://127.0.0.1:1?sentinel_master=main":                 `master named "main"`,
		"rediss://:secretpw@no-such-host.invalid:6379":             "cannot be resolved",
		"redis://:secretpw@127.0.0.1:1?dial_timeout=1s,redis://%%": "cannot be read",
	} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			_, err := open(t, url)
			if err == nil {
				t.Fatal("it opened")
			}
			if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "REDIS_URL") {
				t.Errorf("got %q, want %q in it", err, want)
			}
			if strings.Contains(err.Error(), "secretpw") {
				t.Errorf("the error holds the password: %v", err)
			}
		})
	}
}

func TestAServerThatDoesNotFitIsExplained(t *testing.T) {
	t.Parallel()
	locked := storetest.Start(t, "--requirepass", "right")
	plain := storetest.Start(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	for name, c := range map[string]struct{ url, want string }{
		"password missing": {"redis://" + locked.Addr, "wants a password"},
		"password wrong":   {"redis://:secretpw@" + locked.Addr, "refuses the user or password"},
		"no TLS there":     {"rediss://" + plain.Addr, "does not answer over TLS"},
		"no cluster":       {"redis://" + plain.Addr + "," + plain.Addr, "this is none"},
		"no answer":        {"redis://" + silent.Addr().String() + "?read_timeout=200ms", "does not answer as Redis does"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := open(t, c.url)
			if err == nil {
				t.Fatal("it opened")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want %q in it", err, c.want)
			}
			if strings.Contains(err.Error(), "secretpw") {
				t.Errorf("the error holds the password: %v", err)
			}
		})
	}
	if s, err := open(t, "redis://:right@"+locked.Addr+"/2"); err != nil || s.Kind != "redis" {
		t.Errorf("with the right password: %v", err)
	}
}

func TestOpenWaitsForARedisThatIsStarting(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	opened := make(chan error, 1)
	go func() {
		_, err := open(t, "redis://"+addr)
		opened <- err
	}()
	_, port, _ := net.SplitHostPort(addr)
	storetest.Start(t, "--port", port)
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

func TestOneAddressOfAClusterIsEnough(t *testing.T) {
	t.Parallel()
	url := storetest.Cluster(t)
	for _, url := range []string{url, strings.SplitN(url, ",", 2)[0]} {
		s, err := open(t, url)
		if err != nil {
			t.Fatal(err)
		}
		if s.Kind != "cluster" {
			t.Errorf("%s is opened as %s", url, s.Kind)
		}
		for i := range 20 { // keys on every node
			if err := s.Client.Set(t.Context(), fmt.Sprint("k", i), i, 0).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestSentinelFindsTheMasterAndTheNextOne(t *testing.T) {
	t.Parallel()
	master := storetest.Start(t)
	_, masterPort, _ := net.SplitHostPort(master.Addr)
	replica := storetest.Start(t, "--replicaof", "127.0.0.1", masterPort)
	sentinel := storetest.Sentinel(t, "main", master.Addr)
	s, err := open(t, "redis://"+sentinel+"?sentinel_master=main")
	if err != nil {
		t.Fatal(err)
	}
	if s.Kind != "sentinel" {
		t.Errorf("opened as %s", s.Kind)
	}
	ctx := t.Context()
	if err := s.Client.Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	direct := redis.NewClient(&redis.Options{Addr: replica.Addr})
	defer direct.Close()
	within(t, func(ctx context.Context) bool { return direct.Get(ctx, "k").Val() == "v" })
	seen := redis.NewSentinelClient(&redis.Options{Addr: sentinel})
	defer seen.Close()
	within(t, func(ctx context.Context) bool {
		replicas, err := seen.Replicas(ctx, "main").Result()
		return err == nil && len(replicas) == 1 && replicas[0]["flags"] == "slave"
	})
	master.Kill()
	within(t, func(ctx context.Context) bool { return s.Client.Set(ctx, "k", "v2", 0).Err() == nil })
	if v := direct.Get(ctx, "k").Val(); v != "v2" {
		t.Errorf("the new master holds %q", v)
	}
}

// within polls until the condition holds.
func within(t testing.TB, condition func(ctx context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !condition(ctx) {
		select {
		case <-ctx.Done():
			t.Fatal("it did not come true in time")
		case <-tick.C:
		}
	}
}
