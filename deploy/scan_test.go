// What the look for known vulnerabilities says and how it ends.

package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestAKnownVulnerabilityFailsTheRun(t *testing.T) {
	finding := "=== Symbol Results ===\n\nVulnerability #1: GO-2099-0001\n    Something is read past its end\n"
	for _, c := range []struct {
		name, output string
		status       int
		want         string
		fails        bool
	}{
		{"a finding that is called", finding, 1, "GO-2099-0001", true},
		{"nothing found", "No vulnerabilities found.\n", 0, "govulncheck: no known vulnerability is called", false},
		{"the tool cannot be had", "go: downloading golang.org/x/vuln\ngo: module lookup disabled\nexit status 1\n", 1, "govulncheck: not checked: go: module lookup disabled", false},
		{"no answer in time", "", 124, "govulncheck: not checked: no answer within 60 s", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := scan(t, c.output, c.status)
			if failed := err != nil; failed != c.fails {
				t.Errorf("failed %v (%v), want %v", failed, err, c.fails)
			}
			if !strings.Contains(out, c.want) {
				t.Errorf("it said %q, want %q", out, c.want)
			}
		})
	}
}

// scan runs the script beside a "go" that prints output and ends with status.
func scan(t *testing.T, output string, status int) (string, error) {
	t.Helper()
	root := t.TempDir()
	script := filepath.Join(root, "deploy/make/vulnerabilities.sh")
	if err := os.MkdirAll(filepath.Dir(script), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		script:                         read(t, "make/vulnerabilities.sh"),
		filepath.Join(root, "output"):  output,
		filepath.Join(root, "timeout"): "#!/bin/sh\nshift\nexec \"$@\"\n",
		filepath.Join(root, "go"):      "#!/bin/sh\ncat \"$OUTPUT\"\nexit \"$STATUS\"\n",
	} {
		if err := os.WriteFile(name, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", script)
	cmd.Env = []string{"PATH=" + root + ":/usr/bin:/bin", "OUTPUT=" + filepath.Join(root, "output"), "STATUS=" + strconv.Itoa(status)}
	said, err := cmd.CombinedOutput()
	return string(said), err
}
