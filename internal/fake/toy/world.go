// The platform itself: channels in memory, with people and apps in them.

package toy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// How the platform says no.
var (
	errSlow    = errors.New("too fast")
	errRefused = errors.New("forbidden")
	errGone    = errors.New("no such message")
	errTooLong = errors.New("the message is too long")
)

// Post is one message as people read it.
type Post struct {
	ID       string
	Channel  string
	By       string // a person, or the id of an app
	Text     string
	Controls []string // the labels of its buttons and menus
	Only     string   // the one person who sees it; empty: all
	File     string   // the name of a file that came with it
	Data     []byte
	At       time.Time

	key string
}

// World is the platform. Its zero value is empty; it is safe for concurrent use.
type World struct {
	mu      sync.Mutex
	posts   []*Post
	apps    map[string]*App // by token
	admins  []string
	revoked map[string]bool
	fault   func(ctx context.Context, do func() error) error
}

// App is one app that was set up on the platform.
type App struct {
	ID, Token string
	events    chan event
}

// event is what an app hears: that it was asked, or that the question was
// deleted.
type event struct {
	Post
	gone bool
}

// AddApp sets an app up.
func (w *World) AddApp(id, token string) *App {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.apps == nil {
		w.apps, w.revoked = map[string]*App{}, map[string]bool{}
	}
	w.apps[token] = &App{ID: id, Token: token, events: make(chan event, 100)}
	return w.apps[token]
}

// MakeAdmin lets a person administer.
func (w *World) MakeAdmin(person string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.admins = append(w.admins, person)
}

// Revoke ends a token.
func (w *World) Revoke(token string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.revoked[token] = true
}

// FailNext lets f decide how the next call of an app ends; do carries it out.
func (w *World) FailNext(f func(ctx context.Context, do func() error) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = f
}

// Say lets somebody write something in a channel.
func (w *World) Say(channel, by, text string) Post {
	w.mu.Lock()
	defer w.mu.Unlock()
	return *w.add(Post{Channel: channel, By: by, Text: text})
}

// Ask lets a person mention an app.
func (w *World) Ask(a *App, channel, by, text string) Post {
	p := w.Say(channel, by, text)
	a.events <- event{Post: p}
	return p
}

// Withdraw lets the person who asked delete the question.
func (w *World) Withdraw(a *App, question Post) {
	w.Delete(question.ID)
	a.events <- event{Post: question, gone: true}
}

// Delete takes a message away.
func (w *World) Delete(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.remove(id)
}

// Posts are what an app wrote in a channel, oldest first.
func (w *World) Posts(a *App, channel string) []Post {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []Post
	for _, p := range w.posts {
		if p.Channel == channel && p.By == a.ID {
			out = append(out, *p)
		}
	}
	return out
}

// add, remove and find need w.mu.
func (w *World) add(p Post) *Post {
	n := 0
	if len(w.posts) > 0 {
		_, _ = fmt.Sscanf(w.posts[len(w.posts)-1].ID, "m%d", &n)
	}
	p.ID, p.At = fmt.Sprintf("m%d", n+1), time.Unix(int64(n), 0).UTC()
	w.posts = append(w.posts, &p)
	return &p
}

func (w *World) remove(id string) {
	w.posts = slices.DeleteFunc(w.posts, func(p *Post) bool { return p.ID == id })
}

func (w *World) find(is func(p *Post) bool) *Post {
	if i := slices.IndexFunc(w.posts, is); i >= 0 {
		return w.posts[i]
	}
	return nil
}

// call carries out one call of an app, with the platform's lock held.
func (w *World) call(ctx context.Context, token string, do func(a *App) error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	w.mu.Lock()
	fault := w.fault
	w.fault = nil
	w.mu.Unlock()
	locked := func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		a := w.apps[token]
		if a == nil || w.revoked[token] {
			return fmt.Errorf("%w: token %s is not known", errRefused, token)
		}
		return do(a)
	}
	if fault != nil {
		return fault(ctx, locked)
	}
	return locked()
}
