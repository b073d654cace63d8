// What signals do to the real process, and that a stop ends whatever hangs.

package main

import (
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/internal/fake/openai"
	"parley/internal/fake/slack"
)

// hangs is the variable that lets this test's own binary hang in its stop.
const hangs = "PARLEY_TEST_HANGS"

// hang is a process that does not stop. TestMain calls it.
func hang() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	d := &deadline{after: 10 * time.Millisecond, log: log, exit: os.Exit}
	d.begin()
	select {}
}

func TestAStopThatHangsEndsWithStacks(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, "-test.run=^$")
	c.Env = append(os.Environ(), hangs+"=1")
	out, err := c.CombinedOutput()
	if c.ProcessState.ExitCode() != 1 {
		t.Errorf("exit %d (%v)", c.ProcessState.ExitCode(), err)
	}
	for _, want := range []string{"stop timed out", "goroutine", "parley.hang"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the log lacks %q: %s", want, out)
		}
	}
}

func TestAStopInTimeIsNotEndedHard(t *testing.T) {
	d := &deadline{after: time.Hour, exit: func(int) { t.Error("it was ended hard") }}
	d.met()
	d.begin() // the signal may come as the last part ends
	if d.timer != nil {
		t.Error("its end is still to come")
	}
}

// A second signal does not wait for the grace; what was left is answered by the
// next start.
func TestASecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	w.env["SHUTDOWN_GRACE"] = "1h"
	s := w.start()
	w.model.Func(func(openai.Request) openai.Reply {
		return openai.Reply{Text: strings.Repeat("word ", 50), Fault: openai.FaultSilence, After: 20}
	})
	ts := ws.Mention("C1", "U1", "write")
	w.until("the answer has begun", func() bool { return len(ws.Answers("C1", ts)) == 1 })
	signal := func(sig os.Signal) {
		if err := s.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGTERM)
	w.until("the stop has begun", func() bool { return strings.Contains(s.log.String(), "stopping: running answers may finish") })
	signal(syscall.SIGINT)
	<-s.done
	if code := s.cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("exit %d", code)
	}
	w.model.Func(nil)
	w.model.Answer("The whole answer.")
	w.start()
	w.onSlack("C1", ts, "The whole answer.")
}

func TestSIGHUPEndsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.start()
	for range 2 {
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	w.until("it says so", func() bool { return strings.Contains(s.log.String(), "SIGHUP ignored") })
	if status, _ := s.get("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d", status)
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// A pipe nobody writes to must hold up neither a provider's neighbours nor the
// stop, and a file of settings that is none ends the start with a sentence.
func TestAPipeForACertificateHoldsUpNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	pipe := filepath.Join(t.TempDir(), "ca.pem")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	s := w.start()
	for id, file := range map[string]string{"piped": pipe, "endless": "/dev/zero", "silent": "/dev/tty"} {
		s.do(http.MethodPut, "/api/v1/providers/"+id, map[string]any{
			"endpoint": strings.Replace(w.model.Endpoint(), "http://", "https://", 1), "tls": map[string]string{"caFile": file},
		}, http.StatusCreated)
		if body := s.do(http.MethodPost, "/api/v1/providers/"+id+"/test", nil, http.StatusOK); !strings.Contains(body, "tls.caFile of "+id+" names cannot be used") {
			t.Errorf("%s: %s", id, body)
		}
	}
	w.model.Answer("The neighbours answer.")
	w.onSlack("C1", ws.Mention("C1", "U1", "hello"), "The neighbours answer.")
	if code := s.stop(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

func TestAPipeForSettingsEndsTheStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pipe := filepath.Join(t.TempDir(), "providers.yaml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	w.env["PROVIDERS_FILE"] = pipe
	if said := startRefused(t, w.dir, w.env); !strings.Contains(said, "PROVIDERS_FILE") || !strings.Contains(said, "not a regular file") {
		t.Error(said)
	}
}
