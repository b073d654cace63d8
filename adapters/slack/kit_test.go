// What the tests share: an adapter in front of a fake workspace, an inbox and a
// desk that the test looks into.

package slack

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/bots"
	"parley/internal/chat"
	fake "parley/internal/fake/slack"
	"parley/internal/secret"
)

// patience bounds every wait for something that must happen.
const patience = time.Minute

// rig is one adapter connected to one workspace.
type rig struct {
	t       *testing.T
	ws      *fake.Server
	adapter *Adapter
	inbox   *inbox
	desk    *desk
	stop    context.CancelFunc
	logged  *syncBuffer
	excused int // violations that the test caused on purpose
}

type setup struct {
	fake    fake.Options
	options Options
	bots    []bots.Bot
	// socket leaves the app without a request URL.
	socket bool
	// idle does not run the adapter.
	idle bool
	// slow work is answered later, as in front of Slack.
	slow bool
}

func helper() bots.Bot {
	return bots.Bot{ID: "helper", Name: "Helper", Description: "Answers everyday questions.", Sections: inSlack("xoxb-1-helper", signingSecret, "shhh-helper")}
}

// inSlack is a bot's section: its token, then settings and their values.
func inSlack(token string, pairs ...string) map[string]chat.Section {
	s := chat.Section{App: secret.New(token), Values: map[string]secret.Text{}}
	for i := 0; i < len(pairs); i += 2 {
		s.Values[pairs[i]] = secret.New(pairs[i+1])
	}
	return map[string]chat.Section{platform: s}
}

// withToken is b in another app.
func withToken(b bots.Bot, token string) bots.Bot {
	s := section(b)
	s.App = secret.New(token)
	b.Sections = map[string]chat.Section{platform: s}
	return b
}

func socketHelper() bots.Bot {
	b := helper()
	b.Sections = inSlack("xoxb-1-helper", appToken, "xapp-1-helper")
	return b
}

