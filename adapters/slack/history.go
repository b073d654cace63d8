// What was said before: for a conversation that parley has not seen yet.

package slack

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strconv"
	"time"

	"parley/adapters/internal/loose"
	"parley/internal/chat"
)

const (
	// historyPage is what is asked for at once.
	historyPage = 200
	// historyPages bounds the look into a very long thread.
	historyPages = 10
	// directThreads is how many threads of a direct message are opened: its
	// answers stand in threads.
	directThreads = 5
)

// History gives the last n messages before m, later than after, oldest first: of
// its thread, or of the direct message it was said in. With an error comes what
// was read before it.
func (a *Adapter) History(ctx context.Context, m chat.Message, after chat.MessageID, n int) ([]chat.Message, error) {
	app, ok := a.byBot[m.Bot]
	if !ok {
		return nil, fmt.Errorf("bot %q has no Slack app here", m.Bot)
	}
	self, ok := app.whoami(ctx)
	if !ok {
		return nil, errStarting
	}
	if rest := time.Until(*app.historyFrom.Load()); rest > 0 {
		return nil, &chat.RateLimited{After: rest}
	}
	var found []event
	var err error
	switch {
	case n <= 0:
		return nil, nil
	case m.Place.Thread != "" && m.Place.Thread != string(m.ID):
		found, err = app.thread(ctx, m.Place.Channel, m.Place.Thread, string(after), string(m.ID))
	case m.Place.Direct:
		found, err = app.directBefore(ctx, m.Place.Channel, string(m.ID), n)
	}
	var out []chat.Message
	for _, s := range found {
		if s.TS < string(m.ID) && s.TS > string(after) {
			s.Channel = m.Place.Channel
			if h, ok := app.past(self, m, s); ok {
				out = append(out, h)
			}
		}
	}
	err = app.failed("history", err)
	if limited, ok := errors.AsType[*chat.RateLimited](err); ok {
		app.historyFrom.Store(new(time.Now().Add(limited.After))) // apps outside the Marketplace may ask once a minute
	}
	return out[max(0, len(out)-n):], err
}

// past is one earlier message, as History gives it: what people and apps said,
// and this app's answers. What else it posted, replies to commands and notices,
// is no part of a conversation.
func (a *app) past(self identity, m chat.Message, ev event) (chat.Message, bool) {
	switch ev.Subtype {
	case "", "file_share", "thread_broadcast", "bot_message", "me_message":
	default:
		return chat.Message{}, false
	}
	own := ev.User == self.User || ev.BotID == self.App
	posted, _ := ev.mark()
	if own && posted != eventType || posted == besideType {
		return chat.Message{}, false
	}
	h := chat.Message{
		ID: chat.MessageID(ev.TS), Scope: m.Scope, Bot: m.Bot, Place: m.Place,
		Author:  chat.Author{ID: cmp.Or(ev.User, ev.BotID), Name: cmp.Or(ev.Username, ev.BotProfile.Name)},
		At:      stamp(ev.TS),
		FromBot: own,
	}
	if own {
		h.Text = answerOf(self, ev)
	} else {
		read := reader{bot: self.User, channel: ev.Channel, app: ev.BotID != "" || ev.Subtype == "bot_message"}
		h.Text = canonical(read.whole(ev.content), prefixOf(a.lead))
	}
	for _, f := range ev.Files {
		h.Files = append(h.Files, f.neutral())
	}
	return h, h.Text != "" || len(h.Files) > 0
}

// mark is what parley put into a message's metadata: what it is, and the key of
// the post. What others put there reads as empty.
func (ev event) mark() (kind, key string) {
	var m loose.Object
	_ = json.Unmarshal(ev.Metadata, &m) // none is as good as none that can be read
	return m.Text("event_type"), m.Object("event_payload").Text("key")
}

// answerOf is the text of an answer of this app: of its blocks, without the
// small notes below; the text beside them is cut short.
func answerOf(self identity, ev event) string {
	var parts []string
	for _, b := range loose.Decode(ev.Blocks) {
		if b.Text("type") != "context" {
			parts = append(parts, reader{bot: self.User, app: true}.block(b, 0))
		}
	}
	return cmp.Or(loose.Join("\n\n", parts...), toMarkdown(ev.Text, self.User))
}

// page is one page of history or of a thread.
type page struct {
	Messages []event `json:"messages"`
	More     bool    `json:"has_more"`
	Metadata struct {
		Cursor string `json:"next_cursor"`
	} `json:"response_metadata"`
}

// listed gives the messages of a listing, page by page, with their metadata. An
// error is the last that it gives.
func (c *client) listed(ctx context.Context, method string, ask url.Values) iter.Seq2[event, error] {
	ask.Set("limit", strconv.Itoa(historyPage))
	ask.Set("include_all_metadata", "true")
	return func(yield func(event, error) bool) {
		for range historyPages {
			var got page
			if err := c.call(ctx, method, ask, &got); err != nil {
				yield(event{}, err)
				return
			}
			for _, m := range got.Messages {
				if !yield(m, nil) {
					return
				}
			}
			if !got.More || got.Metadata.Cursor == "" {
				return
			}
			ask.Set("cursor", got.Metadata.Cursor)
		}
	}
}

// thread is a thread's messages between oldest, where it is not empty, and
// latest, oldest first: with an error, those of the pages before it.
func (a *app) thread(ctx context.Context, channel, ts, oldest, latest string) ([]event, error) {
	ask := url.Values{"channel": {channel}, "ts": {ts}, "latest": {latest}, "inclusive": {"false"}}
	if oldest != "" {
		ask.Set("oldest", oldest)
	}
	var out []event
	for m, err := range a.listed(ctx, "conversations.replies", ask) {
		if err != nil {
			return out, err
		}
		if len(out) == 0 || m.TS > out[len(out)-1].TS { // each page repeats the root
			out = append(out, m)
		}
	}
	return out, nil
}

// directBefore is what was said in a direct message, with the threads of the
// latest messages. A thread that cannot be read costs that thread only.
func (a *app) directBefore(ctx context.Context, channel, latest string, n int) ([]event, error) {
	var got page
	err := a.call(ctx, "conversations.history", url.Values{
		"channel": {channel}, "latest": {latest}, "inclusive": {"false"},
		"limit": {strconv.Itoa(min(n, historyPage))}, "include_all_metadata": {"true"},
	}, &got)
	if err != nil {
		return nil, err
	}
	var out []event
	opened := 0
	var unread error
	for _, m := range got.Messages { // newest first
		out = append(out, m)
		if m.ReplyCount == 0 || opened == directThreads {
			continue
		}
		opened++
		replies, err := a.thread(ctx, channel, m.TS, "", latest)
		if err != nil {
			unread, opened = cmp.Or(unread, err), directThreads
		}
		for _, r := range replies {
			if r.TS != m.TS {
				out = append(out, r)
			}
		}
	}
	slices.SortFunc(out, func(x, y event) int { return cmp.Compare(x.TS, y.TS) })
	return out, unread
}
