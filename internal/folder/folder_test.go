//go:build unix

package folder_test

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"parley/internal/folder"
)

func keep(t *testing.T, dir string) string {
	t.Helper()
	token, _, err := folder.KeepToken(dir)
	if err != nil {
		t.Fatal(err)
	}
	return token.Reveal()
}

func TestTheTokenIsMadeOnceForItsOwnerAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if _, err := folder.Token(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before the first start: %v", err)
	}
	var all sync.WaitGroup
	made := make([]string, 8)
	for i := range made { // replicas that start at once, on one folder
		all.Go(func() { made[i] = keep(t, dir) })
	}
	all.Wait()
	for _, token := range made {
		if len(token) < 16 || token != made[0] {
			t.Fatalf("made %q", made)
		}
	}
	if token, err := folder.Token(dir); err != nil || token.Reveal() != made[0] {
		t.Error("the verbs do not find it:", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("left behind: %v %v", files, err)
	}
	info, err := os.Stat(folder.TokenPath(dir))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if about, err := os.Stat(dir); err != nil || about.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", about.Mode(), err)
	}
}

func TestAFileThatOthersMayReadIsClosed(t *testing.T) {
	dir := t.TempDir()
	first := keep(t, dir)
	if err := os.Chmod(folder.TokenPath(dir), 0o644); err != nil {
		t.Fatal(err)
	}
	token, tightened, err := folder.KeepToken(dir)
	if err != nil || !tightened || token.Reveal() != first {
		t.Error(tightened, err)
	}
	if info, err := os.Stat(folder.TokenPath(dir)); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
}

// What lies where the token should be may be a trap: a link to a file of
// somebody else's, a pipe that never answers, a file cut short.
func TestWhatIsNoTokenFileIsRefused(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.WriteFile(elsewhere, []byte("somebody-elses-token-0123\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, make := range map[string]func(path string) error{
		"a link":          func(path string) error { return os.Symlink(elsewhere, path) },
		"a dangling link": func(path string) error { return os.Symlink(elsewhere+"-not-there", path) },
		"a pipe":          func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a folder":        func(path string) error { return os.Mkdir(path, 0o700) },
		"an empty file":   func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"a short token":   func(path string) error { return os.WriteFile(path, []byte("short"), 0o600) },
		"white space":     func(path string) error { return os.WriteFile(path, []byte("a token with words"), 0o600) },
	} {
		dir := t.TempDir()
		if err := make(folder.TokenPath(dir)); err != nil {
			t.Fatal(err)
		}
		token, _, err := folder.KeepToken(dir)
		if err == nil || !token.IsZero() || !strings.Contains(err.Error(), "remove it") {
			t.Errorf("%s: %q %v", name, token.Reveal(), err)
		}
		if token, err := folder.Token(dir); err == nil || !token.IsZero() {
			t.Errorf("%s, by a verb: %v", name, err)
		}
	}
	if text, err := os.ReadFile(elsewhere); err != nil || string(text) != "somebody-elses-token-0123\n" {
		t.Error("what the link names was changed")
	}
	if info, err := os.Stat(elsewhere); err != nil || info.Mode().Perm() != 0o644 {
		t.Error("what the link names was changed")
	}
	if _, err := os.Stat(elsewhere + "-not-there"); err == nil {
		t.Error("a file was made where the link points")
	}
}

// holder is a process that claims a folder; the test binary plays it.
func TestMain(m *testing.M) {
	if dir := os.Getenv("FOLDER_TEST_HOLD"); dir != "" {
		c, err := folder.NewClaim(dir)
		if err == nil {
			err = c.Announce("http://127.0.0.1:7071")
		}
		if err != nil {
			os.Exit(1)
		}
		_, _ = os.Stdout.WriteString("held\n")
		_, _ = os.Stdin.Read(make([]byte, 1)) // until it is killed
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestOneServerPerFolder(t *testing.T) {
	dir := t.TempDir()
	if url := folder.Running(dir); url != "" {
		t.Errorf("%q runs in an empty folder", url)
	}
	c, err := folder.NewClaim(dir)
	if err != nil {
		t.Fatal(err)
	}
	taken := func(url string) {
		t.Helper()
		_, err := folder.NewClaim(dir)
		running, ok := errors.AsType[*folder.RunningError](err)
		if !ok || running.URL != url || folder.Running(dir) != url {
			t.Errorf("%v, %q", err, folder.Running(dir))
		}
	}
	taken("")
	if err := c.Announce("http://127.0.0.1:7070"); err != nil {
		t.Fatal(err)
	}
	taken("http://127.0.0.1:7070")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if url := folder.Running(dir); url != "" {
		t.Errorf("%q runs after its end", url)
	}

	// A server that was killed is not believed to run.
	me, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	held := exec.CommandContext(t.Context(), me)
	held.Env = append(os.Environ(), "FOLDER_TEST_HOLD="+dir)
	out, err := held.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := held.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := held.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}
	taken("http://127.0.0.1:7071")
	_ = held.Process.Kill()
	_ = held.Wait()
	if url := folder.Running(dir); url != "" {
		t.Errorf("%q runs after it was killed", url)
	}
	if c, err = folder.NewClaim(dir); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}
