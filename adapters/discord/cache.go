// What is known about guilds, their roles and their members: from the gateway's
// events, or asked for and cached for minutes.

package discord

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/bwmarrin/discordgo"

	"parley/adapters/internal/kept"
	"parley/internal/chat"
)

const (
	memberAge = 5 * time.Minute  // how long a member's roles are valid
	guildAge  = 10 * time.Minute // how long a guild that was asked for is valid
	mostKept  = 20000            // entries of each kind
)

// cache is one application's. It is safe for concurrent use.
type cache struct {
	rest *rest

	channels *kept.Cache[channelInfo]
	members  *kept.Cache[membership] // by guild and user
	direct   *kept.Cache[string]     // by user: the channel of direct messages
	posts    *kept.Cache[bool]       // messages that the bot wrote
	noReply  *kept.Cache[bool]       // channels where the bot may not reply

	mu     sync.Mutex
	guilds map[string]*guild
}

func newCache(r *rest) *cache {
	return &cache{
		rest: r, guilds: map[string]*guild{}, channels: kept.New[channelInfo](mostKept, 0), members: kept.New[membership](mostKept, memberAge),
		direct: kept.New[string](mostKept, 0), posts: kept.New[bool](mostKept, 0), noReply: kept.New[bool](mostKept, repliesAgain),
	}
}

type guild struct {
	name   string
	owner  string
	locale string // "fr", "en-US"
	roles  map[string]role
	live   bool // events keep it current
	until  time.Time
}

type role struct {
	name        string
	permissions int64
	bot         string // the bot's user that this managed role belongs to
}

type membership struct {
	roles       []string
	permissions int64 // from an interaction; -1 if unknown
}

// guildJSON and roleJSON are the parts of Discord's objects that are used.
// discordgo's Role lacks the tags that say which bot a role belongs to.
type guildJSON struct {
	ID       string        `json:"id"`
	Name     string        `json:"name"`
	Owner    string        `json:"owner_id"`
	Locale   string        `json:"preferred_locale"`
	Roles    []roleJSON    `json:"roles"`
	Channels []channelJSON `json:"channels"`
	Threads  []channelJSON `json:"threads"`
}

type roleJSON struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Permissions string `json:"permissions"`
	Tags        *struct {
		Bot string `json:"bot_id"`
	} `json:"tags"`
}

func (r roleJSON) role() role {
	out := role{name: r.Name}
	out.permissions, _ = strconv.ParseInt(r.Permissions, 10, 64)
	if r.Tags != nil {
		out.bot = r.Tags.Bot
	}
	return out
}

// roleEvent is GUILD_ROLE_CREATE, _UPDATE or _DELETE.
type roleEvent struct {
	Guild  string   `json:"guild_id"`
	Role   roleJSON `json:"role"`
	RoleID string   `json:"role_id"` // of a deleted role
}

// update applies an event to the cache. It ignores events about other things.
func (c *cache) update(event string, d json.RawMessage) error {
	switch event {
	case "GUILD_CREATE", "GUILD_UPDATE":
		return decoded(d, func(g guildJSON) { c.putGuild(g, true) })
	case "GUILD_DELETE":
		return decoded(d, func(g guildJSON) {
			c.mu.Lock()
			defer c.mu.Unlock()
			delete(c.guilds, g.ID)
		})
	case "GUILD_ROLE_CREATE", "GUILD_ROLE_UPDATE":
		return decoded(d, func(e roleEvent) {
			c.changeRoles(e.Guild, func(roles map[string]role) { roles[e.Role.ID] = e.Role.role() })
		})
	case "GUILD_ROLE_DELETE":
		return decoded(d, func(e roleEvent) {
			c.changeRoles(e.Guild, func(roles map[string]role) { delete(roles, e.RoleID) })
		})
	case "CHANNEL_CREATE", "CHANNEL_UPDATE", "THREAD_CREATE", "THREAD_UPDATE":
		return decoded(d, func(one channelJSON) { c.putChannel(one.ID, one.info()) })
	case "CHANNEL_DELETE", "THREAD_DELETE":
		return decoded(d, func(one channelJSON) { c.channels.Drop(one.ID) })
	case "THREAD_LIST_SYNC":
		return decoded(d, func(g guildJSON) { c.putChannels(g.Threads) })
	}
	return nil
}

// decoded calls f with the value that d encodes.
func decoded[T any](d json.RawMessage, f func(T)) error {
	var v T
	if err := json.Unmarshal(d, &v); err != nil {
		return err
	}
	f(v)
	return nil
}

