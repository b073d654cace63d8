package provider

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"parley/internal/fake/openai"
	"parley/internal/secret"
)

func loopbackClient(t *testing.T) *Client {
	t.Helper()
	return NewClient(Options{Networks: networks(t, "loopback", true)})
}

func record(endpoint string, models ...string) Provider {
	p := Provider{ID: "corp", Endpoint: endpoint, Models: ParseModels(strings.Join(models, ","))}
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

// faults are what goes wrong with endpoints, and what the diagnosis must hold:
// the cause and the remedy.
var faults = []struct {
	name  string
	setUp func(t *testing.T, c *Client) Provider
	kind  Kind
	says  []string
}{
	{"server down or wrong port", func(t *testing.T, _ *Client) Provider {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		return record("http://" + l.Addr().String() + "/v1/chat/completions")
	}, KindConnect, []string{"Nothing listens on 127.0.0.1:", "port is right", "Ollama 11434"}},
	{"localhost from inside a container", func(t *testing.T, c *Client) Provider {
		c.container = func() bool { return true }
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		return record("http://" + strings.Replace(l.Addr().String(), "127.0.0.1", "localhost", 1) + "/v1/chat/completions")
	}, KindConnect, []string{"localhost is the container itself", "host.docker.internal"}},
	{"no such host", func(*testing.T, *Client) Provider {
		return record("http://no-such-host.invalid/v1/chat/completions")
	}, KindConnect, []string{"no-such-host.invalid"}},
	{"wrong path, JSON 404", func(t *testing.T, _ *Client) Provider {
		return record(openai.New(t).URL() + "/v1/completions")
	}, KindNotFound, []string{"/v1/completions", "HTTP 404", "/v1/chat/completions: use that as the endpoint"}},
	{"path left out", func(t *testing.T, _ *Client) Provider {
		return record(openai.New(t).URL())
	}, KindNotFound, []string{"/v1/chat/completions: use that as the endpoint"}},
	{"wrong path, web page 404", func(t *testing.T, _ *Client) Provider {
		return record(quietServer(t, page(404, "Page not found")).URL + "/chat")
	}, KindNotFound, []string{"a web page answers", "/v1/chat/completions"}},
	{"another API", func(t *testing.T, _ *Client) Provider {
		return record(quietServer(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"status":"ok"}`)) }).URL + "/health")
	}, KindProtocol, []string{"no chat completion", "OpenAI-compatible"}},
	{"proxy page or login", func(t *testing.T, _ *Client) Provider {
		return record(quietServer(t, page(200, "Corporate sign-in")).URL + "/v1/chat/completions")
	}, KindProtocol, []string{"web page", "Corporate sign-in", "proxy"}},
	{"proxy page with 403", func(t *testing.T, _ *Client) Provider {
		return record(quietServer(t, page(403, "Blocked by policy")).URL + "/v1/chat/completions")
	}, KindAuth, []string{"web page", "Blocked by policy", "proxy"}},
	{"redirect", func(t *testing.T, _ *Client) Provider {
		return record(quietServer(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://new.example/v1/chat/completions", http.StatusPermanentRedirect)
		}).URL + "/v1/chat/completions")
	}, KindProtocol, []string{"redirects to https://new.example/v1/chat/completions"}},
	{"missing key", func(t *testing.T, _ *Client) Provider {
		return record(openai.NewWith(t, openai.Options{Key: "right"}).Endpoint())
	}, KindAuth, []string{"wants an API key", "set apiKey"}},
	{"wrong key", func(t *testing.T, _ *Client) Provider {
		p := record(openai.NewWith(t, openai.Options{Key: "right"}).Endpoint())
		p.APIKey = secret.New("wrong-key-123456")
		return p
	}, KindAuth, []string{"refuses the API key", "revoked"}},
	{"key in the wrong header", func(t *testing.T, _ *Client) Provider {
		p := record(openai.NewWith(t, openai.Options{Key: "right-key-123456", Profile: "azure"}).Endpoint())
		p.APIKey = secret.New("right-key-123456")
		return p
	}, KindAuth, []string{"header api-key", "extraHeaders", "azure"}},
	{"unknown model", func(t *testing.T, _ *Client) Provider {
		return record(openai.NewWith(t, openai.Options{Models: []string{"qwen3-8b", "qwen3-32b", "llama-3.3-70b", "bge-m3"}}).Endpoint(), "qwen3-8B-instruct")
	}, KindModel, []string{"has no model qwen3-8B-instruct", "nearest", "qwen3-8b"}},
	{"no model named", func(t *testing.T, _ *Client) Provider {
		return record(openai.NewWith(t, openai.Options{Models: []string{"qwen3-8b"}}).Endpoint())
	}, KindModel, []string{"names no model", "qwen3-8b"}},
	{"a private certificate authority", func(t *testing.T, _ *Client) Provider {
		return record(tlsServer(t, nil).URL + "/v1/chat/completions")
	}, KindTLS, []string{"authority this machine does not know", "tls.caFile"}},
	{"https on a plain port", func(t *testing.T, _ *Client) Provider {
		return record(strings.Replace(openai.New(t).Endpoint(), "http://", "https://", 1))
	}, KindTLS, []string{"plain HTTP", "http://"}},
	{"http on a TLS port", func(t *testing.T, _ *Client) Provider {
		return record(strings.Replace(tlsServer(t, nil).URL, "https://", "http://", 1) + "/v1/chat/completions")
	}, KindBadRequest, []string{"speaks TLS", "https://"}},
	{"blocked address", func(*testing.T, *Client) Provider {
		return record("http://10.0.0.1/v1/chat/completions")
	}, KindBlocked, []string{"private address (10.0.0.1)", "PROVIDER_NETWORKS"}},
	{"metadata address", func(*testing.T, *Client) Provider {
		return record("http://169.254.169.254/v1/chat/completions")
	}, KindBlocked, []string{"cloud-metadata address", "never"}},
	{"model still loading", func(t *testing.T, _ *Client) Provider {
		srv := openai.New(t)
		srv.Func(func(openai.Request) openai.Reply { return openai.Reply{Status: 503, Message: "Loading model"} })
		return record(srv.Endpoint())
	}, KindOverloaded, []string{"still loading the model", "Loading model", "try again"}},
	{"slow start", func(t *testing.T, _ *Client) Provider {
		srv := openai.New(t)
		srv.Next(openai.Reply{Start: time.Hour})
		p := record(srv.Endpoint())
		p.SilenceTimeout = 1
		return p
	}, KindSilence, []string{"sent nothing for 1 s", "loading the model", "silenceTimeout"}},
	{"rate limit", func(t *testing.T, _ *Client) Provider {
		srv := openai.New(t)
		srv.Next(openai.Reply{Status: 429, RetryAfter: "17"})
		return record(srv.Endpoint())
	}, KindRateLimit, []string{"the key is accepted", "rate limit", "17 s"}},
	{"no credit", func(t *testing.T, _ *Client) Provider {
		srv := openai.New(t)
		srv.Next(openai.Reply{Status: 429, Code: "insufficient_quota", Message: "You exceeded your current quota"})
		return record(srv.Endpoint())
	}, KindQuota, []string{"no credit", "top up"}},
	{"the server's own failure", func(t *testing.T, _ *Client) Provider {
		srv := openai.New(t)
		srv.Next(openai.Reply{Status: 500, Message: "CUDA out of memory"})
		return record(srv.Endpoint(), "test-model")
	}, KindServer, []string{"HTTP 500", "CUDA out of memory", "log"}},
	{"an answer that breaks off", func(t *testing.T, _ *Client) Provider {
		srv := openai.New(t)
		srv.Next(openai.Reply{Text: "one two", Fault: openai.FaultTruncate, After: 1})
		return record(srv.Endpoint())
	}, KindTruncated, []string{"broke off", "proxy cuts"}},
	{"a model a gateway does not list, as 503", func(t *testing.T, _ *Client) Provider {
		srv := openai.New(t)
		srv.Func(func(openai.Request) openai.Reply { return openai.Reply{Status: 503, Message: "no upstream is free"} })
		return record(srv.Endpoint(), "test-modell")
	}, KindModel, []string{"has no model test-modell", "HTTP 503", "no upstream is free", "nearest of its 2: test-model"}},
	{"a model a gateway does not list, as 404", func(t *testing.T, _ *Client) Provider {
		return record(unlistedServer(t, func(w http.ResponseWriter) { http.NotFound(w, nil) }), "gpt-5")
	}, KindModel, []string{"has no model gpt-5", "gpt-4o"}},
	{"a path that fails beside a list that answers", func(t *testing.T, _ *Client) Provider {
		return record(unlistedServer(t, func(w http.ResponseWriter) { http.NotFound(w, nil) }), "gpt-4o")
	}, KindNotFound, []string{"Nothing answers chat completions at", "/v1/chat/completions (HTTP 404", "the list of models beside it does"}},
	{"Ollama's own API", func(t *testing.T, _ *Client) Provider {
		srv := quietServer(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/api/chat" {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", "application/x-ndjson")
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte(`{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"private words"},"done":false}` + "\n"))
				_ = http.NewResponseController(w).Flush()
			}
		})
		return record(srv.URL+"/api/chat", "m")
	}, KindProtocol, []string{"Ollama's own format", "/v1/chat/completions as the endpoint"}},
	{"a list to be asked that fails", func(t *testing.T, _ *Client) Provider {
		srv := quietServer(t, func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no lists here", http.StatusNotImplemented)
		})
		p := record(srv.URL+"/v1/chat/completions", "")
		p.Models = Models{Discover: true}
		return p
	}, KindServer, []string{"set to ask the endpoint for its models", "HTTP 501", "into models"}},
	{"a list to be asked that wants a key", func(t *testing.T, _ *Client) Provider {
		p := record(openai.NewWith(t, openai.Options{Key: "right"}).Endpoint())
		p.Models = Models{Discover: true}
		return p
	}, KindAuth, []string{"wants an API key"}},
	{"an empty list to be asked", func(t *testing.T, _ *Client) Provider {
		p := record(quietServer(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"data":[]}`)) }).URL + "/v1/chat/completions")
		p.Models = Models{Discover: true}
		return p
	}, KindModel, []string{"lists no models", "into models"}},
	{"compressed with brotli", func(t *testing.T, _ *Client) Provider {
		return record(unlistedServer(t, func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "br")
			_, _ = w.Write([]byte{0x8b, 2, 0x80})
		}), "gpt-4o")
	}, KindProtocol, []string{"answers compressed (br) though parley asked for plain"}},
	{"a proxy that wants a password", func(t *testing.T, _ *Client) Provider {
		return proxied(t, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n", "https")
	}, KindProxy, []string{"asks for a user name and password (HTTP 407 Proxy Authentication Required)", "user:password@"}},
	{"a proxy that wants a password, plain HTTP", func(t *testing.T, _ *Client) Provider {
		return proxied(t, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "http")
	}, KindProxy, []string{"asks for a user name and password (HTTP 407"}},
	{"a proxy that refuses", func(t *testing.T, _ *Client) Provider {
		return proxied(t, "HTTP/1.1 403 Filtered by policy\r\n\r\n", "https")
	}, KindProxy, []string{"refused to connect to 127.0.0.1 (HTTP 403 Filtered by policy)"}},
	{"a proxy that cannot connect", func(t *testing.T, _ *Client) Provider {
		return proxied(t, "HTTP/1.1 503 Service Unavailable\r\n\r\n", "https")
	}, KindConnect, []string{"could not connect to 127.0.0.1 (HTTP 503 Service Unavailable)"}},
	{"a client certificate missing, as nginx says it", func(t *testing.T, _ *Client) Provider {
		return record(quietServer(t, page(400, "400 No required SSL certificate was sent")).URL+"/v1/chat/completions", "m")
	}, KindTLS, []string{"asks for a client certificate", "tls.certFile"}},
	{"a client certificate missing, as 496", func(t *testing.T, _ *Client) Provider {
		return record(quietServer(t, page(496, "SSL Certificate Required")).URL+"/v1/chat/completions", "m")
	}, KindTLS, []string{"asks for a client certificate"}},
	{"a client certificate that is not accepted", func(t *testing.T, _ *Client) Provider {
		return record(quietServer(t, page(400, "400 The SSL certificate error")).URL+"/v1/chat/completions", "m")
	}, KindTLS, []string{"does not accept the client certificate"}},
	{"a port that is no web server's", func(t *testing.T, _ *Client) Provider {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_ = conn.Close()
			}
		}()
		return record("http://" + l.Addr().String() + "/v1/chat/completions")
	}, KindConnect, []string{"closed it without an answer"}},
}

