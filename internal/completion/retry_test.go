package completion

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A server may close a kept connection just as a request goes out on it. That
// is no failure of anyone: the request is sent again at once, on a new one.
func TestAKeptConnectionThatWasClosedCostsNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var requests atomic.Int64
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				for first := true; ; first = false {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					requests.Add(1)
					if !first {
						return
					}
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 46\r\n\r\n"+`{"choices":[{"message":{"content":"answer"}}]}`)
				}
			}()
		}
	}()
	c := loopbackClient(t)
	p := record("http://"+l.Addr().String()+"/v1/chat/completions", "m")
	for i := range 3 {
		var text strings.Builder
		for d, err := range c.Stream(t.Context(), p, Request{Model: "m", Retry: Retry{Max: -1}}) {
			if err != nil {
				t.Fatalf("request %d: %v", i, err)
			}
			text.WriteString(d.Text)
		}
		if text.String() != "answer" {
			t.Errorf("request %d: %q", i, text.String())
		}
	}
	if requests.Load() < 4 {
		t.Errorf("%d requests: no kept connection was used, so this shows nothing", requests.Load())
	}
}

// A person who has waited a minute is told rather than made to wait for more.
func TestNoAttemptBeginsAfterItsTime(t *testing.T) {
	for name, c := range map[string]struct {
		until time.Duration
		asked int
	}{"over": {-time.Second, 1}, "over before the next": {100 * time.Millisecond, 1}, "time left": {time.Hour, 2}} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			srv := quietServer(t, func(w http.ResponseWriter, _ *http.Request) {
				asked++
				http.Error(w, "busy", http.StatusServiceUnavailable)
			})
			_, err := streamed(t, loopbackClient(t), record(srv.URL+"/v1/chat/completions", "m"), Request{Model: "m", Retry: Retry{Max: 1, Until: time.Now().Add(c.until)}})
			if err == nil || err.Kind != KindOverloaded || asked != c.asked {
				t.Errorf("asked %d times, want %d: %v", asked, c.asked, err)
			}
		})
	}
}
