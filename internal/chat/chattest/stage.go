// What the promises are checked with: the adapter's ports, and the eyes that see
// every error, log line and state of health.

package chattest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/chat"
)

// stage is a Stage with what the suite sees of it.
type stage struct {
	*testing.T
	Stage
	inbox    *inbox
	desk     *desk
	log      *lines
	patience time.Duration // for everything that must happen
}

// open puts an adapter on stage, and waits until its bot is connected. However
// the test ends, no secret may have been told.
func open(t *testing.T, h Harness) *stage {
	t.Helper()
	s := &stage{T: t, inbox: &inbox{}, desk: &desk{}, log: &lines{}, patience: cmp.Or(h.Patience, time.Minute)}
	t.Cleanup(func() { // after the adapter has ended
		if s.Stage != nil {
			for line := range strings.Lines(s.log.String()) {
				s.secretless("the log", line)
			}
		}
	})
	level := &slog.HandlerOptions{Level: slog.LevelDebug}
	s.Stage = h.Open(t, Ports{
		Ports: chat.Ports{Inbox: s.inbox, Desk: s.desk},
		Log:   slog.New(slog.NewMultiHandler(slog.NewTextHandler(s.log, level), slog.NewJSONHandler(s.log, level))),
	})
	if len(s.Secrets()) == 0 {
		t.Fatal("the stage names no secret that could be told")
	}
	s.until("the bot is connected", func() bool { return s.health().OK })
	return s
}

// health is the state of the stage's bot.
func (s *stage) health() chat.Health {
	s.Helper()
	for _, h := range s.Adapter().Health() {
		s.secretless("a state of health", h.Reason)
		if h.Bot == s.Bot() {
			if h.Platform != s.Adapter().Platform().Name {
				s.Errorf("health of platform %q, want %q", h.Platform, s.Adapter().Platform().Name)
			}
			return h
		}
	}
	s.Fatalf("health leaves out bot %q", s.Bot())
	return chat.Health{}
}

// secretless fails the test if a text holds one of the secrets.
func (s *stage) secretless(what, text string) {
	s.Helper()
	for n, secret := range s.Secrets() {
		if len(secret) < 8 {
			s.Errorf("secret %d of the stage is too short to be searched for", n)
		}
		if strings.Contains(text, secret) {
			s.Errorf("%s holds secret %d:\n%s", what, n, strings.ReplaceAll(text, secret, "‹SECRET›"))
		}
	}
}

// seen looks at an error and gives it back.
func (s *stage) seen(err error) error {
	s.Helper()
	if err != nil {
		s.secretless("an error", err.Error())
		line, _ := chat.Explain(err)
		s.secretless("what a person reads of an error", line.String())
	}
	return err
}

// must fails the test on an error.
func (s *stage) must(what string, err error) {
	s.Helper()
	if s.seen(err) != nil {
		s.Fatalf("%s: %v", what, err)
	}
}

// suffer arranges for a fault, or skips the test where there is none such.
func (s *stage) suffer(f Fault) {
	s.Helper()
	if !s.Fail(f) {
		s.Skipf("on this platform no call is ever %s", f)
	}
}

// ask puts a question and gives it as it reached the inbox, stored and taken up
// again.
func (s *stage) ask(p chat.Place, question string) chat.Message {
	s.Helper()
	s.Ask(p, question)
	var m chat.Message
	s.until("the question reaches the inbox", func() (found bool) {
		m, found = s.inbox.find(question)
		return found
	})
	raw, err := json.Marshal(m)
	s.must("store the question", err)
	var again chat.Message
	s.must("take the question up", json.Unmarshal(raw, &again))
	return again
}

// responder is the one for m of the adapter that runs.
func (s *stage) responder(m chat.Message) chat.Responder {
	s.Helper()
	return s.responderOf(s.Adapter(), m)
}

func (s *stage) responderOf(a chat.Adapter, m chat.Message) chat.Responder {
	s.Helper()
	r, err := a.Responder(m)
	s.must("responder", err)
	return r
}

