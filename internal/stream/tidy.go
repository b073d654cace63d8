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
	if m.ID == "" && (canRemove || !m.tried) {
		m.Stuck = true // it was never posted
		return nil
	}
	receipt, err := c.platform(ctx, func(ctx context.Context) (chat.Receipt, error) {
		content := chat.Content{Markdown: surplusText, Key: m.Key, Final: true}
		switch {
		case m.ID == "": // perhaps posted: find it, and it says where the answer ends
			content.Again = true
			return a.job.Responder.Post(ctx, content)
		case canRemove:
			return remover.Remove(ctx, m.ID)
		}
		return a.job.Responder.Edit(ctx, m.ID, content)
	})
	if err != nil && !chat.Refused(err) {
		return err
	}
	if err == nil && m.ID == "" {
		m.ID = receipt.ID
		return nil
	}
	m.ID, m.Stuck = "", true // no part of the answer any more
	a.skipStuck()
	return nil
}

// takeBack removes a leftover, once its id is known.
func (c *call) takeBack(ctx context.Context, remover chat.Remover, m *message) error {
	if m.ID == "" {
		return c.find(ctx, remover, m)
	}
	_, err := c.platform(ctx, func(ctx context.Context) (chat.Receipt, error) { return remover.Remove(ctx, m.ID) })
	switch {
	case err == nil:
		m.ID = ""
	case !chat.Refused(err):
		return err
	}
	m.tidy = true
	return nil
}

// find looks for a leftover of which nobody knows whether it was posted. The
// next call takes it back. Nothing is posted to be removed.
func (c *call) find(ctx context.Context, remover chat.Remover, m *message) error {
	a := c.a
	at := slices.IndexFunc(a.messages, func(other message) bool { return other.Key == m.Key })
	receipt, err := c.platform(ctx, func(ctx context.Context) (chat.Receipt, error) {
		id, err := remover.Find(ctx, chat.Sought{Key: m.Key, After: a.before(at), File: m.File})
		return chat.Receipt{ID: id}, err
	})
	if err != nil && !chat.Refused(err) {
		return err
	}
	mine := func(other message) bool { return other.ID == receipt.ID && other.Key != m.Key }
	if slices.ContainsFunc(a.messages, mine) {
		receipt.ID = ""
	}
	m.ID, m.tried, m.tidy = receipt.ID, false, receipt.ID == ""
	return nil
}
