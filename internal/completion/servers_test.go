// What the tests ask, and with which client.

package completion

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/internal/provider"
)

func loopbackClient(t *testing.T) *Client {
	t.Helper()
	return NewClient(Options{Networks: networks(t, "loopback", true)})
}

func record(endpoint string, models ...string) provider.Provider {
	p := provider.Provider{ID: "corp", Endpoint: endpoint, Models: provider.ParseModels(strings.Join(models, ","))}
	p.Normalize()
	return p
}

// quietServer is a web server that answers everything with h.
func quietServer(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv
}

func page(status int, title string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<!doctype html><html><head><title>%s</title></head><body>hello</body></html>", title)
	}
}

// tlsServer answers chat completions behind a certificate of its own CA; with
// clients set, it asks for a client certificate.
func tlsServer(t *testing.T, clients *x509.CertPool) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"choices":[{"message":{"content":"secure"},"finish_reason":"stop"}]}`))
	}))
	srv.Config.ErrorLog = log.New(&bytes.Buffer{}, "", 0)
	if clients != nil {
		srv.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	}
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

func writePEM(t *testing.T, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func networks(t *testing.T, s string, loopback bool) provider.Networks {
	t.Helper()
	n, err := provider.ParseNetworks(s, loopback)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// checkSentence holds a text for people to its form: one sentence, with a
// capital and a full stop, no error jargon.
func checkSentence(t *testing.T, s string) {
	t.Helper()
	if s == "" || !strings.HasSuffix(s, ".") || strings.Contains(s, "..") || strings.Contains(s, "  ") || strings.Contains(s, "%!") || strings.ContainsAny(s, "\n\t") {
		t.Errorf("not a sentence: %q", s)
	}
	if strings.Contains(s, "dial tcp") || strings.Contains(s, "EOF") || strings.Contains(s, "context deadline") {
		t.Errorf("jargon: %q", s)
	}
}
