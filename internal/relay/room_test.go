// A platform in memory, for tests of the relay alone.

package relay

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"parley/internal/chat"
)

// room is a platform whose messages can be read, and whose refusals a test
// writes down. It serves any number of processes.
type room struct {
	mu      sync.Mutex
	shown   []*shown
	posts   int            // calls of Post
	looked  map[string]int // calls of Member and History
	refuse  func(call string, c chat.Content) error
	member  func(a chat.Author) (chat.Member, error)
	history []chat.Message
}

// shown is one message of the bot.
type shown struct {
	id, key, text, only, stop string
	menu                      *chat.Menu
	removed                   bool
}

// take answers one call as the test wrote it down. The lock is held.
func (m *room) take(call string, c chat.Content) error {
	if m.refuse == nil {
		return nil
	}
	return m.refuse(call, c)
}

// read are the messages that people see.
func (m *room) read() []shown {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []shown
	for _, s := range m.shown {
		if !s.removed {
			out = append(out, *s)
		}
	}
	return out
}

// texts are their texts.
func (m *room) texts() []string {
	var out []string
	for _, s := range m.read() {
		out = append(out, s.text)
	}
	return out
}

// count is how often the platform was asked for something.
func (m *room) count(call string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if call == "post" {
		return m.posts
	}
	return m.looked[call]
}

func (m *room) look(call string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.looked == nil {
		m.looked = map[string]int{}
	}
	m.looked[call]++
}

func (*room) Platform() chat.Platform                            { return chat.Platform{Name: "room"} }
func (*room) Handler(chat.Inbox, chat.Desk) http.Handler         { return nil }
func (*room) Run(context.Context, chat.Inbox, chat.Desk) error   { return nil }
func (*room) Health() []chat.Health                              { return nil }
func (m *room) Responder(q chat.Message) (chat.Responder, error) { return &roomResponder{m, q}, nil }

func (m *room) Member(_ context.Context, _ string, _ chat.Place, a chat.Author) (chat.Member, error) {
	m.look("member")
	if m.member == nil {
		return chat.Member{}, nil
	}
	return m.member(a)
}

func (m *room) History(context.Context, chat.Message, chat.MessageID, int) ([]chat.Message, error) {
	m.look("history")
	return m.history, nil
}

// roomResponder answers one message of the room.
type roomResponder struct {
	room     *room
	question chat.Message
}

func (p *roomResponder) Post(_ context.Context, c chat.Content) (chat.Receipt, error) {
	m := p.room
	m.mu.Lock()
	defer m.mu.Unlock()
	m.posts++
	if at := slices.IndexFunc(m.shown, func(s *shown) bool { return s.key == c.Key }); at >= 0 && c.Again {
		return chat.Receipt{ID: chat.MessageID(m.shown[at].id), Differs: m.shown[at].text != c.Markdown}, nil
	}
	if err := m.take("post", c); err != nil {
		return chat.Receipt{}, err
	}
	s := &shown{id: fmt.Sprint("m", len(m.shown)), key: c.Key, text: c.Markdown, only: c.Only, stop: c.Stop, menu: c.Menu}
	m.shown = append(m.shown, s)
	return chat.Receipt{ID: chat.MessageID(s.id)}, nil
}

func (p *roomResponder) Edit(_ context.Context, id chat.MessageID, c chat.Content) (chat.Receipt, error) {
	m := p.room
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.take("edit", c); err != nil {
		return chat.Receipt{}, err
	}
	for _, s := range m.shown {
		if s.id == string(id) && !s.removed {
			s.text, s.stop = c.Markdown, c.Stop
			return chat.Receipt{ID: id}, nil
		}
	}
	return chat.Receipt{}, &chat.Refusal{Reason: chat.Gone, Err: fmt.Errorf("there is no message %s", id)}
}

func (p *roomResponder) Remove(_ context.Context, id chat.MessageID) (chat.Receipt, error) {
	m := p.room
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.take("remove", chat.Content{}); err != nil {
		return chat.Receipt{}, err
	}
	for _, s := range m.shown {
		if s.id == string(id) {
			s.removed = true
		}
	}
	return chat.Receipt{ID: id}, nil
}

func (p *roomResponder) Find(_ context.Context, sought chat.Sought) (chat.MessageID, error) {
	m := p.room
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.shown {
		if s.key == sought.Key && !s.removed {
			return chat.MessageID(s.id), nil
		}
	}
	return "", nil
}

func (p *roomResponder) Upload(context.Context, string, []byte, string) (chat.Receipt, error) {
	return chat.Receipt{ID: "file"}, nil
}

func (p *roomResponder) Thinking(ctx context.Context) { <-ctx.Done() }

func (p *roomResponder) Limits() chat.Limits { return chat.Limits{Size: 4000} }

// question is a message to the bot in a thread of the room; text names it too.
func asked(text string) chat.Message {
	return chat.Message{
		Key: "key of " + text, ID: chat.MessageID("id of " + text), Scope: "room:1", Bot: "helper", Trigger: chat.Mention, Text: text,
		Place:  chat.Place{Platform: "room", Workspace: "W1", Channel: "C1", Thread: "T1"},
		Author: chat.Author{ID: "U1", Name: "Ann"}, At: time.Now(),
	}
}