func (c *cache) putGuild(g guildJSON, live bool) *guild {
	one := &guild{name: g.Name, owner: g.Owner, locale: g.Locale, roles: map[string]role{}, live: live, until: time.Now().Add(guildAge)}
	for _, r := range g.Roles {
		one.roles[r.ID] = r.role()
	}
	c.mu.Lock()
	if g.ID != "" && (g.Owner != "" || len(g.Roles) > 0) { // an unavailable guild has neither
		c.guilds[g.ID] = one
	}
	c.mu.Unlock()
	c.putChannels(g.Channels)
	c.putChannels(g.Threads)
	return one
}

// changeRoles changes a guild's roles, if the guild is known.
func (c *cache) changeRoles(guild string, change func(roles map[string]role)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g := c.guilds[guild]; g != nil {
		change(g.roles)
	}
}

// stale marks guilds that events no longer keep current, because the session that
// served them has ended.
func (c *cache) stale(served func(guild string) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, g := range c.guilds {
		g.live = g.live && !served(id)
	}
}

// guildName is a guild's name, or "" if it is unknown. It makes no call.
func (c *cache) guildName(id string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g := c.guilds[id]; g != nil {
		return g.name
	}
	return ""
}

// role is a guild's role, or the zero role if it is unknown. It makes no call.
func (c *cache) role(guild, id string) role {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g := c.guilds[guild]; g != nil {
		return g.roles[id]
	}
	return role{}
}

// putMember stores a member's roles from an event. permissions is -1 if the event
// has none.
func (c *cache) putMember(guild, user string, roles []string, permissions int64) {
	if guild != "" && user != "" {
		c.members.Put(guild+" "+user, membership{roles: slices.Clone(roles), permissions: permissions})
	}
}

// member returns a person's roles and whether they can manage the guild.
func (c *cache) member(ctx context.Context, guildID, user string) (chat.Member, error) {
	m, ok := c.members.Get(guildID + " " + user)
	if !ok {
		var out struct {
			Roles []string `json:"roles"`
		}
		if _, err := c.rest.do(ctx, getMember(guildID, user), &out); err != nil {
			return chat.Member{}, err
		}
		c.putMember(guildID, user, out.Roles, -1)
		m = membership{roles: out.Roles, permissions: -1}
	}
	if m.permissions >= 0 && manages(m.permissions) {
		return chat.Member{Groups: m.roles, Admin: true}, nil
	}
	g, err := c.guild(ctx, guildID)
	if err == nil && !c.knows(g, m.roles) {
		g, err = c.fetchGuild(ctx, guildID) // the event about a new role is on its way
	}
	if err != nil {
		return chat.Member{}, err
	}
	return chat.Member{Groups: slices.Clone(m.roles), Admin: c.admin(g, guildID, user, m.roles)}, nil
}

func manages(permissions int64) bool {
	return permissions&(discordgo.PermissionAdministrator|discordgo.PermissionManageGuild) != 0
}

// admin computes base permissions as documented: the owner has all; otherwise those
// of @everyone and of the roles add up, and ADMINISTRATOR includes Manage Server.
func (c *cache) admin(g *guild, guildID, user string, roles []string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g.owner == user {
		return true
	}
	total := g.roles[guildID].permissions
	for _, id := range roles {
		total |= g.roles[id].permissions
	}
	return manages(total)
}

// knows reports whether the guild has all roles.
func (c *cache) knows(g *guild, roles []string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !slices.ContainsFunc(roles, func(id string) bool { _, ok := g.roles[id]; return !ok })
}

// guild returns a guild, and asks for it if necessary.
func (c *cache) guild(ctx context.Context, id string) (*guild, error) {
	c.mu.Lock()
	g := c.guilds[id]
	c.mu.Unlock()
	if g != nil && (g.live || time.Now().Before(g.until)) {
		return g, nil
	}
	return c.fetchGuild(ctx, id)
}

func (c *cache) fetchGuild(ctx context.Context, id string) (*guild, error) {
	var out guildJSON
	get := call{method: http.MethodGet, path: endpoint(discordgo.EndpointGuild(id)), route: "GET guild", major: id, name: "guild", wait: true}
	if _, err := c.rest.do(ctx, get, &out); err != nil {
		return nil, err
	}
	c.mu.Lock()
	live := c.guilds[id] != nil && c.guilds[id].live
	c.mu.Unlock()
	return c.putGuild(out, live), nil
}
