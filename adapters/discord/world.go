// What the adapter knows of guilds, channels, roles and members: from the
// gateway's events where they come, else asked for and kept for minutes.

package discord

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/bwmarrin/discordgo"

	"parley/internal/chat"
)

const (
	memberAge  = 5 * time.Minute  // how long a member's roles are believed
	unknownAge = time.Minute      // how long a channel that could not be read is left alone
	askAgain   = 10 * time.Second // how long after a passing failure a thread's owner is not asked for
	guildAge   = 10 * time.Minute // how long a guild that was asked for is believed
	mostKept   = 20000            // members, channels and own messages kept

	lookupLimit = 3 * time.Second // for a message or thread that an event left out
)

// world is one application's cache. It is safe for concurrent use.
type world struct {
	rest *rest

	mu       sync.Mutex
	guilds   map[string]*guild
	channels map[string]place
	members  map[string]membership // guild and user
	dms      map[string]string     // user → direct-message channel
	posts    map[string]bool       // messages known to be the bot's own
	silent   map[string]time.Time  // channels where the bot may not reply, until when that is believed
}

type guild struct {
	name  string
	owner string
	roles map[string]role
	live  bool // kept current by events
	until time.Time
}

type role struct {
	name        string
	permissions int64
	bot         string // the bot user this managed role came with
}

// place is what matters of a channel.
type place struct {
	name    string
	kind    discordgo.ChannelType
	parent  string
	owner   string    // of a thread: who started it; empty while not known
	asked   bool      // Discord was asked and knows no more
	failed  time.Time // when Discord was asked last and did not answer
	unknown time.Time // not zero: could not be read, ask again after this
}

func (p place) thread() bool {
	return p.kind == discordgo.ChannelTypeGuildPublicThread || p.kind == discordgo.ChannelTypeGuildPrivateThread || p.kind == discordgo.ChannelTypeGuildNewsThread
}

type membership struct {
	roles       []string
	permissions int64 // as an interaction told them; -1: unknown
	until       time.Time
}

func newWorld(r *rest) *world {
	return &world{rest: r, guilds: map[string]*guild{}, channels: map[string]place{}, members: map[string]membership{}, dms: map[string]string{}, posts: map[string]bool{}, silent: map[string]time.Time{}}
}

// channelJSON and its kin are the parts of Discord's objects that are kept.
// discordgo's Role lacks the tags that say which bot a role belongs to.
type channelJSON struct {
	ID     string                `json:"id"`
	Type   discordgo.ChannelType `json:"type"`
	Name   string                `json:"name"`
	Parent string                `json:"parent_id"`
	Owner  string                `json:"owner_id"`
}

type roleJSON struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Permissions string `json:"permissions"`
	Tags        *struct {
		Bot string `json:"bot_id"`
	} `json:"tags"`
}

type guildJSON struct {
	ID       string        `json:"id"`
	Name     string        `json:"name"`
	Owner    string        `json:"owner_id"`
	Roles    []roleJSON    `json:"roles"`
	Channels []channelJSON `json:"channels"`
	Threads  []channelJSON `json:"threads"`
}

func (r roleJSON) role() role {
	out := role{name: r.Name}
	out.permissions, _ = strconv.ParseInt(r.Permissions, 10, 64)
	if r.Tags != nil {
		out.bot = r.Tags.Bot
	}
	return out
}

func (c channelJSON) place() place {
	return place{name: c.Name, kind: c.Type, parent: c.Parent, owner: c.Owner}
}

// see takes an event that changes the cache; other events are passed over.
func (w *world) see(event string, d json.RawMessage) error {
	switch event {
	case "GUILD_CREATE", "GUILD_UPDATE":
		return decoded(d, func(g guildJSON) { w.seeGuild(g, true) })
	case "GUILD_DELETE":
		return decoded(d, w.dropGuild)
	case "GUILD_ROLE_CREATE", "GUILD_ROLE_UPDATE":
		return decoded(d, w.keepRole)
	case "GUILD_ROLE_DELETE":
		return decoded(d, w.dropRole)
	case "CHANNEL_CREATE", "CHANNEL_UPDATE", "THREAD_CREATE", "THREAD_UPDATE":
		return decoded(d, w.seeChannel)
	case "CHANNEL_DELETE", "THREAD_DELETE":
		return decoded(d, w.dropChannel)
	case "THREAD_LIST_SYNC":
		return decoded(d, func(g guildJSON) {
			for _, c := range g.Threads {
				w.seeChannel(c)
			}
		})
	}
	return nil
}

