package completion

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/provider"
	"parley/internal/regular"
)

func requestOf(p provider.Provider) Request {
	return Request{Model: p.Models.List[0].ID, Messages: []Message{Text("user", "Say OK.")}, Retry: Retry{Max: -1}}
}

// lastError ranges over a whole stream.
func lastError(ctx context.Context, c *Client, p provider.Provider) (last *Error) {
	for _, err := range c.Stream(ctx, p, requestOf(p)) {
		last, _ = errors.AsType[*Error](err)
	}
	return last
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
	hung.ID, hung.TLS = "hung", &provider.TLS{CAFile: "/hung/ca.pem"}
	well.ID, well.TLS = "well", &provider.TLS{CAFile: good}

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
	p.TLS = &provider.TLS{CAFile: ca}
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
		p.TLS = &provider.TLS{CAFile: fmt.Sprintf("/missing/%d", i)}
		if _, err := c.transports.client(t.Context(), p); err == nil {
			t.Fatal("a file that is not there was used")
		}
	}
	if n, m := len(c.transports.made), len(c.transports.files.kept); n != maxClients || m != maxKept {
		t.Errorf("%d clients, %d looks", n, m)
	}
}
