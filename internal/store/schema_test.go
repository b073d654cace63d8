package store

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAStoreSaysOfWhichSchemaItIs(t *testing.T) {
	ctx := t.Context()
	open := func(dir string) (*Store, error) {
		return Open(ctx, Options{DataDir: dir, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	}
	dir := t.TempDir()
	s, err := open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, start := range []struct {
		schema  int
		release string
		refusal string // empty: it starts
	}{
		{1, "v1.0.0", ""}, {1, "v1.1.0", ""}, {3, "v3.0.0", ""},
		{1, "v1.1.0", "start parley v3.0.0 or newer"}, {2, "v2.0.0", "schema is 3"}, {3, "v3.5.0", ""},
	} {
		err := s.checkSchema(ctx, start.schema, start.release)
		if start.refusal == "" && err != nil || start.refusal != "" && (err == nil || !strings.Contains(err.Error(), start.refusal)) {
			t.Errorf("%s on the store: %v, want %q", start.release, err, start.refusal)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// The files have a format of their own.
	files, _ := filepath.Glob(filepath.Join(dir, "snapshot-*"))
	if len(files) == 0 {
		files, _ = filepath.Glob(filepath.Join(dir, "journal-*"))
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(fileMagic)-1]++
	data[headerSize-1] ^= 0xff // whatever that format has here; one flipped bit is damage
	if err := os.WriteFile(files[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(dir); err == nil || !strings.Contains(err.Error(), "newer parley") || strings.Contains(err.Error(), "damaged") {
		t.Errorf("a file of a newer format: %v", err)
	}
}
