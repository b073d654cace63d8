package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/trace"

	"parley/internal/telemetry"
)

func TestLinesAreOfTheLevelAndFormatAskedFor(t *testing.T) {
	var b bytes.Buffer
	log := telemetry.NewLogger(&b, slog.LevelWarn, "json")
	log.InfoContext(t.Context(), "quiet")
	log.With("bot", "helper").WithGroup("g").WarnContext(t.Context(), "loud", "n", 1)
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, &b)
	}
	if line["msg"] != "loud" || line["bot"] != "helper" || line["level"] != "WARN" || !reflect.DeepEqual(line["g"], map[string]any{"n": 1.0}) {
		t.Errorf("%v", line)
	}
	b.Reset()
	telemetry.NewLogger(&b, slog.LevelDebug, "text").DebugContext(t.Context(), "fine")
	if !strings.Contains(b.String(), "level=DEBUG msg=fine") {
		t.Errorf("%s", &b)
	}
}

func TestDurationsAreReadable(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		var b bytes.Buffer
		telemetry.NewLogger(&b, slog.LevelInfo, format).With("a", 25*time.Second).InfoContext(t.Context(), "x",
			slog.Duration("b", 90*time.Minute), "c", 1500*time.Microsecond, slog.Group("g", "d", time.Second))
		line := strings.NewReplacer(`":"`, "=", `"`, "", ",", " ", ":{", ".", "}", " ").Replace(b.String())
		for _, want := range []string{"a=25s", "b=1h30m0s", "c=1.5ms", "g.d=1s"} {
			if !strings.Contains(line, want) {
				t.Errorf("%s: no %s in %s", format, want, &b)
			}
		}
	}
}

// lockedBuffer is a log that a server may still write to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// net/http prints the value of a panic, which may be a key or someone's words.
func TestADefectInARequestIsLoggedWithoutItsValue(t *testing.T) {
	var b lockedBuffer
	server := telemetry.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/abort" {
			panic(http.ErrAbortHandler)
		}
		panic("the words of a message")
	}), telemetry.NewLogger(&b, slog.LevelDebug, "text"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	for _, path := range []string{"/abort", "/defect"} {
		if resp, err := http.Get("http://" + l.Addr().String() + path); err == nil {
			_ = resp.Body.Close()
			t.Errorf("%s was answered: %s", path, resp.Status)
		}
	}
	_ = server.Shutdown(t.Context())
	log := b.String()
	if strings.Contains(log, "the words") || strings.Count(log, "level=ERROR") != 1 || !strings.Contains(log, "a value of type string") || !strings.Contains(log, "telemetry_test.go") {
		t.Errorf("the log: %s", log)
	}
}

func TestALineInsideASpanLeadsToItsTrace(t *testing.T) {
	var b bytes.Buffer
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1, 2}, SpanID: trace.SpanID{3}, TraceFlags: trace.FlagsSampled})
	telemetry.NewLogger(&b, slog.LevelInfo, "text").InfoContext(trace.ContextWithSpanContext(t.Context(), span), "x")
	if !strings.Contains(b.String(), "trace_id=01020000000000000000000000000000") {
		t.Errorf("%s", &b)
	}
}

func fixed(states ...telemetry.State) telemetry.Check {
	return func(context.Context) []telemetry.State { return states }
}