func newRig(t *testing.T, s setup) *rig {
	t.Helper()
	// A busy machine is not what these tests are about; those that are about
	// Slack's patience set it.
	if s.fake.EventTimeout == 0 {
		s.fake.EventTimeout = patience
	}
	if s.fake.Pace == 0 {
		s.fake.TriggerLife = patience
	}
	ws, err := fake.Start(s.fake)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, ws: ws, inbox: newInbox(), desk: &desk{}, logged: &syncBuffer{}}
	if s.bots == nil {
		s.bots = []bots.Bot{helper()}
		if s.socket {
			s.bots = []bots.Bot{socketHelper()}
		}
	}
	s.options.Bots, s.options.APIURL = s.bots, ws.APIURL()
	s.options.Ports = chat.Ports{Inbox: r.inbox, Desk: r.desk}
	s.options.Log = slog.New(slog.NewTextHandler(r.logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r.adapter, err = New(s.options)
	if err != nil {
		t.Fatal(err)
	}
	for _, app := range r.adapter.apps {
		if app.intake.wire != nil {
			app.intake.wire.stagger = 0
		}
		if !s.slow {
			app.intake.within = patience
		}
	}
	if !s.socket {
		web := httptest.NewServer(r.adapter.Handler())
		t.Cleanup(web.Close)
		for i, b := range s.bots {
			if i < len(s.fake.Apps) {
				ws.Serve(s.fake.Apps[i].ID, web.URL+"/slack/"+b.ID)
			} else if i == 0 {
				ws.Serve("", web.URL+"/slack/"+b.ID)
			}
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	done := make(chan struct{})
	if s.idle {
		close(done)
	} else {
		go func() { defer close(done); _ = r.adapter.Run(ctx) }()
	}
	t.Cleanup(func() {
		stop()
		<-done
		ws.Close()
		if v := ws.Violations()[r.excused:]; len(v) > 0 {
			t.Errorf("Slack's documents do not allow:\n%s", strings.Join(v, "\n"))
		}
		if all := r.logged.String(); strings.Contains(all, "xoxb-") || strings.Contains(all, "xapp-") || strings.Contains(all, "shhh-") {
			t.Errorf("the log holds a secret:\n%s", all)
		}
	})
	return r
}

// await waits for a condition over the workspace, or fails the test.
func (r *rig) await(what string, cond func() bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	if err := r.ws.Await(ctx, cond); err != nil {
		r.t.Fatalf("waiting for %s: %v\nlog:\n%s", what, err, r.logged.String())
	}
}

// forgive excuses the violations so far: the test caused them on purpose.
func (r *rig) forgive() { r.excused = len(r.ws.Violations()) }

// message waits for the next message that reached the inbox.
func (r *rig) message() chat.Message {
	r.t.Helper()
	select {
	case m := <-r.inbox.fresh:
		return m
	case <-time.After(patience):
		r.t.Fatalf("no message reached the inbox\nlog:\n%s", r.logged.String())
		return chat.Message{}
	}
}

func (r *rig) responder(m chat.Message) chat.Responder {
	r.t.Helper()
	responder, err := r.adapter.Responder(m)
	if err != nil {
		r.t.Fatal(err)
	}
	return responder
}

// inbox stores messages once by key, like the real one.
type inbox struct {
	mu    sync.Mutex
	seen  map[string]bool
	puts  int
	fail  int // Puts to refuse
	panic int // Puts to panic in
	fresh chan chat.Message
}

func newInbox() *inbox {
	return &inbox{seen: map[string]bool{}, fresh: make(chan chat.Message, 10_000)}
}

func (i *inbox) Put(_ context.Context, m chat.Message) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.puts++
	if i.panic > 0 {
		i.panic--
		panic("a value that must not be logged")
	}
	if i.fail > 0 {
		i.fail--
		return errors.New("the store is away")
	}
	if !i.seen[m.Key] {
		i.seen[m.Key] = true
		i.fresh <- m
	}
	return nil
}

func (i *inbox) refuse(n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fail = n
}

func (i *inbox) panicIn(n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.panic = n
}

func (i *inbox) count() (puts, distinct int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.puts, len(i.seen)
}

// desk records what it was asked and answers as the test says.
type desk struct {
	mu        sync.Mutex
	commands  []chat.Command
	presses   []chat.Press
	claimed   map[string]bool
	withdrawn []chat.Message
	forms     []chat.Submission
	onDo      func(ctx context.Context, c chat.Command) (chat.Reply, error)
	onSubmit  func(ctx context.Context, s chat.Submission) (chat.Outcome, error)
}

func (d *desk) Do(ctx context.Context, c chat.Command) (chat.Reply, error) {
	d.mu.Lock()
	d.commands = append(d.commands, c)
	f := d.onDo
	d.mu.Unlock()
	if f == nil {
		return chat.Reply{Text: "done: " + c.Name + " " + c.Args}, nil
	}
	return f(ctx, c)
}

// Press is counted, and then answered like the command that reads the same.
func (d *desk) Press(ctx context.Context, p chat.Press) (chat.Reply, error) {
	d.mu.Lock()
	d.presses = append(d.presses, p)
	d.mu.Unlock()
	name, args, _ := strings.Cut(chat.ControlText(p.Action, p.Args), " ")
	return d.Do(ctx, chat.Command{Name: name, Args: args, Scope: p.Scope, Bot: p.Bot, Place: p.Place, Author: p.Author})
}

func (d *desk) pressed() []chat.Press {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.presses)
}

// Claim is true once for each key, as over all processes.
func (d *desk) Claim(_ context.Context, key string) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.claimed == nil {
		d.claimed = map[string]bool{}
	}
	fresh := !d.claimed[key]
	d.claimed[key] = true
	return fresh, nil
}

// Withdraw notes what was deleted.
func (d *desk) Withdraw(_ context.Context, m chat.Message) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.withdrawn = append(d.withdrawn, m)
	return nil
}

func (d *desk) deleted() []chat.Message {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.withdrawn)
}

func (d *desk) Complete(context.Context, chat.Command) ([]chat.Option, error) { return nil, nil }

func (d *desk) Submit(ctx context.Context, s chat.Submission) (chat.Outcome, error) {
	d.mu.Lock()
	d.forms = append(d.forms, s)
	f := d.onSubmit
	d.mu.Unlock()
	if f == nil {
		return chat.Outcome{}, nil
	}
	return f(ctx, s)
}

func (d *desk) did() []chat.Command {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.commands)
}

type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// eventually waits for a condition that no change in the workspace announces.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}
