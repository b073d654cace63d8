// The gateway: sessions that outlive their connections, replay on resume, and
// the close codes of Discord's documentation.

package discord

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Gateway opcodes.
const (
	opDispatch       = 0
	opHeartbeat      = 1
	opIdentify       = 2
	opPresence       = 3
	opResume         = 6
	opReconnect      = 7
	opInvalidSession = 9
	opHello          = 10
	opHeartbeatAck   = 11
)

// Intents that matter here, and the privileged ones.
const (
	intentGuilds         = 1 << 0
	intentGuildMembers   = 1 << 1
	intentPresences      = 1 << 8
	intentGuildMessages  = 1 << 9
	intentDirectMessages = 1 << 12
	intentMessageContent = 1 << 15
	intentAlways         = 0
	knownIntents         = 1<<17 - 1 | 1<<20 | 1<<21 | 1<<24 | 1<<25
)

// session is one gateway session: it has the events sent since its start, and a
// connection while someone is connected.
type session struct {
	s       *Server
	id      string
	app     *App
	shard   shard
	intents int
	seq     int64
	events  []frame
	conn    *conn
}

type frame struct {
	Op int     `json:"op"`
	D  any     `json:"d"`
	S  *int64  `json:"s"`
	T  *string `json:"t"`
}

// Connection tells of one WebSocket connection a client made.
type Connection struct {
	App       string // name of the app, once known
	Resume    bool   // it came to resume_gateway_url
	Query     string // of the address
	Opened    time.Time
	Identify  map[string]any // the d of IDENTIFY, token left out
	Resumed   map[string]any // the d of RESUME, token left out
	CloseCode int            // the code the client closed with; 0 for none, 1006 for a dropped connection
	Closed    time.Time
	Beats     int // heartbeats received
}

// conn is a live connection. Frames go out in order by its own goroutine.
type conn struct {
	ws      *websocket.Conn
	info    *Connection
	session *session
	mute    bool // zombie: nothing is sent any more, acks included
	out     chan any
	gone    chan struct{}
	once    sync.Once
}

type closing struct {
	code int
	text string
}

func (c *conn) send(v any) {
	if c.mute {
		return
	}
	select {
	case c.out <- v:
	case <-c.gone:
	default:
		c.drop() // a client that does not read
	}
}

// drop ends the connection as a broken network does.
func (c *conn) drop() {
	c.once.Do(func() {
		close(c.gone)
		_ = c.ws.NetConn().Close()
	})
}

func (c *conn) write() {
	for {
		select {
		case v := <-c.out:
			if end, ok := v.(closing); ok {
				deadline := time.Now().Add(time.Second)
				_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(end.code, end.text), deadline)
				c.drop()
				return
			}
			if err := c.ws.WriteJSON(v); err != nil {
				c.drop()
				return
			}
		case <-c.gone:
			return
		}
	}
}

func (s *Server) gatewayHandler(kind string) http.Handler {
	upgrader := websocket.Upgrader{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		c := &conn{ws: ws, out: make(chan any, 4096), gone: make(chan struct{})}
		c.info = &Connection{Resume: kind == "resume", Query: r.URL.RawQuery, Opened: time.Now()}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			_ = ws.Close()
			return
		}
		s.connections = append(s.connections, c.info)
		s.live(c, true)
		s.change()
		s.mu.Unlock()
		var done sync.WaitGroup
		done.Go(c.write)
		s.serve(c, r)
		c.drop()
		done.Wait()
		s.mu.Lock()
		if c.session != nil && c.session.conn == c {
			c.session.conn = nil
		}
		s.live(c, false)
		c.info.Closed = time.Now()
		s.change()
		s.mu.Unlock()
	})
}

// live keeps the set of open connections, so that Close can end those that
// never identified; mu is held.
func (s *Server) live(c *conn, on bool) {
	if s.open == nil {
		s.open = map[*conn]bool{}
	}
	if on {
		s.open[c] = true
	} else {
		delete(s.open, c)
	}
}

