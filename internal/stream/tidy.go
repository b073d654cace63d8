// What an answer leaves beside it, once all of its text stands.

package stream

import (
	"context"
	"slices"

	"parley/internal/chat"
)

// surplusText is what the messages of an earlier, longer attempt say when they
// cannot be taken back.
const surplusText = "_(The answer ends above.)_"

// leftover is what can be taken back and is more than a surplus message: one that
// can be edited no more, with a piece of the answer and a Stop button, the file
// of an earlier process, or a post of which nobody knows whether it was made,
// which comes before the surplus: it is found by the message before it. Nil when
// there is none.
func (a *Answer) leftover() *message {
	if _, ok := a.job.Responder.(chat.Remover); !ok {
		return nil
	}
	for k := range a.messages {
		m := &a.messages[k]
		lost := m.ID == "" && m.tried
		if !m.tidy && (m.Stuck && m.ID != "" || lost && (m.Stuck || k >= a.message)) {
			return m
		}
	}
	return nil
}

// tidy deals with one message that is no part of the answer: it takes back one
// that can be edited no more, now that the answer stands elsewhere; one that an
// earlier, longer attempt left is taken back where that is possible, and
// otherwise says that nothing follows.
func (c *call) tidy(ctx context.Context) error {
	a := c.a
	remover, canRemove := a.job.Responder.(chat.Remover)
	if m := a.leftover(); m != nil {
		return c.takeBack(ctx, remover, m)
	}
	a.skipStuck()
	if a.message == len(a.messages) {
		return nil
	}
	m := &a.messages[a.message]
	switch {
	case m.ID == "" && (canRemove || !m.tried):
		m.Stuck = true // it was never posted
		return nil
	case canRemove:
		m.Stuck, m.Text = true, "" // a leftover: whoever goes on must not write into it
		return a.record(a.ctx, m.Posted)
	}
	return c.disown(ctx, m)
}

// disown lets a surplus message that cannot be taken back say that nothing follows.
func (c *call) disown(ctx context.Context, m *message) error {
	a := c.a
	content := chat.Content{Markdown: surplusText, Key: m.Key, Final: true}
	if m.ID == "" { // perhaps posted: find it
		content.Again = true
		receipt, err := c.platform(ctx, func(ctx context.Context) (chat.Receipt, error) { return a.job.Responder.Post(ctx, content) })
		switch {
		case chat.Refused(err):
			m.Stuck = true
			return nil
		case err != nil:
			return err
		}
		m.ID, m.Pending = receipt.ID, false
		return a.record(a.ctx, m.Posted)
	}
	_, err := c.platform(ctx, func(ctx context.Context) (chat.Receipt, error) { return a.job.Responder.Edit(ctx, m.ID, content) })
	if err != nil && !chat.Refused(err) {
		return err
	}
	m.Stuck, m.Text = true, ""
	stands := m.Posted
	m.ID = "" // no part of the answer any more
	a.skipStuck()
	return a.record(a.ctx, stands)
}

// takeBack removes a leftover, once its id is known. Where that had to be found
// out, there may be another file like it.
func (c *call) takeBack(ctx context.Context, remover chat.Remover, m *message) error {
	if m.ID == "" {
		return c.find(ctx, remover, m)
	}
	_, err := c.platform(ctx, func(ctx context.Context) (chat.Receipt, error) { return remover.Remove(ctx, m.ID) })
	switch {
	case err == nil:
		m.ID, m.tidy = "", m.File == "" || !m.tried
	case chat.Refused(err):
		m.tidy = true
	default:
		return err
	}
	return nil
}

// find looks for a leftover of which nobody knows whether it was posted. The
// next call takes it back. Nothing is posted to be removed.
func (c *call) find(ctx context.Context, remover chat.Remover, m *message) error {
	a := c.a
	at := slices.IndexFunc(a.messages, func(other message) bool { return other.Key == m.Key })
	sought := chat.Sought{Key: m.Key, After: a.before(at), File: m.File}
	if k := a.ownFile(); k >= 0 && m.File != "" {
		sought.Not = a.messages[k].ID
	}
	receipt, err := c.platform(ctx, func(ctx context.Context) (chat.Receipt, error) {
		id, err := remover.Find(ctx, sought)
		return chat.Receipt{ID: id}, err
	})
	if err != nil && !chat.Refused(err) {
		return err
	}
	m.ID, m.tidy = receipt.ID, receipt.ID == ""
	m.tried = m.File != "" && !m.tidy
	return nil
}
