package discord

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/chat"
	fake "parley/internal/fake/discord"
)

// desk answers as its fields say and keeps what it was asked.
type desk struct {
	do       func(ctx context.Context, c chat.Command) (chat.Reply, error)
	complete func(ctx context.Context, c chat.Command) ([]chat.Option, error)
	submit   func(ctx context.Context, s chat.Submission) (chat.Outcome, error)

	mu       sync.Mutex
	commands []chat.Command
	presses  []chat.Press
	forms    []chat.Submission
	claimed  map[string]bool
}

func (d *desk) Do(ctx context.Context, c chat.Command) (chat.Reply, error) {
	d.mu.Lock()
	d.commands = append(d.commands, c)
	d.mu.Unlock()
	if d.do == nil {
		return chat.Reply{Text: "You said /" + strings.TrimSpace(c.Name+" "+c.Args)}, nil
	}
	return d.do(ctx, c)
}

func (d *desk) Complete(ctx context.Context, c chat.Command) ([]chat.Option, error) {
	if d.complete == nil {
		return nil, nil
	}
	return d.complete(ctx, c)
}

func (d *desk) Submit(ctx context.Context, s chat.Submission) (chat.Outcome, error) {
	d.mu.Lock()
	d.forms = append(d.forms, s)
	d.mu.Unlock()
	return d.submit(ctx, s)
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

func (d *desk) Withdraw(context.Context, chat.Message) error { return nil }

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

func (d *desk) asked() []chat.Command {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.commands)
}

// ways runs a test with interactions over the gateway and over signed HTTP.
func ways(t *testing.T, d *desk, test func(t *testing.T, s *stage)) {
	t.Helper()
	t.Run("gateway", func(t *testing.T) { test(t, withCommands(t, d, nil)) })
	t.Run("http", func(t *testing.T) {
		s := withCommands(t, d, nil)
		s.overHTTP()
		test(t, s)
	})
}

func withCommands(t *testing.T, d *desk, change func(*Options)) *stage {
	t.Helper()
	d.mu.Lock()
	d.commands, d.forms = nil, nil
	d.mu.Unlock()
	s := open(t, fake.Options{Limits: fake.Limits{Window: 500 * time.Millisecond}}, d, change)
	s.until("commands are registered", func() bool { return len(s.Commands("")) > 0 })
	return s
}

func (s *stage) overHTTP() string {
	web := httptest.NewServer(s.adapter.Handler())
	s.t.Cleanup(web.Close)
	url := web.URL + "/discord/helper/interactions"
	s.App("").SetInteractionsURL(url)
	return url
}

func (s *stage) slash(channel, user, text string) *fake.Interaction {
	s.t.Helper()
	i, err := s.Slash(channel, user, text)
	if err != nil {
		s.t.Fatal(err)
	}
	return i
}

