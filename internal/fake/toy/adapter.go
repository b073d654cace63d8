// The adapter: what people ask goes in, health and history come out.

package toy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"parley/bots"
	"parley/internal/chat"
)

// Options are what an Adapter is made of.
type Options struct {
	World *World
	Bots  []bots.Bot // those without a section are left out
	Size  int        // the most characters one message may have
	Ports chat.Ports
	Log   *slog.Logger
}

// With takes over what the variables of the environment hold, by name.
func (o Options) With(values map[string]string) Options {
	o.Size, _ = strconv.Atoi(values[sizeVariable])
	return o
}

// Adapter is the toy as the rest of parley sees it.
type Adapter struct {
	Options
	apps  []*app
	byBot map[string]*app
}

var _ chat.Adapter = (*Adapter)(nil)

// app is one app with the bots that share it.
type app struct {
	bots          []bots.Bot
	token, secret string

	mu   sync.Mutex
	self *App   // nil while not connected
	ill  string // why no call works
}

// New groups the bots into apps. It connects nothing.
func New(o Options) *Adapter {
	a := &Adapter{Options: o, byBot: map[string]*app{}}
	for _, group := range bots.Apps(Platform(), o.Bots) {
		s := group[0].Sections[name]
		one := &app{bots: group, token: s.App.Reveal(), secret: s.Value(secretSetting), ill: "not connected yet"}
		a.apps = append(a.apps, one)
		for _, b := range group {
			a.byBot[b.ID] = one
		}
	}
	return a
}

// Platform describes the toy.
func (a *Adapter) Platform() chat.Platform { return Platform() }

// Run hands on what people ask until ctx ends.
func (a *Adapter) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, one := range a.apps {
		all.Go(func() { a.listen(ctx, one) })
	}
	<-ctx.Done()
	all.Wait()
	return nil
}

func (a *Adapter) listen(ctx context.Context, one *app) {
	if err := a.connect(ctx, one); err != nil {
		a.Log.ErrorContext(ctx, "toy not connected", "bot", one.bots[0].ID, "error", err)
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-one.self.events:
			m := one.message(e.Post)
			m.Key, m.Trigger = one.scope()+":"+e.ID, chat.Mention
			tell := a.Ports.Inbox.Put
			if e.gone {
				tell = a.Ports.Desk.Withdraw
			}
			for err := tell(ctx, m); err != nil && !errors.Is(err, chat.ErrUnstorable) && ctx.Err() == nil; err = tell(ctx, m) {
				time.Sleep(10 * time.Millisecond)
			}
		}
	}
}

// connect learns which app a token is of.
func (a *Adapter) connect(ctx context.Context, one *app) error {
	return a.call(ctx, one, func(self *App) error {
		one.mu.Lock()
		defer one.mu.Unlock()
		if one.self == nil {
			one.self = self
		}
		one.ill = ""
		return nil
	})
}

// call is one call to the platform. Its error is in parley's words, which hold
// no token.
func (a *Adapter) call(ctx context.Context, one *app, do func(self *App) error) error {
	err := a.World.call(ctx, one.token, do)
	switch {
	case errors.Is(err, errSlow):
		return &chat.RateLimited{After: time.Second}
	case errors.Is(err, errGone):
		return &chat.Refusal{Reason: chat.Gone, Err: errGone}
	case errors.Is(err, errTooLong):
		return &chat.Refusal{Reason: chat.TooLong, Err: errTooLong}
	case errors.Is(err, errRefused):
		one.mu.Lock()
		defer one.mu.Unlock()
		one.ill = "the platform refuses the token"
		return &chat.Refusal{Reason: chat.NoAccess, Err: errRefused}
	}
	return err
}

func (one *app) scope() string { return name + ":" + one.self.ID }

// message is a post as a bot of the app sees it.
func (one *app) message(p Post) chat.Message {
	return chat.Message{
		ID: chat.MessageID(p.ID), Scope: one.scope(), Bot: one.bots[0].ID, Place: place(p.Channel),
		Author: chat.Author{ID: p.By, Name: p.By}, Text: p.Text, At: p.At, FromBot: p.By == one.self.ID,
	}
}

func place(channel string) chat.Place { return chat.Place{Platform: name, Channel: channel} }

// of is the app of a bot, connected: a message of it was seen.
func (a *Adapter) of(ctx context.Context, bot string) (*app, error) {
	one, ok := a.byBot[bot]
	if !ok {
		return nil, fmt.Errorf("bot %q has no toy here", bot)
	}
	one.mu.Lock()
	known := one.self != nil
	one.mu.Unlock()
	if known {
		return one, nil
	}
	return one, a.connect(ctx, one)
}

// Member knows who administers.
func (a *Adapter) Member(ctx context.Context, bot string, _ chat.Place, who chat.Author) (chat.Member, error) {
	one, err := a.of(ctx, bot)
	if err != nil {
		return chat.Member{}, err
	}
	var m chat.Member
	err = a.call(ctx, one, func(*App) error {
		m.Admin = slices.Contains(a.World.admins, who.ID)
		return nil
	})
	return m, err
}

// History reads the channel.
func (a *Adapter) History(ctx context.Context, m chat.Message, after chat.MessageID, n int) ([]chat.Message, error) {
	one, err := a.of(ctx, m.Bot)
	if err != nil {
		return nil, err
	}
	var out []chat.Message
	err = a.call(ctx, one, func(*App) error {
		for _, p := range a.World.posts {
			if p.Channel != m.Place.Channel || !p.At.Before(m.At) || p.Only != "" {
				continue
			}
			out = append(out, one.message(*p))
			if p.ID == string(after) {
				out = nil
			}
		}
		return nil
	})
	return out[max(0, len(out)-n):], err
}

// Health lists the bots with a toy.
func (a *Adapter) Health() []chat.Health {
	var out []chat.Health
	for _, one := range a.apps {
		one.mu.Lock()
		for _, b := range one.bots {
			out = append(out, chat.Health{Bot: b.ID, Platform: name, OK: one.ill == "", Reason: one.ill})
		}
		one.mu.Unlock()
	}
	return out
}
