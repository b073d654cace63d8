// Package playground is a platform of its own: a page that looks and works
// like a small chat client, served by parley itself. Its bots are all bots
// there are, its one person is whoever may open the page. Like every adapter
// it hands messages to the inbox and writes answers through a Responder; it
// also shows the providers and bots.
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

// Scope is Message.Scope of everything said in the playground.
const Scope = "playground"

// Options is what the playground is built from. Bots, Board and Door are
// required.
type Options struct {
	Bots  []bots.Bot
	Board Board
	Ports chat.Ports // for what the pages bring in
	// Door says who gets in; whoever does is an admin.
	Door *door.Door
	// Providers lists what is registered; nil leaves the list empty.
	Providers func(ctx context.Context) ([]Provider, error)
	// Discovered lists model servers found on this machine that are not
	// registered yet; nil where discovery is off.
	Discovered func(ctx context.Context) []Server
	// Using says which provider and model a bot uses at a place now; nil falls
	// back to the bot's own defaults.
	Using func(ctx context.Context, bot string, p chat.Place) (provider, model string)
	// Health lists how each bot is connected on the other platforms.
	Health func() []chat.Health
	// Version is shown at the foot of the sidebar.
	Version string
	Log     *slog.Logger
}

// Provider is one line of the providers view. It holds no secret.
type Provider struct {
	ID, Name, Endpoint string
	Source             string // "builtin", "file", "custom"
	Models             []string
	Discover           bool // the list of models is asked from the endpoint
	KeySet             bool
	Usable             bool   // a request can be sent: its key, where it needs one, is there
	Hint               string // what is missing, when not Usable
	Silent             bool   // nothing has answered there yet, so that it is no connected model
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

// New builds the adapter. It starts nothing.
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

// ordered puts the default bot first and leaves the others as they came.
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

// Run follows the board's changes and passes them on to open pages until ctx
// ends; a broken feed is taken up again.
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

// Member knows one kind of person: whoever may open the page is an admin.
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