// decoded gives f what d holds.
func decoded[T any](d json.RawMessage, f func(T)) error {
	var v T
	if err := json.Unmarshal(d, &v); err != nil {
		return err
	}
	f(v)
	return nil
}

func (w *world) dropGuild(g guildJSON) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.guilds, g.ID)
}

// roleEvent is GUILD_ROLE_CREATE, _UPDATE and _DELETE.
type roleEvent struct {
	Guild  string   `json:"guild_id"`
	Role   roleJSON `json:"role"`
	RoleID string   `json:"role_id"` // of one that was deleted
}

func (w *world) keepRole(e roleEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if g := w.guilds[e.Guild]; g != nil {
		g.roles[e.Role.ID] = e.Role.role()
	}
}

func (w *world) dropRole(e roleEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if g := w.guilds[e.Guild]; g != nil {
		delete(g.roles, e.RoleID)
	}
}

func (w *world) seeChannel(c channelJSON) { w.keepChannel(c.ID, c.place()) }

func (w *world) dropChannel(c channelJSON) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.channels, c.ID)
}

func (w *world) seeGuild(g guildJSON, live bool) *guild {
	kept := &guild{name: g.Name, owner: g.Owner, roles: map[string]role{}, live: live, until: time.Now().Add(guildAge)}
	for _, r := range g.Roles {
		kept.roles[r.ID] = r.role()
	}
	w.mu.Lock()
	if g.ID != "" && (g.Owner != "" || len(g.Roles) > 0) { // an unavailable guild carries nothing
		w.guilds[g.ID] = kept
	}
	w.mu.Unlock()
	for _, c := range append(g.Channels, g.Threads...) {
		w.seeChannel(c)
	}
	return kept
}

// keepChannel keeps what is known of a channel and returns it: not everything
// that speaks of a thread says who started it.
func (w *world) keepChannel(id string, p place) place {
	w.mu.Lock()
	defer w.mu.Unlock()
	if old := w.channels[id]; p.owner == "" {
		p.owner, p.asked = old.owner, p.asked || old.asked
	}
	keep(w.channels, id, p)
	return p
}

// keep puts a value into a cache. One that has grown large begins again.
func keep[V any](cache map[string]V, key string, value V) {
	if len(cache) >= mostKept {
		clear(cache)
	}
	cache[key] = value
}

// keepPost notes that the bot wrote a message.
func (w *world) keepPost(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	keep(w.posts, id, true)
}

// wrote reports whether the bot is known to have written a message.
func (w *world) wrote(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.posts[id]
}

// dm is the channel of direct messages with a person, as far as it is known.
func (w *world) dm(user string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dms[user]
}

// keepDM notes the channel of direct messages with a person.
func (w *world) keepDM(user, channel string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	keep(w.dms, user, channel)
}