func TestReady(t *testing.T) {
	store := telemetry.State{Name: "store", OK: true}
	down := telemetry.State{Name: "store", Reason: "connection refused"}
	good := telemetry.State{Name: "slack/helper", OK: true, Group: "bots"}
	bad := telemetry.State{Name: "discord/helper", Reason: "token revoked", Group: "bots"}
	for name, c := range map[string]struct {
		checks map[string]telemetry.Check
		status string
		code   int
	}{
		"all well":                 {map[string]telemetry.Check{"store": fixed(store), "bots": fixed(good)}, "ready", 200},
		"no bots":                  {map[string]telemetry.Check{"store": fixed(store), "bots": fixed()}, "ready", 200},
		"store down":               {map[string]telemetry.Check{"store": fixed(down), "bots": fixed(good)}, "unready", 503},
		"one bot of two is dead":   {map[string]telemetry.Check{"store": fixed(store), "bots": fixed(bad, good)}, "degraded", 200},
		"no bot can connect":       {map[string]telemetry.Check{"store": fixed(store), "bots": fixed(bad)}, "unready", 503},
		"a single store, no group": {map[string]telemetry.Check{"store": fixed(store, down)}, "unready", 503},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			telemetry.NewHealth(c.checks).ServeReady(w, httptest.NewRequestWithContext(t.Context(), "GET", "/readyz", nil), true)
			var r telemetry.Report
			if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
				t.Fatal(err)
			}
			if w.Code != c.code || r.Status != c.status {
				t.Errorf("%d %s, want %d %s", w.Code, w.Body, c.code, c.status)
			}
			for _, s := range r.Checks {
				if !s.OK && s.Reason == "" {
					t.Errorf("no reason: %+v", s)
				}
			}
		})
	}
}

