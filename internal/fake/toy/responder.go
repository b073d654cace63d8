// The responder: writes the messages of an answer.

package toy

import (
	"context"
	"fmt"
	"unicode/utf8"

	"parley/internal/chat"
)

// responder answers one message.
type responder struct {
	a   *Adapter
	one *app
	to  chat.Message
}

var _ chat.Remover = (*responder)(nil)

// Responder answers m.
func (a *Adapter) Responder(m chat.Message) (chat.Responder, error) {
	one, ok := a.byBot[m.Bot]
	if !ok {
		return nil, fmt.Errorf("bot %q has no toy here", m.Bot)
	}
	return &responder{a, one, m}, nil
}

// fill is c as the platform shows it.
func (r *responder) fill(p *Post, c chat.Content) error {
	if utf8.RuneCountInString(c.Markdown) > r.a.Size {
		return errTooLong
	}
	p.Text, p.Only, p.Controls = c.Markdown, c.Only, nil
	if c.Stop != "" {
		p.Controls = append(p.Controls, "Stop")
	}
	if c.Menu != nil {
		p.Controls = append(p.Controls, c.Menu.Placeholder)
	}
	for _, b := range c.Buttons {
		p.Controls = append(p.Controls, b.Label)
	}
	return nil
}

// key is what a post is known by in every process.
func (r *responder) key(key string) string { return string(r.to.ID) + "/" + key }

// add posts once: what was posted under the same key is left as it is.
func (r *responder) add(ctx context.Context, key string, p Post, c chat.Content) (chat.Receipt, error) {
	var got chat.Receipt
	err := r.a.call(ctx, r.one, func(self *App) error {
		if there := r.a.World.find(func(p *Post) bool { return p.key == r.key(key) }); there != nil {
			got.ID = chat.MessageID(there.ID)
			return nil
		}
		p.Channel, p.By, p.key = r.to.Place.Channel, self.ID, r.key(key)
		if err := r.fill(&p, c); err != nil {
			return err
		}
		got.ID = chat.MessageID(r.a.World.add(p).ID)
		return nil
	})
	return got, err
}

func (r *responder) Post(ctx context.Context, c chat.Content) (chat.Receipt, error) {
	return r.add(ctx, c.Key, Post{}, c)
}

func (r *responder) Upload(ctx context.Context, file string, data []byte, comment string) (chat.Receipt, error) {
	return r.add(ctx, "file "+file, Post{File: file, Data: data}, chat.Content{Markdown: comment})
}

func (r *responder) Edit(ctx context.Context, id chat.MessageID, c chat.Content) (chat.Receipt, error) {
	return chat.Receipt{ID: id}, r.a.call(ctx, r.one, func(*App) error {
		p := r.a.World.find(func(p *Post) bool { return p.ID == string(id) })
		if p == nil {
			return errGone
		}
		return r.fill(p, c)
	})
}

func (r *responder) Remove(ctx context.Context, id chat.MessageID) (chat.Receipt, error) {
	return chat.Receipt{ID: id}, r.a.call(ctx, r.one, func(*App) error {
		r.a.World.remove(string(id))
		return nil
	})
}

func (r *responder) Find(ctx context.Context, s chat.Sought) (id chat.MessageID, err error) {
	key := s.Key
	if s.File != "" {
		key = "file " + s.File
	}
	err = r.a.call(ctx, r.one, func(*App) error {
		if p := r.a.World.find(func(p *Post) bool { return p.key == r.key(key) && p.ID != string(s.Not) }); p != nil {
			id = chat.MessageID(p.ID)
		}
		return nil
	})
	return id, err
}

// Thinking shows nothing: the toy has no such sign.
func (r *responder) Thinking(ctx context.Context) { <-ctx.Done() }

func (r *responder) Limits() chat.Limits { return chat.Limits{Size: r.a.Size} }
