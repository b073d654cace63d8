// Who and what is in the workspace: people, user groups, channels, and the
// methods that ask about them.

package slack

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// User is a person, or an app's bot user.
type User struct {
	ID    string
	Name  string
	Admin bool
	Owner bool
	Bot   bool
	// Team is the workspace they are of; empty: that of whoever asks. Somebody of another
	// organisation writes in channels that are shared with it.
	Team string
	// NoTeam leaves the workspace out of users.info.
	NoTeam bool
	// Enterprise is their organisation and Teams its workspaces that they are in;
	// EnterpriseAdmin administers all of it.
	Enterprise      string
	Teams           []string
	EnterpriseAdmin bool
	// Stranger is of another organisation and in no channel that the app sees.
	Stranger bool
	// Restricted is a multi-channel guest, UltraRestricted a single-channel one.
	Restricted, UltraRestricted bool
	Deleted                     bool
	// Locale is the language of their Slack, "fr-FR"; empty is "en-US". users.info
	// tells it if include_locale says so.
	Locale string
}

// Group is a user group.
type Group struct {
	ID     string
	Handle string
	Users  []string
}

// Channel says how a channel is set up.
type Channel struct {
	ID       string
	Name     string
	Private  bool
	Archived bool
	// Absent are the apps (by id) that are not members; all others are.
	Absent []string
	// Team is the workspace that it is in, for apps of others it does not exist;
	// empty: in all of them.
	Team string
	// Shared is a channel of Slack Connect: other organisations are in it.
	Shared bool
	// Direct is the person of a direct message; App the app they talk to.
	Direct string
	App    string
}

type channel struct {
	Channel
	messages []*Message // in order, thread replies and ephemeral ones included
}

// AddUser adds or replaces a person.
func (s *Server) AddUser(u User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[u.ID] = &u
}

// AddGroup adds or replaces a user group.
func (s *Server) AddGroup(g Group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups[g.ID] = &g
}

// AddChannel adds a channel, or changes how it is set up. A channel that
// somebody speaks in is added by itself, public and with every app in it.
func (s *Server) AddChannel(c Channel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channelFor(c.ID).Channel = c
	s.touch()
}

func (s *Server) channelFor(id string) *channel {
	c := s.channels[id]
	if c == nil {
		c = &channel{Channel: Channel{ID: id, Name: strings.ToLower(id)}}
		s.channels[id] = c
	}
	return c
}

func (s *Server) userFor(id string) *User {
	u := s.users[id]
	if u == nil {
		u = &User{ID: id, Name: strings.ToLower(id)}
		s.users[id] = u
	}
	return u
}

// DirectChannel gives the id of the direct message between a person and an app
// (empty: the first), opening it if need be.
func (s *Server) DirectChannel(appID, user string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.direct(s.app(appID), user).ID
}

func (s *Server) direct(a *App, user string) *channel {
	id := "D" + strings.TrimPrefix(a.ID, "A") + strings.TrimPrefix(user, "U")
	c := s.channelFor(id)
	c.Direct, c.App, c.Name = user, a.ID, "directmessage"
	return c
}

func (c *channel) has(a *App) bool {
	if c.Direct != "" {
		return c.App == a.ID
	}
	return c.in(a.Team) && !slices.Contains(c.Absent, a.ID)
}

func (c *channel) in(team string) bool { return c.Team == "" || c.Team == team }

// kind is the word in an event's channel_type.
func (c *channel) kind() string {
	switch {
	case c.Direct != "":
		return "im"
	case c.Private:
		return "group"
	}
	return "channel"
}

// reach finds the channel a call names, as its app may use it.
func (s *Server) reach(c call, id string) (*channel, error) {
	if u := s.users[id]; u != nil { // posting to a person opens the direct message
		return s.direct(c.app, id), nil
	}
	ch := s.channels[id]
	if ch == nil || !ch.in(c.app.Team) || (ch.Private || ch.Direct != "") && !ch.has(c.app) {
		return nil, fail("channel_not_found")
	}
	return ch, nil
}

func (s *Server) authTest(c call) (map[string]any, error) {
	return map[string]any{
		"url": s.base + "/", "team": "Fake Workspace", "user": c.app.Name, "team_id": c.app.Team,
		"user_id": c.app.BotUser, "bot_id": c.app.BotID, "is_enterprise_install": false, "enterprise_id": nullable(c.app.Enterprise),
	}, nil
}

func (s *Server) botsInfo(c call) (map[string]any, error) {
	for _, a := range s.apps {
		if a.BotID == c.args["bot"] {
			return map[string]any{"bot": map[string]any{"id": a.BotID, "name": a.Name, "app_id": a.ID, "user_id": a.BotUser, "deleted": false}}, nil
		}
	}
	return nil, fail("bot_not_found")
}

func (s *Server) userInfo(c call) (map[string]any, error) {
	u := s.users[c.args["user"]]
	if u == nil {
		return nil, fail("user_not_found")
	}
	team := cmp.Or(u.Team, c.app.Team)
	out := map[string]any{
		"id": u.ID, "team_id": team, "name": u.Name, "real_name": u.Name, "deleted": u.Deleted,
		"is_bot": u.Bot, "is_app_user": false, "updated": 1502138686,
		"profile": map[string]any{"real_name": u.Name, "display_name": u.Name, "team": team},
	}
	if c.args["include_locale"] == "true" || c.args["include_locale"] == "1" {
		out["locale"] = cmp.Or(u.Locale, "en-US")
	}
	if u.NoTeam {
		delete(out, "team_id")
	}
	if u.Stranger { // left out where it is false
		out["is_stranger"] = true
	}
	if !u.Deleted { // of a deactivated account Slack tells no more
		out["is_admin"], out["is_owner"], out["is_primary_owner"] = u.Admin || u.Owner, u.Owner, false
		out["is_restricted"], out["is_ultra_restricted"] = u.Restricted || u.UltraRestricted, u.UltraRestricted
	}
	if u.Enterprise != "" {
		teams := u.Teams
		if teams == nil {
			teams = []string{team}
		}
		out["enterprise_user"] = map[string]any{
			"id": u.ID, "enterprise_id": u.Enterprise, "enterprise_name": "Organisation", "is_admin": u.EnterpriseAdmin, "is_owner": false, "teams": teams,
		}
	}
	return map[string]any{"user": out}, nil
}

