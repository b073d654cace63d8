package probe

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"parley/internal/completion"
	"parley/internal/fake/openai"
	"parley/internal/provider"
	"parley/internal/secret"
)

const inside = " from inside a container"

// faults are what goes wrong with endpoints, and what the diagnosis must hold:
// the cause and the remedy.
var faults = []struct {
	name  string
	setUp func(t *testing.T) provider.Provider
	kind  completion.Kind
	says  []string
}{
	{"server down or wrong port", func(t *testing.T) provider.Provider {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		return record("http://" + l.Addr().String() + "/v1/chat/completions")
	}, completion.KindConnect, []string{"Nothing listens on 127.0.0.1:", "port is right", "Ollama 11434"}},
	{"localhost" + inside, func(t *testing.T) provider.Provider {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		return record("http://" + strings.Replace(l.Addr().String(), "127.0.0.1", "localhost", 1) + "/v1/chat/completions")
	}, completion.KindConnect, []string{"localhost is the container itself", "host.docker.internal"}},
	{"no such host", func(*testing.T) provider.Provider {
		return record("http://no-such-host.invalid/v1/chat/completions")
	}, completion.KindConnect, []string{"no-such-host.invalid"}},
	{"wrong path, JSON 404", func(t *testing.T) provider.Provider {
		return record(openai.New(t).URL() + "/v1/completions")
	}, completion.KindNotFound, []string{"/v1/completions", "HTTP 404", "/v1/chat/completions: use that as the endpoint"}},
	{"path left out", func(t *testing.T) provider.Provider {
		return record(openai.New(t).URL())
	}, completion.KindNotFound, []string{"/v1/chat/completions: use that as the endpoint"}},
	{"wrong path, web page 404", func(t *testing.T) provider.Provider {
		return record(quietServer(t, page(404, "Page not found")).URL + "/chat")
	}, completion.KindNotFound, []string{"a web page answers", "/v1/chat/completions"}},
	{"another API", func(t *testing.T) provider.Provider {
		return record(quietServer(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"status":"ok"}`)) }).URL + "/health")
	}, completion.KindProtocol, []string{"no chat completion", "OpenAI-compatible"}},
	{"proxy page or login", func(t *testing.T) provider.Provider {
		return record(quietServer(t, page(200, "Corporate sign-in")).URL + "/v1/chat/completions")
	}, completion.KindProtocol, []string{"web page", "Corporate sign-in", "proxy"}},
	{"proxy page with 403", func(t *testing.T) provider.Provider {
		return record(quietServer(t, page(403, "Blocked by policy")).URL + "/v1/chat/completions")
	}, completion.KindAuth, []string{"web page", "Blocked by policy", "proxy"}},
	{"redirect", func(t *testing.T) provider.Provider {
		return record(quietServer(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://new.example/v1/chat/completions", http.StatusPermanentRedirect)
		}).URL + "/v1/chat/completions")
	}, completion.KindProtocol, []string{"redirects to https://new.example/v1/chat/completions"}},
	{"missing key", func(t *testing.T) provider.Provider {
		return record(openai.NewWith(t, openai.Options{Key: "right"}).Endpoint())
	}, completion.KindAuth, []string{"wants an API key", "set apiKey"}},
	{"wrong key", func(t *testing.T) provider.Provider {
		p := record(openai.NewWith(t, openai.Options{Key: "right"}).Endpoint())
		p.APIKey = secret.New("wrong-key-123456")
		return p
	}, completion.KindAuth, []string{"refuses the API key", "revoked"}},
	{"key in the wrong header", func(t *testing.T) provider.Provider {
		p := record(openai.NewWith(t, openai.Options{Key: "right-key-123456", Profile: "azure"}).Endpoint())
		p.APIKey = secret.New("right-key-123456")
		return p
	}, completion.KindAuth, []string{"header api-key", "extraHeaders", "azure"}},
	{"unknown model", func(t *testing.T) provider.Provider {
		return record(openai.NewWith(t, openai.Options{Models: []string{"qwen3-8b", "qwen3-32b", "llama-3.3-70b", "bge-m3"}}).Endpoint(), "qwen3-8B-instruct")
	}, completion.KindModel, []string{"has no model qwen3-8B-instruct", "nearest", "qwen3-8b"}},
	{"no model named", func(t *testing.T) provider.Provider {
		return record(openai.NewWith(t, openai.Options{Models: []string{"qwen3-8b"}}).Endpoint())
	}, completion.KindModel, []string{"names no model", "qwen3-8b"}},
	{"a private certificate authority", func(t *testing.T) provider.Provider {
		return record(tlsServer(t, nil).URL + "/v1/chat/completions")
	}, completion.KindTLS, []string{"authority this machine does not know", "tls.caFile"}},
	{"https on a plain port", func(t *testing.T) provider.Provider {
		return record(strings.Replace(openai.New(t).Endpoint(), "http://", "https://", 1))
	}, completion.KindTLS, []string{"plain HTTP", "http://"}},
	{"http on a TLS port", func(t *testing.T) provider.Provider {
		return record(strings.Replace(tlsServer(t, nil).URL, "https://", "http://", 1) + "/v1/chat/completions")
	}, completion.KindBadRequest, []string{"speaks TLS", "https://"}},
	{"blocked address", func(*testing.T) provider.Provider {
		return record("http://10.0.0.1/v1/chat/completions")
	}, completion.KindBlocked, []string{"private address (10.0.0.1)", "PROVIDER_NETWORKS"}},
	{"metadata address", func(*testing.T) provider.Provider {
		return record("http://169.254.169.254/v1/chat/completions")
	}, completion.KindBlocked, []string{"cloud-metadata address", "never"}},
	{"model still loading", func(t *testing.T) provider.Provider {
		srv := openai.New(t)
		srv.Func(func(openai.Request) openai.Reply { return openai.Reply{Status: 503, Message: "Loading model"} })
		return record(srv.Endpoint())
	}, completion.KindOverloaded, []string{"still loading the model", "Loading model", "try again"}},
	{"slow start", func(t *testing.T) provider.Provider {
		srv := openai.New(t)
		srv.Next(openai.Reply{Start: time.Hour})
		p := record(srv.Endpoint())
		p.SilenceTimeout = 1
		return p
	}, completion.KindSilence, []string{"sent nothing for 1 s", "loading the model", "silenceTimeout"}},
	{"rate limit", func(t *testing.T) provider.Provider {
		srv := openai.New(t)
		srv.Next(openai.Reply{Status: 429, RetryAfter: "17"})
		return record(srv.Endpoint())
	}, completion.KindRateLimit, []string{"the key is accepted", "rate limit", "17 s"}},
	{"no credit", func(t *testing.T) provider.Provider {
		srv := openai.New(t)
		srv.Next(openai.Reply{Status: 429, Code: "insufficient_quota", Message: "You exceeded your current quota"})
		return record(srv.Endpoint())
	}, completion.KindQuota, []string{"no credit", "top up"}},
	{"the server's own failure", func(t *testing.T) provider.Provider {
		srv := openai.New(t)
		srv.Next(openai.Reply{Status: 500, Message: "CUDA out of memory"})
		return record(srv.Endpoint(), "test-model")
	}, completion.KindServer, []string{"HTTP 500", "CUDA out of memory", "log"}},
	{"an answer that breaks off", func(t *testing.T) provider.Provider {
		srv := openai.New(t)
		srv.Next(openai.Reply{Text: "one two", Fault: openai.FaultTruncate, After: 1})
		return record(srv.Endpoint())
	}, completion.KindTruncated, []string{"broke off", "proxy cuts"}},
	{"a model a gateway does not list, as 503", func(t *testing.T) provider.Provider {
		srv := openai.New(t)
		srv.Func(func(openai.Request) openai.Reply { return openai.Reply{Status: 503, Message: "no upstream is free"} })
		return record(srv.Endpoint(), "test-modell")
	}, completion.KindModel, []string{"has no model test-modell", "HTTP 503", "no upstream is free", "nearest of its 2: test-model"}},
	{"a model a gateway does not list, as 404", func(t *testing.T) provider.Provider {
		return record(unlistedServer(t, func(w http.ResponseWriter) { http.NotFound(w, nil) }), "gpt-5")
	}, completion.KindModel, []string{"has no model gpt-5", "gpt-4o"}},
	{"a path that fails beside a list that answers", func(t *testing.T) provider.Provider {
		return record(unlistedServer(t, func(w http.ResponseWriter) { http.NotFound(w, nil) }), "gpt-4o")
	}, completion.KindNotFound, []string{"Nothing answers chat completions at", "/v1/chat/completions (HTTP 404", "the list of models beside it does"}},
	{"Ollama's own API", func(t *testing.T) provider.Provider {
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
	}, completion.KindProtocol, []string{"Ollama's own format", "/v1/chat/completions as the endpoint"}},
	{"a list to be asked that fails", func(t *testing.T) provider.Provider {
		srv := quietServer(t, func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no lists here", http.StatusNotImplemented)
		})
		p := record(srv.URL+"/v1/chat/completions", "")
		p.Models = provider.Models{Discover: true}
		return p
	}, completion.KindServer, []string{"set to ask the endpoint for its models", "HTTP 501", "into models"}},
	{"a list to be asked that wants a key", func(t *testing.T) provider.Provider {
		p := record(openai.NewWith(t, openai.Options{Key: "right"}).Endpoint())
		p.Models = provider.Models{Discover: true}
		return p
	}, completion.KindAuth, []string{"wants an API key"}},
	{"an empty list to be asked", func(t *testing.T) provider.Provider {
		p := record(quietServer(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"data":[]}`)) }).URL + "/v1/chat/completions")
		p.Models = provider.Models{Discover: true}
		return p
	}, completion.KindModel, []string{"lists no models", "into models"}},
	{"compressed with brotli", func(t *testing.T) provider.Provider {
		return record(unlistedServer(t, func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "br")
			_, _ = w.Write([]byte{0x8b, 2, 0x80})
		}), "gpt-4o")
	}, completion.KindProtocol, []string{"answers compressed (br) though parley asked for plain"}},
	{"a proxy that wants a password", func(t *testing.T) provider.Provider {
		return proxied(t, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n", "https")
	}, completion.KindProxy, []string{"asks for a user name and password (HTTP 407 Proxy Authentication Required)", "user:password@"}},
	{"a proxy that wants a password, plain HTTP", func(t *testing.T) provider.Provider {
		return proxied(t, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "http")
	}, completion.KindProxy, []string{"asks for a user name and password (HTTP 407"}},
	{"a proxy that refuses", func(t *testing.T) provider.Provider {
		return proxied(t, "HTTP/1.1 403 Filtered by policy\r\n\r\n", "https")
	}, completion.KindProxy, []string{"refused to connect to 127.0.0.1 (HTTP 403 Filtered by policy)"}},
	{"a proxy that cannot connect", func(t *testing.T) provider.Provider {
		return proxied(t, "HTTP/1.1 503 Service Unavailable\r\n\r\n", "https")
	}, completion.KindConnect, []string{"could not connect to 127.0.0.1 (HTTP 503 Service Unavailable)"}},
	{"a client certificate missing, as nginx says it", func(t *testing.T) provider.Provider {
		return record(quietServer(t, page(400, "400 No required SSL certificate was sent")).URL+"/v1/chat/completions", "m")
	}, completion.KindTLS, []string{"asks for a client certificate", "tls.certFile"}},
	{"a client certificate missing, as 496", func(t *testing.T) provider.Provider {
		return record(quietServer(t, page(496, "SSL Certificate Required")).URL+"/v1/chat/completions", "m")
	}, completion.KindTLS, []string{"asks for a client certificate"}},
	{"a client certificate that is not accepted", func(t *testing.T) provider.Provider {
		return record(quietServer(t, page(400, "400 The SSL certificate error")).URL+"/v1/chat/completions", "m")
	}, completion.KindTLS, []string{"does not accept the client certificate"}},
	{"a port that is no web server's", func(t *testing.T) provider.Provider {
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
	}, completion.KindConnect, []string{"closed it without an answer"}},
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
func proxied(t *testing.T, reply, scheme string) provider.Provider {
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
	report := Run(t.Context(), loopbackClient(t), record(srv.Endpoint(), "test-modell"), "")
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
		p    provider.Provider
		kind completion.Kind
		says string
	}{
		"password":    {proxied(t, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "https"), completion.KindProxy, "corp/m could not be reached: the proxy asks for a user name and password (HTTP 407 Proxy Authentication Required)"},
		"refused":     {proxied(t, "HTTP/1.1 403 Forbidden\r\n\r\n", "https"), completion.KindProxy, "corp/m could not be reached: the proxy refused the connection (HTTP 403 Forbidden)"},
		"certificate": {record(quietServer(t, page(400, "400 No required SSL certificate was sent")).URL+"/v1/chat/completions", "m"), completion.KindTLS, "corp/m could not be reached: its server asks for a client certificate"},
		"Ollama": {record(quietServer(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"message":{"content":"private words"},"done":true}`))
		}).URL+"/api/chat", "m"), completion.KindProtocol, "corp/m answers in Ollama's own format"},
	} {
		t.Run(name, func(t *testing.T) {
			err := failure(t.Context(), loopbackClient(t), c.p, completion.Request{Model: "m", Retry: completion.Retry{Max: 1, Wait: time.Hour, Until: time.Now().Add(time.Hour)}})
			if err == nil || err.Kind != c.kind || !strings.Contains(err.Sentence(), c.says) || strings.Contains(err.Error()+err.Sentence(), "private words") {
				t.Errorf("%v: %s", err, err.Sentence())
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
			report := probeOne(t.Context(), loopbackClient(t), f.setUp(t), "", strings.HasSuffix(f.name, inside))
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
	report := Run(t.Context(), loopbackClient(t), record(srv.Endpoint(), "m"), "")
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
	report := Run(t.Context(), loopbackClient(t), record(srv.Endpoint(), "m"), "")
	if !report.OK || report.Streams || !strings.Contains(report.Diagnosis, "does not stream") || !strings.Contains(report.Diagnosis, "no usage") {
		t.Errorf("got %+v", report)
	}
	checkSentence(t, report.Diagnosis)
}

func TestABufferInBetweenIsNoticed(t *testing.T) {
	srv := openai.NewWith(t, openai.Options{Answer: strings.Repeat("token ", 60)})
	var report Report
	for range 20 { // a busy machine may take as long to read it as a model to write it
		srv.Next(openai.Reply{Body: strings.Repeat(`data: {"choices":[{"index":0,"delta":{"content":"token "}}]}`+"\n\n", 60) + "data: [DONE]\n\n"})
		if report = Run(t.Context(), loopbackClient(t), record(srv.Endpoint(), "m"), ""); !report.Streams {
			break
		}
	}
	if !report.OK || report.Streams || !strings.Contains(report.Diagnosis, "buffers") {
		t.Errorf("all at once: %+v", report)
	}
	srv.Pace(20 * time.Millisecond)
	if report = Run(t.Context(), loopbackClient(t), record(srv.Endpoint(), "m"), ""); !report.OK || !report.Streams {
		t.Errorf("one by one: %+v", report)
	}
}

func TestTheProbeAsksEveryReplica(t *testing.T) {
	good, bad := openai.New(t), openai.New(t)
	bad.Func(func(openai.Request) openai.Reply { return openai.Reply{Status: 500} })
	p := record(good.Endpoint(), "m")
	p.Endpoints = []string{bad.Endpoint()}
	if report := Run(t.Context(), loopbackClient(t), p, ""); report.OK || !strings.Contains(report.Diagnosis, bad.Endpoint()) {
		t.Errorf("got %+v", report)
	}
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
	p.TLS = &provider.TLS{CAFile: writePEM(t, "ca.pem", "CERTIFICATE", srv.Certificate().Raw)}
	c := loopbackClient(t)
	report := Run(t.Context(), c, p, "")
	if report.OK || report.Kind != completion.KindTLS || !strings.Contains(report.Diagnosis, "client certificate") {
		t.Errorf("without a client certificate: %+v", report)
	}
	p.TLS.CertFile, p.TLS.KeyFile = writePEM(t, "cert.pem", "CERTIFICATE", der), writePEM(t, "key.pem", "PRIVATE KEY", rawKey)
	if report := Run(t.Context(), c, p, ""); !report.OK {
		t.Errorf("with one: %s", report.Diagnosis)
	}
	p.TLS.CAFile = filepath.Join(t.TempDir(), "missing.pem")
	if report := Run(t.Context(), c, p, ""); report.OK || report.Kind != completion.KindTLS || !strings.Contains(report.Diagnosis, "tls.caFile, tls.certFile, tls.keyFile of ") {
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
	p.TLS = &provider.TLS{CAFile: writePEM(t, "ca.pem", "CERTIFICATE", own.Certificate().Raw)}
	report := Run(t.Context(), loopbackClient(t), p, "")
	if report.OK || report.Kind != completion.KindTLS || !strings.Contains(report.Diagnosis, "client certificate") {
		t.Errorf("%+v", report)
	}
}

func TestAProbeEndsWithItsContext(t *testing.T) {
	srv := openai.New(t)
	srv.Next(openai.Reply{Start: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if report := Run(ctx, loopbackClient(t), record(srv.Endpoint(), "m"), ""); report.OK || report.Diagnosis == "" {
		t.Errorf("got %+v", report)
	}
}

func TestANumberOfOldIsNotAskedWhereItsAddressIsNotAllowed(t *testing.T) {
	for _, host := range []string{"0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "0xA9.254.43518", "169.254.169.254.", "169.0xfea9fe", "0", "127.1"} {
		p := record("http://"+host+"/v1/chat/completions", "m")
		c := completion.NewClient(completion.Options{Networks: networks(t, "public,private", true)})
		if report := Run(t.Context(), c, p, ""); report.Kind != completion.KindBlocked || !strings.Contains(report.Diagnosis, "PROVIDER_NETWORKS") {
			t.Errorf("%s: %s", host, report.Diagnosis)
		}
		for _, err := range c.Stream(t.Context(), p, completion.Request{Model: "m"}) {
			if e, ok := errors.AsType[*completion.Error](err); !ok || e.Kind != completion.KindBlocked {
				t.Errorf("%s: %v", host, err)
			}
		}
	}
}

// failure ranges over a whole stream.
func failure(ctx context.Context, c *completion.Client, p provider.Provider, r completion.Request) (last *completion.Error) {
	for _, err := range c.Stream(ctx, p, r) {
		last, _ = errors.AsType[*completion.Error](err)
	}
	return last
}
