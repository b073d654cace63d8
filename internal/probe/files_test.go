//go:build unix

package probe

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"parley/internal/completion"
	"parley/internal/provider"
)

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
		os.WriteFile(at("large"), bytes.Repeat([]byte("x"), completion.MaxFile+1), 0o600),
		syscall.Mkfifo(at("pipe"), 0o600), os.Symlink("pipe", at("link")), os.Symlink(at("circle"), at("circle")),
	); err != nil {
		t.Fatal(err)
	}
	bad := []string{at("missing"), dir, at("text"), at("empty"), at("large"), at("pipe"), at("link"), at("circle"), at("text") + "/x", "/dev/zero", "/dev/tty", "\x00", strings.Repeat("x", 5000)}
	var log syncLog
	c := completion.NewClient(completion.Options{Networks: networks(t, "loopback", true), Log: slog.New(slog.NewTextHandler(&log, nil))})
	p := record(srv.URL+"/v1/chat/completions", "m")
	for _, field := range []func(name string) provider.TLS{
		func(name string) provider.TLS { return provider.TLS{CAFile: name} },
		func(name string) provider.TLS { return provider.TLS{CAFile: good, CertFile: name, KeyFile: good} },
		func(name string) provider.TLS {
			return provider.TLS{CAFile: name, CertFile: at("missing"), KeyFile: at("missing")}
		},
	} {
		said := map[string]string{}
		for _, name := range bad {
			settings := field(name)
			p.TLS = &settings
			report := Run(t.Context(), c, p, "")
			e := failure(t.Context(), c, p, completion.Request{Model: "m", Retry: completion.Retry{Max: -1}})
			if report.OK || report.Kind != completion.KindTLS || e == nil || e.Kind != completion.KindTLS {
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
