// Posts: the messages on the board, and the rooms they are in.

package playground

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"parley/internal/chat"
)

// post is one message on the page.
type post struct {
	ID      string    `json:"-"`
	Channel string    `json:"channel"`
	Thread  string    `json:"thread,omitempty"` // id of the post the thread hangs on
	Bot     string    `json:"bot,omitempty"`    // who wrote it; empty: the person
	Text    string    `json:"text"`
	At      time.Time `json:"at"`
	Changed time.Time `json:"changed"`
	To      []string  `json:"to,omitempty"` // the bots that were to answer it
	Stop    string    `json:"stop,omitempty"`
	Final   bool      `json:"final,omitempty"`
	Only    bool      `json:"only,omitempty"`
	Menu    *menu     `json:"menu,omitempty"`
	Buttons []button  `json:"buttons,omitempty"`
	File    *file     `json:"file,omitempty"`
}

// file is an upload; its bytes are in a separate record.
type file struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Size int    `json:"size"`
}

// growing reports whether the answer is still being written.
func (p post) growing() bool { return p.Bot != "" && !p.Final && p.Stop != "" }

func (p post) author() chat.Author {
	if p.Bot == "" {
		return you()
	}
	return chat.Author{ID: p.Bot, Name: p.Bot}
}

// room is the post's room: its thread's or its channel's.
func (p post) room() string { return roomOf(p.Channel, p.Thread) }

// filesRoom contains the bytes of uploads.
const filesRoom = "files"

func roomOf(channel, thread string) string {
	if thread == "" {
		return channel
	}
	return channel + "/" + thread
}

// postID derives an id from the post's key, so that the same post gets the
// same id in any process.
func postID(key string) string {
	sum := sha256.Sum256([]byte("parley playground post\x00" + key))
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:15]))
}

// validID reports whether s, which comes from a URL or a form, could be a
// postID.
func validID(s string) bool {
	if len(s) != 24 {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// Channel is a room of the sidebar.
type channel struct {
	ID     string // Place.Channel: "C-general", "D-helper"
	Slug   string // in addresses: "general", "helper"
	Name   string
	Topic  string
	Direct bool
	Bot    string // the bot of these direct messages
}

// Path is the channel's address.
func (c channel) Path() string {
	if c.Direct {
		return "/playground/d/" + c.Slug
	}
	return "/playground/c/" + c.Slug
}

// place is the place of the channel or one of its threads.
func (c channel) place(thread string) chat.Place {
	return chat.Place{Platform: Scope, Channel: c.ID, Thread: thread, Direct: c.Direct}
}

// channels lists the rooms of the sidebar: two for all, one for each bot.
func (a *Adapter) channels() []channel {
	out := []channel{
		{ID: "C-general", Slug: "general", Name: "general", Topic: "Mention a bot and it answers in a thread."},
		{ID: "C-random", Slug: "random", Name: "random", Topic: "A second room, with settings of its own."},
	}
	for _, b := range a.bots {
		out = append(out, channel{ID: "D-" + b.ID, Slug: b.ID, Name: b.Name, Topic: b.Description, Direct: true, Bot: b.ID})
	}
	return out
}

func (a *Adapter) channel(id string) (channel, bool) {
	for _, c := range a.channels() {
		if c.ID == id {
			return c, true
		}
	}
	return channel{}, false
}

// add puts p on the board unless it exists, and returns what is there.
func (a *Adapter) add(ctx context.Context, p post) (post, error) {
	p.Changed = time.Now()
	data, err := json.Marshal(p)
	if err != nil {
		return p, fmt.Errorf("encode post: %w", err)
	}
	added, err := a.o.Board.Add(ctx, p.room(), p.ID, p.At, data)
	if err != nil || added {
		return p, err
	}
	there, found, err := a.get(ctx, p.ID)
	if err != nil || !found {
		return p, err
	}
	return there, nil
}

// set replaces a post; found is false if it is gone.
func (a *Adapter) set(ctx context.Context, p post) (found bool, err error) {
	p.Changed = time.Now()
	data, err := json.Marshal(p)
	if err != nil {
		return false, fmt.Errorf("encode post: %w", err)
	}
	return a.o.Board.Set(ctx, p.room(), p.ID, data)
}

func (a *Adapter) get(ctx context.Context, id string) (post, bool, error) {
	data, found, err := a.o.Board.Get(ctx, id)
	if err != nil || !found {
		return post{}, false, err
	}
	p, err := decode(id, data)
	return p, err == nil, err
}

func decode(id string, data []byte) (post, error) {
	var p post
	if err := json.Unmarshal(data, &p); err != nil {
		return p, fmt.Errorf("decode post %s: %w", id, err)
	}
	p.ID = id
	return p, nil
}

// list reads the last n posts of a room, oldest first. It skips unreadable
// records: one must not close the room.
func (a *Adapter) list(ctx context.Context, room string, before time.Time, n int) ([]post, error) {
	ids, data, err := a.o.Board.List(ctx, room, before, n)
	if err != nil {
		return nil, err
	}
	out := make([]post, 0, len(ids))
	for i, id := range ids {
		p, err := decode(id, data[i])
		if err != nil {
			a.o.Log.WarnContext(ctx, "playground leaves out a post", "post", id, "error", err)
			continue
		}
		out = append(out, p)
	}
	return out, nil
}

// before reads what was said in m's place before m: the thread with its first
// post, or the channel. It leaves out what only one person saw.
func (a *Adapter) before(ctx context.Context, m chat.Message, n int) ([]post, error) {
	var out []post
	root := m.Place.Thread
	if root != "" && root != string(m.ID) {
		if p, found, err := a.get(ctx, root); err != nil {
			return nil, err
		} else if found {
			out = append(out, p)
		}
	}
	if root != string(m.ID) {
		posts, err := a.list(ctx, roomOf(m.Place.Channel, root), m.At, 2*n+10) // some are skipped below
		if err != nil {
			return nil, err
		}
		out = append(out, posts...)
	}
	kept := out[:0]
	for _, p := range out {
		if !p.Only && p.ID != string(m.ID) && p.File == nil && !strings.HasPrefix(p.Text, "/") {
			kept = append(kept, p)
		}
	}
	return kept[max(0, len(kept)-n):], nil
}
