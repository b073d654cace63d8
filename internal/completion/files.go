// Files named in records: whoever writes a record may name any path on
// parley's machine, so a file must neither block other requests nor be
// revealed.

package completion

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/internal/fault"
	"parley/internal/provider"
	"parley/internal/regular"
)

const (
	// MaxFile is the most bytes of a record's file.
	MaxFile = 1 << 20
	// fileTimeout is how long a request waits for its files, in case the
	// filesystem hangs.
	fileTimeout = 10 * time.Second
	// maxLooks limits the goroutines that a hung filesystem blocks.
	maxLooks = 256
	maxKept  = 256 // TLS settings with cached files
)

// FileError means that the files of a record's tls cannot be used. Its text is
// the same for every reason and every file, so that whoever writes a record
// cannot find out which files exist. The log has the reason.
type FileError struct{ fields string }

func fileError(t provider.TLS) *FileError {
	var fields []string
	for _, n := range namedFiles(t) {
		if n.name != "" {
			fields = append(fields, n.field)
		}
	}
	return &FileError{strings.Join(fields, ", ")}
}

func (e *FileError) Error() string { return "what " + e.fields + " names cannot be used" }

// Sentence is the error for a person, with the provider's id.
func (e *FileError) Sentence(provider string) string {
	return fmt.Sprintf("What %s of %s names cannot be used; it must be PEM, in regular files of at most 1 MiB that parley may read where it runs. Parley's log says what is wrong.", e.fields, provider)
}

// files reads the files of TLS settings, outside locks and only once at a time
// for each setting.
type files struct {
	log  *slog.Logger
	open func(name string) (*os.File, fs.FileInfo, error) // regular.Open; tests replace it

	mu    sync.Mutex
	looks map[provider.TLS]*look // in progress
	kept  map[provider.TLS]*look // finished, until a file changes
}

// look is one reading of a setting's files. Its fields are set before done is
// closed.
type look struct {
	done   chan struct{}
	late   sync.Once // someone did not get an answer in time
	seen   []fs.FileInfo
	digest string // of the contents
	config *tls.Config
	reason error // why there is no config, for the log
}

// config is the TLS configuration from the files of t, and a digest of their
// contents. It reads changed files again. It returns when ctx ends or after
// ten seconds, even if the filesystem hangs; then the reading continues in the
// background, and no second one starts until it ends.
func (f *files) config(ctx context.Context, t provider.TLS) (*tls.Config, string, error) {
	ctx, cancel := context.WithTimeout(ctx, fileTimeout)
	defer cancel()
	l := f.begin(ctx, t)
	if l == nil {
		return nil, "", fileError(t)
	}
	select {
	case <-l.done:
		if l.reason != nil {
			return nil, "", fileError(t)
		}
		return l.config, l.digest, nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			l.late.Do(func() {
				f.log.WarnContext(ctx, "provider files: the filesystem does not answer", "caFile", t.CAFile, "certFile", t.CertFile, "keyFile", t.KeyFile)
			})
		}
		return nil, "", fileError(t)
	}
}

// begin joins the reading in progress for t, or starts one; nil if too many
// hang.
func (f *files) begin(ctx context.Context, t provider.TLS) *look {
	f.mu.Lock()
	defer f.mu.Unlock()
	if l, ok := f.looks[t]; ok {
		return l
	}
	if len(f.looks) >= maxLooks {
		return nil
	}
	if f.looks == nil {
		f.looks, f.kept = map[provider.TLS]*look{}, map[provider.TLS]*look{}
	}
	l := &look{done: make(chan struct{})}
	f.looks[t] = l
	before := f.kept[t]
	go f.run(context.WithoutCancel(ctx), t, l, before)
	return l
}

func (f *files) run(ctx context.Context, t provider.TLS, l, before *look) {
	defer func() {
		if err := fault.Recovered(recover()); err != nil {
			l.reason = err
		}
		f.finish(ctx, t, l, before)
	}()
	l.reason = l.read(f.open, t, before)
}

// finish publishes l and logs a new reason.
func (f *files) finish(ctx context.Context, t provider.TLS, l, before *look) {
	f.mu.Lock()
	delete(f.looks, t)
	if len(f.kept) >= maxKept && f.kept[t] == nil {
		for other := range f.kept { // any: it is read again when needed
			delete(f.kept, other)
			break
		}
	}
	f.kept[t] = l
	f.mu.Unlock()
	close(l.done)
	if l.reason != nil && (before == nil || before.reason == nil || before.reason.Error() != l.reason.Error()) {
		f.log.WarnContext(ctx, "provider files: a file cannot be used", "reason", l.reason)
	}
}

// read opens the files of t and, if one has changed, reads them all.
func (l *look) read(open func(string) (*os.File, fs.FileInfo, error), t provider.TLS, before *look) error {
	names := namedFiles(t)
	opened := make([]*os.File, len(names))
	l.seen = make([]fs.FileInfo, len(names))
	for i, n := range names {
		if n.name == "" {
			continue
		}
		f, info, err := open(n.name)
		if err != nil {
			return fmt.Errorf("%s: %w", n.field, err)
		}
		defer f.Close()
		opened[i], l.seen[i] = f, info
	}
	if before != nil && before.reason == nil && slices.EqualFunc(l.seen, before.seen, sameFile) {
		l.config, l.digest = before.config, before.digest
		return nil
	}
	data := make([][]byte, len(names))
	for i, f := range opened {
		if f == nil {
			continue
		}
		var err error
		if data[i], err = regular.Read(f, names[i].name, MaxFile); err != nil {
			return fmt.Errorf("%s: %w", names[i].field, err)
		}
	}
	sum := sha256.Sum256(bytes.Join(data, []byte{0}))
	l.digest = string(sum[:])
	var err error
	l.config, err = tlsConfig(t, data[0], data[1], data[2])
	return err
}

func sameFile(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// tlsConfig makes the configuration from the contents of a setting's files.
// Its errors do not quote them.
func tlsConfig(t provider.TLS, ca, cert, key []byte) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(ca) {
			return nil, fmt.Errorf("tls.caFile: %s holds no PEM certificate", t.CAFile)
		}
		config.RootCAs = pool
	}
	if t.CertFile != "" {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("tls.certFile, tls.keyFile: %s and %s are no PEM certificate and the key that belongs to it", t.CertFile, t.KeyFile)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

type namedFile struct{ field, name string }

func namedFiles(t provider.TLS) []namedFile {
	return []namedFile{{"tls.caFile", t.CAFile}, {"tls.certFile", t.CertFile}, {"tls.keyFile", t.KeyFile}}
}
