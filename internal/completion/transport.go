// Connections: guarded at dial time, no redirects, nothing from the
// environment.

package completion

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"parley/internal/provider"
)

const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	idleConnections  = 64 // kept open per endpoint, so that an answer needs no handshake
	idleTimeout      = 90 * time.Second
)

// maxClients bounds the HTTP clients that are kept for settings of the past.
const maxClients = 256

// transports keeps one HTTP client per TLS and proxy setting.
type transports struct {
	networks provider.Networks
	files    files
	dial     func(ctx context.Context, network, addr string) (net.Conn, error) // replaces the guarded dialer in tests

	mu   sync.Mutex
	made map[setting]*madeClient
}

// setting is what clients differ in.
type setting struct {
	proxy string
	tls   provider.TLS
}

// madeClient is a client and the contents of the files it was made with.
type madeClient struct {
	*http.Client
	digest string
}

// client returns the HTTP client for p. Its files are looked at each time,
// before the lock: what one record names must not hold up the others.
func (t *transports) client(ctx context.Context, p provider.Provider) (*http.Client, error) {
	s := setting{proxy: p.Proxy}
	config, digest := (*tls.Config)(nil), ""
	if p.TLS != nil && *p.TLS != (provider.TLS{}) {
		s.tls = *p.TLS
		var err error
		if config, digest, err = t.files.config(ctx, s.tls); err != nil {
			return nil, becauseOf(ctx, &Error{Kind: KindTLS, Err: err})
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	old, ok := t.made[s]
	if ok && old.digest == digest {
		return old.Client, nil
	}
	transport, err := t.make(p.Proxy, config)
	if err != nil {
		return nil, err
	}
	c := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if ok {
		old.CloseIdleConnections()
	}
	t.keep(s, &madeClient{c, digest})
	return c, nil
}

// keep stores a client, and lets one of the others go where there are many: it
// is made again when it is needed. The lock is held.
func (t *transports) keep(s setting, c *madeClient) {
	if t.made == nil {
		t.made = map[setting]*madeClient{}
	}
	if _, there := t.made[s]; !there && len(t.made) >= maxClients {
		for other, old := range t.made {
			old.CloseIdleConnections()
			delete(t.made, other)
			break
		}
	}
	t.made[s] = c
}

func (t *transports) make(proxy string, config *tls.Config) (*http.Transport, error) {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, ControlContext: t.networks.Control}
	transport := &http.Transport{
		DialContext:         t.guarded(dialer),
		TLSHandshakeTimeout: handshakeTimeout,
		MaxIdleConnsPerHost: idleConnections,
		IdleConnTimeout:     idleTimeout,
		ForceAttemptHTTP2:   true,
		WriteBufferSize:     1 << 10, // a body goes past it in one write; an idle stream keeps it
		DisableCompression:  true,    // a compressor holds deltas back
		HTTP2:               &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
	if t.dial != nil {
		transport.DialContext = t.dial
	}
	if proxy != "" {
		u, err := url.Parse(proxy)
		if err != nil {
			return nil, &Error{Kind: KindConnect, Err: errors.New("the proxy is no valid URL")}
		}
		transport.Proxy = t.throughProxy(u)
		transport.OnProxyConnectResponse = connectRefused
	}
	transport.TLSClientConfig = config
	return transport, nil
}

// guarded dials with dialer, whose control sees every resolved address, and
// leaves no number to a resolver that may read it as an address of its own.
func (t *transports) guarded(dialer *net.Dialer) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if host, _, err := net.SplitHostPort(addr); err == nil {
			if err := t.networks.CheckName(host); err != nil {
				return nil, err
			}
		}
		return dialer.DialContext(ctx, network, addr)
	}
}

// throughProxy sends every request through proxy, once the endpoint's own
// address is allowed: the proxy would reach what parley may not. A name that
// only the proxy can resolve is the proxy's to judge.
func (t *transports) throughProxy(proxy *url.URL) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		host := r.URL.Hostname()
		if addr, err := netip.ParseAddr(host); err == nil {
			return proxy, t.networks.Check(addr)
		}
		if err := t.networks.CheckName(host); err != nil {
			return nil, err
		}
		addrs, err := net.DefaultResolver.LookupNetIP(r.Context(), "ip", host)
		if err != nil {
			return proxy, nil
		}
		for _, addr := range addrs {
			if err := t.networks.Check(addr); err != nil {
				return nil, err
			}
		}
		return proxy, nil
	}
}

// isTLS reports whether err is about certificates or the handshake.
func isTLS(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	if strings.Contains(err.Error(), "remote error: tls:") { // an alert; its type is not exported
		return true
	}
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, host := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	return unknown || host || invalid
}
