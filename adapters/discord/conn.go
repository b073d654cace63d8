// One WebSocket to the gateway: HELLO, heartbeat, frames, closing it.

package discord

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	helloWait  = 20 * time.Second // for the first frame
	writeWait  = 5 * time.Second
	frameLimit = 64 << 20 // bytes; GUILD_CREATE of a large guild is some megabytes
	// closeResumable is the code we close with to keep the session; 1000 and 1001
	// end it.
	closeResumable = 4000
)

// conn is one WebSocket.
type conn struct {
	shard  *shard
	permit *permit // to identify; nil to resume
	ws     *websocket.Conn
	write  sync.Mutex
	acked  chan struct{} // a heartbeat was acknowledged
	beat   chan struct{} // Discord wants a heartbeat now
}

// hold reads until the connection ends, and returns why it did.
func (c *conn) hold(ctx context.Context) error {
	parent := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	var parts sync.WaitGroup
	defer parts.Wait()
	defer cancel(nil)
	// When ctx ends, by the heartbeat or from outside, closing the socket ends the
	// read.
	parts.Go(func() {
		<-ctx.Done()
		code := closeResumable
		if c.shard.aside || parent.Err() != nil && c.shard.app.sessions == nil {
			code = websocket.CloseNormalClosure // nobody will resume the session
		}
		c.close(code)
	})
	c.ws.SetReadLimit(frameLimit)
	c.ws.SetCloseHandler(func(int, string) error { return nil })
	interval, err := c.hello(ctx)
	if err != nil {
		return err
	}
	parts.Go(func() {
		if err := c.heartbeat(ctx, interval); err != nil {
			cancel(err)
		}
	})
	for {
		f, err := c.read(ctx)
		if err != nil {
			return err
		}
		if err := c.take(ctx, f); err != nil {
			return err
		}
	}
}

// take handles one frame. An error ends the connection.
func (c *conn) take(ctx context.Context, f frame) error {
	switch f.Op {
	case opHeartbeat:
		offer(c.beat)
	case opHeartbeatAck:
		offer(c.acked)
	case opReconnect:
		return errReconnect
	case opInvalidSession:
		var resumable bool
		_ = json.Unmarshal(f.D, &resumable)
		if resumable {
			return errResumable
		}
		return errInvalid
	case opDispatch:
		return c.shard.dispatch(ctx, f)
	}
	return nil
}

func offer(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// read returns the next frame, or why the connection ended.
func (c *conn) read(ctx context.Context) (frame, error) {
	var f frame
	_, data, err := c.ws.ReadMessage()
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return f, cause
		}
		if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
			if refused := fatalClose(closed.Code); refused != nil {
				return f, refused
			}
		}
		return f, err
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return f, fmt.Errorf("gateway frame not understood: %w", err)
	}
	return f, nil
}

func (c *conn) send(op int, d any) error {
	c.write.Lock()
	defer c.write.Unlock()
	_ = c.ws.SetWriteDeadline(time.Now().Add(writeWait))
	return c.ws.WriteJSON(map[string]any{"op": op, "d": d})
}

// close closes the connection. Unless code is 1000 or 1001, the session can be
// resumed.
func (c *conn) close(code int) {
	deadline := time.Now().Add(time.Second)
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), deadline)
	_ = c.ws.Close()
}

// hello reads HELLO, the first frame, and resumes the session or begins one.
func (c *conn) hello(ctx context.Context) (interval time.Duration, err error) {
	_ = c.ws.SetReadDeadline(time.Now().Add(helloWait))
	f, err := c.read(ctx)
	if err != nil {
		return 0, err
	}
	_ = c.ws.SetReadDeadline(time.Time{}) // from now on the heartbeat detects silence
	var hello struct {
		Interval int64 `json:"heartbeat_interval"` // milliseconds
	}
	if err := json.Unmarshal(f.D, &hello); err != nil || f.Op != opHello || hello.Interval <= 0 {
		return 0, errors.New("gateway: HELLO without a heartbeat interval")
	}
	interval = time.Duration(hello.Interval) * time.Millisecond
	s := c.shard
	if c.permit == nil {
		return interval, c.send(opResume, map[string]any{"token": s.app.rest.token, "session_id": s.session, "seq": s.seq.received()})
	}
	return interval, c.identify()
}

func (c *conn) identify() error {
	s := c.shard
	d := map[string]any{
		"token": s.app.rest.token, "intents": int(intents),
		"properties": map[string]string{"os": runtime.GOOS, "browser": "parley", "device": "parley"},
	}
	if s.of > 1 {
		d["shard"] = [2]int{s.id, s.of}
	}
	s.starts = append(s.starts, time.Now())
	err := c.send(opIdentify, d)
	c.permit.use()
	return err
}

// heartbeat beats until ctx ends. A beat that is not acknowledged within timing.ack
// means that the connection is dead, so silence is noticed within an interval plus
// timing.ack.
func (c *conn) heartbeat(ctx context.Context, interval time.Duration) error {
	next := time.NewTimer(time.Duration(rand.Float64() * float64(interval)))
	defer next.Stop()
	dead := time.NewTimer(time.Hour)
	dead.Stop()
	defer dead.Stop()
	waiting := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.acked:
			waiting = false
			dead.Stop()
			continue
		case <-dead.C:
			return errZombie
		case <-next.C:
			next.Reset(interval)
		case <-c.beat:
		}
		var seq any
		if n := c.shard.seq.handled(); n > 0 {
			seq = n
		}
		if err := c.send(opHeartbeat, seq); err != nil {
			return fmt.Errorf("send heartbeat: %w", err)
		}
		if !waiting {
			waiting = true
			dead.Reset(c.shard.app.timing.ack)
		}
	}
}
