// Slash commands, menus, buttons and forms, over HTTP and Socket Mode.

package slack

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/internal/chat"
	fake "parley/internal/fake/slack"
)

// overBoth runs a test over signed HTTP and over Socket Mode.
func overBoth(t *testing.T, f func(t *testing.T, r *rig)) {
	t.Run("http", func(t *testing.T) {
		r := newRig(t, setup{})
		eventually(t, "connected", func() bool { return r.adapter.Health()[0].OK })
		f(t, r)
	})
	t.Run("socket", func(t *testing.T) {
		r := newRig(t, setup{socket: true})
		r.await("two connections", func() bool { return r.ws.Connections("") == 2 })
		f(t, r)
	})
}

func TestASlashCommandIsAnsweredToTheCallerOnly(t *testing.T) {
	overBoth(t, func(t *testing.T, r *rig) {
		got := r.ws.Slash(fake.Command{Channel: "C1", User: "U1", Command: "/model", Text: " lab/qwen3-8b "})
		if got.Problem != "" {
			t.Fatalf("%+v", got)
		}
		c := r.desk.did()[0]
		if c.Name != "model" || c.Args != "lab/qwen3-8b" || c.Inline || c.Scope != "slack:B0HELPER:T0TEAM" || c.Bot != "helper" ||
			c.Place != (chat.Place{Platform: "slack", Workspace: "T0TEAM", Channel: "C1"}) || c.Author.ID != "U1" || c.Author.Name != "u1" {
			t.Errorf("command %+v", c)
		}
		said := r.ws.Messages("C1")
		if len(said) != 1 || said[0].Only != "U1" || said[0].Seen != "done: model lab/qwen3-8b" {
			t.Errorf("said %+v", said)
		}
	})
}

func TestWhatChangesSomethingForAllIsSaidToAll(t *testing.T) {
	overBoth(t, func(t *testing.T, r *rig) {
		r.desk.onDo = func(context.Context, chat.Command) (chat.Reply, error) {
			return chat.Reply{Text: "This channel now uses `lab/qwen3-8b`. <!channel>", Public: true}, nil
		}
		r.ws.Slash(fake.Command{Channel: "C1", User: "U1", Command: "/model", Text: "lab/qwen3-8b"})
		said := r.ws.Messages("C1")
		if len(said) != 1 || said[0].Only != "" || len(r.ws.Pings()) != 0 {
			t.Errorf("said %+v, pings %v", said, r.ws.Pings())
		}
	})
}

func TestASlowCommandIsAnsweredLater(t *testing.T) {
	r := newRig(t, setup{slow: true})
	eventually(t, "connected", func() bool { return r.adapter.Health()[0].OK })
	release := make(chan struct{})
	r.desk.onDo = func(ctx context.Context, _ chat.Command) (chat.Reply, error) {
		select {
		case <-release:
			return chat.Reply{Text: "reached, streams, 12 tokens/s"}, ctx.Err()
		case <-ctx.Done():
			return chat.Reply{}, ctx.Err()
		}
	}
	got := r.ws.Slash(fake.Command{Channel: "C1", User: "U1", Command: "/provider", Text: "test lab"})
	if got.Problem != "" || got.Body != "" || answerWithin > 2600*time.Millisecond {
		t.Errorf("%+v", got)
	}
	close(release)
	r.await("the reply", func() bool { return len(r.ws.Messages("C1")) == 1 })
	if said := r.ws.Messages("C1")[0]; said.Only != "U1" || said.Seen != "reached, streams, 12 tokens/s" {
		t.Errorf("%+v", said)
	}
}

