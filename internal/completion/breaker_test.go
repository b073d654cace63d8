// What people read while an endpoint is left alone: the cause, not that it is left
// alone.

package completion

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/provider"
)

// answering serves one request over a connection in memory, so that a bubble of
// synctest can wait for it.
func answering(response string) net.Conn {
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		r := bufio.NewReader(server)
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		_, _ = io.WriteString(server, response)
		_, _ = r.ReadByte() // until the client leaves
	}()
	return client
}

// asking is one question and what becomes of it.
func asking(t *testing.T, c *Client, p provider.Provider) (text string, failed *Error) {
	t.Helper()
	for d, err := range c.Stream(t.Context(), p, Request{Model: "m", Retry: Retry{Max: -1}}) {
		if err != nil {
			failed, _ = errors.AsType[*Error](err)
			break
		}
		text += d.Text
	}
	return text, failed
}

func TestWhileAnEndpointIsLeftAloneEveryoneReadsTheSameCause(t *testing.T) {
	unavailable := "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 12\r\nConnection: close\r\n\r\nno upstreams"
	for name, c := range map[string]struct {
		dial   func() (net.Conn, error)
		kind   Kind
		status int
		says   string
	}{
		"a name that does not resolve": {func() (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "model.test", IsNotFound: true}}
		}, KindConnect, 0, "could not be reached"},
		"a port that is closed": {func() (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
		}, KindConnect, 0, "could not be reached"},
		"no TLS": {func() (net.Conn, error) {
			return nil, errors.New("remote error: tls: handshake failure")
		}, KindTLS, 0, "certificate or TLS"},
		"a gateway without servers": {func() (net.Conn, error) { return answering(unavailable), nil }, KindServer, 502, "HTTP 502: “no upstreams”"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, p := NewClient(Options{}), record("http://model.test/v1/chat/completions", "m")
				var dialled atomic.Int32
				var well atomic.Bool
				client.transports.dial = func(context.Context, string, string) (net.Conn, error) {
					dialled.Add(1)
					if well.Load() {
						return answering("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + chunk(`{"content":"well"}`) + stopChunk + done), nil
					}
					return c.dial()
				}
				first := ""
				left := 0
				for n := range 2 * breakAfter {
					before := dialled.Load()
					_, err := asking(t, client, p)
					if err == nil || err.Kind != c.kind || err.Status != c.status || !strings.Contains(err.Sentence(), c.says) {
						t.Fatalf("question %d: %v", n, err)
					}
					if first == "" {
						first = err.Sentence()
					}
					if err.Sentence() != first {
						t.Errorf("question %d reads %q, the first %q", n, err.Sentence(), first)
					}
					if dialled.Load() == before {
						left++
						if !strings.Contains(err.Error(), "left alone") {
							t.Errorf("the log does not say that it was not asked: %v", err)
						}
					}
				}
				if left == 0 {
					t.Fatal("the breaker never opened")
				}
				well.Store(true)
				time.Sleep(breakFor + time.Millisecond)
				if text, err := asking(t, client, p); text != "well" || err != nil {
					t.Errorf("after it is well again: %q, %v", text, err)
				}
			})
		})
	}
}

// Two records may share an endpoint: what the server said to one is not for the other.
func TestWordsSaidToAnotherProviderAreNotRepeated(t *testing.T) {
	var es endpoints
	for range breakAfter {
		ticket, err := es.enter(provider.Provider{ID: "theirs", Endpoint: "http://a"}, "", false)
		if err != nil {
			t.Fatal(err)
		}
		ticket.outcome(&Error{Kind: KindServer, Provider: "theirs", Status: 503, Text: "organisation theirs-1 is suspended"})
		ticket.leave()
	}
	ticket, err := es.enter(provider.Provider{ID: "ours", Endpoint: "http://a"}, "", false)
	ticket.leave()
	refused, _ := errors.AsType[*Error](err)
	if refused == nil || refused.Kind != KindServer || refused.Status != 503 || refused.Text != "" || strings.Contains(refused.Error(), "theirs") {
		t.Errorf("it reads %v", refused)
	}
}