// unlistedServer lists gpt-4o and gpt-4o-mini and answers everything else with h.
func unlistedServer(t *testing.T, h func(w http.ResponseWriter)) string {
	t.Helper()
	return quietServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/models" {
			_, _ = w.Write([]byte(`{"data":[{"id":"gpt-4o"},{"id":"gpt-4o-mini"}]}`))
			return
		}
		h(w)
	}).URL + "/v1/chat/completions"
}

// proxied is a provider behind a proxy that answers everything with reply.
func proxied(t *testing.T, reply, scheme string) Provider {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					_, _ = io.WriteString(conn, reply)
				}
			}()
		}
	}()
	p := record(scheme+"://127.0.0.1:9/v1/chat/completions", "m")
	p.Proxy = "http://" + l.Addr().String()
	return p
}

// A gateway may answer for a model it does not list with another one.
func TestAModelThatIsNotListedIsWarnedOf(t *testing.T) {
	srv := openai.New(t)
	report := loopbackClient(t).Probe(t.Context(), record(srv.Endpoint(), "test-modell"), "")
	if !report.OK || !strings.Contains(report.Diagnosis, "its list has no model test-modell") || !strings.Contains(report.Diagnosis, "test-model, test-model-mini") {
		t.Errorf("got %s", report.Diagnosis)
	}
	checkSentence(t, report.Diagnosis)
	warned := false
	for _, s := range report.Steps {
		warned = warned || s.Name == "models" && s.Status == StatusWarning
	}
	if !warned {
		t.Errorf("steps %+v", report.Steps)
	}
}

