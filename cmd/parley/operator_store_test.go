package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/internal/store"
)

func TestStoreRepairSaysWhatItCanSaveAndWritesItOnlyWhenTold(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(t.Context(), store.Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"a", "b", "c"} {
		if err := s.Client.Set(t.Context(), k, strings.Repeat(k, 100), 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	verb := func(args ...string) (code int, out, problem string) {
		var stdout, stderr bytes.Buffer
		code = run(t.Context(), append([]string{"store", "repair"}, args...), process{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, environ: []string{"DATA_DIR=" + dir}})
		return code, stdout.String(), stderr.String()
	}
	expect := func(code int, out, problem string, wantCode int, want string) {
		t.Helper()
		if code != wantCode || !strings.Contains(out+problem, want) {
			t.Fatalf("exit code %d, want %d with %q:\n%s%s", code, wantCode, want, out, problem)
		}
	}
	code, out, problem := verb()
	expect(code, out, problem, exitFailed, "another parley is using")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	code, out, problem = verb("--yes")
	expect(code, out, problem, exitOK, "Nothing is damaged: the store has 3 keys.")

	path := filepath.Join(dir, "journal-00000001")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(t.Context(), store.Options{DataDir: dir})
	if err == nil || !strings.Contains(err.Error(), "parley store repair") {
		t.Fatalf("the start says %v", err)
	}
	code, out, problem = verb()
	expect(code, out, problem, exitFailed, "What is whole can be saved: 2 keys.")
	expect(code, out, problem, exitFailed, "Nothing was written. To repair the store: parley store repair --yes")
	code, out, problem = verb("--yes", "--json")
	var r store.RepairReport
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitOK || r.Keys != 2 || r.Complete || len(r.Aside) != 1 {
		t.Fatalf("exit code %d, %+v, %v: %s", code, r, err, problem)
	}
	if kept, err := os.ReadFile(filepath.Join(dir, r.Aside[0])); err != nil || !bytes.Equal(kept, data) {
		t.Errorf("the damaged file is not beside it: %v", err)
	}
	code, out, problem = verb()
	expect(code, out, problem, exitOK, "Nothing is damaged: the store has 2 keys.")
	dir = t.TempDir()
	code, out, problem = verb()
	expect(code, out, problem, exitFailed, "no files of an embedded store")
}
