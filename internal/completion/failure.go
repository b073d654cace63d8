// Why a request has no answer: an error response, a failed connection, or a
// caller who left.

package completion

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"parley/internal/provider"
)

// errorFromResponse reads an error response.
func errorFromResponse(resp *http.Response, body io.Reader) error {
	var raw []byte
	if plain, err := unpacked(body, resp.Header.Get("Content-Encoding")); err == nil {
		raw, _ = io.ReadAll(io.LimitReader(plain, maxErrorBody))
	}
	e := errorFromBody(resp.StatusCode, raw)
	e.RetryAfter = retryAfter(resp.Header, time.Now())
	if e.RetryAfter == 0 && (e.Kind == KindRateLimit || e.Kind == KindOverloaded) {
		e.RetryAfter = retryIn(e.raw)
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		e.Text = "it redirects"
		if to, err := resp.Location(); err == nil {
			e.Text = "it redirects to " + (&url.URL{Scheme: to.Scheme, Host: to.Host, Path: to.Path}).String()
		}
	}
	return e
}

// closedBefore reports whether err means that the server had closed a reused
// connection before this request was sent on it, as servers do with idle ones.
func closedBefore(err error, reused bool) bool {
	if strings.Contains(err.Error(), "client conn could not be established") { // of HTTP/2, shared by several
		return true
	}
	return reused && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || strings.Contains(err.Error(), "server closed idle connection"))
}

// connectError says why a request got no response.
func connectError(ctx context.Context, err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // its text would contain the URL
	}
	if ctx.Err() != nil {
		return becauseOf(ctx, err)
	}
	if blocked, ok := errors.AsType[*provider.BlockedError](err); ok {
		return &Error{Kind: KindBlocked, Err: blocked}
	}
	if proxy, ok := errors.AsType[*ProxyError](err); ok {
		return proxyFailure(proxy)
	}
	switch {
	case strings.Contains(err.Error(), "tls: certificate required"):
		return &Error{Kind: KindTLS, Err: fmt.Errorf("%w: %w", ErrNoCertificate, err)}
	case isTLS(err) || strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return &Error{Kind: KindTLS, Err: err}
	case strings.Contains(err.Error(), "malformed HTTP"):
		return &Error{Kind: KindProtocol, Err: errors.New("the server does not speak HTTP")}
	}
	return &Error{Kind: KindConnect, Err: err}
}

// becauseOf replaces an error that only says that ctx ended with the cause.
func becauseOf(ctx context.Context, err error) error {
	switch cause := context.Cause(ctx); {
	case cause == nil:
		return err
	case errors.Is(cause, errSilence):
		return &Error{Kind: KindSilence, Err: errSilence}
	default:
		return &Error{Kind: KindCanceled, Err: cause}
	}
}
