package discord

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"parley/bots"
	"parley/internal/chat"
	fake "parley/internal/fake/discord"
	"parley/internal/secret"
)

// patience bounds every wait of these tests; none sleeps.
const patience = time.Minute

// inbox keeps what it is given and wakes who waits.
type inbox struct {
	mu       sync.Mutex
	changed  chan struct{}
	messages []chat.Message
	fail     int // Puts to refuse first
}

func newInbox() *inbox { return &inbox{changed: make(chan struct{})} }

func (i *inbox) Put(_ context.Context, m chat.Message) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.fail > 0 {
		i.fail--
		return context.DeadlineExceeded
	}
	for _, known := range i.messages {
		if known.Key == m.Key {
			return nil
		}
	}
	i.messages = append(i.messages, m)
	close(i.changed)
	i.changed = make(chan struct{})
	return nil
}

// wait returns the first n messages.
func (i *inbox) wait(t *testing.T, n int) []chat.Message {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		i.mu.Lock()
		got, changed := append([]chat.Message(nil), i.messages...), i.changed
		i.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-changed:
		case <-deadline.C:
			t.Fatalf("%d messages came, want %d: %+v", len(got), n, got)
		}
	}
}

func (i *inbox) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.messages)
}

// stage is a fake Discord with an adapter on it.
type stage struct {
	*fake.Server
	adapter *Adapter
	inbox   *inbox
	t       *testing.T
}

func helper(token string) bots.Bot {
	return bots.Bot{ID: "helper", Name: "Helper", Sections: inDiscord(token)}
}

// inDiscord is a bot's section: its token, and the servers it trusts.
func inDiscord(token string, guilds ...string) map[string]chat.Section {
	s := chat.Section{App: secret.New(token), Values: map[string]secret.Text{}, Lists: map[string][]secret.Text{}}
	for _, id := range guilds {
		s.Lists[guildList] = append(s.Lists[guildList], secret.New(id))
	}
	return map[string]chat.Section{platform: s}
}

func startFake(t *testing.T, o fake.Options) *fake.Server {
	t.Helper()
	// The time of a first answer is measured where no machine is too slow for it:
	// TestTheFirstAnswerComesInTime.
	o.AnswerWithin = patience
	srv, err := fake.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	return srv
}

func logger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// open starts both and waits until the bot is connected.
func open(t *testing.T, o fake.Options, desk chat.Desk, change func(*Options)) *stage {
	t.Helper()
	s := prepare(t, o, change)
	s.run(desk)
	s.connected()
	return s
}

func prepare(t *testing.T, o fake.Options, change func(*Options)) *stage {
	t.Helper()
	srv := startFake(t, o)
	options := Options{Records: shared(), Bots: []bots.Bot{helper(srv.Token())}, APIURL: srv.APIURL(), GlobalLimit: 50, Log: logger(t)}
	if change != nil {
		change(&options)
	}
	a, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	return &stage{Server: srv, adapter: a, inbox: newInbox(), t: t}
}

// run lets the adapter run until the test ends, or the returned function is
// called.
func (s *stage) run(d chat.Desk) (stop func()) {
	if d == nil {
		d = &desk{}
	}
	for _, one := range s.adapter.apps {
		one.ports = chat.Ports{Inbox: s.inbox, Desk: d}
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.adapter.Run(ctx); err != nil {
			s.t.Error(err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	s.t.Cleanup(stop)
	return stop
}

// until waits for a condition on the fake Discord or the adapter.
func (s *stage) until(what string, ok func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := s.Wait(ctx, ok); err != nil {
		s.t.Fatalf("waited in vain for: %s", what)
	}
}

func (s *stage) connected() {
	s.t.Helper()
	s.eventually("every bot is connected", func() bool {
		for _, h := range s.adapter.Health() {
			if !h.OK {
				return false
			}
		}
		return true
	})
}

// eventually waits for what the fake Discord does not see: it looks again and
// again.
func (s *stage) eventually(what string, ok func() bool) {
	s.t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for !ok() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			s.t.Fatalf("waited in vain for: %s", what)
		}
	}
}

func (s *stage) responder(m chat.Message) chat.Responder {
	s.t.Helper()
	r, err := s.adapter.Responder(m)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func TestAMentionIsAnsweredByAReplyThatGrows(t *testing.T) {
	s := open(t, fake.Options{}, nil, nil)
	id := s.Mention("general", "Ann", "what is Go?")
	m := s.inbox.wait(t, 1)[0]
	if m.Trigger != chat.Mention || m.Text != "what is Go?" || m.Author.Name != "Ann" || string(m.ID) != id || m.Bot != "helper" {
		t.Errorf("the mention came as %+v", m)
	}
	if want := (chat.Place{Platform: "discord", Workspace: s.GuildID(), Channel: s.ChannelID("general")}); m.Place != want {
		t.Errorf("place %+v, want %+v", m.Place, want)
	}
	if m.Scope != "discord:"+s.App("").UserID() {
		t.Errorf("scope %q", m.Scope)
	}
	r := s.responder(m)
	first, err := r.Post(t.Context(), chat.Content{Markdown: "Go is a language", Key: "turn-0", Stop: "turn"})
	if err != nil {
		t.Fatal(err)
	}
	if !first.Rate.Known || first.Rate.Limit != 5 || first.Rate.Remaining != 4 || first.Rate.Bucket == "" {
		t.Errorf("rate of the post: %+v", first.Rate)
	}
	if _, err := r.Edit(t.Context(), first.ID, chat.Content{Markdown: "Go is a language. @everyone <@" + m.Author.ID + ">", Final: true}); err != nil {
		t.Fatal(err)
	}
	replies := s.Replies(id)
	if len(replies) != 1 || replies[0].Content != "Go is a language. @everyone <@"+m.Author.ID+">" || len(replies[0].Buttons()) != 0 {
		t.Fatalf("replies: %+v", replies)
	}
	frames := s.Timeline(string(first.ID))
	if len(frames) != 2 || len(frames[0].Buttons) != 1 || frames[0].Buttons[0] != "Stop" {
		t.Errorf("seen: %+v", frames)
	}
	for _, f := range frames {
		if len(f.Pings) != 0 {
			t.Errorf("%q pinged %v", f.Content, f.Pings)
		}
	}
	if p := s.Problems(); len(p) != 0 {
		t.Errorf("Discord's rules broken: %v", p)
	}
}
