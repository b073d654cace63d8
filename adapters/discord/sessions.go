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
	"fmt"
	"log/slog"
	"time"

	"parley/adapters/internal/retry"
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

// sessionKey is where the shard's session is kept. A session is of one shard of a
// fixed number: after a change of that number nothing is resumed.
func (s *shard) sessionKey() string {
	key := platform + "/" + s.app.lead.ID
	if s.of > 1 {
		key += fmt.Sprintf("/%d-of-%d", s.id, s.of)
	}
	return key
}

// restore takes over a session that an earlier process left. What it returns is
// a session that another process may still hold.
func (s *shard) restore(ctx context.Context) *savedSession {
	saved := s.takeSession(ctx)
	if saved == nil || !saved.Free && time.Since(saved.At) < s.app.rhythm.dead {
		return saved
	}
	s.resumeFrom(saved)
	s.app.identity.set(saved.User, saved.App)
	return nil
}

func (s *shard) resumeFrom(saved *savedSession) {
	s.session, s.resumeURL = saved.Session, saved.Resume
	s.seq.start(saved.Seq)
	s.share()
}

// takeSession is the state that was left for this shard, or nil.
func (s *shard) takeSession(ctx context.Context) *savedSession {
	if s.app.sessions == nil {
		return nil
	}
	data, err := s.app.sessions.Take(ctx, s.sessionKey())
	if err != nil {
		s.log.WarnContext(ctx, "gateway session not looked up", slog.String("error", err.Error()))
	}
	var saved savedSession
	if err != nil || data == nil || json.Unmarshal(data, &saved) != nil || saved.Session == "" || saved.User == "" || saved.Token != s.digest() {
		return nil
	}
	return &saved
}

// digest tells the bot's token from others without giving it away: a token is
// too random to be guessed from what it was hashed to.
func (s *shard) digest() string {
	mac := hmac.New(sha256.New, []byte(s.app.rest.token))
	mac.Write([]byte("parley gateway session"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// share lets remember see the session.
func (s *shard) share() {
	if s.session == "" {
		s.current.Store(nil)
		return
	}
	user, id := s.app.identity.known()
	s.current.Store(&savedSession{Session: s.session, Resume: s.resumeURL, User: user, App: id, Token: s.digest()})
}

// remember saves the session again and again until ctx ends, and before that
// looks after one whose owner seemed alive.
func (s *shard) remember(ctx context.Context, other *savedSession) {
	if s.app.sessions == nil {
		return
	}
	if other != nil {
		if !retry.Sleep(ctx, s.app.rhythm.dead) {
			return
		}
		// A living owner has saved again by now, and does so again after this.
		if again := s.takeSession(ctx); again == nil || !again.At.After(other.At) {
			s.catchUp(ctx, other)
		}
	}
	for retry.Sleep(ctx, s.app.rhythm.save) {
		s.keep(ctx, false)
	}
}

// keep saves the session; free says that this process lets go of it.
func (s *shard) keep(ctx context.Context, free bool) {
	shared := s.current.Load()
	if s.app.sessions == nil || shared == nil {
		return
	}
	state := *shared
	state.Seq, state.At, state.Free = s.seq.handled(), time.Now(), free
	data, err := json.Marshal(state)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if err := s.app.sessions.Save(ctx, s.sessionKey(), data, sessionAge); err != nil {
		s.log.WarnContext(ctx, "gateway session not kept", slog.String("error", err.Error()))
	}
}

// errCaughtUp ends the connection that catchUp opened.
var errCaughtUp = errors.New("caught up")

// catchUp resumes the session of a process that died beside our own, stores
// what is replayed, and ends it.
func (s *shard) catchUp(ctx context.Context, saved *savedSession) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	side := newShard(s.app, s.id, s.of)
	side.aside = true
	wait := side.lanes.start(ctx)
	side.resumeFrom(saved)
	err := side.connect(ctx)
	if errors.Is(err, errCaughtUp) {
		for side.lanes.waiting.Load() > 0 && retry.Sleep(ctx, 20*time.Millisecond) {
		}
		s.log.InfoContext(ctx, "caught up with the session of a process that died", slog.Int64("events", side.seq.received()-saved.Seq))
	} else {
		s.log.InfoContext(ctx, "the session of a process that died is gone", slog.String("reason", short(err)))
	}
	cancel()
	wait()
}
