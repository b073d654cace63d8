// Channels and threads: what is known about them, and where a message belongs.

package discord

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/bwmarrin/discordgo"

	"parley/internal/chat"
)

const (
	unknownAge  = time.Minute      // pause after a channel could not be read
	askAgain    = 10 * time.Second // pause after a temporary failure to read who started a thread
	lookupLimit = 3 * time.Second  // for a message or thread that an event lacks
)

// channelInfo is what is known about a channel.
type channelInfo struct {
	name    string
	kind    discordgo.ChannelType
	parent  string
	owner   string    // who started the thread; "" if unknown
	asked   bool      // Discord was asked and does not say more
	failed  time.Time // when asking Discord failed last
	unknown time.Time // if set, the channel could not be read; try again after this
}

func (i channelInfo) thread() bool {
	return i.kind == discordgo.ChannelTypeGuildPublicThread || i.kind == discordgo.ChannelTypeGuildPrivateThread || i.kind == discordgo.ChannelTypeGuildNewsThread
}

type channelJSON struct {
	ID     string                `json:"id"`
	Type   discordgo.ChannelType `json:"type"`
	Name   string                `json:"name"`
	Parent string                `json:"parent_id"`
	Owner  string                `json:"owner_id"`
}

func (c channelJSON) info() channelInfo {
	return channelInfo{name: c.Name, kind: c.Type, parent: c.Parent, owner: c.Owner}
}

// putChannel stores what is known about a channel and returns it, with what was
// known before: not every source says who started a thread.
func (c *cache) putChannel(id string, info channelInfo) channelInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, _ := c.channels.Get(id); info.owner == "" {
		info.owner, info.asked = old.owner, info.asked || old.asked
	}
	c.channels.Put(id, info)
	return info
}

func (c *cache) putChannels(list []channelJSON) {
	for _, one := range list {
		c.putChannel(one.ID, one.info())
	}
}

// peek is what is known about a channel. It makes no call.
func (c *cache) peek(channel string) channelInfo {
	info, _ := c.channels.Get(channel)
	return info
}

// channelName is a channel's name, or "" if it is unknown. It makes no call.
func (c *cache) channelName(channel string) string { return c.peek(channel).name }

// channel returns a guild's channel. It asks for it if it is unknown, or a thread
// whose owner is. It gives up soon, as message does, and returns false if the channel
// cannot be read.
func (c *cache) channel(ctx context.Context, id string) (channelInfo, bool) {
	info, ok := c.channels.Get(id)
	whole := ok && info.unknown.IsZero()
	if whole && (!info.thread() || info.owner != "" || info.asked || time.Since(info.failed) < askAgain) {
		return info, true
	}
	if ok && time.Now().Before(info.unknown) {
		return channelInfo{}, false
	}
	limited, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	var out channelJSON
	_, err := c.rest.do(limited, call{method: http.MethodGet, path: endpoint(discordgo.EndpointChannel(id)), route: "GET channel", major: id, name: "channel", wait: true}, &out)
	switch {
	case err == nil:
		info = out.info()
		info.asked = true
	case ctx.Err() != nil: // the caller's limit, not ours
		return info, whole
	case !whole:
		c.putChannel(id, channelInfo{unknown: time.Now().Add(unknownAge)})
		return channelInfo{}, false
	}
	if chat.Refused(err) {
		info.asked = true
	} else if err != nil {
		info.failed = time.Now()
	}
	return c.putChannel(id, info), true
}

// wrote reports whether the bot is known to have written a message.
func (c *cache) wrote(id string) bool {
	wrote, _ := c.posts.Get(id)
	return wrote
}

// message reads a message that an event lacks. It gives up soon: others in its lane
// wait.
func (c *cache) message(ctx context.Context, channel, id string) (*messageEvent, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	var out messageEvent
	get := call{method: http.MethodGet, path: endpoint(discordgo.EndpointChannelMessage(channel, url.PathEscape(id))), route: "GET message", major: channel, name: "message", wait: true}
	if _, err := c.rest.do(ctx, get, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// whereabouts is the chat.Place of a channel: a thread belongs to its parent.
func whereabouts(guild, channel string, i channelInfo) chat.Place {
	if guild == "" {
		return chat.Place{Platform: platform, Channel: channel, Direct: true}
	}
	if i.thread() && i.parent != "" {
		return chat.Place{Platform: platform, Workspace: guild, Channel: i.parent, Thread: channel, Owner: i.owner}
	}
	return chat.Place{Platform: platform, Workspace: guild, Channel: channel}
}

// destination is the id of the channel for calls about a place.
func destination(p chat.Place) string {
	if p.Thread != "" {
		return p.Thread
	}
	return p.Channel
}
