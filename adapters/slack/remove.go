// Finding and taking back what an answer posted: messages by the key in their
// metadata, files by their id or name.

package slack

import (
	"context"
	"net/url"
	"slices"
	"strings"

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
	ts, err := r.findAnywhere(ctx, func(m event) bool {
		return slices.ContainsFunc(m.Files, func(f file) bool { return f.ID == string(id) })
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
	_, err := r.findAnywhere(ctx, func(m event) bool {
		for _, f := range m.Files {
			if f.Name == s.File && f.ID != string(s.Not) && r.own(m) {
				id = chat.MessageID(f.ID)
			}
		}
		return id != ""
	})
	return id, err
}

// hasKey matches the post that carries key.
func (r *responder) hasKey(key string) func(event) bool {
	return func(m event) bool {
		kind, of := m.mark()
		return kind == eventType && of == key || r.lostStream(m)
	}
}

func (r *responder) own(m event) bool {
	self := r.app.self.Load()
	return self != nil && m.User == self.User
}

// find looks for a message in the thread since the question. It gives "" when
// there is none, or when Slack does not let the app look.
func (r *responder) find(ctx context.Context, match func(event) bool) (chat.MessageID, error) {
	id, err := r.findIn(ctx, "conversations.replies", match)
	return id, r.unlessRefused(ctx, err)
}

// findAnywhere looks at the top of the channel too where the thread is gone:
// Slack puts a reply to it there.
func (r *responder) findAnywhere(ctx context.Context, match func(event) bool) (chat.MessageID, error) {
	id, err := r.findIn(ctx, "conversations.replies", match)
	if chat.Refused(err, chat.Gone) {
		id, err = r.findIn(ctx, "conversations.history", match)
	}
	return id, r.unlessRefused(ctx, err)
}

// findIn looks at what was said since the question.
func (r *responder) findIn(ctx context.Context, method string, match func(event) bool) (chat.MessageID, error) {
	ask := url.Values{"channel": {r.to.Place.Channel}, "oldest": {string(r.to.ID)}, "inclusive": {"false"}}
	if method == "conversations.replies" {
		ask.Set("ts", r.thread())
	}
	for m, err := range r.app.listed(ctx, method, ask) {
		if err != nil {
			return "", r.app.failed("look", err)
		}
		if match(m) {
			return chat.MessageID(m.TS), nil
		}
	}
	return "", nil
}

func (r *responder) unlessRefused(ctx context.Context, err error) error {
	if !chat.Refused(err) {
		return err
	}
	r.app.log.WarnContext(ctx, "cannot look for an earlier post", "error", err)
	return nil
}
