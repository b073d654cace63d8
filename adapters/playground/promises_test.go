// The promises that every adapter keeps.

package playground

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/chat/chattest"
	"parley/internal/door/doortest"
)

func TestTheAdapterKeepsItsPromises(t *testing.T) {
	chattest.Run(t, chattest.Harness{Open: openSuite})
}

// suite is the page with a board that can fail, as the suite sees it.
type suite struct {
	*stage // for its requests
	board  *flaky
}

func openSuite(t *testing.T, p chattest.Ports) chattest.Stage {
	s := &suite{stage: &stage{t: t}, board: &flaky{memory: newMemory()}}
	s.door = doortest.With(t, token, &doortest.Memory{})
	a, err := New(Options{Bots: testBots(), Board: s.board, Door: s.door, Ports: p.Ports, Log: p.Log})
	if err != nil {
		t.Fatal(err)
	}
	s.adapter = a
	s.server = httptest.NewServer(a.Handler())
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = a.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
		s.server.Close()
	})
	return s
}

func (s *suite) Adapter() chat.Adapter { return s.adapter }

func (s *suite) Another() chat.Adapter {
	a, err := New(s.adapter.o)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

func (s *suite) Bot() string { return "helper" }

func (s *suite) Secrets() []string { return []string{token} }

func (s *suite) Ask(p chat.Place, question string) {
	if p.Channel == "" {
		p.Channel = "C-general"
	}
	for range 5 {
		if s.say(p, "@helper "+question) == "" {
			return
		}
	}
}

func (s *suite) Say(p chat.Place, text string) {
	if problem := s.say(p, text); problem != "" {
		s.t.Error(problem)
	}
}

// say gives why it was not sent.
func (s *suite) say(p chat.Place, text string) string {
	_, out := s.script("/playground/post", "channel", p.Channel, "thread", p.Thread, "text", text)
	return out.Problem
}

func (s *suite) Press(p chat.Place, id chat.MessageID, label string) bool {
	there, _, err := s.adapter.get(s.t.Context(), string(id))
	if err != nil {
		s.t.Error(err)
	}
	for _, b := range there.Buttons {
		if b.Label == label {
			s.script("/playground/do", "channel", p.Channel, "thread", p.Thread, "bot", "helper", "command", b.Command)
		}
	}
	return true
}

// Withdraw gives false: nobody deletes a question here.
func (s *suite) Withdraw(chat.Message) bool { return false }

func (s *suite) Posts(p chat.Place) (out []chattest.Post) {
	for _, room := range []string{p.Channel, roomOf(p.Channel, p.Thread)} {
		all, err := s.adapter.list(s.t.Context(), room, time.Time{}, 1000)
		if err != nil {
			s.t.Error(err)
		}
		for _, one := range all {
			if one.Bot == "" || strings.Contains(room, "/") != (one.Thread != "") {
				continue
			}
			out = append(out, s.read(one))
		}
	}
	return out
}

// read is a post as it is read on the page.
func (s *suite) read(p post) chattest.Post {
	out := chattest.Post{ID: chat.MessageID(p.ID), Text: p.Text}
	if p.growing() {
		out.Controls = append(out.Controls, "Stop")
	}
	for _, b := range p.Buttons {
		out.Controls = append(out.Controls, b.Label)
	}
	if p.Only {
		out.Only = you().ID
	}
	if p.File != nil {
		out.File = p.File.Name
		out.Data, _, _ = s.board.memory.Get(s.t.Context(), p.File.ID)
	}
	return out
}

func (s *suite) Delete(p chat.Place, id chat.MessageID) {
	if err := s.board.memory.Remove(s.t.Context(), roomOf(p.Channel, p.Thread), string(id)); err != nil {
		s.t.Error(err)
	}
}

// Fail gives false for what only a platform does that is somebody else's.
func (s *suite) Fail(f chattest.Fault) bool {
	switch f {
	case chattest.Down, chattest.Lost, chattest.Hangs:
		s.board.fail(f)
		return true
	}
	return false
}

// flaky is a board whose next call fails.
type flaky struct {
	*memory
	lock sync.Mutex
	next chattest.Fault
}

func (b *flaky) fail(f chattest.Fault) {
	b.lock.Lock()
	defer b.lock.Unlock()
	b.next = f
}

var errBoard = errors.New("the store is away")

// do makes a call as a store across a network does.
func (b *flaky) do(ctx context.Context, call func() error) error {
	b.lock.Lock()
	f := b.next
	b.next = 0
	b.lock.Unlock()
	if f == chattest.Hangs {
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if f == chattest.Down {
		return errBoard
	}
	if err := call(); err != nil || f != chattest.Lost {
		return err
	}
	return errBoard
}

func (b *flaky) Add(ctx context.Context, room, id string, at time.Time, data []byte) (added bool, err error) {
	err = b.do(ctx, func() (err error) { added, err = b.memory.Add(ctx, room, id, at, data); return err })
	return added, err
}

func (b *flaky) Set(ctx context.Context, room, id string, data []byte) (found bool, err error) {
	err = b.do(ctx, func() (err error) { found, err = b.memory.Set(ctx, room, id, data); return err })
	return found, err
}

func (b *flaky) Remove(ctx context.Context, room, id string) error {
	return b.do(ctx, func() error { return b.memory.Remove(ctx, room, id) })
}

func (b *flaky) Get(ctx context.Context, id string) (data []byte, found bool, err error) {
	err = b.do(ctx, func() (err error) { data, found, err = b.memory.Get(ctx, id); return err })
	return data, found, err
}

func (b *flaky) List(ctx context.Context, room string, before time.Time, n int) (ids []string, data [][]byte, err error) {
	err = b.do(ctx, func() (err error) { ids, data, err = b.memory.List(ctx, room, before, n); return err })
	return ids, data, err
}
