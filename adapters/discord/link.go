// One live WebSocket to the gateway: HELLO, heartbeat, frames, the close.

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

// link is one live WebSocket.
type link struct {
	g     *gateway
	ws    *websocket.Conn
	write sync.Mutex
	acked chan struct{} // a heartbeat was acknowledged
	beat  chan struct{} // Discord wants a heartbeat now
}

// hold reads until the connection ends and says why it did.
func (c *link) hold(ctx context.Context) error {
	parent := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	var parts sync.WaitGroup
	defer parts.Wait()
	defer cancel(nil)
	// Ending ctx, by the heartbeat or from outside, closes the socket, which ends
	// the reading.
	parts.Go(func() {
		<-ctx.Done()
		code := closeResumable
		if c.g.aside || parent.Err() != nil && c.g.app.sessions == nil {
			code = websocket.CloseNormalClosure // nobody will resume: the session may end now
		}
		c.close(code)
	})
	c.ws.SetReadLimit(frameLimit)
	c.ws.SetCloseHandler(func(int, string) error { return nil })
	_ = c.ws.SetReadDeadline(time.Now().Add(helloWait))
	started := false
	for {
		f, err := c.read()
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
				if refused := fatalClose(closed.Code); refused != nil {
					return refused
				}
			}
			return err
		}
		switch f.Op {
		case opHello:
			if started {
				continue
			}
			started = true
			_ = c.ws.SetReadDeadline(time.Time{}) // the heartbeat watches from here on
			interval, err := c.hello(f.D)
			if err != nil {
				return err
			}
			parts.Go(func() {
				if err := c.heartbeat(ctx, interval); err != nil {
					cancel(err)
				}
			})
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
			if err := c.g.dispatch(ctx, f); err != nil {
				return err
			}
		}
	}
}

func offer(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

func (c *link) read() (frame, error) {
	var f frame
	_, data, err := c.ws.ReadMessage()
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return f, fmt.Errorf("gateway frame not understood: %w", err)
	}
	return f, nil
}

func (c *link) send(op int, d any) error {
	c.write.Lock()
	defer c.write.Unlock()
	_ = c.ws.SetWriteDeadline(time.Now().Add(writeWait))
	return c.ws.WriteJSON(map[string]any{"op": op, "d": d})
}

// close ends the connection; unless code is 1000 or 1001 the session lives on
// and can be resumed.
func (c *link) close(code int) {
	deadline := time.Now().Add(time.Second)
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), deadline)
	_ = c.ws.Close()
}

// hello answers HELLO: it resumes the session, or begins one.
func (c *link) hello(d json.RawMessage) (time.Duration, error) {
	var hello struct {
		Interval int64 `json:"heartbeat_interval"` // milliseconds
	}
	if err := json.Unmarshal(d, &hello); err != nil || hello.Interval <= 0 {
		return 0, errors.New("gateway: HELLO without a heartbeat interval")
	}
	interval := time.Duration(hello.Interval) * time.Millisecond
	g := c.g
	if g.session != "" {
		return interval, c.send(opResume, map[string]any{"token": g.app.token, "session_id": g.session, "seq": g.seq.received()})
	}
	g.starts = append(g.starts, time.Now())
	return interval, c.send(opIdentify, map[string]any{
		"token": g.app.token, "intents": int(intents),
		"properties": map[string]string{"os": runtime.GOOS, "browser": "parley", "device": "parley"},
	})
}

// heartbeat beats until ctx ends. A beat that stays unanswered for rhythm.ack
// means the connection is dead, so silence is noticed within one interval and
// that.
func (c *link) heartbeat(ctx context.Context, interval time.Duration) error {
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
		if n := c.g.seq.handled(); n > 0 {
			seq = n
		}
		if err := c.send(opHeartbeat, seq); err != nil {
			return fmt.Errorf("send heartbeat: %w", err)
		}
		if !waiting {
			waiting = true
			dead.Reset(c.g.app.rhythm.ack)
		}
	}
}
