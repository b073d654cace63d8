// Package playground is parley's own platform: a page that looks and works
// like a small chat client. All bots are in it, and its one person is whoever
// may open the page. Like every adapter it delivers messages to the inbox and
// writes answers through a Responder. It also shows the providers and bots.
package playground

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"parley/adapters/internal/retry"
	"parley/bots"
	"parley/internal/chat"
	"parley/internal/door"
	"parley/internal/telemetry"
)

// Scope is Message.Scope of all messages in the playground.
const Scope = "playground"

// Options is what New needs. Bots, Board and Door are required.
type Options struct {
	Bots  []bots.Bot
	Board Board
	Ports chat.Ports // for what people do on the pages
	// Door decides who gets in. Everyone who does is an admin.
	Door *door.Door
	// Providers lists what is registered; nil leaves the list empty.
	Providers func(ctx context.Context) ([]Provider, error)
	// Discovered lists model servers found on this machine that are not registered
	// yet; nil if discovery is off.
	Discovered func(ctx context.Context) []Server
	// Using is the provider and model that a bot uses in a place; nil uses the
	// bot's own defaults.
	Using func(ctx context.Context, bot string, p chat.Place) (provider, model string)
	// Health is the state of each bot on the other platforms.
	Health func() []chat.Health
	// Version is shown at the foot of the sidebar.
	Version string
	Log     *slog.Logger
}

// Provider is one line of the providers view. It contains no secret.
type Provider struct {
	ID, Name, Endpoint string
	Source             string // "builtin", "file", "custom"
	Models             []string
	Discover           bool // the endpoint is asked for its models
	KeySet             bool
	Usable             bool   // requests can be sent: it has a key, if it needs one
	Hint               string // what is missing, if not Usable
	Silent             bool   // it has never answered, so it is not a connected model
}

// Server is a model server that answers on this machine.
type Server struct {
	ID       string // proposed provider id: "ollama"
	Name     string // "Ollama"
	Endpoint string // full URL of chat completions
	Models   []string
}

// Adapter serves the page. It is a chat.Adapter.
type Adapter struct {
	o     Options
	bots  []bots.Bot // the default first, then by name
	byID  map[string]bots.Bot
	text  *markdown
	pages *pages
	hub   *hub
}

var _ chat.Adapter = (*Adapter)(nil)

// New makes the adapter. It starts nothing.
func New(o Options) (*Adapter, error) {
	switch {
	case len(o.Bots) == 0:
		return nil, errors.New("playground: there is no bot to talk to")
	case o.Board == nil:
		return nil, errors.New("playground: no board to keep messages on")
	case o.Door == nil:
		return nil, errors.New("playground: no door: the page would be open to everyone")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	a := &Adapter{o: o, bots: ordered(o.Bots), byID: map[string]bots.Bot{}}
	for _, b := range a.bots {
		a.byID[b.ID] = b
	}
	a.text = newMarkdown(a.bots)
	var err error
	if a.pages, err = newPages(a.text); err != nil {
		return nil, fmt.Errorf("playground: %w", err)
	}
	a.hub = newHub(a)
	return a, nil
}

// ordered puts the default bot first and keeps the order of the others.
func ordered(all []bots.Bot) []bots.Bot {
	out := make([]bots.Bot, 0, len(all))
	for _, b := range all {
		if b.Default {
			out = append(out, b)
		}
	}
	for _, b := range all {
		if !b.Default {
			out = append(out, b)
		}
	}
	return out
}

// Platform describes the playground.
func (a *Adapter) Platform() chat.Platform { return Platform() }

// Run sends the board's changes to open pages until ctx ends. It reconnects a
// broken feed.
func (a *Adapter) Run(ctx context.Context) error {
	defer a.hub.close()
	go a.hub.deliver(ctx)
	feed := telemetry.NewOutage(a.o.Log, "playground lost the feed of changes; taking it up again", "playground follows the changes again")
	pauses := retry.Growing(100*time.Millisecond, 5*time.Second)
	for {
		began := time.Now()
		err := a.o.Board.Watch(ctx, func(room, id, note string) {
			feed.Note(ctx, nil)
			a.hub.changed(room, id, note)
		})
		if ctx.Err() != nil {
			return nil
		}
		feed.Note(ctx, err)
		if time.Since(began) > time.Minute {
			pauses.Reset()
		}
		if !retry.Sleep(ctx, pauses.NextBackOff()) {
			return nil
		}
	}
}

// Member is always an admin: whoever may open the page is one.
func (a *Adapter) Member(context.Context, string, chat.Place, chat.Author) (chat.Member, error) {
	return chat.Member{Admin: true}, nil
}

// History reads the board.
func (a *Adapter) History(ctx context.Context, m chat.Message, after chat.MessageID, n int) ([]chat.Message, error) {
	posts, err := a.before(ctx, m, n)
	if err != nil {
		return nil, err
	}
	if at := slices.IndexFunc(posts, func(p post) bool { return p.ID == string(after) }); at >= 0 {
		posts = posts[at+1:]
	}
	out := make([]chat.Message, 0, len(posts))
	for _, p := range posts {
		out = append(out, chat.Message{
			Key: messageKey(m.Bot, p.ID), ID: chat.MessageID(p.ID), Scope: Scope, Bot: m.Bot, Place: m.Place,
			Author: p.author(), Text: a.addressed(p.Text, m.Bot), At: p.At, FromBot: p.Bot == m.Bot,
		})
	}
	return out, nil
}

// Health is always good: there is no connection to lose.
func (a *Adapter) Health() []chat.Health {
	out := make([]chat.Health, 0, len(a.bots))
	for _, b := range a.bots {
		out = append(out, chat.Health{Bot: b.ID, Platform: Scope, OK: true})
	}
	return out
}

// you is the person at the page.
func you() chat.Author { return chat.Author{ID: "U-you", Name: "You"} }

// messageKey is the inbox key of a post as one bot sees it.
func messageKey(bot, post string) string { return strings.Join([]string{Scope, bot, post}, ":") }
