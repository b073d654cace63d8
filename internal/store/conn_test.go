package store

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

func memory(t *testing.T) *memoryConn {
	t.Helper()
	m := miniredis.NewMiniRedis()
	first, err := m.Dial()
	if err != nil {
		t.Fatal(err)
	}
	_ = first.Close()
	t.Cleanup(m.Close)
	c := newMemoryConn(m.Server())
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestARequestMayComeInPieces(t *testing.T) {
	request := "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\nPING\r\n"
	for cut := range len(request) + 1 {
		c := memory(t)
		for _, piece := range []string{request[:cut], request[cut:]} {
			if n, err := c.Write([]byte(piece)); err != nil || n != len(piece) {
				t.Fatalf("cut at %d: %d, %v", cut, n, err)
			}
		}
		buf := make([]byte, 100)
		n, err := c.Read(buf)
		if want := "+OK\r\n$4\r\na\r\nb\r\n+PONG\r\n"; err != nil || string(buf[:n]) != want {
			t.Errorf("cut at %d: %q, %v", cut, buf[:n], err)
		}
	}
}

func TestReadEndsAtItsDeadlineAndWhenClosed(t *testing.T) {
	c := memory(t)
	read := func() error {
		_, err := c.Read(make([]byte, 1))
		return err
	}
	_ = c.SetReadDeadline(time.Now().Add(-time.Second))
	if err := read(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a deadline that has passed: %v", err)
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if err := read(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a deadline that comes: %v", err)
	}
	_ = c.SetReadDeadline(time.Time{})
	ended := make(chan error, 1)
	go func() { ended <- read() }()
	_ = c.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := c.Write([]byte("*1\r\n$4\r\nPING\r\n")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("writing when closed: %v", err)
	}
}

// A reader that looked at the clock just before the deadline, and is about to
// wait: the deadline's alarm must not ring unheard in between.
func TestADeadlineIsNotMissedBetweenLookingAndWaiting(t *testing.T) {
	c := memory(t)
	const soon = 30 * time.Millisecond
	_ = c.SetReadDeadline(time.Now().Add(soon))
	c.mu.Lock()
	<-time.After(2 * soon)
	woken := make(chan struct{})
	go func() {
		select {
		case <-woken:
		case <-time.After(time.Minute):
			t.Error("the alarm was missed: the reader waits for ever")
			c.arrived.Broadcast()
		}
	}()
	c.arrived.Wait()
	close(woken)
	c.mu.Unlock()
}

func FuzzRequestsInPiecesMeanTheSame(f *testing.F) {
	f.Add("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*0\r\n", 7)
	f.Add("*1\r\n$-1\r\n", 3)
	f.Add("PING\r\n", 2)
	f.Fuzz(func(t *testing.T, request string, cut int) {
		if cut < 0 || cut > len(request) {
			return
		}
		whole := parseAll(request)
		if cutUp := parseAll(request[:cut], request[cut:]); whole != cutUp {
			t.Errorf("%q cut at %d: %q, whole: %q", request, cut, cutUp, whole)
		}
	})
}

// parseAll reads as Write does, and says what it found before any error.
func parseAll(pieces ...string) string {
	var rest []byte
	var found strings.Builder
	for _, p := range pieces {
		rest = append(rest, p...)
		for {
			args, size, err := parseCommand(rest)
			if err != nil {
				return found.String() + "error"
			}
			if size == 0 {
				break
			}
			found.WriteString(strings.Join(args, "\x00") + "\n")
			rest = rest[size:]
		}
	}
	return found.String()
}
