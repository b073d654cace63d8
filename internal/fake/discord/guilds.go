// Guilds: who is in them, how a bot gets in, and what the API tells of them.

package discord

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// found makes a guild that belongs to a person; mu is held, or nobody else
// knows the server yet.
func (s *Server) found(id, name string, owner *User) *guild {
	g := &guild{ID: id, Name: name, Owner: owner.ID, members: map[string]*member{owner.ID: {joined: time.Now()}}}
	g.Roles = []*Role{{ID: g.ID, Name: "@everyone", Permissions: strconv.FormatInt(viewChannel|sendMessages|readHistory, 10)}}
	s.guilds[g.ID] = g
	return g
}

// add lets an app's bot join a guild and returns the managed role it brings.
func (s *Server) add(app *App, g *guild) *Role {
	role := &Role{ID: s.snowflake(), Name: app.Name, Permissions: "0", Managed: true, Position: 1, Tags: map[string]any{"bot_id": app.user.ID}}
	g.Roles = append(g.Roles, role)
	g.members[app.user.ID] = &member{Roles: []string{role.ID}, joined: s.moment()}
	return role
}

// has reports whether an app's bot is in the guild.
func (g *guild) has(app *App) bool { return g != nil && app != nil && g.members[app.user.ID] != nil }

// Prefer sets the language of a person's Discord and of the first guild, as in
// "fr" or "ko". It tells those who are connected of the guild's.
func (s *Server) Prefer(user, locale string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.user(user).Locale, s.guild.Locale = locale, locale
	for _, one := range s.sessions {
		if s.guild.has(one.app) && one.shard.serves(s.guild.ID) {
			one.dispatch(intentGuilds, "GUILD_UPDATE", guildJSON(s.guild))
		}
	}
}

// guildsOf are the guilds an app's bot is in, by id.
func (s *Server) guildsOf(app *App) []*guild {
	var out []*guild
	for _, g := range s.guilds {
		if g.has(app) {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b *guild) int { return cmp.Compare(pad(a.ID), pad(b.ID)) })
	return out
}

// Invite lets a person who is not in the first guild found one of their own and
// add the first app's bot to it. Its channel has the guild's name.
func (s *Server) Invite(owner, name string) (guildID string) { return s.InviteOn(0, 1, owner, name) }

// InviteOn is Invite with a guild whose events belong to shard id of that many.
func (s *Server) InviteOn(id, of int, owner, name string) (guildID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	guildID = s.snowflake()
	for on := (shard{id, of}); !on.serves(guildID); guildID = s.snowflake() {
		s.lastID += 1 << 22 // the next millisecond
	}
	g := s.found(guildID, name, s.stranger(owner))
	c := &channel{ID: s.snowflake(), Type: channelText, GuildID: g.ID, Name: name}
	s.channels[c.ID] = c
	s.join(s.apps[0], g)
	return g.ID
}

// Join adds the first app's bot to a guild.
func (s *Server) Join(guildID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.join(s.apps[0], s.guilds[guildID])
}

func (s *Server) join(app *App, g *guild) {
	if role := s.add(app, g); g == s.guild {
		app.role = role
	}
	for _, one := range s.sessions {
		if one.app == app && one.shard.serves(g.ID) {
			one.dispatch(intentGuilds, "GUILD_CREATE", s.guildCreateJSON(g, app))
		}
	}
	s.change()
}

// Stranger makes a person who is not in the first guild, and returns their id.
func (s *Server) Stranger(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stranger(name).ID
}

func (s *Server) stranger(name string) *User {
	u := s.user(name)
	delete(s.guild.members, u.ID)
	return u
}

// Enter lets a person join a guild.
func (s *Server) Enter(guildID, user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.guilds[guildID].members[s.user(user).ID] = &member{joined: time.Now()}
}

// Crowd puts the first app's bot into n more guilds and tells nobody.
func (s *Server) Crowd(n int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for range n {
		g := s.found(s.snowflake(), "Guild of the crowd", s.users[s.guild.Owner])
		s.add(s.apps[0], g)
		ids = append(ids, g.ID)
	}
	return ids
}

func guildJSON(g *guild) map[string]any {
	return map[string]any{
		"id": g.ID, "name": g.Name, "owner_id": g.Owner, "roles": g.Roles, "emojis": []any{}, "features": []any{},
		"preferred_locale": cmp.Or(g.Locale, "en-US"),
	}
}

func (s *Server) guildCreateJSON(g *guild, app *App) map[string]any {
	out := guildJSON(g)
	channels, threads := []any{}, []any{}
	for _, id := range slices.Sorted(maps.Keys(s.channels)) {
		c := s.channels[id]
		if c.GuildID != g.ID || c.gone {
			continue
		}
		j := c.json()
		delete(j, "guild_id") // objects inside GUILD_CREATE do not repeat it
		if c.thread() {
			threads = append(threads, j)
		} else {
			channels = append(channels, j)
		}
	}
	out["channels"], out["threads"] = channels, threads
	out["members"], out["joined_at"] = []any{}, timestamp(g.members[app.user.ID].joined)
	out["member_count"], out["large"], out["unavailable"] = len(g.members), false, false
	return out
}

// getMyGuilds lists by id, a page after the other.
func (s *Server) getMyGuilds(w http.ResponseWriter, r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	limit := 200
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 200 {
			s.problem("%s: limit %s", r.path, text)
			invalidForm(w, "limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 200.")
			return
		}
		limit = n
	}
	out := []any{}
	for _, g := range s.guildsOf(r.app) {
		if after := q.Get("after"); after != "" && pad(g.ID) <= pad(after) || len(out) == limit {
			continue
		}
		out = append(out, map[string]any{
			"id": g.ID, "name": g.Name, "icon": nil, "banner": nil, "owner": false, "features": []any{},
			"permissions": strconv.FormatInt(g.permissions(r.app.user.ID), 10),
		})
	}
	writeJSON(w, http.StatusOK, out)
}

// known finds the guild of a call whose bot is in it, or writes the refusal.
func (s *Server) known(w http.ResponseWriter, r *request) *guild {
	g := s.guilds[r.PathValue("guild")]
	if g.has(r.app) {
		return g
	}
	refuse(w, http.StatusNotFound, 10004, "Unknown Guild")
	return nil
}

func (s *Server) getGuild(w http.ResponseWriter, r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.known(w, r); g != nil {
		writeJSON(w, http.StatusOK, guildJSON(g))
	}
}

func (s *Server) getRoles(w http.ResponseWriter, r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.known(w, r); g != nil {
		writeJSON(w, http.StatusOK, g.Roles)
	}
}

func (s *Server) getMember(w http.ResponseWriter, r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.known(w, r)
	if g == nil {
		return
	}
	m := s.memberJSON(g.ID, r.PathValue("user"), true)
	if m == nil {
		refuse(w, http.StatusNotFound, 10007, "Unknown Member")
		return
	}
	writeJSON(w, http.StatusOK, m)
}