// Whoever may not know all learns whether each bot is OK, and nothing of why not.
func TestReadyForEverybodyGivesNoReasons(t *testing.T) {
	h := telemetry.NewHealth(map[string]telemetry.Check{
		"store": fixed(telemetry.State{Name: "store", Reason: "/data/journal: disk full"}),
		"bots":  fixed(telemetry.State{Name: "slack/helper", OK: true, Group: "b", Public: true}, telemetry.State{Name: "discord/helper", Reason: "close code 4004", Group: "b", Public: true}),
	})
	w := httptest.NewRecorder()
	h.ServeReady(w, httptest.NewRequestWithContext(t.Context(), "GET", "/readyz", nil), false)
	if want := `{"status":"unready","checks":[{"name":"discord/helper","ok":false},{"name":"slack/helper","ok":true}]}`; w.Code != 503 || strings.TrimSpace(w.Body.String()) != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestReadyDoesNotWaitForACheckThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		h := telemetry.NewHealth(map[string]telemetry.Check{
			"store": func(context.Context) []telemetry.State { <-release; return nil },
			"bots":  fixed(telemetry.State{Name: "slack/helper", OK: true, Group: "bots"}),
		})
		began := time.Now()
		r := h.Ready(t.Context())
		want := []telemetry.State{{Name: "slack/helper", OK: true, Group: "bots"}, {Name: "store", Reason: "no answer within 2s"}}
		if r.Status != "unready" || !reflect.DeepEqual(r.Checks, want) {
			t.Errorf("%+v", r)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestAStoppingServerIsAliveAndNotReady(t *testing.T) {
	h := telemetry.NewHealth(nil)
	if r := h.Ready(t.Context()); r.Status != "ready" {
		t.Fatalf("%+v", r)
	}
	h.Stopping()
	if r := h.Ready(t.Context()); r.Status != "unready" || !strings.Contains(r.Checks[0].Reason, "stopping") {
		t.Errorf("%+v", r)
	}
	w := httptest.NewRecorder()
	h.Alive(w, nil)
	if w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"status":"alive"}` || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestMetricsPage(t *testing.T) {
	r := telemetry.NewRegistry("v1.2.3")
	m := telemetry.NewMetrics(r)
	m.Turn("slack", "helper", "answered")
	m.FirstVisible("slack", 120*time.Millisecond)
	w := httptest.NewRecorder()
	telemetry.MetricsHandler(r, slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	for _, want := range []string{
		`parley_build_info{version="v1.2.3"} 1`,
		`parley_turns_total{bot="helper",outcome="answered",platform="slack"} 1`,
		`parley_first_visible_seconds_bucket{platform="slack",le="0.15"} 1`,
		"go_goroutines", "process_start_time_seconds",
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestMetricsMayBeAbsent(t *testing.T) {
	var m *telemetry.Metrics
	m.Turn("", "", "")
	m.FirstToken("", 0)
	m.FirstVisible("", 0)
	m.Final("", 0)
	m.Call("", "", "")
	m.Limited("", "")
	m.Budget("", 0)
	m.ProviderError("", "")
	m.Tokens("", 1, 1)
	m.Received("", 0)
	m.Running("", 1)
}

func TestTracesAreSentWhenClosed(t *testing.T) {
	var mu sync.Mutex
	var path, auth, kind string
	var body []byte
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		path, auth, kind = r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("Content-Type")
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer collector.Close()
	traces, err := telemetry.StartTraces(t.Context(), telemetry.TraceOptions{
		Endpoint: collector.URL + "/", Headers: map[string]string{"authorization": "Bearer x"}, Service: "parley-test", Version: "v9", Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, span := traces.Tracer().Start(t.Context(), "turn")
	span.End()
	if err := traces.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if path != "/v1/traces" || auth != "Bearer x" || kind != "application/x-protobuf" {
		t.Errorf("%q %q %q", path, auth, kind)
	}
	for _, want := range []string{"turn", "parley-test", "v9"} {
		if !bytes.Contains(body, []byte(want)) {
			t.Errorf("no %q in what was sent", want)
		}
	}
}

func TestWithoutAnEndpointNothingIsTraced(t *testing.T) {
	traces, err := telemetry.StartTraces(t.Context(), telemetry.TraceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, span := traces.Tracer().Start(t.Context(), "turn")
	if span.IsRecording() {
		t.Error("a span records")
	}
	if err := errors.Join(traces.Close(t.Context()), (*telemetry.Traces)(nil).Close(t.Context())); err != nil {
		t.Error(err)
	}
}

func TestACollectorThatRefusesIsLoggedOnceAndHarmsNothing(t *testing.T) {
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no", http.StatusUnauthorized)
	}))
	defer collector.Close()
	var b bytes.Buffer
	traces, err := telemetry.StartTraces(t.Context(), telemetry.TraceOptions{
		Endpoint: collector.URL, Headers: map[string]string{"authorization": "hidden-key"}, Service: "s", Log: telemetry.NewLogger(&b, slog.LevelInfo, "text"),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, span := traces.Tracer().Start(t.Context(), "turn")
	span.End()
	if err := traces.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if n := strings.Count(b.String(), "traces not sent"); n != 1 || strings.Contains(b.String(), "hidden-key") {
		t.Errorf("%d lines: %s", n, &b)
	}
}

func TestListenTakesTheNextFreePortOnlyWhenAsked(t *testing.T) {
	busy, err := telemetry.Listen("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	addr := busy.Addr().String()
	if _, err := telemetry.Listen(addr, false); err == nil || !strings.Contains(err.Error(), "HTTP_ADDR "+addr+" is in use by another program") {
		t.Errorf("got %v", err)
	}
	next, err := telemetry.Listen(addr, true)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if a, b := busy.Addr().(*net.TCPAddr), next.Addr().(*net.TCPAddr); b.Port <= a.Port || b.Port > a.Port+100 || !b.IP.Equal(a.IP) {
		t.Errorf("%s after %s", b, a)
	}
	if _, err := telemetry.Listen("192.0.2.1:80", true); err == nil || !strings.HasPrefix(err.Error(), "HTTP_ADDR 192.0.2.1:80: ") {
		t.Errorf("an address that is not ours: %v", err)
	}
}

// pipes is a listener whose connections stay in memory, so that time can be
// simulated.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func TestASlowBodyEndsAndASlowAnswerDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		results := make(chan error, 1)
		server := telemetry.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				results <- err
				return
			}
			select { // an answer that streams for long
			case <-r.Context().Done():
				results <- r.Context().Err()
			case <-time.After(10 * time.Minute):
				results <- nil
			}
		}), slog.New(slog.DiscardHandler))
		go func() { _ = server.Serve(l) }()
		defer server.Close()

		send := func(text string) (net.Conn, error) {
			client, srv := net.Pipe()
			l.conns <- srv
			_, err := io.WriteString(client, text)
			go func() { _, _ = io.Copy(io.Discard, client) }()
			return client, err
		}
		c, err := send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nwhole")
		if err != nil {
			t.Fatal(err)
		}
		if err := <-results; err != nil {
			t.Errorf("a long answer was cut: %v", err)
		}
		c.Close()
		if c, err = send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := <-results; err == nil {
			t.Error("half a body was taken for a whole one")
		}
		if d := time.Since(began); d > time.Minute {
			t.Errorf("it took %s", d)
		}
		c.Close()
	})
}
