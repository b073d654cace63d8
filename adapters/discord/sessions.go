// Gateway sessions over a restart. A process that stops leaves its session to
// the next, which resumes it, and Discord replays what was said meanwhile. A
// process that was killed has left one a few seconds old: the next begins a
// session of its own at once, and fetches what it missed from the old one as
// soon as it is certain that nobody holds it.

package discord

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"time"
)

// Sessions keeps the state of gateway sessions outside the process. Take gives
// a state to one caller only and removes it, so that two processes never
// resume the same session. A state holds no secret.
type Sessions interface {
	Save(ctx context.Context, key string, state []byte, ttl time.Duration) error
	Take(ctx context.Context, key string) ([]byte, error) // nil: there is none
}

// sessionAge is how long Discord is believed to keep a session whose
// connection is gone.
const sessionAge = 3 * time.Minute

// rhythm is what a connection keeps time by.
type rhythm struct {
	save, dead time.Duration // how often a living process says so, and after which silence it is taken for dead
	identify   time.Duration // between IDENTIFYs: 5 s by max_concurrency, and what the network may shift
	ack        time.Duration // silence after a heartbeat that means a dead connection
}

var usualRhythm = rhythm{save: 5 * time.Second, dead: 12 * time.Second, identify: 5500 * time.Millisecond, ack: 4500 * time.Millisecond}

// savedSession is what another process needs to resume.
type savedSession struct {
	Session string    `json:"session"`
	Resume  string    `json:"resume"`
	Seq     int64     `json:"seq"` // up to here all is stored
	User    string    `json:"user"`
	Token   string    `json:"token"` // digest of the bot's, which alone may resume
	App     string    `json:"app"`
	At      time.Time `json:"at"`   // when the owner said so
	Free    bool      `json:"free"` // the owner has let go
}

func (g *gateway) sessionKey() string { return platform + "/" + g.app.lead.ID }

// restore takes over a session that an earlier process left. What it returns is
// a session that another process may still hold.
func (g *gateway) restore(ctx context.Context) *savedSession {
	s := g.takeSession(ctx)
	if s == nil || !s.Free && time.Since(s.At) < g.app.rhythm.dead {
		return s
	}
	g.resumeFrom(s)
	g.app.mu.Lock()
	g.app.userID, g.app.id = s.User, s.App
	g.app.mu.Unlock()
	return nil
}

func (g *gateway) resumeFrom(s *savedSession) {
	g.session, g.resumeURL = s.Session, s.Resume
	g.seq.start(s.Seq)
	g.share()
}

// takeSession is the state that was left for this bot, or nil.
func (g *gateway) takeSession(ctx context.Context) *savedSession {
	if g.app.sessions == nil {
		return nil
	}
	data, err := g.app.sessions.Take(ctx, g.sessionKey())
	if err != nil {
		g.log.WarnContext(ctx, "gateway session not looked up", slog.String("error", err.Error()))
	}
	var s savedSession
	if err != nil || data == nil || json.Unmarshal(data, &s) != nil || s.Session == "" || s.User == "" || s.Token != g.digest() {
		return nil
	}
	return &s
}

// digest tells the bot's token from others without giving it away: a token is
// too random to be guessed from what it was hashed to.
func (g *gateway) digest() string {
	mac := hmac.New(sha256.New, []byte(g.app.token))
	mac.Write([]byte("parley gateway session"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// share lets remember see the session.
func (g *gateway) share() {
	if g.session == "" {
		g.current.Store(nil)
		return
	}
	user, id := g.app.known()
	g.current.Store(&savedSession{Session: g.session, Resume: g.resumeURL, User: user, App: id, Token: g.digest()})
}

// remember saves the session again and again until ctx ends, and before that
// looks after one whose owner seemed alive.
func (g *gateway) remember(ctx context.Context, other *savedSession) {
	if g.app.sessions == nil {
		return
	}
	if other != nil {
		if !sleep(ctx, g.app.rhythm.dead) {
			return
		}
		// A living owner has saved again by now, and does so again after this.
		if again := g.takeSession(ctx); again == nil || !again.At.After(other.At) {
			g.catchUp(ctx, other)
		}
	}
	for sleep(ctx, g.app.rhythm.save) {
		g.keep(ctx, false)
	}
}

// keep saves the session; free says that this process lets go of it.
func (g *gateway) keep(ctx context.Context, free bool) {
	shared := g.current.Load()
	if g.app.sessions == nil || shared == nil {
		return
	}
	s := *shared
	s.Seq, s.At, s.Free = g.seq.handled(), time.Now(), free
	data, err := json.Marshal(s)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if err := g.app.sessions.Save(ctx, g.sessionKey(), data, sessionAge); err != nil {
		g.log.WarnContext(ctx, "gateway session not kept", slog.String("error", err.Error()))
	}
}

// errCaughtUp ends the connection that catchUp opened.
var errCaughtUp = errors.New("caught up")

// catchUp resumes the session of a process that died beside our own, stores
// what is replayed, and ends it.
func (g *gateway) catchUp(ctx context.Context, s *savedSession) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	side := newGateway(g.app, g.desk)
	side.aside = true
	side.lanes = newLanes(side)
	wait := side.lanes.start(ctx)
	side.resumeFrom(s)
	err := side.once(ctx)
	if errors.Is(err, errCaughtUp) {
		for side.lanes.waiting.Load() > 0 && sleep(ctx, 20*time.Millisecond) {
		}
		g.log.InfoContext(ctx, "caught up with the session of a process that died", slog.Int64("events", side.seq.received()-s.Seq))
	} else {
		g.log.InfoContext(ctx, "the session of a process that died is gone", slog.String("reason", short(err)))
	}
	cancel()
	wait()
	side.own.Wait()
}
