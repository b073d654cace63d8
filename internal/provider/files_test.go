//go:build unix

package provider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"parley/internal/regular"
)

func requestOf(p Provider) Request {
	return Request{Model: p.Models.List[0].ID, Messages: []Message{{Role: "user", Content: "Say OK."}}, Retry: Retry{Max: -1}}
}

// lastError ranges over a whole stream.
func lastError(ctx context.Context, c *Client, p Provider) (last *Error) {
	for _, err := range c.Stream(ctx, p, requestOf(p)) {
		last, _ = errors.AsType[*Error](err)
	}
	return last
}

// Whatever a record names, its requests fail with one sentence that is the same
// for every reason: it tells nothing about the files of the machine.
func TestABadFileSaysNothingAboutItself(t *testing.T) {
	srv := tlsServer(t, nil)
	good := writePEM(t, "ca.pem", "CERTIFICATE", srv.Certificate().Raw)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(
		os.WriteFile(at("text"), []byte("the words of a file"), 0o600),
		os.WriteFile(at("empty"), nil, 0o600),
		os.WriteFile(at("large"), bytes.Repeat([]byte("x"), MaxFile+1), 0o600),
		syscall.Mkfifo(at("pipe"), 0o600), os.Symlink("pipe", at("link")), os.Symlink(at("circle"), at("circle")),
	); err != nil {
		t.Fatal(err)
	}
	bad := []string{at("missing"), dir, at("text"), at("empty"), at("large"), at("pipe"), at("link"), at("circle"), at("text") + "/x", "/dev/zero", "/dev/tty", "\x00", strings.Repeat("x", 5000)}
	var log syncLog
	c := loopbackClient(t)
	c.transports.files.log = slog.New(slog.NewTextHandler(&log, nil))
	p := record(srv.URL+"/v1/chat/completions", "m")
	for _, field := range []func(name string) TLS{
		func(name string) TLS { return TLS{CAFile: name} },
		func(name string) TLS { return TLS{CAFile: good, CertFile: name, KeyFile: good} },
		func(name string) TLS { return TLS{CAFile: name, CertFile: at("missing"), KeyFile: at("missing")} },
	} {
		said := map[string]string{}
		for _, name := range bad {
			settings := field(name)
			p.TLS = &settings
			report := c.Probe(t.Context(), p, "")
			e := lastError(t.Context(), c, p)
			if report.OK || report.Kind != KindTLS || e == nil || e.Kind != KindTLS {
				t.Fatalf("%q: %+v, %v", name, report, e)
			}
			text := report.Diagnosis + e.Error() + e.Sentence()
			for _, s := range report.Steps {
				if s.Status == StatusFailed {
					text += s.Detail
				}
			}
			said[text] = name
		}
		if len(said) != 1 {
			t.Errorf("%d sentences tell the reasons apart: %q", len(said), said)
		}
	}
	for _, want := range []string{"not a regular file", "no such file", "larger than 1 MiB", "holds no PEM certificate"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	if strings.Contains(log.String(), "words of a file") {
		t.Error("the log quotes a file")
	}
}

type syncLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *syncLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *syncLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A filesystem that hangs holds up the requests of the one record that names
// it, until they end, and keeps one goroutine, not one for each.
func TestAFilesystemThatHangsHoldsUpNobodyElse(t *testing.T) {
	srv := tlsServer(t, nil)
	good := writePEM(t, "ca.pem", "CERTIFICATE", srv.Certificate().Raw)
	c := loopbackClient(t)
	entered, release := make(chan struct{}, 100), make(chan struct{})
	var opens atomic.Int32
	c.transports.files.open = func(name string) (*os.File, fs.FileInfo, error) {
		if name == "/hung/ca.pem" {
			opens.Add(1)
			entered <- struct{}{}
			<-release
			name = good
		}
		return regular.Open(name)
	}
	hung, well := record(srv.URL+"/v1/chat/completions", "m"), record(srv.URL+"/v1/chat/completions", "m")
	hung.ID, hung.TLS = "hung", &TLS{CAFile: "/hung/ca.pem"}
	well.ID, well.TLS = "well", &TLS{CAFile: good}

	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	var waiting sync.WaitGroup
	for range 20 {
		waiting.Go(func() {
			if e := lastError(ctx, c, hung); e == nil || e.Kind != KindCanceled || !errors.Is(e, stopped) {
				t.Errorf("a request that was stopped while its file hung: %v", e)
			}
		})
	}
	<-entered
	if e := lastError(t.Context(), c, well); e != nil {
		t.Errorf("another provider, while a file hangs: %v", e)
	}
	cancel(stopped)
	waiting.Wait()
	for range 20 {
		gone, cancel := context.WithCancelCause(t.Context())
		cancel(stopped)
		_ = lastError(gone, c, hung)
	}
	if n := opens.Load(); n != 1 {
		t.Errorf("%d readings hang; want 1", n)
	}
	close(release)
	if e := lastError(t.Context(), c, hung); e != nil {
		t.Errorf("once the filesystem answers: %v", e)
	}
}

func TestAChangedFileIsTakenAgain(t *testing.T) {
	srv := tlsServer(t, nil)
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	write := func(raw []byte, when time.Time) {
		t.Helper()
		if err := os.Rename(writePEM(t, "new.pem", "CERTIFICATE", raw), ca); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(ca, when, when); err != nil {
			t.Fatal(err)
		}
	}
	c := loopbackClient(t)
	p := record(srv.URL+"/v1/chat/completions", "m")
	p.TLS = &TLS{CAFile: ca}
	if e := lastError(t.Context(), c, p); e == nil || e.Kind != KindTLS {
		t.Fatalf("without the file: %v", e)
	}
	now := time.Now()
	write(srv.Certificate().Raw, now)
	if e := lastError(t.Context(), c, p); e != nil {
		t.Fatalf("once it is there: %v", e)
	}
	first, _ := c.transports.client(t.Context(), p)
	if again, _ := c.transports.client(t.Context(), p); again != first {
		t.Error("an unchanged file makes a new client")
	}
	if err := os.WriteFile(ca, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if e := lastError(t.Context(), c, p); e == nil || e.Kind != KindTLS {
		t.Errorf("once it is spoilt: %v", e)
	}
	write(srv.Certificate().Raw, now.Add(time.Second))
	if e := lastError(t.Context(), c, p); e != nil {
		t.Errorf("once it is mended: %v", e)
	}
}

// Records of the past leave no clients and no files behind without bound.
func TestClientsOfManySettingsAreBounded(t *testing.T) {
	c := loopbackClient(t)
	p := record("http://127.0.0.1:1/v1/chat/completions", "m")
	for i := range 2 * maxClients {
		p.Proxy, p.TLS = fmt.Sprintf("http://proxy.example/%d", i), nil
		if _, err := c.transports.client(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		p.TLS = &TLS{CAFile: fmt.Sprintf("/missing/%d", i)}
		if _, err := c.transports.client(t.Context(), p); err == nil {
			t.Fatal("a file that is not there was used")
		}
	}
	if n, m := len(c.transports.made), len(c.transports.files.kept); n != maxClients || m != maxKept {
		t.Errorf("%d clients, %d looks", n, m)
	}
}