func TestAnErrorIsSaidInWordsForThePerson(t *testing.T) {
	r := newRig(t, setup{})
	eventually(t, "connected", func() bool { return r.adapter.Health()[0].OK })
	r.desk.onDo = func(_ context.Context, c chat.Command) (chat.Reply, error) {
		if c.Args == "known" {
			return chat.Reply{}, chat.Tell("Only admins add providers; ask <@U9>.")
		}
		return chat.Reply{}, errors.New("redis: connection refused at 10.0.0.7")
	}
	r.ws.Slash(fake.Command{Channel: "C1", User: "U1", Command: "/provider", Text: "known"})
	r.ws.Slash(fake.Command{Channel: "C1", User: "U1", Command: "/provider", Text: "unknown"})
	said := r.ws.Messages("C1")
	if len(said) != 2 || !strings.HasPrefix(said[0].Seen, "Only admins add providers") {
		t.Fatalf("%+v", said)
	}
	if strings.Contains(said[1].Seen, "10.0.0.7") || !strings.Contains(said[1].Seen, "ref-") {
		t.Errorf("%q", said[1].Seen)
	}
	ref := said[1].Seen[strings.Index(said[1].Seen, "ref-"):][:12]
	if log := r.logged.String(); !strings.Contains(log, ref) || !strings.Contains(log, "10.0.0.7") {
		t.Errorf("the log does not explain %s:\n%s", ref, log)
	}
}

func TestAMenuRunsItsCommandAndGivesWayToTheAnswer(t *testing.T) {
	overBoth(t, func(t *testing.T, r *rig) {
		r.desk.onDo = func(_ context.Context, c chat.Command) (chat.Reply, error) {
			if c.Args == "" {
				return chat.Reply{Text: "Now: a", Menu: &chat.Menu{Action: "model", Options: []chat.Option{{Label: "Model A", Value: "a", Current: true}, {Label: "Model B", Value: "lab/b"}}}}, nil
			}
			return chat.Reply{Text: "Now: " + c.Args}, nil
		}
		r.ws.Slash(fake.Command{Channel: "C1", User: "U1", Command: "/model"})
		menu := r.ws.Messages("C1")[0]
		if len(menu.Controls) != 1 || menu.Controls[0].Initial != "a" {
			t.Fatalf("%+v", menu)
		}
		if _, err := r.ws.Press(fake.Press{Message: menu.TS, User: "U1", Choose: "Model B"}); err != nil {
			t.Fatal(err)
		}
		r.await("the answer in the menu's place", func() bool { m, _ := r.ws.Message(menu.TS); return m.Seen == "Now: lab/b" })
		c := r.desk.did()[1]
		if c.Name != "model" || c.Args != "lab/b" || c.Place.Channel != "C1" || c.Place.Thread != "" || c.Author.ID != "U1" {
			t.Errorf("%+v", c)
		}
		if len(r.ws.Messages("C1")) != 1 {
			t.Errorf("the menu is still there: %+v", r.ws.Messages("C1"))
		}
	})
}

