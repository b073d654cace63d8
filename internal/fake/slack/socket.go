// Socket Mode: apps.connections.open, several WebSocket connections per app,
// each envelope to one of them, acknowledgements.

package slack

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// socket is one connection of an app.
type socket struct {
	app   *App
	conn  *websocket.Conn
	write sync.Mutex
	wait  map[string]chan ack
	mu    sync.Mutex
	done  chan struct{}
	once  sync.Once
}

type ack struct {
	EnvelopeID string          `json:"envelope_id"`
	Payload    json.RawMessage `json:"payload"`
}

func (s *Server) connectionsOpen(c call) (map[string]any, error) {
	s.serial++
	ticket := c.app.ID + "-" + s.newID("tick")
	s.triggers["ticket "+ticket] = &trigger{app: c.app.ID, expires: time.Now().Add(s.paced(30 * time.Second))}
	return map[string]any{"url": "ws" + strings.TrimPrefix(s.base, "http") + "/link/" + ticket + "?app_id=" + c.app.ID}, nil
}

func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	key := "ticket " + r.PathValue("ticket")
	t := s.triggers[key]
	delete(s.triggers, key)
	s.mu.Unlock()
	if t == nil || time.Now().After(t.expires) {
		http.Error(w, "this connection URL was used or is too old", http.StatusForbidden)
		return
	}
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }, WriteBufferSize: 32 << 10}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	s.mu.Lock()
	if s.ctx.Err() != nil {
		s.mu.Unlock()
		_ = conn.Close()
		return
	}
	k := &socket{app: s.app(t.app), conn: conn, wait: map[string]chan ack{}, done: make(chan struct{})}
	s.sockets[t.app] = append(s.sockets[t.app], k)
	s.opened++
	n := len(s.sockets[t.app])
	s.work.Add(1)
	s.touch()
	s.mu.Unlock()
	defer s.work.Done()
	defer s.drop(k)

	_ = k.send(map[string]any{"type": "hello", "num_connections": n,
		"connection_info": map[string]any{"app_id": t.app},
		"debug_info":      map[string]any{"host": "applink-fake", "build_number": 1, "approximate_connection_time": 3600}})
	s.mu.Lock()
	s.background(func() { s.pings(k) })
	s.mu.Unlock()
	for {
		_, data, err := conn.ReadMessage()
		if err != nil {
			return
		}
		var a ack
		if json.Unmarshal(data, &a) != nil || a.EnvelopeID == "" || len(data) >= 20<<10 {
			s.mu.Lock()
			s.violate("socket: an answer of %d bytes that Slack would drop", len(data))
			s.mu.Unlock()
			continue
		}
		k.mu.Lock()
		ch := k.wait[a.EnvelopeID]
		delete(k.wait, a.EnvelopeID)
		k.mu.Unlock()
		if ch != nil {
			ch <- a
		}
	}
}

func (s *Server) pings(k *socket) {
	t := time.NewTicker(s.o.PingEvery)
	defer t.Stop()
	for {
		k.write.Lock()
		err := k.conn.WriteControl(websocket.PingMessage, []byte("ping"), time.Now().Add(time.Second))
		k.write.Unlock()
		if err != nil {
			return
		}
		select {
		case <-t.C:
		case <-k.done:
			return
		}
	}
}

func (k *socket) send(v any) error {
	k.write.Lock()
	defer k.write.Unlock()
	_ = k.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	return k.conn.WriteMessage(websocket.TextMessage, mustJSON(v))
}

func (k *socket) close() {
	k.once.Do(func() {
		close(k.done)
		_ = k.conn.Close()
	})
}

func (s *Server) drop(k *socket) {
	k.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sockets[k.app.ID] = slices.DeleteFunc(s.sockets[k.app.ID], func(o *socket) bool { return o == k })
	s.touch()
}

// plug is the id under which an app's connections are kept: the first app's
// with the same app token.
func (s *Server) plug(a *App) string {
	for _, other := range s.apps {
		if other.AppToken == a.AppToken && a.AppToken != "" {
			return other.ID
		}
	}
	return a.ID
}

// Connections counts the open Socket Mode connections of an app (empty: the
// first).
func (s *Server) Connections(appID string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sockets[s.plug(s.app(appID))])
}

// Opened counts the Socket Mode connections ever made.
func (s *Server) Opened() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

// Disconnect asks an app's n-th connection to come again, as Slack does before
// it closes one: reason "warning" or "refresh_requested".
func (s *Server) Disconnect(appID string, n int, reason string) {
	if k := s.socketAt(appID, n); k != nil {
		_ = k.send(map[string]any{"type": "disconnect", "reason": reason, "debug_info": map[string]any{"host": "applink-fake"}})
	}
}

// Cut breaks an app's n-th connection without a word.
func (s *Server) Cut(appID string, n int) {
	if k := s.socketAt(appID, n); k != nil {
		k.close()
	}
}

// Raw sends any message on an app's n-th connection and waits for the
// acknowledgement of its envelope_id; false when none came in time.
func (s *Server) Raw(appID string, n int, message map[string]any) bool {
	k := s.socketAt(appID, n)
	if k == nil {
		return false
	}
	_, problem := s.exchange(k, message, nil)
	return problem == ""
}

func (s *Server) socketAt(appID string, n int) *socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.sockets[s.plug(s.app(appID))]
	if n >= len(all) {
		return nil
	}
	return all[n]
}

// sendEnvelope sends to one of the app's connections, in turn, and waits for
// the acknowledgement.
func (s *Server) sendEnvelope(a *App, kind string, payload any, attempt int, answer *json.RawMessage) (int, string) {
	s.mu.Lock()
	at := s.plug(a)
	all := s.sockets[at]
	if len(all) == 0 {
		s.mu.Unlock()
		return 0, "no connection"
	}
	k := all[s.nextSocket[at]%len(all)]
	s.nextSocket[at]++
	id := s.newID("env-")
	s.mu.Unlock()
	message := map[string]any{"type": kind, "envelope_id": id, "payload": payload, "accepts_response_payload": kind != "events_api"}
	if attempt > 0 {
		message["retry_attempt"], message["retry_reason"] = attempt, "timeout"
	}
	return s.exchange(k, message, answer)
}

func (s *Server) exchange(k *socket, message map[string]any, answer *json.RawMessage) (int, string) {
	got := make(chan ack, 1)
	id := str(message["envelope_id"])
	k.mu.Lock()
	k.wait[id] = got
	k.mu.Unlock()
	if err := k.send(message); err != nil {
		return 0, "connection failed"
	}
	t := time.NewTimer(s.o.EventTimeout)
	defer t.Stop()
	select {
	case a := <-got:
		if answer != nil {
			*answer = a.Payload
		}
		return http.StatusOK, ""
	case <-t.C:
		return 0, "timeout"
	case <-k.done:
		return 0, "connection lost"
	}
}
