// Gateway sessions over a restart: the next process resumes where this one had
// stored everything, and Discord replays what was said meanwhile.

package discord

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"
)

// Sessions keeps the state of gateway sessions outside the process. Take must
// give a state to one caller only, and remove it, so that two processes never
// resume the same session. A state is worthless after a few minutes.
type Sessions interface {
	Save(ctx context.Context, key string, state []byte, ttl time.Duration) error
	Take(ctx context.Context, key string) ([]byte, error) // nil: there is none
}

// sessionAge is how long Discord is believed to keep a session whose
// connection is gone.
const sessionAge = 3 * time.Minute

type savedSession struct {
	Session string `json:"session"`
	Resume  string `json:"resume"`
	Seq     int64  `json:"seq"`
	User    string `json:"user"`
	App     string `json:"app"`
}

func (g *gateway) sessionKey() string { return platform + "/" + g.app.lead.ID }

// restore takes over a session that an earlier process left.
func (g *gateway) restore(ctx context.Context) {
	if g.app.sessions == nil {
		return
	}
	data, err := g.app.sessions.Take(ctx, g.sessionKey())
	if err != nil || data == nil {
		return
	}
	var s savedSession
	if json.Unmarshal(data, &s) != nil || s.Session == "" || s.User == "" || s.User != userOf(g.app.token) {
		return
	}
	g.session, g.resumeURL = s.Session, s.Resume
	g.seq.start(s.Seq)
	g.app.mu.Lock()
	g.app.userID, g.app.id = s.User, s.App
	g.app.mu.Unlock()
}

// keep leaves the session for the next process.
func (g *gateway) keep(ctx context.Context) {
	if g.app.sessions == nil || g.session == "" {
		return
	}
	user, id := g.app.known()
	data, err := json.Marshal(savedSession{Session: g.session, Resume: g.resumeURL, Seq: g.seq.handled(), User: user, App: id})
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if err := g.app.sessions.Save(ctx, g.sessionKey(), data, sessionAge); err != nil {
		g.log.Warn("gateway session not kept", slog.String("error", err.Error()))
	}
}
