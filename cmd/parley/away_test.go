// The store goes away, comes back older, or takes no writes: what the platforms
// and an orchestrator are told meanwhile.

package main

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/internal/fake/slack"
	"parley/internal/secret"
	"parley/internal/store/storetest"
)

func TestWhileRedisIsAwayNothingIsTakenAndThenEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	redis := storetest.Start(t)
	w.env["REDIS_URL"], w.env["MASTER_KEYS"] = "redis://"+redis.Addr, secret.GenerateKey("test")
	ws := w.useSlack(slack.Options{Pace: 20}, false)
	w.model.Answer("Yes.")
	s := w.start()
	w.onSlack("C1", ws.Mention("C1", "U1", "before"), "Yes.")
	st := storetest.Open(t, w.env["REDIS_URL"])
	if err := st.Client.Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	older, err := os.ReadFile(filepath.Join(redis.Dir, "dump.rdb"))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // what the owner reads and Redis then forgets
		w.onSlack("C1", ws.Mention("C1", "U1", "forgotten"), "Yes.")
	}

	redis.Kill()
	ts := ws.Mention("C1", "U1", "meanwhile")
	w.until("the event is refused with 503", func() bool {
		for _, d := range ws.Deliveries() {
			if d.TS == ts && d.Status == http.StatusServiceUnavailable {
				return true
			}
			if d.TS == ts && d.Status == http.StatusInternalServerError {
				t.Fatalf("it was refused with 500")
			}
		}
		return false
	})
	w.until("the server is unready, and says why", func() bool {
		code, body := s.status("/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "store")
	})

	_, port, _ := net.SplitHostPort(redis.Addr)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "dump.rdb"), older, 0o600); err != nil {
		t.Fatal(err)
	}
	storetest.Start(t, "--port", port, "--dir", dir)
	w.onSlack("C1", ts, "Yes.")
	for range 3 {
		w.onSlack("C1", ws.Mention("C1", "U1", "after"), "Yes.")
	}
	w.until("the server is ready again", func() bool {
		code, _ := s.status("/readyz")
		return code == http.StatusOK
	})
}
