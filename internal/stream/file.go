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
	f, err := a.expectFile(ctx)
	if err != nil {
		return err
	}
	receipt, err := c.platform(ctx, func(ctx context.Context) (chat.Receipt, error) {
		return a.uploadOnce(ctx, f, rest)
	})
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
	a.skipStuck()
	s.mu.Lock()
	a.enter(tidying)
	a.file = true
	s.mu.Unlock()
	return a.record(a.ctx, f.Posted)
}

// uploadOnce uploads the file, unless an attempt whose answer got lost has. Where an
// earlier process left a file too, nobody can tell which of them is found.
func (a *Answer) uploadOnce(ctx context.Context, f *message, rest string) (chat.Receipt, error) {
	remover, ok := a.job.Responder.(chat.Remover)
	old := func(m message) bool { return m.File != "" && m.old }
	if ok && f.tried && !slices.ContainsFunc(a.messages, old) {
		id, err := remover.Find(ctx, chat.Sought{Key: f.Key, File: f.File})
		if id != "" || err != nil {
			return chat.Receipt{ID: id}, err
		}
	}
	return a.job.Responder.Upload(ctx, fileName, []byte(rest), fileComment)
}

// expectFile writes down that a file is about to be uploaded, once.
func (a *Answer) expectFile(ctx context.Context) (*message, error) {
	k := slices.IndexFunc(a.messages, func(m message) bool { return m.File != "" && !m.old })
	if k >= 0 {
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
