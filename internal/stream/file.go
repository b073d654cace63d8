// The rest of an answer that is longer than its messages may be: a file.

package stream

import (
	"context"
	"errors"
	"slices"
	"strings"

	"parley/internal/chat"
)

// The file, and what is said beside it.
const (
	fileName    = "answer.md"
	fileComment = "The rest of the answer is in this file."
)

// file uploads what does not fit into the messages.
func (c *call) file(ctx context.Context) error {
	s, a := c.s, c.a
	s.mu.Lock()
	text := a.whole
	a.upload = true
	s.mu.Unlock()
	a.cut.Advance(text, true)
	rest := a.cut.Tail(text, a.part)
	if strings.TrimSpace(rest) == "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		a.enter(tidying)
		return nil
	}
	if remover, ok := a.job.Responder.(chat.Remover); ok {
		if m := a.lostFile(); m != nil {
			return c.find(ctx, remover, m) // while there is no other that could be meant
		}
	}
	f, err := a.expectFile(ctx)
	if err != nil {
		return err
	}
	receipt, err := c.platform(ctx, func(ctx context.Context) (chat.Receipt, error) { return a.uploadOnce(ctx, f, rest) })
	if err != nil {
		_, limited := errors.AsType[*chat.RateLimited](err)
		f.tried = f.tried || !limited && !chat.Refused(err)
		return err
	}
	for k := range a.messages {
		if m := &a.messages[k]; m.File != "" && m.ID == receipt.ID {
			m.ID = "" // the platform shows the new bytes in the old place
		}
	}
	f.ID, f.Pending = receipt.ID, false
	a.sweep(f)
	a.skipStuck()
	s.mu.Lock()
	a.enter(tidying)
	a.file = true
	s.mu.Unlock()
	return a.record(a.ctx, f.Posted)
}

// uploadOnce uploads the file, unless an attempt whose reply got lost has.
func (a *Answer) uploadOnce(ctx context.Context, f *message, rest string) (chat.Receipt, error) {
	sought, other := chat.Sought{Key: f.Key, File: f.File}, 0
	for _, m := range a.messages {
		if m.File != "" && m.old && m.ID != "" {
			sought.Not = m.ID
			other++
		}
	}
	if remover, ok := a.job.Responder.(chat.Remover); ok && f.tried && other < 2 {
		if id, err := remover.Find(ctx, sought); id != "" || err != nil {
			return chat.Receipt{ID: id}, err
		}
	}
	return a.job.Responder.Upload(ctx, fileName, []byte(rest), a.job.FileComment)
}

// lostFile is a file of an earlier process of which nobody knows whether it was
// uploaded, nil where there is none.
func (a *Answer) lostFile() *message {
	k := slices.IndexFunc(a.messages, func(m message) bool { return m.File != "" && m.old && m.ID == "" && m.tried })
	if k < 0 {
		return nil
	}
	return &a.messages[k]
}

// sweep has earlier uploads looked for that arrived although their reply got lost.
func (a *Answer) sweep(f *message) {
	if !f.tried {
		return
	}
	f.tried = false
	lost := Posted{Key: f.Key, File: f.File, Stuck: true}
	a.messages = append(a.messages, message{Posted: lost, old: true, tried: true})
}

// expectFile writes down that a file is about to be uploaded, once.
func (a *Answer) expectFile(ctx context.Context) (*message, error) {
	if k := a.ownFile(); k >= 0 {
		return &a.messages[k], nil
	}
	p := Posted{Key: a.key(len(a.messages)), File: fileName, Stuck: true, Pending: true}
	if a.job.Record != nil {
		if err := a.job.Record(ctx, p); err != nil {
			return nil, err
		}
	}
	a.messages = append(a.messages, message{Posted: p, tidy: true})
	return &a.messages[len(a.messages)-1], nil
}

// ownFile is the index of this process's file, -1 where there is none.
func (a *Answer) ownFile() int {
	return slices.IndexFunc(a.messages, func(m message) bool { return m.File != "" && !m.old })
}
