// Finding and taking back what an answer posted: messages by the key in their
// metadata, files by their id or name.

package slack

import (
	"context"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"parley/internal/chat"
)

// Remove takes back a message of the answer, or a file with the message that
// shows it. What is gone already is no error.
func (r *responder) Remove(ctx context.Context, id chat.MessageID) (chat.Receipt, error) {
	if isFile(id) {
		return chat.Receipt{ID: id}, r.removeFile(ctx, id)
	}
	return chat.Receipt{ID: id}, r.removeMessage(ctx, string(id))
}

func (r *responder) removeMessage(ctx context.Context, ts string) error {
	_, _, err := r.app.api.DeleteMessageContext(ctx, r.to.Place.Channel, ts)
	return unlessGone(r.app.failed("remove", err))
}

// isFile tells a file's id, "F0123ABC", from a message's, which is a timestamp.
func isFile(id chat.MessageID) bool { return strings.HasPrefix(string(id), "F") }

// removeFile takes the message first: once its file is gone, it may no longer
// say which it was. Slack shares an upload a moment after it has confirmed it,
// so there may be no message yet; without its file it does not come.
func (r *responder) removeFile(ctx context.Context, id chat.MessageID) error {
	ts, err := r.findAnywhere(ctx, func(m slack.Message) bool {
		return slices.ContainsFunc(m.Files, func(f slack.File) bool { return f.ID == string(id) })
	})
	if err == nil && ts != "" {
		err = r.removeMessage(ctx, string(ts))
	}
	if err != nil && !chat.Refused(err) {
		return err
	}
	if gone := unlessGone(r.app.failed("remove", r.app.api.DeleteFileContext(ctx, string(id)))); gone != nil {
		return gone
	}
	return err
}

func unlessGone(err error) error {
	if chat.Refused(err, chat.Gone) {
		return nil
	}
	return err
}

// Find looks for a post by its key, and for a file by its name.
func (r *responder) Find(ctx context.Context, s chat.Sought) (chat.MessageID, error) {
	if s.File == "" {
		return r.findAnywhere(ctx, r.hasKey(s.Key))
	}
	var id chat.MessageID
	_, err := r.findAnywhere(ctx, func(m slack.Message) bool {
		for _, f := range m.Files {
			if f.Name == s.File && r.own(m) {
				id = chat.MessageID(f.ID)
			}
		}
		return id != ""
	})
	return id, err
}

// hasKey matches the post that carries key.
func (r *responder) hasKey(key string) func(slack.Message) bool {
	return func(m slack.Message) bool {
		return m.Metadata.EventType == eventType && m.Metadata.EventPayload["key"] == key || r.lostStream(m)
	}
}

func (r *responder) own(m slack.Message) bool {
	self := r.app.self.Load()
	return self != nil && m.User == self.User
}

// find looks for a message in the thread since the question. It gives "" when
// there is none, or when Slack does not let the app look.
func (r *responder) find(ctx context.Context, match func(slack.Message) bool) (chat.MessageID, error) {
	id, err := r.findIn(ctx, r.replies, match)
	return id, r.unlessRefused(ctx, err)
}

// findAnywhere looks at the top of the channel too where the thread is gone:
// Slack puts a reply to it there.
func (r *responder) findAnywhere(ctx context.Context, match func(slack.Message) bool) (chat.MessageID, error) {
	id, err := r.findIn(ctx, r.replies, match)
	if chat.Refused(err, chat.Gone) {
		id, err = r.findIn(ctx, r.channel, match)
	}
	return id, r.unlessRefused(ctx, err)
}

func (r *responder) unlessRefused(ctx context.Context, err error) error {
	if !chat.Refused(err) {
		return err
	}
	r.app.log.WarnContext(ctx, "cannot look for an earlier post", "error", err)
	return nil
}

// leaf is one page of messages, and the cursor of the next.
type leaf struct {
	messages []slack.Message
	next     string
}

func (r *responder) findIn(ctx context.Context, read func(ctx context.Context, cursor string) (leaf, error), match func(slack.Message) bool) (chat.MessageID, error) {
	cursor := ""
	for range historyPages {
		page, err := read(ctx, cursor)
		if err != nil {
			return "", r.app.failed("look", err)
		}
		for _, m := range page.messages {
			if match(m) {
				return chat.MessageID(m.Timestamp), nil
			}
		}
		if cursor = page.next; cursor == "" {
			break
		}
	}
	return "", nil
}

func (r *responder) replies(ctx context.Context, cursor string) (leaf, error) {
	list, more, next, err := r.app.api.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{
		ChannelID: r.to.Place.Channel, Timestamp: r.thread(), Oldest: string(r.to.ID), Limit: historyPage,
		Cursor: cursor, IncludeAllMetadata: true,
	})
	if !more {
		next = ""
	}
	return leaf{list, next}, err
}

func (r *responder) channel(ctx context.Context, cursor string) (leaf, error) {
	got, err := r.app.api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{
		ChannelID: r.to.Place.Channel, Oldest: string(r.to.ID), Limit: historyPage, Cursor: cursor, IncludeAllMetadata: true,
	})
	if err != nil {
		return leaf{}, err
	}
	return leaf{got.Messages, got.ResponseMetaData.NextCursor}, nil
}