// answer waits for what the person reads, and for Discord's rules to have been
// kept.
func (s *stage) answer(i *fake.Interaction) []fake.Message {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	out, err := i.Answer(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	s.clean()
	return out
}

func (s *stage) clean() {
	s.t.Helper()
	if p := s.Problems(); len(p) > 0 {
		s.t.Errorf("Discord's rules broken: %v", p)
	}
}

func TestTheContractsCommandsAreRegistered(t *testing.T) {
	t.Parallel()
	s := withCommands(t, &desk{}, nil)
	want := []string{
		"model [name]", "provider list", "provider use <id>", "provider add", "provider remove <id>", "provider test <id>",
		"bot list", "bot use <id>", "usage [of]", "reset", "stop", "help",
	}
	if got := s.Commands(""); !slices.Equal(got, want) {
		t.Errorf("registered %q, want %q", got, want)
	}
	s.clean()
}

func TestCommandsAreWrittenOnlyWhenTheyChanged(t *testing.T) {
	t.Parallel()
	s := prepare(t, fake.Options{Identify: fake.IdentifyLimits{Window: time.Millisecond}}, nil)
	stop := s.run(&desk{})
	s.until("commands are registered", func() bool { return s.CommandWrites("") == 1 })
	stop()
	asked := s.Count("GET", "/commands", 200)
	again, err := New(Options{Records: shared(), Bots: s.adapter.apps[0].bots, APIURL: s.APIURL(), Log: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	s.adapter = again
	s.run(&desk{})
	s.until("the second start has looked", func() bool { return s.Count("GET", "/commands", 200) > asked })
	s.connected()
	if n := s.CommandWrites(""); n != 1 {
		t.Errorf("commands were written %d times, want once", n)
	}
}

func TestASlashCommandIsAnsweredToItsCallerAlone(t *testing.T) {
	t.Parallel()
	d := &desk{}
	ways(t, d, func(t *testing.T, s *stage) {
		thread := s.ThreadBy("bob", "general", "talk")
		for _, one := range []struct{ text, name, args string }{
			{"/model", "model", ""},
			{"/model name:lab/qwen3 8b", "model", "lab/qwen3 8b"},
			{"/provider list", "provider", "list"},
			{"/provider use id:lab", "provider", "use lab"},
			{"/bot use id:poet", "bot", "use poet"},
			{"/reset", "reset", ""},
			{"/usage of:all", "usage", "all"},
		} {
			before := len(d.asked())
			i := s.slash(thread, "ann", one.text)
			got := s.answer(i)
			if len(got) != 1 || !got[0].Ephemeral || got[0].Content != "You said /"+strings.TrimSpace(one.name+" "+one.args) {
				t.Errorf("%s was answered with %+v", one.text, got)
			}
			c := d.asked()[before]
			want := chat.Command{
				Name: one.name, Args: one.args, Scope: "discord:" + s.App("").UserID(), Bot: "helper", Author: chat.Author{ID: s.UserID("ann"), Name: "ann", Language: "en-US"},
				Place: chat.Place{Platform: "discord", Workspace: s.GuildID(), Channel: s.ChannelID("general"), Thread: thread, Owner: s.UserID("bob")},
			}
			if c != want {
				t.Errorf("%s came as %+v, want %+v", one.text, c, want)
			}
		}
		if n := len(s.Messages(thread)); n != 0 {
			t.Errorf("others see %d messages", n)
		}
	})
}

func TestASlashCommandInADirectMessage(t *testing.T) {
	t.Parallel()
	d := &desk{}
	s := withCommands(t, d, nil)
	i, err := s.SlashDM("ann", "/model")
	if err != nil {
		t.Fatal(err)
	}
	s.answer(i)
	if p := d.asked()[0].Place; p != (chat.Place{Platform: "discord", Channel: s.DMChannel("ann"), Direct: true}) {
		t.Errorf("place %+v", p)
	}
}

func TestAReplyForAllIsSeenByAll(t *testing.T) {
	t.Parallel()
	d := &desk{do: func(context.Context, chat.Command) (chat.Reply, error) {
		return chat.Reply{Text: "This channel uses `lab/qwen3` now, @everyone.", Public: true}, nil
	}}
	ways(t, d, func(t *testing.T, s *stage) {
		s.answer(s.slash("general", "ann", "/model name:lab/qwen3"))
		got := s.Messages("general")
		if len(got) != 1 || got[0].Ephemeral || !strings.Contains(got[0].Content, "lab/qwen3") {
			t.Fatalf("others see %+v", got)
		}
		if pings := got[0].Frames[0].Pings; len(pings) != 0 {
			t.Errorf("it pinged %v", pings)
		}
	})
}

func TestASlowCommandIsDeferredAndAnsweredLater(t *testing.T) {
	t.Parallel()
	for _, public := range []bool{false, true} {
		release := make(chan struct{})
		d := &desk{do: func(ctx context.Context, _ chat.Command) (chat.Reply, error) {
			<-release
			return chat.Reply{Text: "at last", Public: public}, nil
		}}
		t.Run(fmt.Sprintf("public=%v", public), func(t *testing.T) {
			t.Parallel()
			s := withCommands(t, d, nil)
			i := s.slash("general", "ann", "/provider test id:lab")
			if err := i.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if kind, took := i.Response(); kind != 5 {
				t.Errorf("response %d after %s, want a deferral (5)", kind, took)
			}
			close(release)
			got := s.answer(i)
			if !public {
				if len(got) != 1 || got[0].Content != "at last" || !got[0].Ephemeral {
					t.Errorf("answered with %+v", got)
				}
				return
			}
			s.until("everyone sees it", func() bool {
				m := s.Messages("general")
				return len(m) == 1 && m[0].Content == "at last"
			})
			s.clean()
		})
	}
}

func TestACommandThatNeverEndsIsGivenUpAtTheStop(t *testing.T) {
	t.Parallel()
	forever := make(chan struct{})
	t.Cleanup(func() { close(forever) })
	d := &desk{do: func(context.Context, chat.Command) (chat.Reply, error) { <-forever; return chat.Reply{}, nil }}
	s := prepare(t, fake.Options{}, nil)
	stop := s.run(d)
	s.until("commands are registered", func() bool { return len(s.Commands("")) > 0 })
	i := s.slash("general", "ann", "/reset")
	if err := i.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.adapter.background.Finish(0) // as after lastAnswers
	stop()
	if got := s.answer(i); !strings.Contains(got[0].Content, "ref-") {
		t.Errorf("the person reads %q", got[0].Content)
	}
}

func TestACommandsErrorIsASentence(t *testing.T) {
	t.Parallel()
	d := &desk{do: func(_ context.Context, c chat.Command) (chat.Reply, error) {
		if c.Name == "reset" {
			return chat.Reply{}, errors.New("redis: connection refused at 10.0.0.1")
		}
		return chat.Reply{}, &chat.UserError{Line: chat.Say("Only admins may do that."), Err: errors.New("hidden")}
	}}
	s := withCommands(t, d, nil)
	if got := s.answer(s.slash("general", "ann", "/provider remove id:lab")); got[0].Content != "Only admins may do that." || !got[0].Ephemeral {
		t.Errorf("a UserError was shown as %+v", got)
	}
	got := s.answer(s.slash("general", "ann", "/reset"))[0]
	if strings.Contains(got.Content, "redis") || !strings.Contains(got.Content, "ref-") || !got.Ephemeral {
		t.Errorf("a fault was shown as %q", got.Content)
	}
}

func TestAMenuSwitchesAndAButtonRuns(t *testing.T) {
	t.Parallel()
	var options []chat.Option
	for n := range 40 {
		options = append(options, chat.Option{Label: fmt.Sprintf("Model %d", n), Value: fmt.Sprintf("lab/m%d", n), Current: n == 3})
	}
	d := &desk{do: func(_ context.Context, c chat.Command) (chat.Reply, error) {
		if c.Args != "" {
			return chat.Reply{Text: "Switched to " + c.Args, Public: c.Args == "lab/m1"}, nil
		}
		return chat.Reply{Text: "Now: lab/m3", Menu: &chat.Menu{Action: "model", Placeholder: "Choose", Options: options}, Buttons: []chat.Button{{Label: "Default", Action: "model", Args: "reset"}}}, nil
	}}
	ways(t, d, func(t *testing.T, s *stage) {
		first := s.answer(s.slash("general", "ann", "/model"))[0]
		buttons, values := s.Buttons(first.ID)
		if len(values) != 25 || values[0] != "lab/m0" || !slices.Equal(buttons, []string{"Default"}) {
			t.Fatalf("the menu offers %v and %v", values, buttons)
		}
		if _, err := s.Choose(first.ID, "bob", "lab/m2"); err == nil {
			t.Error("another person could use the caller's menu")
		}
		i, err := s.Choose(first.ID, "ann", "lab/m2")
		if err != nil {
			t.Fatal(err)
		}
		s.answer(i)
		if m, _ := s.Message(first.ID); m.Content != "Switched to lab/m2" || len(m.Components) != 0 {
			t.Errorf("the menu became %q with %v, want the answer in its place", m.Content, m.Components)
		}
		second := s.answer(s.slash("general", "ann", "/model"))[0]
		if i, err = s.Choose(second.ID, "ann", "lab/m1"); err != nil {
			t.Fatal(err)
		}
		s.answer(i)
		if m := s.Messages("general"); len(m) != 1 || m[0].Content != "Switched to lab/m1" {
			t.Errorf("others see %+v", m)
		}
		if i, err = s.Press(second.ID, "ann", "Default"); err != nil {
			t.Fatal(err)
		}
		s.answer(i)
		if c := d.asked(); c[len(c)-1].Args != "reset" {
			t.Errorf("the button ran %+v", c[len(c)-1])
		}
	})
}

func TestAutocompleteOffersWhatTheDeskKnows(t *testing.T) {
	t.Parallel()
	d := &desk{complete: func(_ context.Context, c chat.Command) ([]chat.Option, error) {
		var out []chat.Option
		for n := range 30 {
			out = append(out, chat.Option{Label: strings.Repeat("x", 150), Value: fmt.Sprintf("%s:%s:%d", c.Name, c.Args, n)})
		}
		return append([]chat.Option{{Value: strings.Repeat("v", 101)}}, out...), nil
	}}
	ways(t, d, func(t *testing.T, s *stage) {
		for text, first := range map[string]string{"/model name:qw": "model:qw:0", "/provider use id:la": "provider:use la:0", "/bot use id:": "bot:use :0"} {
			got, err := s.Autocomplete(t.Context(), "general", "ann", text)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != 25 || got[0].Value != first {
				t.Errorf("%s offers %d, first %+v, want 25, first %q", text, len(got), got[0], first)
			}
		}
		s.clean()
	})
}

func TestTheStopButtonStops(t *testing.T) {
	t.Parallel()
	d := &desk{do: func(_ context.Context, c chat.Command) (chat.Reply, error) {
		if c.Args == "other" {
			return chat.Reply{}, chat.Tell("Only who asked may stop this answer.")
		}
		return chat.Reply{Text: "Stopped."}, nil
	}}
	ways(t, d, func(t *testing.T, s *stage) {
		for turn, want := range map[string]string{"turn-17": "", "other": "Only who asked may stop this answer."} {
			n := s.inbox.count()
			s.Mention("general", "ann", "go on")
			messages := s.inbox.wait(t, n+1)
			posted, err := s.responder(messages[len(messages)-1]).Post(t.Context(), chat.Content{Markdown: "growing", Key: turn, Stop: turn})
			if err != nil {
				t.Fatal(err)
			}
			i, err := s.Press(string(posted.ID), "ann", "Stop")
			if err != nil {
				t.Fatal(err)
			}
			if err := i.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if want != "" {
				s.until("the refusal is told", func() bool { m := i.Messages(); return len(m) == 1 && m[0].Content == want && m[0].Ephemeral })
			}
			s.eventually("the desk was asked", func() bool {
				c := d.asked()
				return len(c) > 0 && c[len(c)-1].Name == "stop" && c[len(c)-1].Args == turn
			})
			if m, _ := s.Message(string(posted.ID)); m.Content != "growing" {
				t.Errorf("the answer became %q", m.Content)
			}
		}
		s.clean()
	})
}

func TestALongReplyComesInPages(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for n := range 200 {
		fmt.Fprintf(&text, "- provider-%03d with several models, one of them current\n", n)
	}
	d := &desk{do: func(context.Context, chat.Command) (chat.Reply, error) {
		return chat.Reply{Text: text.String(), Buttons: []chat.Button{{Label: "Add", Action: "provider.add"}}}, nil
	}}
	ways(t, d, func(t *testing.T, s *stage) {
		i := s.slash("general", "ann", "/provider list")
		s.answer(i)
		s.until("all pages are there", func() bool {
			return strings.Contains(joined(i.Messages()), "provider-199")
		})
		got := i.Messages()
		if joined(got) != strings.TrimSpace(text.String()) {
			t.Error("the pages do not add up to the reply")
		}
		for n, m := range got {
			if has := len(m.Buttons()) > 0; !m.Ephemeral || has != (n == len(got)-1) {
				t.Errorf("page %d: ephemeral %v, buttons %v", n, m.Ephemeral, m.Buttons())
			}
		}
		s.clean()
	})
}

func joined(list []fake.Message) string {
	var out []string
	for _, m := range list {
		out = append(out, m.Content)
	}
	return strings.Join(out, "\n")
}

func TestTwoProcessesActOnce(t *testing.T) {
	t.Parallel()
	d := &desk{}
	s := open(t, fake.Options{Identify: fake.IdentifyLimits{Window: time.Millisecond}}, d, nil)
	s.until("commands are registered", func() bool { return len(s.Commands("")) > 0 })
	second, err := New(Options{Records: shared(), Bots: s.adapter.apps[0].bots, APIURL: s.APIURL(), Log: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	other := &stage{Server: s.Server, adapter: second, inbox: s.inbox, t: t}
	other.run(d)
	other.connected()
	if n := s.Connected(); n != 2 {
		t.Fatalf("%d connections, want 2", n)
	}
	for range 10 {
		s.answer(s.slash("general", "ann", "/reset"))
	}
	if n := len(d.asked()); n != 10 {
		t.Errorf("the desk was asked %d times for 10 commands", n)
	}
	s.Mention("general", "ann", "hello")
	s.inbox.wait(t, 1)
}
