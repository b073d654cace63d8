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

// portsTried is how many ports Listen tries after the first.
const portsTried = 100

// Listen opens the TCP address addr. With next, if the port is in use, it
// opens the first free port after it.
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

// NewServer makes an HTTP server that slow or silent clients cannot block: a
// request's header and body must arrive within 30 s. Responses have no time
// limit, because some are streams; net/http lifts the read limit after the
// body.
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

// survive logs a panic while handling a request, without its value, which may
// be secret and which net/http would print. The connection ends.
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
