// The pair of Socket Mode connections of one app token: which of them stand, and
// why one does not.

package slack

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"parley/internal/chat"
	"parley/internal/telemetry"
)

// wire is the pair of Socket Mode connections of one app token, and the apps
// that it brings events to: one for each workspace.
type wire struct {
	apps    []*app
	once    sync.Once     // the first app to know who it is holds the connections
	stagger time.Duration // between the starts of the two

	mu      sync.Mutex
	lines   [2]bool   // those that stand
	problem string    // why the last one to fail did
	broke   [2]string // why each is about to be made again, until that is logged

	outage *telemetry.Outage
}

// health is whether events arrive: one connection of the two is enough.
func (w *wire) health() chat.Health {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.lines[0] && !w.lines[1] {
		return chat.Health{Reason: cmp.Or(w.problem, "no Socket Mode connection stands yet")}
	}
	return chat.Health{OK: true}
}

func (w *wire) set(n int, stands bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines[n], w.broke[n] = stands, ""
}

// dialer makes connection n. The library connects again without a word: why, only
// the connection itself knows.
func (w *wire) dialer(n int) *websocket.Dialer {
	var plain net.Dialer
	d := *websocket.DefaultDialer
	d.NetDialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := plain.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &wireConn{Conn: c, broke: func(err error) { w.breaks(n, err.Error()) }}, nil
	}
	return &d
}

// wireConn tells why it can be read no more, unless it was closed here.
type wireConn struct {
	net.Conn
	broke func(error)
}

func (c *wireConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	timeout, _ := errors.AsType[net.Error](err)
	switch {
	case err == nil, errors.Is(err, net.ErrClosed), timeout != nil && timeout.Timeout():
	case errors.Is(err, io.EOF):
		c.broke(errors.New("the other side closed it"))
	default:
		c.broke(err)
	}
	return n, err
}

// breaks notes why connection n is about to end.
func (w *wire) breaks(n int, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broke[n] = reason
}

// ended takes connection n down: stood is whether it was up, and reason why it
// ended, empty where Slack asked for a new one or fell silent.
func (w *wire) ended(n int) (stood bool, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	stood, reason = w.lines[n], w.broke[n]
	w.lines[n], w.broke[n] = false, ""
	return stood, reason
}

// fail records why a connection does not stand.
func (w *wire) fail(problem string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problem = problem
}
