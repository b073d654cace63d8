// Connections: guarded at dial time, no redirects, nothing from the
// environment.

package provider

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	idleConnections  = 64 // kept open per endpoint, so that an answer needs no handshake
	idleTimeout      = 90 * time.Second
)

// transports keeps one HTTP client per TLS and proxy setting.
type transports struct {
	networks Networks
	dial     func(ctx context.Context, network, addr string) (net.Conn, error) // replaces the guarded dialer in tests

	mu   sync.Mutex
	made map[string]*http.Client
}

// client returns the HTTP client for p.
func (t *transports) client(p Provider) (*http.Client, error) {
	key, err := settingsKey(p)
	if err != nil {
		return nil, &Error{Kind: KindTLS, Err: err}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if c, ok := t.made[key]; ok {
		return c, nil
	}
	transport, err := t.make(p)
	if err != nil {
		return nil, err
	}
	c := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if t.made == nil {
		t.made = map[string]*http.Client{}
	}
	t.made[key] = c
	return c, nil
}

// settingsKey tells settings apart; files count with their time, so that a
// renewed certificate is read.
func settingsKey(p Provider) (string, error) {
	key := p.Proxy
	if p.TLS == nil {
		return key, nil
	}
	for _, name := range []string{p.TLS.CAFile, p.TLS.CertFile, p.TLS.KeyFile} {
		key += "\x00" + name
		if name == "" {
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return "", fmt.Errorf("tls: %w", err)
		}
		key += "@" + info.ModTime().String()
	}
	return key, nil
}

func (t *transports) make(p Provider) (*http.Transport, error) {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, ControlContext: t.networks.control}
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
	if p.Proxy != "" {
		proxy, err := url.Parse(p.Proxy)
		if err != nil {
			return nil, &Error{Kind: KindConnect, Err: errors.New("the proxy is no valid URL")}
		}
		transport.Proxy = t.throughProxy(proxy)
		transport.OnProxyConnectResponse = connectRefused
	}
	if p.TLS != nil {
		config, err := tlsConfig(*p.TLS)
		if err != nil {
			return nil, &Error{Kind: KindTLS, Err: err}
		}
		transport.TLSClientConfig = config
	}
	return transport, nil
}

// guarded dials with dialer, whose control sees every resolved address, and
// leaves no number to a resolver that may read it as an address of its own.
func (t *transports) guarded(dialer *net.Dialer) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if host, _, err := net.SplitHostPort(addr); err == nil {
			if err := t.networks.checkName(host); err != nil {
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
		if err := t.networks.checkName(host); err != nil {
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

func tlsConfig(t TLS) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("tls.caFile: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, errors.New("tls.caFile holds no PEM certificate")
		}
		config.RootCAs = pool
	}
	if t.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("tls.certFile: %w", err)
		}
		config.Certificates = []tls.Certificate{cert}
	}
	return config, nil
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
