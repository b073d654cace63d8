// What was said before: for a conversation that parley has not seen yet.

package slack

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/slack-go/slack"

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
	var found []slack.Message
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
		if s.Timestamp < string(m.ID) && s.Timestamp > string(after) {
			if h, ok := past(self, m, s); ok {
				out = append(out, h)
			}
		}
	}
	return out[max(0, len(out)-n):], app.failed("history", err)
}

// past is one earlier message, as History gives it.
func past(self identity, m chat.Message, s slack.Message) (chat.Message, bool) {
	switch s.SubType {
	case "", "file_share", "thread_broadcast", "bot_message":
	default:
		return chat.Message{}, false
	}
	h := chat.Message{
		ID: chat.MessageID(s.Timestamp), Scope: m.Scope, Bot: m.Bot, Place: m.Place,
		Author: chat.Author{ID: orElse(s.User, s.BotID), Name: s.Username},
		Text:   toMarkdown(s.Text, self.User), At: stamp(s.Timestamp),
		FromBot: s.User == self.User || s.BotID == self.App,
	}
	if h.FromBot {
		if s.Metadata.EventType != eventType { // a command's answer, not the model's
			return chat.Message{}, false
		}
		if whole := markdownOf(s.Blocks); whole != "" {
			h.Text = whole
		}
	}
	for _, f := range s.Files {
		h.Files = append(h.Files, chat.File{Name: f.Name, Type: f.Mimetype, Size: int64(f.Size), URL: orElse(f.URLPrivateDownload, f.URLPrivate)})
	}
	return h, h.Text != "" || len(h.Files) > 0
}

// markdownOf is the text of a message's markdown blocks; "" where Slack gives
// them back in its own form.
func markdownOf(b slack.Blocks) string {
	var out strings.Builder
	for _, block := range b.BlockSet {
		if m, ok := block.(*slack.MarkdownBlock); ok {
			out.WriteString(m.Text)
		}
	}
	return out.String()
}

// thread is a thread's messages between oldest, where it is not empty, and
// latest, oldest first: with an error, those of the pages before it.
func (a *app) thread(ctx context.Context, channel, ts, oldest, latest string) ([]slack.Message, error) {
	var out []slack.Message
	p := slack.GetConversationRepliesParameters{ChannelID: channel, Timestamp: ts, Oldest: oldest, Latest: latest, Limit: historyPage, IncludeAllMetadata: true}
	for range historyPages {
		page, more, next, err := a.api.GetConversationRepliesContext(ctx, &p)
		if err != nil {
			return out, err
		}
		for _, m := range page {
			if len(out) == 0 || m.Timestamp > out[len(out)-1].Timestamp { // each page repeats the root
				out = append(out, m)
			}
		}
		if !more || next == "" {
			break
		}
		p.Cursor = next
	}
	return out, nil
}

// directBefore is what was said in a direct message, with the threads of the
// latest messages. A thread that cannot be read costs that thread only.
func (a *app) directBefore(ctx context.Context, channel, latest string, n int) ([]slack.Message, error) {
	page, err := a.api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{
		ChannelID: channel, Latest: latest, Limit: min(n, historyPage), IncludeAllMetadata: true,
	})
	if err != nil {
		return nil, err
	}
	var out []slack.Message
	opened := 0
	var unread error
	for _, m := range page.Messages { // newest first
		out = append(out, m)
		if m.ReplyCount == 0 || opened == directThreads {
			continue
		}
		opened++
		replies, err := a.thread(ctx, channel, m.Timestamp, "", latest)
		if err != nil && unread == nil {
			unread, opened = err, directThreads
		}
		for _, r := range replies {
			if r.Timestamp != m.Timestamp {
				out = append(out, r)
			}
		}
	}
	slices.SortFunc(out, func(x, y slack.Message) int {
		switch {
		case x.Timestamp < y.Timestamp:
			return -1
		case x.Timestamp > y.Timestamp:
			return 1
		}
		return 0
	})
	return out, unread
}
