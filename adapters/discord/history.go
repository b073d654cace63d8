// Reading the messages before a message.

package discord

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/bwmarrin/discordgo"

	"parley/adapters/internal/loose"
	"parley/internal/chat"
)

// History returns the newest n messages of the channel or thread before m, oldest
// first, that people, this bot and other apps wrote. Messages up to after are left
// out. It makes one call; for a long thread and without after it makes another, for
// the message the thread was opened with.
func (a *Adapter) History(ctx context.Context, m chat.Message, after chat.MessageID, n int) ([]chat.Message, error) {
	one, err := a.of(m.Bot)
	if err != nil {
		return nil, err
	}
	if n <= 0 {
		return nil, nil
	}
	if _, _, err := one.identity.get(ctx); err != nil {
		return nil, err
	}
	if err := one.trust.letIn(ctx, m.Place.Workspace, m.Author.ID); err != nil {
		return nil, err
	}
	n = min(n, mostHistory)
	channel := destination(m.Place)
	list, whole, err := one.messages(ctx, channel, "history", n, "before", string(m.ID))
	if err != nil {
		return nil, err
	}
	if !whole && after == "" && m.Place.Thread != "" {
		first, _, missed := one.messages(ctx, channel, "history", 1, "after", "0")
		list, err = append(first, list[min(len(list), len(first)):]...), missed
	}
	list = slices.DeleteFunc(list, func(e messageEvent) bool {
		return compareIDs(e.ID, string(m.ID)) >= 0 || after != "" && compareIDs(e.ID, string(after)) <= 0
	})
	return one.listed(ctx, m.Place, list), err
}

// mostHistory is the most messages that Discord returns at once.
const mostHistory = 100

// messages returns at most n messages of a channel before or after one of them,
// oldest first; whole means that there are no more. A message that cannot be
// decoded is left out.
func (a *app) messages(ctx context.Context, channel, name string, n int, side, of string) (list []messageEvent, whole bool, err error) {
	var raw []json.RawMessage
	_, err = a.rest.do(ctx, call{
		method: http.MethodGet, path: fmt.Sprintf("%s?limit=%d&%s=%s", endpoint(discordgo.EndpointChannelMessages(channel)), n, side, url.QueryEscape(of)),
		route: "GET messages", major: channel, name: name, wait: true,
	}, &raw)
	for _, one := range raw {
		var e messageEvent
		if json.Unmarshal(one, &e) == nil {
			list = append(list, e)
		}
	}
	slices.SortStableFunc(list, func(x, y messageEvent) int { return compareIDs(x.ID, y.ID) })
	return list, len(raw) < n, err
}

// listed are the messages of a list that have content.
func (a *app) listed(ctx context.Context, p chat.Place, list []messageEvent) []chat.Message {
	k := a.knowledge(p.Workspace)
	known := map[string]bool{}
	for _, e := range list {
		known[e.ID] = true
	}
	var out []chat.Message
	for _, e := range list {
		if e.Type == discordgo.MessageTypeThreadStarterMessage {
			if found, ok := a.starter(ctx, e); ok {
				e = found
			}
		}
		if e.Author == nil || !e.spoken() {
			continue
		}
		text := e.whole(k, e.origin())
		if e.Reference != nil && !known[e.Reference.Message] {
			text = loose.Bounded(loose.Join("\n\n", e.meant(k), text))
		}
		h := k.message(e.ID, e.At, p)
		h.Author, h.FromBot, h.ReplyTo = e.author(k.locale), e.Author.ID == k.self, e.replyTo()
		h.Text, h.Files = text, files(e.allFiles())
		if h.Text != "" || len(h.Files) > 0 {
			out = append(out, h)
		}
	}
	return out
}

// starter is the message a thread was opened from. The thread's first message
// refers to it and has no content.
func (a *app) starter(ctx context.Context, e messageEvent) (messageEvent, bool) {
	if e.Referenced.messageEvent == nil && !e.Referenced.present && e.Reference != nil && e.Reference.Channel != "" {
		if found, err := a.cache.message(ctx, e.Reference.Channel, e.Reference.Message); err == nil {
			e.Referenced.messageEvent = found
		}
	}
	if e.Referenced.messageEvent == nil {
		return e, false
	}
	return *e.Referenced.messageEvent, true
}