func (s *Server) dropAll() {
	s.mu.Lock()
	open := slices.Collect(maps.Keys(s.open))
	s.mu.Unlock()
	for _, c := range open {
		c.drop()
	}
}

func (s *Server) serve(c *conn, r *http.Request) {
	fail := func(code int, text string) {
		s.mu.Lock()
		c.send(closing{code, text})
		s.mu.Unlock()
		<-c.gone
	}
	if v := r.URL.Query().Get("v"); v != "10" {
		fail(4012, "Invalid API version.")
		return
	}
	if r.URL.Query().Get("encoding") != "json" {
		fail(4002, "Error while decoding payload.")
		return
	}
	c.send(frame{Op: opHello, D: map[string]any{"heartbeat_interval": s.options.Heartbeat.Milliseconds(), "_trace": []string{}}})
	var sent []time.Time
	for {
		// Without a heartbeat in time Discord closes the connection.
		_ = c.ws.SetReadDeadline(time.Now().Add(s.options.Heartbeat + s.options.Heartbeat/2 + time.Second))
		_, data, err := c.ws.ReadMessage()
		if err != nil {
			s.closedBy(c, err)
			return
		}
		now := time.Now()
		sent = slices.DeleteFunc(append(sent, now), func(t time.Time) bool { return now.Sub(t) > time.Minute })
		if len(sent) > 120 {
			fail(4008, "You are being rate limited.")
			return
		}
		var in struct {
			Op int             `json:"op"`
			D  json.RawMessage `json:"d"`
		}
		if len(data) > 4096 || json.Unmarshal(data, &in) != nil {
			fail(4002, "Error while decoding payload.")
			return
		}
		if code, text := s.receive(c, in.Op, in.D); code != 0 {
			fail(code, text)
			return
		}
	}
}

// closedBy notes how the client ended the connection. 1000 and 1001 end the
// session too.
func (s *Server) closedBy(c *conn, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.info.CloseCode = websocket.CloseAbnormalClosure
	closed, ok := errors.AsType[*websocket.CloseError](err)
	if !ok {
		return
	}
	c.info.CloseCode = closed.Code
	if c.session != nil && (closed.Code == websocket.CloseNormalClosure || closed.Code == websocket.CloseGoingAway) {
		delete(s.sessions, c.session.id)
	}
}

func (s *Server) receive(c *conn, op int, d json.RawMessage) (int, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.change()
	switch op {
	case opHeartbeat:
		c.info.Beats++
		c.send(frame{Op: opHeartbeatAck})
	case opIdentify:
		return s.identify(c, d)
	case opResume:
		return s.resumeSession(c, d)
	case opPresence:
		if c.session == nil {
			return 4003, "Not authenticated."
		}
	default:
		return 4001, "Unknown opcode."
	}
	return 0, ""
}

// redact is the d of a payload without its token.
func redact(d json.RawMessage) map[string]any {
	out := map[string]any{}
	_ = json.Unmarshal(d, &out)
	delete(out, "token")
	return out
}

func (s *Server) byToken(token string) *App {
	for _, a := range s.apps {
		if a.Token == token && !a.dead {
			return a
		}
	}
	return nil
}

func (s *Server) resumeSession(c *conn, d json.RawMessage) (int, string) {
	var in struct {
		Token   string `json:"token"`
		Session string `json:"session_id"`
		Seq     *int64 `json:"seq"`
	}
	if err := json.Unmarshal(d, &in); err != nil || in.Seq == nil {
		return 4002, "Error while decoding payload."
	}
	if c.session != nil {
		return 4005, "Already authenticated."
	}
	app := s.byToken(in.Token)
	if app == nil {
		return 4004, "Authentication failed."
	}
	c.info.App, c.info.Resumed = app.Name, redact(d)
	one := s.sessions[in.Session]
	if one == nil || one.app != app {
		c.send(frame{Op: opInvalidSession, D: false})
		return 0, ""
	}
	if *in.Seq > one.seq {
		return 4007, "Invalid seq."
	}
	if one.conn != nil {
		one.conn.send(closing{4000, "Session resumed elsewhere."})
	}
	one.conn, c.session = c, one
	for _, f := range one.events {
		if *f.S > *in.Seq {
			c.send(f)
		}
	}
	one.dispatch(intentAlways, "RESUMED", map[string]any{"_trace": []string{}})
	return 0, ""
}

