//go:build unix

package regular_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"parley/internal/regular"
)

// Whatever a name turns out to be, reading it neither blocks nor fills memory.
func TestOnlyRegularFilesAreRead(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(at("plain"), []byte("text"), 0o600))
	must(os.WriteFile(at("full"), []byte(strings.Repeat("x", 1<<10)), 0o600))
	must(os.WriteFile(at("large"), []byte(strings.Repeat("x", 1<<10+1)), 0o600))
	must(syscall.Mkfifo(at("pipe"), 0o600))
	for link, to := range map[string]string{"link": "plain", "link-to-pipe": "pipe", "link-to-device": "/dev/zero", "dangling": "nothing", "circle": "circle"} {
		must(os.Symlink(to, at(link)))
	}
	large := &regular.LargeError{}
	for name, want := range map[string]error{
		"plain": nil, "full": nil, "link": nil,
		"pipe": regular.ErrNotRegular, "link-to-pipe": regular.ErrNotRegular, "link-to-device": regular.ErrNotRegular, ".": regular.ErrNotRegular,
		"large": large, "dangling": fs.ErrNotExist, "circle": syscall.ELOOP,
	} {
		data, err := regular.ReadFile(at(name), 1<<10)
		if tooLarge, ok := errors.AsType[*regular.LargeError](err); ok {
			err = large
			if tooLarge.Error() != "larger than 1 KiB" {
				t.Errorf("%s: %v", name, tooLarge)
			}
		}
		if !errors.Is(err, want) || (want == nil) == (len(data) == 0) {
			t.Errorf("%s: %d bytes, %v; want %v", name, len(data), err, want)
		}
	}
	if _, err := regular.ReadFile("/dev/zero", 1<<10); !errors.Is(err, regular.ErrNotRegular) {
		t.Errorf("/dev/zero: %v", err)
	}
	// A file of /proc says that it has no bytes.
	if data, err := regular.ReadFile("/proc/self/status", 1<<20); err == nil && len(data) == 0 {
		t.Error("/proc/self/status is empty")
	}
}
