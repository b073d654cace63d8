package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"parley/internal/regular"
	"parley/internal/secret"
	"parley/internal/store"
)

func TestTheEmbeddedStoreMakesItsKeyOnceAndKeepsItToItself(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first, err := store.Ring(dir, "", true)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v", info.Mode())
	}
	sealed := first.Seal([]byte("text"), "here")
	second, err := store.Ring(dir, "", true)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := second.Open(sealed, "here"); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	// Keys given later do not lose what the generated one sealed.
	third, err := store.Ring(dir, secret.GenerateKey("mine"), true)
	if err != nil {
		t.Fatal(err)
	}
	if _, stale, err := third.Open(sealed, "here"); err != nil || !stale {
		t.Errorf("with MASTER_KEYS: stale %v, %v", stale, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("files left: %v", left)
	}
}

func TestKeysThatAreMissingOrWrongAreExplained(t *testing.T) {
	_, err := store.Ring(t.TempDir(), "", false)
	if err == nil || !strings.Contains(err.Error(), "\nMASTER_KEYS=k1:") {
		t.Fatalf("no line to paste: %v", err)
	}
	_, line, _ := strings.Cut(err.Error(), "\nMASTER_KEYS=")
	if _, err := store.Ring("", line, false); err != nil {
		t.Errorf("the printed line does not work: %v", err)
	}
	if _, err := store.Ring("", "nonsense", false); err == nil || !strings.Contains(err.Error(), "MASTER_KEYS") {
		t.Error(err)
	}
	damaged := t.TempDir()
	if err := os.WriteFile(filepath.Join(damaged, "master.key"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Ring(damaged, "", true); err == nil || !strings.Contains(err.Error(), "master.key is damaged") {
		t.Error(err)
	}
}

// A pipe in the key's place must not hold the start up.
func TestAKeyThatIsNoFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "master.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Ring(dir, "", true); !errors.Is(err, regular.ErrNotRegular) || !strings.Contains(err.Error(), "master.key") {
		t.Errorf("got %v", err)
	}
}
