package toy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/chat/chattest"
	"parley/internal/secret"
)

const secretToken = "toy-31415926535"

// The toy keeps every promise that an adapter makes.
func TestTheToyKeepsItsPromises(t *testing.T) {
	chattest.Run(t, chattest.Harness{Open: func(t *testing.T, p chattest.Ports) chattest.Stage {
		s := &stage{World: &World{}, ports: p}
		s.app = s.AddApp("A1", secretToken)
		s.running = s.adapter()
		ctx, end := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = s.running.Run(ctx) }()
		t.Cleanup(func() { end(); <-done })
		return s
	}})
}

type stage struct {
	*World
	app     *App
	ports   chattest.Ports
	running *Adapter
	rooms   int
}

func (s *stage) adapter() *Adapter {
	b := bots.Bot{ID: "helper", Sections: map[string]chat.Section{name: {App: secret.New(secretToken)}}}
	return New(Options{World: s.World, Bots: []bots.Bot{b}, Ports: s.ports.Ports, Log: s.ports.Log, Size: 500})
}

func (s *stage) Adapter() chat.Adapter { return s.running }
func (s *stage) Another() chat.Adapter { return s.adapter() }
func (s *stage) Bot() string           { return "helper" }
func (s *stage) Secrets() []string     { return []string{secretToken} }

func (s *stage) Ask(p chat.Place, question string) {
	if p.Channel == "" {
		s.rooms++
		p.Channel = fmt.Sprint("c", s.rooms)
	}
	s.World.Ask(s.app, p.Channel, "ann", question)
}

func (s *stage) Say(p chat.Place, text string) { s.World.Say(p.Channel, "bob", text) }

func (s *stage) Posts(p chat.Place) []chattest.Post {
	var out []chattest.Post
	for _, one := range s.World.Posts(s.app, p.Channel) {
		out = append(out, chattest.Post{
			ID: chat.MessageID(one.ID), Text: one.Text, Controls: one.Controls, Only: one.Only, File: one.File, Data: one.Data,
		})
	}
	return out
}

func (s *stage) Delete(_ chat.Place, id chat.MessageID) { s.World.Delete(string(id)) }

// Press gives false: the toy shows no buttons that can be pressed.
func (s *stage) Press(chat.Place, chat.MessageID, string) bool { return false }

func (s *stage) Withdraw(question chat.Message) bool {
	s.World.Withdraw(s.app, Post{ID: string(question.ID), Channel: question.Place.Channel, Text: question.Text, By: question.Author.ID, At: question.At})
	return true
}

func (s *stage) Fail(f chattest.Fault) bool {
	no := func(err error) func(context.Context, func() error) error {
		return func(context.Context, func() error) error { return err }
	}
	switch f {
	case chattest.Limited:
		s.FailNext(no(errSlow))
	case chattest.Refused:
		s.FailNext(no(errRefused))
	case chattest.Telltale:
		s.FailNext(no(fmt.Errorf("%w: %s", errRefused, strings.Join(s.Secrets(), " "))))
	case chattest.Down:
		s.FailNext(no(errors.New("the platform is away")))
	case chattest.Lost:
		s.FailNext(func(_ context.Context, do func() error) error {
			_ = do()
			return errors.New("the answer was lost")
		})
	case chattest.Hangs:
		s.FailNext(func(ctx context.Context, _ func() error) error {
			<-ctx.Done()
			return ctx.Err()
		})
	case chattest.Revoked:
		s.Revoke(secretToken)
	default:
		return false
	}
	return true
}
