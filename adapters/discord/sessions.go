// Keeping gateway sessions across restarts. A process that stops leaves its session
// to the next one, which resumes it, and Discord replays what was said in between.
// After a kill the stored session is a few seconds old and may still be in use: the
// next process begins its own session, and fetches what it missed from the old one
// when it is certain that nobody uses it.

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

// Sessions stores the state of gateway sessions. Take removes a state and returns
// it to one caller only, so that two processes never resume the same session. A
// state holds no secret.
type Sessions interface {
	Save(ctx context.Context, key string, state []byte, ttl time.Duration) error
	Take(ctx context.Context, key string) ([]byte, error) // nil if there is none
}

// sessionAge is how long Discord keeps a session without a connection, as far as is
// known.
const sessionAge = 3 * time.Minute

// timing has the times of a connection.
type timing struct {
	save, dead time.Duration // how often a process saves its session, and after what time without that it is dead
	identify   time.Duration // between IDENTIFYs: the 5 s of max_concurrency and some reserve for the network
	ack        time.Duration // for acknowledging a heartbeat
}

var usualTiming = timing{save: 5 * time.Second, dead: 12 * time.Second, identify: 5500 * time.Millisecond, ack: 4500 * time.Millisecond}

// savedSession is what another process needs to resume a session.
type savedSession struct {
	Session string    `json:"session"`
	Resume  string    `json:"resume"`
	Seq     int64     `json:"seq"` // up to which all is stored
	User    string    `json:"user"`
	Token   string    `json:"token"` // digest of the token, without which the session cannot be resumed
	App     string    `json:"app"`
	At      time.Time `json:"at"`   // when it was saved
	Free    bool      `json:"free"` // nobody uses it
}

// sessionKey is the key of the shard's session. A session belongs to one of a fixed
// number of shards: when that number changes, nothing is resumed.
func (s *shard) sessionKey() string {
	key := platform + "/" + s.app.lead.ID
	if s.of > 1 {
		key += fmt.Sprintf("/%d-of-%d", s.id, s.of)
	}
	return key
}

// restore takes over the session of an earlier process. If another process may
// still use it, restore returns it instead.
func (s *shard) restore(ctx context.Context) *savedSession {
	saved := s.takeSession(ctx)
	if saved == nil || !saved.Free && time.Since(saved.At) < s.app.timing.dead {
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

// takeSession takes this shard's session from the store; nil if there is none.
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

// digest identifies the bot's token without revealing it: a token is too random to
// be guessed from its hash.
func (s *shard) digest() string {
	mac := hmac.New(sha256.New, []byte(s.app.rest.token))
	mac.Write([]byte("parley gateway session"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// share makes the session visible to remember.
func (s *shard) share() {
	if s.session == "" {
		s.current.Store(nil)
		return
	}
	user, id := s.app.identity.known()
	s.current.Store(&savedSession{Session: s.session, Resume: s.resumeURL, User: user, App: id, Token: s.digest()})
}

// remember saves the session regularly until ctx ends. If there is another session
// that was perhaps in use, it first waits to see whether it is.
func (s *shard) remember(ctx context.Context, other *savedSession) {
	if s.app.sessions == nil {
		return
	}
	if other != nil {
		if !retry.Sleep(ctx, s.app.timing.dead) {
			return
		}
		// A process that is alive has saved it again by now.
		if again := s.takeSession(ctx); again == nil || !again.At.After(other.At) {
			s.catchUp(ctx, other)
		}
	}
	for retry.Sleep(ctx, s.app.timing.save) {
		s.keep(ctx, false)
	}
}

// keep saves the session; free means that this process no longer uses it.
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

// errCaughtUp ends catchUp's connection.
var errCaughtUp = errors.New("caught up")

// catchUp resumes the session of a process that died, stores what Discord replays,
// and ends that session.
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
