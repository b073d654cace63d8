// Writing the answer to a message, and the page's limits.

package playground

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"parley/internal/chat"
)

const (
	sizeLimit   = 12000   // code points of one message: Slack's measure, so that splitting looks alike
	fileLimit   = 8 << 20 // bytes of one upload
	editsPerSec = 12      // for each answer: smooth to the eye, cheap to render
	thinkEvery  = 4 * time.Second
)

// Responder writes into the channel or thread of m.
func (a *Adapter) Responder(m chat.Message) (chat.Responder, error) {
	if _, known := a.channel(m.Place.Channel); !known {
		return nil, &chat.Refusal{Reason: chat.NoAccess, Err: fmt.Errorf("the playground has no channel %q", m.Place.Channel)}
	}
	if _, known := a.byID[m.Bot]; !known {
		return nil, &chat.Refusal{Reason: chat.NoAccess, Err: fmt.Errorf("the playground has no bot %q", m.Bot)}
	}
	return &responder{a: a, m: m}, nil
}

type responder struct {
	a *Adapter
	m chat.Message
}

var (
	_ chat.Responder = (*responder)(nil)
	_ chat.Remover   = (*responder)(nil)
)

// Post is idempotent, because the id comes from the key.
func (r *responder) Post(ctx context.Context, c chat.Content) (chat.Receipt, error) {
	if c.Key == "" {
		return chat.Receipt{}, &chat.Refusal{Reason: chat.Invalid, Err: errors.New("a post needs a key")}
	}
	p := r.fill(post{ID: postID(c.Key), At: time.Now(), Channel: r.m.Place.Channel, Thread: r.m.Place.Thread, Bot: r.m.Bot}, c)
	p, err := r.a.add(ctx, p)
	if err != nil {
		return chat.Receipt{}, err
	}
	return chat.Receipt{ID: chat.MessageID(p.ID)}, nil
}

func (r *responder) Edit(ctx context.Context, id chat.MessageID, c chat.Content) (chat.Receipt, error) {
	p, found, err := r.a.get(ctx, string(id))
	if err != nil {
		return chat.Receipt{}, err
	}
	if found {
		found, err = r.a.set(ctx, r.fill(p, c))
	}
	if err != nil {
		return chat.Receipt{}, err
	}
	if !found {
		return chat.Receipt{}, &chat.Refusal{Reason: chat.Gone, Err: errors.New("the message is no longer on the board")}
	}
	return chat.Receipt{ID: id}, nil
}

func (r *responder) fill(p post, c chat.Content) post {
	p.Text, p.Stop, p.Final, p.Only = c.Markdown, c.Stop, c.Final, c.Only != ""
	p.Menu, p.Buttons = menuOf(c.Menu), buttonsOf(c.Buttons)
	return p
}

// Remove removes a message of the answer, with its file.
func (r *responder) Remove(ctx context.Context, id chat.MessageID) (chat.Receipt, error) {
	p, _, err := r.a.get(ctx, string(id))
	if err == nil && p.File != nil {
		err = r.a.o.Board.Remove(ctx, filesRoom, p.File.ID)
	}
	if err == nil {
		err = r.a.o.Board.Remove(ctx, roomOf(r.m.Place.Channel, r.m.Place.Thread), string(id))
	}
	return chat.Receipt{ID: id}, err
}

// Find finds a post by its key, and a file by its name.
func (r *responder) Find(ctx context.Context, s chat.Sought) (chat.MessageID, error) {
	if s.File == "" {
		p, _, err := r.a.get(ctx, postID(s.Key))
		return chat.MessageID(p.ID), err
	}
	posts, err := r.a.list(ctx, roomOf(r.m.Place.Channel, r.m.Place.Thread), time.Time{}, catchUp)
	for _, p := range posts {
		if p.Bot == r.m.Bot && p.File != nil && p.File.Name == s.File && p.ID != string(s.Not) && p.At.After(r.m.At) {
			return chat.MessageID(p.ID), nil
		}
	}
	return "", err
}

// Upload stores the bytes separately and posts the comment with a link to
// them.
func (r *responder) Upload(ctx context.Context, name string, data []byte, comment string) (chat.Receipt, error) {
	if len(data) > fileLimit {
		return chat.Receipt{}, &chat.Refusal{Reason: chat.TooLong, Err: fmt.Errorf("%d bytes are more than the playground keeps", len(data))}
	}
	sum := sha256.Sum256(data)
	key := r.m.Key + "/" + name + "/" + hex.EncodeToString(sum[:])
	now := time.Now()
	f := &file{ID: postID("file/" + key), Name: name, Size: len(data)}
	if _, err := r.a.o.Board.Add(ctx, filesRoom, f.ID, now, data); err != nil {
		return chat.Receipt{}, err
	}
	p, err := r.a.add(ctx, post{
		ID: postID("upload/" + key), At: now, Changed: now, Channel: r.m.Place.Channel, Thread: r.m.Place.Thread,
		Bot: r.m.Bot, Text: comment, Final: true, File: f,
	})
	if err != nil {
		return chat.Receipt{}, err
	}
	return chat.Receipt{ID: chat.MessageID(p.ID)}, nil
}

// Thinking shows the indicator until ctx ends.
func (r *responder) Thinking(ctx context.Context) {
	room := roomOf(r.m.Place.Channel, r.m.Place.Thread)
	tick := time.NewTicker(thinkEvery)
	defer tick.Stop()
	for {
		_ = r.a.o.Board.Signal(ctx, room, "thinking "+r.m.Bot)
		select {
		case <-ctx.Done():
			done, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_ = r.a.o.Board.Signal(done, room, "idle "+r.m.Bot)
			return
		case <-tick.C:
		}
	}
}

// Limits sets a pace for each answer, because no platform does.
func (r *responder) Limits() chat.Limits {
	return chat.Limits{
		Size:  sizeLimit,
		Edits: chat.Budget{Key: "playground:edit:" + r.m.Key, Calls: editsPerSec, Window: time.Second, Burst: 2},
	}
}