func TestAMenuOfTwoWordsRunsTheVerbWithTheChoice(t *testing.T) {
	overBoth(t, func(t *testing.T, r *rig) {
		r.desk.onDo = func(_ context.Context, c chat.Command) (chat.Reply, error) {
			if c.Args == "" {
				return chat.Reply{Text: "Providers", Menu: &chat.Menu{Action: "provider.use", Options: []chat.Option{{Label: "Lab", Value: "lab"}, {Label: "Corp", Value: "corp"}}}}, nil
			}
			return chat.Reply{Text: "Now: " + c.Args}, nil
		}
		r.ws.Slash(fake.Command{Channel: "C1", User: "U1", Command: "/provider"})
		menu := r.ws.Messages("C1")[0]
		if _, err := r.ws.Press(fake.Press{Message: menu.TS, User: "U1", Choose: "Corp"}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the command", func() bool { return len(r.desk.did()) == 2 })
		if c := r.desk.did()[1]; c.Name != "provider" || c.Args != "use corp" {
			t.Errorf("%+v", c)
		}
	})
}

// Socket Mode takes 20 KiB with an acknowledgement; HTTP takes more.
func TestALongReplyIsSaidHoweverItCame(t *testing.T) {
	overBoth(t, func(t *testing.T, r *rig) {
		r.desk.onDo = func(context.Context, chat.Command) (chat.Reply, error) {
			menu := &chat.Menu{Action: "model"}
			for i := range 100 {
				id := fmt.Sprintf("corp/%03d-%s", i, strings.Repeat("x", 60))
				menu.Options = append(menu.Options, chat.Option{Label: id + " of the corporation", Value: id})
			}
			return chat.Reply{Text: "Models: " + strings.Repeat("many ", 1500), Menu: menu}, nil
		}
		r.ws.Slash(fake.Command{Channel: "C1", User: "U1", Command: "/model"})
		r.await("the reply", func() bool { return len(r.ws.Messages("C1")) == 1 })
		if said := r.ws.Messages("C1")[0]; said.Only != "U1" || len(said.Controls) != 1 || len(said.Controls[0].Options) != 100 {
			t.Errorf("%+v", said)
		}
	})
}

// Slack does not send a press again that it was told of.
func TestAStopIsDoneBeforeSlackIsTold(t *testing.T) {
	r := newRig(t, setup{})
	eventually(t, "connected", func() bool { return r.adapter.Health()[0].OK })
	release, pressed := make(chan struct{}), make(chan struct{})
	r.desk.onDo = func(context.Context, chat.Command) (chat.Reply, error) {
		<-release
		return chat.Reply{}, nil
	}
	r.ws.Mention("C1", "U1", "write a book")
	post, err := r.responder(r.message()).Post(t.Context(), chat.Content{Markdown: "Once upon", Key: "turn-7-0", Stop: "turn-7"})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(pressed)
		_, _ = r.ws.Press(fake.Press{Message: string(post.ID), User: "U2", Button: "Stop"})
	}()
	eventually(t, "the command", func() bool { return len(r.desk.did()) == 1 })
	select {
	case <-pressed:
		t.Error("Slack was told before the answer was stopped")
	default:
	}
	close(release)
	<-pressed
}

