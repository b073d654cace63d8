// The listener and the HTTP server, with limits against slow and endless
// requests.

package telemetry

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"parley/internal/fault"
)

// portsTried is how many ports after the wanted one Listen tries.
const portsTried = 100

// Listen opens the TCP address addr. With next set, and only when the port is
// taken, it opens the first free one of the ports after it.
func Listen(addr string, next bool) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err == nil {
		return l, nil
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("HTTP_ADDR %s: %w", addr, err)
	}
	host, port, splitErr := net.SplitHostPort(addr)
	first, numErr := strconv.Atoi(port)
	if next && splitErr == nil && numErr == nil {
		for p := first + 1; p <= min(first+portsTried, 65535); p++ {
			if l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(p))); err == nil {
				return l, nil
			}
		}
	}
	return nil, fmt.Errorf("HTTP_ADDR %s is in use by another program; stop it or choose another port, for example HTTP_ADDR=%s", addr, net.JoinHostPort(host, strconv.Itoa(first+1)))
}

// NewServer gives an HTTP server that a slow or silent client cannot hold on to:
// a request's header and body have 30 s to arrive. Answers have no time limit,
// because some are streams; net/http lifts the limit on reading when the body
// has been read.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           survive(h, log),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// survive logs a defect in answering a request without its value, which may hold
// what no log may; net/http would print it. The connection ends.
func survive(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			value := recover()
			if value == nil {
				return
			}
			if value != http.ErrAbortHandler {
				log.ErrorContext(r.Context(), "request panicked", "method", r.Method, "path", r.Pattern, "error", fault.Recovered(value))
			}
			panic(http.ErrAbortHandler)
		}()
		next.ServeHTTP(w, r)
	})
}