// message looks up a message that an event did not bring along. It gives up
// soon: others of its lane wait.
func (w *world) message(ctx context.Context, channel, id string) (*messageEvent, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	var out messageEvent
	c := call{method: http.MethodGet, path: endpoint(discordgo.EndpointChannelMessage(channel, url.PathEscape(id))), route: "GET message", major: channel, name: "message", wait: true}
	if _, err := w.rest.do(ctx, c, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// channel is a guild's channel, asked for when it is not known, or not whose
// thread it is. It gives up soon, as message does. Not ok: it cannot be read now.
func (w *world) channel(ctx context.Context, id string) (place, bool) {
	w.mu.Lock()
	p, ok := w.channels[id]
	w.mu.Unlock()
	whole := ok && p.unknown.IsZero()
	if whole && (!p.thread() || p.owner != "" || p.asked || time.Since(p.failed) < askAgain) {
		return p, true
	}
	if ok && time.Now().Before(p.unknown) {
		return place{}, false
	}
	limited, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	var c channelJSON
	_, err := w.rest.do(limited, call{method: http.MethodGet, path: endpoint(discordgo.EndpointChannel(id)), route: "GET channel", major: id, name: "channel", wait: true}, &c)
	switch {
	case err == nil:
		p = c.place()
		p.asked = true
	case ctx.Err() != nil: // the caller's own limit
		return p, whole
	case !whole:
		w.keepChannel(id, place{unknown: time.Now().Add(unknownAge)})
		return place{}, false
	}
	if chat.Refused(err) {
		p.asked = true
	} else if err != nil {
		p.failed = time.Now()
	}
	return w.keepChannel(id, p), true
}

// peek is what is known of a channel; it does no call.
func (w *world) peek(channel string) place {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.channels[channel]
}

// guildName is a guild's name, empty when it is not known; it does no call.
func (w *world) guildName(id string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if g := w.guilds[id]; g != nil {
		return g.name
	}
	return ""
}

// seen reports whether an event told lately that a person is a guild's member.
func (w *world) seen(guild, user string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	m, ok := w.members[guild+" "+user]
	return ok && time.Now().Before(m.until)
}

// name is a channel's name, empty when it is not known; it does no call.
func (w *world) name(channel string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.channels[channel].name
}

// role is a guild's role; it does no call.
func (w *world) role(guild, id string) role {
	w.mu.Lock()
	defer w.mu.Unlock()
	if g := w.guilds[guild]; g != nil {
		return g.roles[id]
	}
	return role{}
}

// seeMember keeps a member's roles as an event brought them. permissions is -1
// where the event did not say.
func (w *world) seeMember(guild, user string, roles []string, permissions int64) {
	if guild == "" || user == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	keep(w.members, guild+" "+user, membership{roles: slices.Clone(roles), permissions: permissions, until: time.Now().Add(memberAge)})
}

// member is a person's roles and whether they may manage the guild.
func (w *world) member(ctx context.Context, guildID, user string) (chat.Member, error) {
	w.mu.Lock()
	m, ok := w.members[guildID+" "+user]
	w.mu.Unlock()
	if !ok || time.Now().After(m.until) {
		var out struct {
			Roles []string `json:"roles"`
		}
		if _, err := w.rest.do(ctx, getMember(guildID, user), &out); err != nil {
			return chat.Member{}, err
		}
		w.seeMember(guildID, user, out.Roles, -1)
		m = membership{roles: out.Roles, permissions: -1}
	}
	if m.permissions >= 0 && manages(m.permissions) {
		return chat.Member{Groups: m.roles, Admin: true}, nil
	}
	g, err := w.guild(ctx, guildID)
	if err == nil && !w.knows(g, m.roles) {
		g, err = w.fetchGuild(ctx, guildID) // an event is still on its way
	}
	if err != nil {
		return chat.Member{}, err
	}
	return chat.Member{Groups: slices.Clone(m.roles), Admin: w.admin(g, guildID, user, m.roles)}, nil
}

func manages(permissions int64) bool {
	return permissions&(discordgo.PermissionAdministrator|discordgo.PermissionManageGuild) != 0
}

// admin is the documented computation of base permissions: the owner has all,
// else those of @everyone and of the roles add up, and ADMINISTRATOR includes
// Manage Server.
func (w *world) admin(g *guild, guildID, user string, roles []string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if g.owner == user {
		return true
	}
	total := g.roles[guildID].permissions
	for _, id := range roles {
		total |= g.roles[id].permissions
	}
	return manages(total)
}

func (w *world) guild(ctx context.Context, id string) (*guild, error) {
	w.mu.Lock()
	g := w.guilds[id]
	w.mu.Unlock()
	if g != nil && (g.live || time.Now().Before(g.until)) {
		return g, nil
	}
	return w.fetchGuild(ctx, id)
}

// knows reports whether all roles are the guild's.
func (w *world) knows(g *guild, roles []string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !slices.ContainsFunc(roles, func(id string) bool { _, ok := g.roles[id]; return !ok })
}

func (w *world) fetchGuild(ctx context.Context, id string) (*guild, error) {
	var out guildJSON
	c := call{method: http.MethodGet, path: endpoint(discordgo.EndpointGuild(id)), route: "GET guild", major: id, name: "guild", wait: true}
	if _, err := w.rest.do(ctx, c, &out); err != nil {
		return nil, err
	}
	w.mu.Lock()
	live := w.guilds[id] != nil && w.guilds[id].live
	w.mu.Unlock()
	return w.seeGuild(out, live), nil
}

// stale marks guilds as no longer kept current: the gateway session that served
// them has ended.
func (w *world) stale(served func(guild string) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, g := range w.guilds {
		g.live = g.live && !served(id)
	}
}