func TestTheStopButtonRunsStopInTheThread(t *testing.T) {
	overBoth(t, func(t *testing.T, r *rig) {
		r.desk.onDo = func(_ context.Context, c chat.Command) (chat.Reply, error) {
			if c.Args == "turn-7" {
				return chat.Reply{}, nil // the message itself shows that it ended
			}
			return chat.Reply{Text: "There is nothing to stop."}, nil
		}
		ts := r.ws.Mention("C1", "U1", "write a book")
		m := r.message()
		post, err := r.responder(m).Post(t.Context(), chat.Content{Markdown: "Once upon", Key: "turn-7-0", Stop: "turn-7"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.ws.Press(fake.Press{Message: string(post.ID), User: "U2", Button: "Stop"}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the command", func() bool { return len(r.desk.did()) == 1 })
		c := r.desk.did()[0]
		if c.Name != "stop" || c.Args != "turn-7" || c.Place.Thread != ts || c.Author.ID != "U2" || c.Place.Workspace != "T0TEAM" {
			t.Errorf("%+v", c)
		}
		if n := len(r.ws.Thread("C1", ts)); n != 1 {
			t.Errorf("%d messages in the thread", n)
		}
	})
}

func TestACommandAfterAMentionIsAnsweredToTheCallerInTheThread(t *testing.T) {
	r := newRig(t, setup{})
	root := r.ws.Mention("C1", "U1", "hello")
	r.message()
	r.ws.MentionIn("C1", root, "U2", "/model")
	m := r.message()
	if m.Text != "/model" || m.Place.Thread != root {
		t.Fatalf("%+v", m)
	}
	_, err := r.responder(m).Post(t.Context(), chat.Content{Markdown: "Now: `a`", Only: "U2",
		Menu: &chat.Menu{Action: "model", Options: []chat.Option{{Value: "a"}, {Value: "b"}}}, Buttons: []chat.Button{{Label: "Add a provider", Action: "provider.add"}}})
	if err != nil {
		t.Fatal(err)
	}
	said := r.ws.Thread("C1", root)
	if last := said[len(said)-1]; last.Only != "U2" || len(last.Controls) != 2 {
		t.Fatalf("%+v", last)
	}
	if _, err := r.ws.Press(fake.Press{Message: said[len(said)-1].TS, User: "U2", Choose: "b"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the choice", func() bool { return len(r.desk.did()) == 1 })
	if c := r.desk.did()[0]; c.Args != "b" || c.Place.Thread != root {
		t.Errorf("%+v", c)
	}
}

// One's own thread may always be switched, also by a menu that only oneself
// sees: Slack sends nothing of such a message back.
func TestAPressInAThreadSaysWhoseThreadItIs(t *testing.T) {
	r := newRig(t, setup{})
	menu := func() *chat.Menu {
		return &chat.Menu{Action: "model", Options: []chat.Option{{Value: "a"}, {Value: "b"}}}
	}
	r.desk.onDo = func(context.Context, chat.Command) (chat.Reply, error) {
		return chat.Reply{Text: "Chosen", Menu: menu(), Buttons: []chat.Button{{Label: "Default", Action: "model", Args: "default"}}}, nil
	}
	root := r.ws.Mention("C1", "U1", "hello")
	r.message()
	r.ws.Reply("C1", root, "U2", "me too") // an ephemeral reply shows in a living thread
	for n, asker := range []string{"U1", "U2"} {
		r.ws.MentionIn("C1", root, asker, "/model")
		m := r.message()
		for m.Text != "/model" || m.Author.ID != asker {
			m = r.message()
		}
		post, err := r.responder(m).Post(t.Context(), chat.Content{Markdown: "Now: `a`", Only: asker, Menu: menu()})
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range []fake.Press{{Choose: "b"}, {Choose: "a"}, {Button: "Default"}} { // the later ones of the reply in its place
			p.Message, p.User = string(post.ID), asker
			if _, err := r.ws.Press(p); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the command", func() bool { return len(r.desk.did()) == 3*n+i+1 })
			if c := r.desk.did()[3*n+i]; c.Place.Thread != root || c.Place.Owner != "U1" || c.Author.ID != asker {
				t.Errorf("press %d of %s: %+v", i, asker, c)
			}
			r.await("the reply in its place", func() bool { m, _ := r.ws.Message(string(post.ID)); return m.Seen == "Chosen" && len(m.Controls) == 2 })
		}
	}
	for block, want := range map[string]string{"parley.controls:": "", "parley.stop": "", "": ""} {
		if got := (interaction{Actions: []action{{BlockID: block}}}).owner(); got != want {
			t.Errorf("block %q: owner %q", block, got)
		}
	}
}

func TestACommandAtTheTopOfAChannelIsAboutTheChannel(t *testing.T) {
	r := newRig(t, setup{})
	ts := r.ws.Mention("C1", "U1", "/model lab/b")
	m := r.message()
	if m.Place.InThread() {
		t.Errorf("%+v", m.Place)
	}
	responder := r.responder(m)
	if _, err := responder.Post(t.Context(), chat.Content{Markdown: "This channel now uses `lab/b`.", Key: "k"}); err != nil {
		t.Fatal(err)
	}
	if n := len(r.ws.Answers("C1", ts)); n != 1 {
		t.Errorf("%d answers in the thread", n)
	}
	// Slack shows an ephemeral reply only in a thread that exists already.
	if _, err := responder.Post(t.Context(), chat.Content{Markdown: "for you", Only: "U1"}); err != nil {
		t.Fatal(err)
	}
	all := r.ws.Messages("C1")
	if last := all[len(all)-1]; last.Only != "U1" || last.ThreadTS != "" {
		t.Errorf("%+v", last)
	}
}

func form() *chat.Form {
	return &chat.Form{ID: "provider-add", Title: "Add a provider", Submit: "Add", Fields: []chat.Field{
		{ID: "id", Label: "Provider ID", MaxLength: 40}, {ID: "name", Label: "Display Name", Optional: true},
		{ID: "endpoint", Label: "Endpoint URL", Placeholder: "https://host/v1/chat/completions"},
		{ID: "key", Label: "API Key", Optional: true, Secret: true}, {ID: "models", Label: "Models", Optional: true, Multiline: true, Value: "auto"},
	}}
}

func TestAFormOpensIsCheckedAndItsResultIsToldToThePersonAlone(t *testing.T) {
	overBoth(t, func(t *testing.T, r *rig) {
		r.desk.onDo = func(context.Context, chat.Command) (chat.Reply, error) { return chat.Reply{Form: form()}, nil }
		r.desk.onSubmit = func(_ context.Context, s chat.Submission) (chat.Outcome, error) {
			if s.Values["id"] != "lab" {
				return chat.Outcome{Errors: map[string]string{"id": "Lowercase letters, digits and hyphens only.", "apiStyle": "Only openai is supported."}}, nil
			}
			return chat.Outcome{Then: func(context.Context) chat.Reply { return chat.Reply{Text: "`lab` was saved: it answers."} }}, nil
		}
		if got := r.ws.Slash(fake.Command{Channel: "C1", User: "U1", Command: "/provider", Text: "add"}); got.Problem != "" || got.Body != "" {
			t.Fatalf("%+v", got)
		}
		v, open := r.ws.View("U1")
		if !open || v.Title != "Add a provider" || len(v.Inputs) != 5 || v.Inputs[4].Initial != "auto" || !v.Inputs[1].Optional || v.Inputs[0].Optional {
			t.Fatalf("%+v", v)
		}
		fields := map[string]string{"Provider ID": "My Lab", "Endpoint URL": "http://lab.example/v1/chat/completions", "API Key": "sk-very-secret"}
		v, got, err := r.ws.SubmitView("U1", fields)
		if err != nil || got.Problem != "" || !v.Open || !strings.Contains(v.Errors["id"], "Lowercase letters") || !strings.Contains(v.Errors["id"], "Only openai") {
			t.Fatalf("%v %+v %+v", err, got, v.Errors)
		}
		fields["Provider ID"] = " lab "
		v, got, err = r.ws.SubmitView("U1", fields)
		if err != nil || got.Problem != "" || v.Open {
			t.Fatalf("%v %+v %+v", err, got, v)
		}
		r.await("the result", func() bool { return len(r.ws.Messages("C1")) == 1 })
		if said := r.ws.Messages("C1")[0]; said.Only != "U1" || said.Seen != "`lab` was saved: it answers." {
			t.Errorf("%+v", said)
		}
		r.desk.mu.Lock()
		s := r.desk.forms[1]
		r.desk.mu.Unlock()
		if s.Form != "provider-add" || s.Values["key"] != "sk-very-secret" || s.Values["models"] != "auto" || s.Values["name"] != "" ||
			s.Place.Channel != "C1" || s.Author.ID != "U1" || s.Scope != "slack:B0HELPER:T0TEAM" {
			t.Errorf("%+v", s)
		}
		if strings.Contains(r.logged.String(), "sk-very-secret") {
			t.Error("the log holds the key")
		}
		for _, c := range r.ws.Calls("") {
			for _, v := range c.Args {
				if strings.Contains(v, "sk-very-secret") {
					t.Errorf("%s holds the key", c.Method)
				}
			}
		}
	})
}

func TestAFormWhoseResultHasNoPlaceIsAnsweredInTheDirectMessage(t *testing.T) {
	r := newRig(t, setup{})
	eventually(t, "connected", func() bool { return r.adapter.Health()[0].OK })
	r.ws.AddChannel(fake.Channel{ID: "C2", Absent: []string{"A0HELPER"}}) // slash commands work where the bot is not
	r.desk.onDo = func(context.Context, chat.Command) (chat.Reply, error) { return chat.Reply{Form: form()}, nil }
	r.desk.onSubmit = func(context.Context, chat.Submission) (chat.Outcome, error) {
		return chat.Outcome{Then: func(context.Context) chat.Reply { return chat.Reply{Text: "saved"} }}, nil
	}
	r.ws.Slash(fake.Command{Channel: "C2", User: "U1", Command: "/provider", Text: "add"})
	if _, _, err := r.ws.SubmitView("U1", map[string]string{"id": "lab", "endpoint": "http://x"}); err != nil {
		t.Fatal(err)
	}
	direct := r.ws.DirectChannel("", "U1")
	r.await("the result", func() bool { return len(r.ws.Messages(direct)) == 1 })
}

func TestASlowFormClosesAndTellsItsErrorsAfterwards(t *testing.T) {
	r := newRig(t, setup{slow: true})
	eventually(t, "connected", func() bool { return r.adapter.Health()[0].OK })
	release := make(chan struct{})
	r.desk.onDo = func(context.Context, chat.Command) (chat.Reply, error) { return chat.Reply{Form: form()}, nil }
	r.desk.onSubmit = func(context.Context, chat.Submission) (chat.Outcome, error) {
		<-release
		return chat.Outcome{Errors: map[string]string{"endpoint": "This address is not allowed."}}, nil
	}
	r.ws.Mention("C1", "U1", "hi") // the bot is in the channel
	asked := r.ws.Slash(fake.Command{Channel: "C1", User: "U1", Command: "/provider", Text: "add"})
	r.await("the form", func() bool { return r.ws.Told(asked) })
	v, got, err := r.ws.SubmitView("U1", map[string]string{"id": "lab", "endpoint": "http://x"})
	if err != nil || got.Problem != "" || v.Open {
		t.Fatalf("%v %+v", err, got)
	}
	close(release)
	r.await("the errors", func() bool {
		all := r.ws.Messages("C1")
		return strings.Contains(all[len(all)-1].Seen, "This address is not allowed.") && all[len(all)-1].Only == "U1"
	})
}

func TestAFormThatCannotOpenIsSaidSo(t *testing.T) {
	r := newRig(t, setup{fake: fake.Options{Pace: 100_000}}) // a trigger lives for 30 µs
	eventually(t, "connected", func() bool { return r.adapter.Health()[0].OK })
	r.desk.onDo = func(context.Context, chat.Command) (chat.Reply, error) { return chat.Reply{Form: form()}, nil }
	got := r.ws.Slash(fake.Command{Channel: "C1", User: "U1", Command: "/provider", Text: "add"})
	if !strings.Contains(got.Body, "Slack gave up waiting for the form. Try again.") {
		t.Errorf("%+v", got)
	}
}

func TestRepliesGoToSlackOnly(t *testing.T) {
	a, err := New(Options{Bots: nil, APIURL: "https://slack.example/api/"})
	if err != nil || len(a.Health()) != 0 {
		t.Fatal(err)
	}
	r := newRig(t, setup{idle: true})
	app := r.adapter.apps[0]
	for url, want := range map[string]bool{
		"https://hooks.slack.com/commands/1": true, "https://hooks.slack-gov.com/x": true, r.ws.APIURL() + "x": true,
		"http://hooks.slack.com/commands/1": false, "https://slack.com.evil.example/": false, "https://evilslack.com/": false,
		"http://169.254.169.254/": false, "://": false, "": false,
	} {
		if app.trusts(url) != want {
			t.Errorf("%q: trusted is %v", url, !want)
		}
	}
	if err := app.respond(t.Context(), "https://evil.example/hook", reply{Text: "x"}); err == nil {
		t.Error("a reply left for another host")
	}
}

func TestAVeryLongReplyIsCutToOneMessage(t *testing.T) {
	r := newRig(t, setup{})
	eventually(t, "connected", func() bool { return r.adapter.Health()[0].OK })
	r.desk.onDo = func(context.Context, chat.Command) (chat.Reply, error) {
		return chat.Reply{Text: strings.Repeat("- lab/model <@U1>\n", 2000)}, nil
	}
	got := r.ws.Slash(fake.Command{Channel: "C1", User: "U1", Command: "/provider"})
	if said := r.ws.Messages("C1"); got.Problem != "" || len(said) != 1 || !strings.HasSuffix(said[0].Seen, "\n…") {
		t.Errorf("%s %d", got.Problem, len(said))
	}
}

func TestAReplyFindsAnotherWayWhenTheFirstIsClosed(t *testing.T) {
	r := newRig(t, setup{})
	r.ws.Mention("C1", "U1", "hi")
	m := r.message()
	app := r.adapter.apps[0]
	place := func() replyTarget { return replyTarget{place: m.Place, user: m.Author} }
	said := app.reply(chat.Reply{Text: "done"}, place())

	used := place()
	used.responseURL, used.slash = r.ws.APIURL()+"../commands/gone", true
	app.tell(t.Context(), used, *said)
	if all := r.ws.Thread("C1", string(m.ID)); len(all) != 1 || all[0].Only != "U1" {
		t.Errorf("the Web API takes over: %+v", all)
	}
	public := app.reply(chat.Reply{Text: "changed", Public: true}, place())
	app.tell(t.Context(), place(), *public)
	if all := r.ws.Answers("C1", string(m.ID)); len(all) != 1 || all[0].Seen != "changed" {
		t.Errorf("%+v", all)
	}
	r.ws.Inject(fake.Fault{Method: "chat.postEphemeral", Error: "user_not_in_channel"})
	app.tell(t.Context(), place(), *said)
	if direct := r.ws.Messages(r.ws.DirectChannel("", "U1")); len(direct) != 1 {
		t.Errorf("the direct message takes over: %+v", direct)
	}
	r.ws.Inject(fake.Fault{Method: "chat.postEphemeral", Error: "fatal_error"})
	r.ws.Inject(fake.Fault{Method: "chat.postMessage", Error: "fatal_error"})
	app.tell(t.Context(), place(), *said)
	if !strings.Contains(r.logged.String(), "a reply could not be delivered") {
		t.Error("a lost reply is logged")
	}
}

func TestWhatIsNotOursIsLeftAlone(t *testing.T) {
	r := newRig(t, setup{})
	eventually(t, "connected", func() bool { return r.adapter.Health()[0].OK })
	app := r.adapter.apps[0]
	for _, i := range []interaction{
		{Type: "block_actions"}, {Type: "shortcut"}, {Type: "view_submission"}, {Type: "view_closed"},
	} {
		if got := app.interact(t.Context(), time.Now(), i); got != nil {
			t.Errorf("%s: %v", i.Type, got)
		}
	}
	other := interaction{Type: "block_actions", Actions: []action{{ActionID: "somebody-elses", Value: "stop all"}}}
	app.interact(t.Context(), time.Now(), other)
	app.background.Finish(time.Second)
	if len(r.desk.did()) != 0 {
		t.Errorf("%+v", r.desk.did())
	}
}

func TestADefectInOneRequestEndsNothing(t *testing.T) {
	r := newRig(t, setup{})
	eventually(t, "connected", func() bool { return r.adapter.Health()[0].OK })
	r.desk.onDo = func(context.Context, chat.Command) (chat.Reply, error) {
		panic("xoxb-1-helper: a value that must not be logged")
	}
	r.ws.Slash(fake.Command{Channel: "C1", User: "U1", Command: "/model"})
	eventually(t, "logged", func() bool { return strings.Contains(r.logged.String(), "a defect ended") })
	r.desk.onDo = nil
	if got := r.ws.Slash(fake.Command{Channel: "C1", User: "U1", Command: "/model"}); got.Problem != "" || got.Body == "" {
		t.Errorf("%+v", got)
	}
}
