// A stop that hangs for real: in its log, a pipe that nobody reads any more.

package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// mute starts the server, waits until it is ready, and fills the pipe of its
// log: its next line blocks.
func mute(t *testing.T, grace string) *exec.Cmd {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "serve")
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"HTTP_ADDR=127.0.0.1:0", "DISCOVER_LOCAL=off", "SHUTDOWN_GRACE=" + grace}
	cmd.Stderr = in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = out.Close() // also ends the filling
	})
	for scan := bufio.NewScanner(out); scan.Scan(); {
		if strings.Contains(scan.Text(), "parley ready") {
			break
		}
	}
	go func() {
		defer in.Close()
		for {
			if _, err := in.Write([]byte{'.'}); err != nil {
				return
			}
		}
	}()
	conn, err := out.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for full := false; !full; <-tick.C {
		if err := conn.Control(func(fd uintptr) { full = pipeFull(fd) }); err != nil {
			t.Fatal(err)
		}
	}
	return cmd
}

// pipeFull reports whether a pipe holds as much as it can.
func pipeFull(fd uintptr) bool {
	const getPipeSize = 1032 // F_GETPIPE_SZ
	size, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, getPipeSize, 0)
	if errno != 0 {
		panic(errno)
	}
	var held int32
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCINQ, uintptr(unsafe.Pointer(&held))); errno != 0 {
		panic(errno)
	}
	return uintptr(held) == size
}

// ended sends signals and checks how the process ends.
func ended(t *testing.T, cmd *exec.Cmd, signals ...os.Signal) {
	t.Helper()
	for _, s := range signals {
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("exit %d (%s)", code, cmd.ProcessState)
	}
}

func TestAStopThatHangsInItsLogEnds(t *testing.T) {
	t.Parallel()
	ended(t, mute(t, "0s"), syscall.SIGTERM)
}

func TestASecondSignalEndsAStopThatHangsInItsLog(t *testing.T) {
	t.Parallel()
	ended(t, mute(t, "1h"), syscall.SIGTERM, syscall.SIGINT)
}
