// Package storetest gives tests a real redis-server and runs one test against
// every kind of store.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/store"
)

// Redis starts a redis-server for this test alone, with its own folder and
// port, and returns its REDIS_URL. The server ends with the test. Where
// redis-server is not installed the test fails: nothing else can show that
// parley works with it.
func Redis(t testing.TB, args ...string) (url string) {
	t.Helper()
	return "redis://" + Start(t, args...).Addr
}

// Server is a running redis-server.
type Server struct {
	Addr string // host:port
	Dir  string // its working folder
	Kill func() // kill -9, and wait until it is gone
}

// Start is Redis for tests that need more than the URL. Args are added to the
// command line ("--appendonly", "yes").
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("redis-server is not installed, and this test needs the real one: apt-get install redis-server (or brew install redis), or run make test, which installs it")
	}
	for attempt := 1; ; attempt++ {
		s, err := start(t, binary, t.TempDir(), freePort(t), args)
		if err == nil {
			return s
		}
		if attempt == 5 { // another process took the port in between
			t.Fatal(err)
		}
	}
}

func start(t testing.TB, binary, dir string, port int, args []string) (*Server, error) {
	var out bytes.Buffer
	line := []string{"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir,
		"--save", "", "--appendonly", "no", "--daemonize", "no"}
	if len(args) > 0 && !strings.HasPrefix(args[0], "--") { // a configuration file comes first
		line, args = append([]string{args[0]}, line...), args[1:]
	}
	// Not the test's own context: the server outlives it until what uses it has closed.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), binary, append(line, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(gone)
	}()
	var once sync.Once
	kill := func() {
		once.Do(func() { _ = cmd.Process.Kill() })
		<-gone
	}
	t.Cleanup(kill)

	for i, a := range args { // the caller's own port wins
		if a == "--port" && i+1 < len(args) {
			port, _ = strconv.Atoi(args[i+1])
		}
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	c := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1})
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		about, err := c.Info(ctx, "server").Result()
		own := strings.Contains(about, fmt.Sprintf("process_id:%d\r\n", cmd.Process.Pid))
		if err == nil && own || err != nil && answered(err) {
			return &Server{Addr: addr, Dir: dir, Kill: kill}, nil
		}
		if err == nil { // of another test: this one's cannot have the port
			kill()
			return nil, fmt.Errorf("another redis-server has port %d", port)
		}
		select {
		case <-gone:
			return nil, fmt.Errorf("redis-server ended at once:\n%s", out.String())
		case <-ctx.Done():
			kill()
			return nil, fmt.Errorf("redis-server does not answer: %w\n%s", err, out.String())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// answered reports whether the server speaks, even if it wants a password.
func answered(err error) bool {
	_, ok := errors.AsType[redis.Error](err)
	return ok
}

func freePort(t testing.TB) int {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Open opens a store for the length of the test. An empty url is the embedded
// store in a folder of its own.
func Open(t testing.TB, url string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: url, DataDir: t.TempDir(), Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Each runs test as a subtest against the embedded store and against a real
// Redis, each empty.
func Each(t *testing.T, test func(t *testing.T, s *store.Store)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) { test(t, Open(t, "")) })
	t.Run("redis", func(t *testing.T) { test(t, Open(t, Redis(t))) })
}
