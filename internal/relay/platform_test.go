// A platform in memory, for tests of the relay alone.

package relay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"parley/internal/chat"
)

// platform is a platform whose messages can be read, and whose refusals a test
// writes down. It serves any number of processes.
type platform struct {
	mu     sync.Mutex
	shown  []*shown
	posts  int            // calls of Post
	looked map[string]int // calls of Member and History
	refuse func(call string, c chat.Content) error
	// before is called before a call is made, without the lock: what it waits for
	// holds the call up on its way, whatever becomes of its context.
	before func(call string)
	// thinks, where set, is what the end of the indicator waits for.
	thinks  <-chan struct{}
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
func (m *platform) take(call string, c chat.Content) error {
	if m.refuse == nil {
		return nil
	}
	return m.refuse(call, c)
}

// read are the messages that people see.
func (m *platform) read() []shown {
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
func (m *platform) texts() []string {
	var out []string
	for _, s := range m.read() {
		out = append(out, s.text)
	}
	return out
}

// count is how often the platform was asked for something.
func (m *platform) count(call string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if call == "post" {
		return m.posts
	}
	return m.looked[call]
}

func (m *platform) look(call string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.looked == nil {
		m.looked = map[string]int{}
	}
	m.looked[call]++
}

func (*platform) Platform() chat.Platform   { return chat.Platform{Name: "memory"} }
func (*platform) Handler() http.Handler     { return nil }
func (*platform) Run(context.Context) error { return nil }
func (*platform) Health() []chat.Health     { return nil }
func (m *platform) Responder(q chat.Message) (chat.Responder, error) {
	if q.Notes["answer"] == "never" {
		return nil, errors.New("this message cannot be answered here")
	}
	return &platformResponder{m, q}, nil
}

func (m *platform) Member(_ context.Context, _ string, _ chat.Place, a chat.Author) (chat.Member, error) {
	m.look("member")
	if m.member == nil {
		return chat.Member{}, nil
	}
	return m.member(a)
}

func (m *platform) History(context.Context, chat.Message, chat.MessageID, int) ([]chat.Message, error) {
	m.look("history")
	if m.before != nil {
		m.before("history")
	}
	return m.history, nil
}

// platformResponder answers one message of the platform.
type platformResponder struct {
	platform *platform
	question chat.Message
}

func (p *platformResponder) Post(_ context.Context, c chat.Content) (chat.Receipt, error) {
	m := p.platform
	if m.before != nil {
		m.before("post")
	}
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

func (p *platformResponder) Edit(_ context.Context, id chat.MessageID, c chat.Content) (chat.Receipt, error) {
	m := p.platform
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

func (p *platformResponder) Remove(_ context.Context, id chat.MessageID) (chat.Receipt, error) {
	m := p.platform
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

func (p *platformResponder) Find(_ context.Context, sought chat.Sought) (chat.MessageID, error) {
	m := p.platform
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.shown {
		if s.key == sought.Key && !s.removed {
			return chat.MessageID(s.id), nil
		}
	}
	return "", nil
}

func (p *platformResponder) Upload(context.Context, string, []byte, string) (chat.Receipt, error) {
	return chat.Receipt{ID: "file"}, nil
}

func (p *platformResponder) Thinking(ctx context.Context) {
	<-ctx.Done()
	if p.platform.thinks != nil {
		<-p.platform.thinks
	}
}

func (p *platformResponder) Limits() chat.Limits { return chat.Limits{Size: 4000} }

// question is a message to the bot in a thread of the platform; text names it too.
func asked(text string) chat.Message {
	return chat.Message{
		Key: "key of " + text, ID: chat.MessageID("id of " + text), Scope: "memory:1", Bot: "helper", Trigger: chat.Mention, Text: text,
		Place:  chat.Place{Platform: "memory", Workspace: "W1", Channel: "C1", Thread: "T1"},
		Author: chat.Author{ID: "U1", Name: "Ann"}, At: time.Now(),
	}
}