// dispatch records an event and sends it if a client is connected and asked
// for it; mu is held.
func (one *session) dispatch(intent int, event string, d any) {
	if intent != intentAlways && one.intents&intent == 0 {
		return
	}
	raw, err := json.Marshal(d)
	if err != nil {
		panic(err) // a defect of this package
	}
	one.seq++
	seq := one.seq
	f := frame{Op: opDispatch, D: json.RawMessage(raw), S: &seq, T: &event}
	if event != "RESUMED" {
		one.events = append(one.events, f)
	}
	if one.conn != nil {
		one.conn.send(f)
	}
}

// dispatchGuild is an event for every session whose bot is in the guild and whose
// shard serves it; mu is held.
func (s *Server) dispatchGuild(id string, intent int, event string, d any) {
	for _, one := range s.sessions {
		if s.guilds[id].has(one.app) && one.shard.serves(id) {
			one.dispatch(intent, event, d)
		}
	}
}

// sees reports whether the session's bot hears of what is said in c.
func (one *session) sees(c *channel) bool {
	if !one.shard.serves(c.GuildID) {
		return false
	}
	if c.app != nil {
		return c.app == one.app
	}
	return one.s.guilds[c.GuildID].has(one.app)
}

// Connections tells of every gateway connection so far, oldest first.
func (s *Server) Connections() []Connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Connection, 0, len(s.connections))
	for _, c := range s.connections {
		out = append(out, *c)
	}
	return out
}

// Connected counts the sessions with a live connection.
func (s *Server) Connected() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, one := range s.sessions {
		if one.conn != nil {
			n++
		}
	}
	return n
}

// each runs f for every connected session of the app ("" for all).
func (s *Server) each(app string, f func(one *session)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.sessions {
		if one.conn != nil && (app == "" || one.app.Name == app) {
			f(one)
		}
	}
	s.change()
}

// Disconnect closes the app's connections with a close code; the sessions
// stay, except where Discord ends them (1000, 4003, 4004, 4007, 4009 and the
// fatal ones).
func (s *Server) Disconnect(app string, code int) {
	s.each(app, func(one *session) {
		one.conn.send(closing{code, "closed by the test"})
		if code == websocket.CloseNormalClosure || code == 4003 || code == 4004 || code == 4007 || code >= 4009 && code <= 4014 {
			delete(s.sessions, one.id)
		}
	})
}

// Drop cuts the app's connections as a broken network does.
func (s *Server) Drop(app string) { s.each(app, func(one *session) { one.conn.drop() }) }

// Zombie lets the app's connections live but sends nothing any more, acks
// included; events are kept for a resume.
func (s *Server) Zombie(app string) { s.each(app, func(one *session) { one.conn.mute = true }) }

// Reconnect sends opcode 7.
func (s *Server) Reconnect(app string) {
	s.each(app, func(one *session) { one.conn.send(frame{Op: opReconnect}) })
}

// Invalidate sends opcode 9; unless resumable the session ends.
func (s *Server) Invalidate(app string, resumable bool) {
	s.each(app, func(one *session) {
		one.conn.send(frame{Op: opInvalidSession, D: resumable})
		if !resumable {
			delete(s.sessions, one.id)
		}
	})
}

// RequestHeartbeat sends opcode 1, which asks for a heartbeat at once.
func (s *Server) RequestHeartbeat(app string) {
	s.each(app, func(one *session) { one.conn.send(frame{Op: opHeartbeat}) })
}