// post posts a message that must succeed.
func (s *stage) post(r chat.Responder, c chat.Content) chat.MessageID {
	s.Helper()
	got, err := r.Post(s.Context(), c)
	s.must("post", err)
	if got.ID == "" {
		s.Fatal("the receipt of a post has no id")
	}
	return got.ID
}

// reads waits until exactly the messages with these texts are read at p, in this
// order. A text stands for every message that holds it.
func (s *stage) reads(p chat.Place, texts ...string) []Post {
	s.Helper()
	var posts []Post
	fits := func() bool {
		posts = s.Posts(p)
		return slices.EqualFunc(posts, texts, func(p Post, text string) bool { return strings.Contains(p.Text, text) })
	}
	if !s.waits(fits) {
		s.Fatalf("people read %+v, want %q", posts, texts)
	}
	return posts
}

// until waits for a condition, looking again and again, or fails the test.
func (s *stage) until(what string, ok func() bool) {
	s.Helper()
	if !s.waits(ok) {
		s.Fatalf("waited in vain: %s\nlog:\n%s", what, s.log.String())
	}
}

// waits gives false where the condition never held.
func (s *stage) waits(ok func() bool) bool {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(s.patience)
	defer end.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end.C:
			return ok()
		}
	}
	return true
}

// returns fails the test unless f returns.
func (s *stage) returns(what string, f func()) {
	s.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(s.patience):
		s.Fatalf("does not return: %s", what)
	}
}

// inbox keeps what it is given, once by key.
type inbox struct {
	mu       sync.Mutex
	messages []chat.Message
	away     int    // Puts to refuse
	refused  string // what holds this text can never be stored
}

// errAway is of an inbox that takes nothing just now.
var errAway = errors.New("the inbox is away")

func (i *inbox) Put(_ context.Context, m chat.Message) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.refused != "" && strings.Contains(m.Text, i.refused):
		return chat.ErrUnstorable
	case i.away > 0:
		i.away--
		return errAway
	}
	if !slices.ContainsFunc(i.messages, func(known chat.Message) bool { return known.Key == m.Key }) {
		i.messages = append(i.messages, m)
	}
	return nil
}

// leave lets the next Puts fail.
func (i *inbox) leave(puts int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.away = puts
}

// refuse lets every Put of a message that holds text fail for good.
func (i *inbox) refuse(text string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.refused = text
}

// count is how many messages hold text.
func (i *inbox) count(text string) (n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, m := range i.messages {
		if strings.Contains(m.Text, text) {
			n++
		}
	}
	return n
}

func (i *inbox) find(text string) (chat.Message, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, m := range i.messages {
		if strings.Contains(m.Text, text) {
			return m, true
		}
	}
	return chat.Message{}, false
}

// desk notes what it is asked, and says that it is done.
type desk struct {
	mu        sync.Mutex
	presses   []chat.Press
	withdrawn []chat.Message
	claimed   map[string]bool
}

func (d *desk) Do(context.Context, chat.Command) (chat.Reply, error) {
	return chat.Reply{Text: "done"}, nil
}

func (d *desk) Press(_ context.Context, p chat.Press) (chat.Reply, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.presses = append(d.presses, p)
	return chat.Reply{Text: "done"}, nil
}

func (d *desk) Claim(_ context.Context, key string) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.claimed == nil {
		d.claimed = map[string]bool{}
	}
	first := !d.claimed[key]
	d.claimed[key] = true
	return first, nil
}

func (d *desk) Withdraw(_ context.Context, m chat.Message) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.withdrawn = append(d.withdrawn, m)
	return nil
}

func (d *desk) Complete(context.Context, chat.Command) ([]chat.Option, error) { return nil, nil }

func (d *desk) Submit(context.Context, chat.Submission) (chat.Outcome, error) {
	return chat.Outcome{}, nil
}

// told are the presses and the withdrawn messages so far.
func (d *desk) told() ([]chat.Press, []chat.Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.presses), slices.Clone(d.withdrawn)
}

// lines is a log in memory.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