// nullable is JSON's null for no text.
func nullable(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func (s *Server) listGroups(c call) (map[string]any, error) {
	list := []any{}
	for _, g := range slices.SortedFunc(maps.Values(s.groups), func(a, b *Group) int { return cmp.Compare(a.ID, b.ID) }) {
		entry := map[string]any{"id": g.ID, "team_id": s.o.Team, "is_usergroup": true, "name": g.Handle, "handle": g.Handle,
			"date_delete": 0, "prefs": map[string]any{"channels": []any{}, "groups": []any{}}}
		if c.args["include_users"] == "true" {
			entry["users"], entry["user_count"] = g.Users, len(g.Users)
		}
		list = append(list, entry)
	}
	return map[string]any{"usergroups": list}, nil
}

func (s *Server) listGroupMembers(c call) (map[string]any, error) {
	g := s.groups[c.args["usergroup"]]
	if g == nil {
		return nil, fail("no_such_subteam")
	}
	return map[string]any{"users": g.Users}, nil
}

func (s *Server) conversationInfo(c call) (map[string]any, error) {
	ch, err := s.reach(c, c.args["channel"])
	if err != nil {
		return nil, err
	}
	return map[string]any{"channel": map[string]any{
		"id": ch.ID, "name": ch.Name, "is_channel": ch.kind() == "channel", "is_group": ch.kind() == "group",
		"is_im": ch.kind() == "im", "is_private": ch.Private, "is_archived": ch.Archived, "is_member": ch.has(c.app),
	}}, nil
}

func (s *Server) conversationsOpen(c call) (map[string]any, error) {
	user := c.args["users"]
	if s.users[user] == nil {
		return nil, fail("user_not_found")
	}
	return map[string]any{"channel": map[string]any{"id": s.direct(c.app, user).ID}}, nil
}

// history gives a channel's top-level messages, newest first.
func (s *Server) history(c call) (map[string]any, error) {
	ch, err := s.read(c)
	if err != nil {
		return nil, err
	}
	var found []*Message
	for _, m := range slices.Backward(ch.messages) {
		if m.Only == "" && !m.Deleted && (m.ThreadTS == "" || m.ThreadTS == m.TS) {
			found = append(found, m)
		}
	}
	return s.page(c, found, 100)
}

// replies gives a thread, oldest first, its root included.
func (s *Server) replies(c call) (map[string]any, error) {
	ch, err := s.read(c)
	if err != nil {
		return nil, err
	}
	ts := c.args["ts"]
	var found []*Message
	for _, m := range ch.messages {
		if m.Only == "" && !m.Deleted && (m.TS == ts || m.ThreadTS == ts) {
			found = append(found, m)
		}
	}
	if len(found) == 0 {
		return nil, fail("thread_not_found")
	}
	return s.page(c, found, 1000)
}

func (s *Server) read(c call) (*channel, error) {
	ch, err := s.reach(c, c.args["channel"])
	if err != nil {
		return nil, err
	}
	if !ch.has(c.app) {
		return nil, fail("not_in_channel")
	}
	need := map[string]string{"im": "im:history", "group": "groups:history", "channel": "channels:history"}[ch.kind()]
	if c.app.Scopes != nil && !slices.Contains(c.app.Scopes, need) {
		return nil, &apiError{word: "missing_scope", extra: map[string]any{"needed": need}}
	}
	return ch, nil
}

func (s *Server) page(c call, found []*Message, most int) (map[string]any, error) {
	oldest, latest, inclusive := c.args["oldest"], c.args["latest"], c.args["inclusive"] == "true" || c.args["inclusive"] == "1"
	in := func(ts string) bool {
		if oldest != "" && oldest != "0" && (ts < oldest || ts == oldest && !inclusive) {
			return false
		}
		return latest == "" || ts < latest || ts == latest && inclusive
	}
	root := ""
	if c.method == "conversations.replies" {
		root = c.args["ts"] // Slack sends the root with every page
	}
	var all []*Message
	for _, m := range found {
		if m.TS == root || in(m.TS) {
			all = append(all, m)
		}
	}
	limit, _ := strconv.Atoi(c.args["limit"])
	if limit <= 0 || limit > most {
		limit = most
	}
	from, _ := strconv.Atoi(strings.TrimPrefix(c.args["cursor"], "next:"))
	from = min(from, len(all))
	to := min(from+limit, len(all))
	withMetadata := c.args["include_all_metadata"] == "true" || c.args["include_all_metadata"] == "1"
	messages := []any{}
	for _, m := range all[from:to] {
		messages = append(messages, s.wire(m, withMetadata || m.App == c.app.ID))
	}
	out := map[string]any{"messages": messages, "has_more": to < len(all)}
	if to < len(all) {
		out["response_metadata"] = map[string]any{"next_cursor": "next:" + strconv.Itoa(to)}
	}
	return out, nil
}
