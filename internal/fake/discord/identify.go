// IDENTIFY: what Discord refuses, and the session that begins.

package discord

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// shard is which of a bot's servers a session serves: its number, of how many.
type shard struct{ id, of int }

// serves reports whether the events of a guild belong to the shard; those of
// direct messages, with no guild, belong to the first.
func (s shard) serves(guildID string) bool {
	id, _ := strconv.ParseUint(guildID, 10, 64)
	return int(id>>22%uint64(s.of)) == s.id
}

// identified is one IDENTIFY.
type identified struct {
	at     time.Time
	bucket int // of max_concurrency
}

type identification struct {
	Token      string            `json:"token"`
	Intents    *int              `json:"intents"`
	Properties map[string]string `json:"properties"`
	Shard      []int             `json:"shard"`
}

func (in identification) complete() bool {
	return in.Intents != nil && in.Properties["os"] != "" && in.Properties["browser"] != "" && in.Properties["device"] != ""
}

// shard is the shard that is asked for; an app that names none has one.
func (in identification) shard() (one shard, ok bool) {
	switch {
	case in.Shard == nil:
		return shard{0, 1}, true
	case len(in.Shard) != 2:
		return shard{}, false
	}
	one = shard{in.Shard[0], in.Shard[1]}
	return one, one.id >= 0 && one.id < one.of
}

// identify begins a session, or says with which code and text the connection is
// closed; mu is held.
func (s *Server) identify(c *conn, d json.RawMessage) (int, string) {
	var in identification
	if err := json.Unmarshal(d, &in); err != nil || !in.complete() {
		return 4002, "Error while decoding payload."
	}
	if c.session != nil {
		return 4005, "Already authenticated."
	}
	app := s.byToken(in.Token)
	if app == nil {
		return 4004, "Authentication failed."
	}
	c.info.App, c.info.Identify = app.Name, redact(d)
	sharded, valid := in.shard()
	start := identified{at: time.Now()}
	if valid {
		start.bucket = sharded.id % s.options.Identify.MaxConcurrency
	}
	soon := app.soon(start, s.options.Identify.Window)
	switch {
	case len(app.starts) > s.options.Identify.Total:
		app.dead = true // the token is reset and its owner told
		return 4004, "Authentication failed."
	case !valid:
		return 4010, "Invalid shard."
	case soon:
		s.problem("identify: more than max_concurrency in %s", s.options.Identify.Window)
		c.send(frame{Op: opInvalidSession, D: false})
		return 0, ""
	case *in.Intents&^knownIntents != 0:
		return 4013, "Invalid intent(s)."
	case *in.Intents&(intentGuildMembers|intentPresences) != 0 || *in.Intents&intentMessageContent != 0 && !app.content:
		return 4014, "Disallowed intent(s)."
	}
	guilds := slices.DeleteFunc(s.guildsOf(app), func(g *guild) bool { return !sharded.serves(g.ID) })
	if len(guilds) > s.options.GuildsPerSession {
		return 4011, "Sharding required."
	}
	s.begin(&session{s: s, id: s.snowflake(), app: app, shard: sharded, intents: *in.Intents, conn: c}, guilds)
	return 0, ""
}

// soon notes an IDENTIFY and reports whether another of its bucket was within
// the window.
func (a *App) soon(start identified, window time.Duration) bool {
	a.starts = slices.DeleteFunc(a.starts, func(old identified) bool { return start.at.Sub(old.at) > 24*time.Hour })
	found := slices.ContainsFunc(a.starts, func(old identified) bool {
		return old.bucket == start.bucket && start.at.Sub(old.at) < window
	})
	a.starts = append(a.starts, start)
	return found
}

// begin sends what a new session begins with.
func (s *Server) begin(one *session, guilds []*guild) {
	s.sessions[one.id], one.conn.session = one, one
	unavailable := make([]any, len(guilds))
	for n, g := range guilds {
		unavailable[n] = map[string]any{"id": g.ID, "unavailable": true}
	}
	one.dispatch(intentAlways, "READY", map[string]any{
		"v": 10, "user": s.userJSON(one.app.user), "session_id": one.id, "session_type": "normal",
		"resume_gateway_url": "ws://" + s.resumes, "guilds": unavailable, "shard": []int{one.shard.id, one.shard.of},
		"application": map[string]any{"id": one.app.ID, "flags": 0}, "private_channels": []any{}, "relationships": []any{},
	})
	for _, g := range guilds {
		one.dispatch(intentGuilds, "GUILD_CREATE", s.guildCreateJSON(g, one.app))
	}
}
