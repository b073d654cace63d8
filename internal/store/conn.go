// The client's connection to the embedded server: memory, not a port. Nothing
// else on the machine can reach the store, and a command costs no system call
// and no switch between goroutines: Write executes it, Read finds the reply.

package store

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2/server"
)

// memoryConn is a net.Conn to a server in this process. Its methods follow the
// rules of net.Conn.
type memoryConn struct {
	server *server.Server
	peer   *server.Peer

	write      sync.Mutex // one command at a time
	request    []byte     // of which no whole command has come yet
	subscribed bool

	mu       sync.Mutex // guards what follows; the server may write at any time
	arrived  sync.Cond
	reply    bytes.Buffer
	deadline time.Time // of Read
	alarm    *time.Timer
	closed   bool
}

var _ net.Conn = (*memoryConn)(nil)

func newMemoryConn(s *server.Server) *memoryConn {
	c := &memoryConn{server: s}
	c.arrived.L = &c.mu
	c.peer = server.NewPeer(bufio.NewWriter(replyWriter{c}))
	return c
}

// replyWriter is the server's end.
type replyWriter struct{ c *memoryConn }

func (w replyWriter) Write(p []byte) (int, error) {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	if w.c.closed {
		return 0, net.ErrClosed
	}
	w.c.reply.Write(p)
	w.c.arrived.Broadcast()
	return len(p), nil
}

// Write executes the commands that p completes.
func (c *memoryConn) Write(p []byte) (int, error) {
	c.write.Lock()
	defer c.write.Unlock()
	c.request = append(c.request, p...)
	for {
		if c.isClosed() {
			return 0, net.ErrClosed
		}
		args, size, err := parseCommand(c.request)
		if err != nil {
			return 0, err
		}
		if size == 0 {
			break
		}
		c.request = c.request[size:]
		if len(args) == 0 {
			continue
		}
		if strings.HasSuffix(strings.ToUpper(args[0]), "SUBSCRIBE") {
			c.subscribed = true
		}
		c.server.Dispatch(c.peer, args)
		c.peer.Flush()
		if c.peer.Closed() {
			c.shut()
		}
	}
	if len(c.request) == 0 {
		c.request = nil
	}
	return len(p), nil
}

// Read waits for the server's replies and what it publishes.
func (c *memoryConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.reply.Len() == 0 {
		if c.closed {
			return 0, net.ErrClosed
		}
		if !c.deadline.IsZero() && !time.Now().Before(c.deadline) {
			return 0, os.ErrDeadlineExceeded
		}
		c.arrived.Wait()
	}
	return c.reply.Read(p)
}

func (c *memoryConn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

func (c *memoryConn) shut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.alarm != nil {
		c.alarm.Stop()
	}
	c.arrived.Broadcast()
}

// Close ends subscriptions, so that the server forgets this end.
func (c *memoryConn) Close() error {
	c.shut()
	c.write.Lock()
	defer c.write.Unlock()
	if c.subscribed {
		c.subscribed = false
		c.server.Dispatch(c.peer, []string{"UNSUBSCRIBE"})
		c.server.Dispatch(c.peer, []string{"PUNSUBSCRIBE"})
	}
	return nil
}

// SetReadDeadline makes Read fail from t on; zero means never.
func (c *memoryConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	if c.alarm != nil {
		c.alarm.Stop()
		c.alarm = nil
	}
	if !t.IsZero() {
		c.alarm = time.AfterFunc(time.Until(t), c.wake)
	}
	return nil
}

// wake makes Read look again. It takes the lock: a broadcast between a reader's
// look at the clock and its wait would be lost, and the reader would wait for
// ever.
func (c *memoryConn) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arrived.Broadcast()
}

// SetDeadline is SetReadDeadline: Write does not wait.
func (c *memoryConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetWriteDeadline does nothing: Write does not wait.
func (c *memoryConn) SetWriteDeadline(time.Time) error { return nil }

// LocalAddr and RemoteAddr name no network.
func (c *memoryConn) LocalAddr() net.Addr { return memoryAddr{} }

// RemoteAddr is the same as LocalAddr.
func (c *memoryConn) RemoteAddr() net.Addr { return memoryAddr{} }

type memoryAddr struct{}

func (memoryAddr) Network() string { return "memory" }
func (memoryAddr) String() string  { return "embedded" }

var errRequest = errors.New("not a Redis request")

// parseCommand reads one request, an array of bulk strings, from the start of
// p. Size 0 means that it is not complete yet.
func parseCommand(p []byte) (args []string, size int, err error) {
	count, at, err := parseLength(p, 0, '*')
	if err != nil || at == 0 {
		return nil, 0, err
	}
	args = make([]string, 0, min(count, 64))
	for range count {
		length, start, err := parseLength(p, at, '$')
		if err != nil || start == 0 || len(p) < start+length+2 {
			return nil, 0, err
		}
		args = append(args, string(p[start:start+length]))
		at = start + length + 2
	}
	return args, at, nil
}

// parseLength reads "<kind><number>\r\n" at p[at:] and returns where it ends, 0
// when it is not complete yet.
func parseLength(p []byte, at int, kind byte) (n, end int, err error) {
	if len(p) <= at {
		return 0, 0, nil
	}
	line := bytes.IndexByte(p[at:], '\n')
	if p[at] != kind || line > 20 {
		return 0, 0, errRequest
	}
	if line < 0 {
		return 0, 0, nil
	}
	n, err = strconv.Atoi(string(bytes.TrimSuffix(p[at+1:at+line], []byte("\r"))))
	if err != nil || n < 0 {
		return 0, 0, errRequest
	}
	return n, at + line + 1, nil
}