// What stands before the server has its own sentence in chat, and is not asked
// again where it refuses.
func TestRefusalsBeforeTheServerInChat(t *testing.T) {
	for name, c := range map[string]struct {
		p    Provider
		kind Kind
		says string
	}{
		"password":    {proxied(t, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "https"), KindProxy, "corp/m could not be reached: the proxy asks for a user name and password (HTTP 407 Proxy Authentication Required)"},
		"refused":     {proxied(t, "HTTP/1.1 403 Forbidden\r\n\r\n", "https"), KindProxy, "corp/m could not be reached: the proxy refused the connection (HTTP 403 Forbidden)"},
		"certificate": {record(quietServer(t, page(400, "400 No required SSL certificate was sent")).URL+"/v1/chat/completions", "m"), KindTLS, "corp/m could not be reached: its server asks for a client certificate"},
		"Ollama": {record(quietServer(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"message":{"content":"private words"},"done":true}`))
		}).URL+"/api/chat", "m"), KindProtocol, "corp/m answers in Ollama's own format"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := streamed(t, loopbackClient(t), c.p, Request{Model: "m", Retry: Retry{Max: 1, Wait: time.Hour, Until: time.Now().Add(time.Hour)}})
			if err == nil || err.Kind != c.kind || !strings.Contains(err.Sentence(), c.says) || strings.Contains(err.Error()+err.Sentence(), "private words") {
				t.Errorf("%v: %s", err, err.Sentence())
			}
			if err.again() {
				t.Error("it would be asked again")
			}
			checkSentence(t, err.Sentence())
		})
	}
}

// TestEveryFaultIsDiagnosed prints the table of diagnoses with -v.
func TestEveryFaultIsDiagnosed(t *testing.T) {
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			c := loopbackClient(t)
			c.container = func() bool { return false }
			p := f.setUp(t, c)
			report := c.Probe(t.Context(), p, "")
			if report.OK || report.Kind != f.kind {
				t.Errorf("ok %v, kind %q, want %q", report.OK, report.Kind, f.kind)
			}
			for _, s := range f.says {
				if !strings.Contains(report.Diagnosis, s) {
					t.Errorf("%q is missing in: %s", s, report.Diagnosis)
				}
			}
			checkSentence(t, report.Diagnosis)
			raw, err := json.Marshal(report)
			if err != nil || strings.Contains(string(raw), "key-123456") {
				t.Errorf("the report shows a key, or is no JSON: %s, %v", raw, err)
			}
			if len(report.Steps) == 0 {
				t.Error("no steps")
			}
			fmt.Fprintf(w, "%s\t%s\n", f.name, report.Diagnosis)
		})
	}
	_ = w.Flush()
	t.Log("\n" + table.String())
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

func TestTheProbeOfAWorkingEndpoint(t *testing.T) {
	srv := openai.NewWith(t, openai.Options{Profile: "vllm", Models: []string{"m", "m-large"}, Interval: 20 * time.Millisecond, Answer: "one two three four five six seven eight nine ten"})
	srv.Refuse("max_tokens", "max_completion_tokens")
	report := loopbackClient(t).Probe(t.Context(), record(srv.Endpoint(), "m"), "")
	if !report.OK || !report.Streams || report.Model != "m" || report.Usage == nil || report.TokensPerSecond <= 0 || report.FirstToken < 0 || len(report.Models) != 2 {
		t.Errorf("got %+v", report)
	}
	if !strings.Contains(report.Learned, "max_tokens as max_completion_tokens") || !strings.HasPrefix(report.Diagnosis, "corp/m answers: first token after") {
		t.Errorf("learned %q: %s", report.Learned, report.Diagnosis)
	}
	checkSentence(t, report.Diagnosis)
	for _, s := range report.Steps {
		if s.Status != StatusOK {
			t.Errorf("step %+v", s)
		}
	}
}

func TestTheProbeSaysWhatIsMissing(t *testing.T) {
	srv := openai.NewWith(t, openai.Options{Profile: "cloudflare"})
	srv.Next(openai.Reply{Text: "one two three", NoStream: true, Body: `{"choices":[{"message":{"content":"one two three"},"finish_reason":"stop"}]}`})
	report := loopbackClient(t).Probe(t.Context(), record(srv.Endpoint(), "m"), "")
	if !report.OK || report.Streams || !strings.Contains(report.Diagnosis, "does not stream") || !strings.Contains(report.Diagnosis, "no usage") {
		t.Errorf("got %+v", report)
	}
	checkSentence(t, report.Diagnosis)
}

func TestABufferInBetweenIsNoticed(t *testing.T) {
	srv := openai.NewWith(t, openai.Options{Answer: strings.Repeat("token ", 60)})
	var report Report
	for range 20 { // a busy machine may take as long to read it as a model to write it
		srv.Next(openai.Reply{Body: strings.Repeat(chunk(`{"content":"token "}`), 60) + done})
		if report = loopbackClient(t).Probe(t.Context(), record(srv.Endpoint(), "m"), ""); !report.Streams {
			break
		}
	}
	if !report.OK || report.Streams || !strings.Contains(report.Diagnosis, "buffers") {
		t.Errorf("all at once: %+v", report)
	}
	srv.Pace(20 * time.Millisecond)
	if report = loopbackClient(t).Probe(t.Context(), record(srv.Endpoint(), "m"), ""); !report.OK || !report.Streams {
		t.Errorf("one by one: %+v", report)
	}
}

func TestTheProbeAsksEveryReplica(t *testing.T) {
	good, bad := openai.New(t), openai.New(t)
	bad.Func(func(openai.Request) openai.Reply { return openai.Reply{Status: 500} })
	p := record(good.Endpoint(), "m")
	p.Endpoints = []string{bad.Endpoint()}
	if report := loopbackClient(t).Probe(t.Context(), p, ""); report.OK || !strings.Contains(report.Diagnosis, bad.Endpoint()) {
		t.Errorf("got %+v", report)
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

func TestAPrivateCAAndAClientCertificate(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "parley"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AddCert(cert)
	srv := tlsServer(t, clients)
	rawKey, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p := record(srv.URL+"/v1/chat/completions", "m")
	p.TLS = &TLS{CAFile: writePEM(t, "ca.pem", "CERTIFICATE", srv.Certificate().Raw)}
	c := loopbackClient(t)
	report := c.Probe(t.Context(), p, "")
	if report.OK || report.Kind != KindTLS || !strings.Contains(report.Diagnosis, "client certificate") {
		t.Errorf("without a client certificate: %+v", report)
	}
	p.TLS.CertFile, p.TLS.KeyFile = writePEM(t, "cert.pem", "CERTIFICATE", der), writePEM(t, "key.pem", "PRIVATE KEY", rawKey)
	if report := c.Probe(t.Context(), p, ""); !report.OK {
		t.Errorf("with one: %s", report.Diagnosis)
	}
	p.TLS.CAFile = filepath.Join(t.TempDir(), "missing.pem")
	if report := c.Probe(t.Context(), p, ""); report.OK || report.Kind != KindTLS || !strings.Contains(report.Diagnosis, "tls.caFile, tls.certFile, tls.keyFile of ") {
		t.Errorf("missing CA file: %+v", report)
	}
}

// A server that wants a client certificate may close before its alert is read.
func TestAClientCertificateMissedWithoutAnAlertIsDiagnosed(t *testing.T) {
	own := tlsServer(t, nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = tls.Server(conn, &tls.Config{Certificates: own.TLS.Certificates, ClientAuth: tls.RequestClientCert}).Handshake()
			_ = conn.Close()
		}
	}()
	p := record("https://"+listener.Addr().String()+"/v1/chat/completions", "m")
	p.TLS = &TLS{CAFile: writePEM(t, "ca.pem", "CERTIFICATE", own.Certificate().Raw)}
	report := loopbackClient(t).Probe(t.Context(), p, "")
	if report.OK || report.Kind != KindTLS || !strings.Contains(report.Diagnosis, "client certificate") {
		t.Errorf("%+v", report)
	}
}

func TestAnExplicitProxyIsUsedAndCannotReachWhatIsBlocked(t *testing.T) {
	srv := openai.New(t)
	used := 0
	proxy := quietServer(t, func(w http.ResponseWriter, r *http.Request) {
		used++
		out, err := http.NewRequestWithContext(r.Context(), r.Method, srv.Endpoint(), r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		resp, err := http.DefaultTransport.RoundTrip(out)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		_ = resp.Write(w)
	})
	c := loopbackClient(t)
	plain, err := c.transports.make("", nil)
	if err != nil || plain.Proxy != nil {
		t.Errorf("without the setting nothing may choose a proxy, the environment least of all: %v", err)
	}
	p := record("http://169.254.169.254/v1/chat/completions")
	p.Proxy = proxy.URL
	for _, err := range c.Stream(t.Context(), p, Request{Model: "m", Retry: Retry{Max: -1}}) {
		if e, ok := errors.AsType[*Error](err); !ok || e.Kind != KindBlocked {
			t.Errorf("metadata through the proxy: %v", err)
		}
	}
	if used != 0 {
		t.Error("the proxy was asked for a blocked address")
	}
	p.Endpoint = srv.Endpoint()
	for range c.Stream(t.Context(), p, Request{Model: "m", Retry: Retry{Max: -1}}) {
	}
	if used != 1 {
		t.Errorf("the proxy was used %d times", used)
	}
}

func TestLocalServersAreFoundAndNamedByWhatTheyAre(t *testing.T) {
	srv := openai.NewWith(t, openai.Options{Profile: "ollama", Models: []string{"qwen3:8b", "llama3.2"}})
	c := loopbackClient(t)
	found := c.localServer(t.Context(), Provider{ID: "vllm", Endpoint: srv.Endpoint()})
	if found == nil || found.ID != "ollama" || found.Preset != "ollama" || !found.Models.Discover || len(found.Models.List) != 2 {
		t.Fatalf("got %+v", found)
	}
	if problems := found.Validate(); problems != nil {
		t.Error(problems)
	}
	if c.localServer(t.Context(), record(quietServer(t, page(200, "hi")).URL+"/v1/chat/completions")) != nil {
		t.Error("a web page is no model server")
	}
	blocked := NewClient(Options{Networks: networks(t, "public", false)})
	if blocked.localServer(t.Context(), record(srv.Endpoint())) != nil {
		t.Error("PROVIDER_NETWORKS does not allow loopback")
	}
	list := c.DiscoverLocal(t.Context(), srv.Addr())
	if len(list) == 0 || list[0].ID != "ollama" || list[0].Endpoint != srv.Endpoint() {
		t.Errorf("OLLAMA_HOST was not asked: %+v", list)
	}
}

func TestOllamaHostIsReadAsOllamaDoes(t *testing.T) {
	for host, want := range map[string]string{
		"": "http://127.0.0.1:11434", "0.0.0.0": "http://127.0.0.1:11434", ":8000": "http://127.0.0.1:8000", "gpu": "http://gpu:11434", "gpu:99": "http://gpu:99",
		"http://gpu": "http://gpu", "https://gpu/": "https://gpu", "http://gpu:1/sub/": "http://gpu:1/sub", "[::1]:5": "http://[::1]:5", "[::]": "http://127.0.0.1:11434", `"gpu"`: "http://gpu:11434",
	} {
		if got := ollamaEndpoint(host); got != want+"/v1/chat/completions" {
			t.Errorf("OLLAMA_HOST=%s: %s, want %s…", host, got, want)
		}
	}
}

func TestNearestModels(t *testing.T) {
	models := ParseModels("openai/gpt-4o, openai/gpt-4o-mini, anthropic/claude-sonnet, qwen3-8b, qwen3-32b").List
	for name, want := range map[string]string{"gpt-4o": "openai/gpt-4o", "GPT-4o-mini": "openai/gpt-4o-mini", "qwen3-8": "qwen3-8b", "claude": "anthropic/claude-sonnet", "qwen-3-32b": "qwen3-32b"} {
		if got := Nearest(name, models, 1); len(got) != 1 || got[0].ID != want {
			t.Errorf("%s: %v, want %s", name, got, want)
		}
	}
	if got := Nearest("x", models[:2], 5); len(got) != 2 {
		t.Errorf("got %v", got)
	}
}

func TestModelListsOfAllKinds(t *testing.T) {
	for raw, want := range map[string]string{
		`{"data":[{"id":"a","max_model_len":4096},{"id":"b"}]}`:       `[{"id":"a","name":"a","maxInput":4096},{"id":"b","name":"b"}]`,
		`{"data":[{"id":"a","meta":{"n_ctx":2048,"n_ctx_train":9}}]}`: `[{"id":"a","name":"a","maxInput":2048}]`,
		`{"data":[{"id":"a","meta":null,"context_window":7}]}`:        `[{"id":"a","name":"a","maxInput":7}]`,
		`{"data":[{"id":"models/g","type":3,"context_length":5}]}`:    `[{"id":"g","name":"g","maxInput":5}]`,
		`[{"name":"models/g","inputTokenLimit":6},"s"]`:               `[{"id":"g","name":"g","maxInput":6},{"id":"s","name":"s"}]`,
		`{"models":["a","a"]}`:                                        `[{"id":"a","name":"a"}]`,
		`{"data":[{"id":"e","type":"embedding"},{"id":""},{}]}`:       `null`,
		`{"data":null}`: `null`,
		`{"data":[{"id":"v","architecture":{"input_modalities":["text","image"]},"pricing":{"prompt":"0.000001","completion":"0.000002"}}]}`: `[{"id":"v","name":"v","pricing":{"input":1,"output":2},"vision":true}]`,
	} {
		list, ok := readModels([]byte(raw))
		got, _ := json.Marshal(list)
		if !ok || string(got) != want {
			t.Errorf("%s: %s (%v), want %s", raw, got, ok, want)
		}
	}
	for _, raw := range []string{``, `{}`, `"x"`, `{"error":"x"}`, `<html>`, `{"data":{}}`} {
		if _, ok := readModels([]byte(raw)); ok {
			t.Errorf("%s is no list", raw)
		}
	}
}

func TestTheListBelongsToTheEndpoint(t *testing.T) {
	for endpoint, want := range map[string]string{
		"https://h/v1/chat/completions":                                        "https://h/v1/models",
		"https://h/v1/chat/completions/":                                       "https://h/v1/models",
		"https://h/client/v4/accounts/a/ai/v1/chat/completions":                "https://h/client/v4/accounts/a/ai/v1/models",
		"https://r.openai.azure.com/openai/deployments/d/chat/completions?x=1": "https://r.openai.azure.com/openai/models?x=1",
		"http://h:1":         "http://h:1/models",
		"http://h/v1":        "http://h/v1/models",
		"http://h/custom/go": "http://h/custom/go/models",
	} {
		if got := modelsURL(endpoint); got != want {
			t.Errorf("%s: %s, want %s", endpoint, got, want)
		}
	}
}

func TestAProbeEndsWithItsContext(t *testing.T) {
	srv := openai.New(t)
	srv.Next(openai.Reply{Start: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if report := loopbackClient(t).Probe(ctx, record(srv.Endpoint(), "m"), ""); report.OK || report.Diagnosis == "" {
		t.Errorf("got %+v", report)
	}
}
