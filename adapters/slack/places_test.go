// Looking things up: members, history, files, signs of thinking, the manifest.

package slack

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/bots"
	"parley/internal/chat"
	fake "parley/internal/fake/slack"
)

func helpers() []bots.Bot { return []bots.Bot{helper()} }

func TestBotsWithTheSameTokenAreOneApp(t *testing.T) {
	a, b, c := helper(), helper(), withToken(helper(), "xoxb-2")
	a.ID, b.ID, c.ID = "zeta", "alpha", "other"
	a.Default = true
	ad, err := New(Options{Bots: []bots.Bot{b, a, c, {ID: "none"}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(ad.apps) != 2 || ad.byBot["alpha"] != ad.byBot["zeta"] || ad.byBot["alpha"].lead.ID != "zeta" || ad.byBot["other"].lead.ID != "other" {
		t.Errorf("%+v", ad.byBot)
	}
	if h := ad.Health(); len(h) != 3 || h[0].Bot != "alpha" || h[0].OK || h[0].Reason == "" {
		t.Errorf("%+v", h)
	}
	for _, bad := range []Options{{APIURL: "slack.com"}, {APIURL: "ftp://x/"}, {StreamMode: "fast"}} {
		if _, err := New(bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

func TestMembersAreLookedUpAndKept(t *testing.T) {
	b := helper()
	b.Access.Groups = []string{"S1", "S2"}
	r := newRig(t, setup{bots: []bots.Bot{b}})
	r.ws.AddUser(fake.User{ID: "U1", Name: "ann", Admin: true})
	r.ws.AddUser(fake.User{ID: "U2", Name: "bob"})
	r.ws.AddUser(fake.User{ID: "U3", Name: "eve", Owner: true})
	r.ws.AddGroup(fake.Group{ID: "S2", Users: []string{"U1", "U2"}})
	r.ws.AddGroup(fake.Group{ID: "S1", Users: []string{"U2"}})
	member := func(user string) chat.Member {
		m, err := r.adapter.Member(t.Context(), "helper", chat.Place{}, chat.Author{ID: user})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for range 3 {
		if m := member("U1"); !m.Admin || !slices.Equal(m.Groups, []string{"S2"}) {
			t.Errorf("%+v", m)
		}
		if m := member("U2"); m.Admin || !slices.Equal(m.Groups, []string{"S1", "S2"}) {
			t.Errorf("%+v", m)
		}
		if !member("U3").Admin {
			t.Error("an owner is an admin")
		}
	}
	if n, g := len(r.ws.Calls("users.info")), len(r.ws.Calls("usergroups.list")); n != 3 || g != 1 {
		t.Errorf("%d users.info, %d usergroups.list", n, g)
	}
	r.ws.Inject(fake.Fault{Method: "users.info", Status: 500})
	if _, err := r.adapter.Member(t.Context(), "helper", chat.Place{}, chat.Author{ID: "U2X"}); err == nil {
		t.Error("a failed look-up must not count as no admin")
	}
}

// A list of all groups may leave out one that a rule names, or its members.
func TestAGroupThatARuleNamesIsAskedForByItself(t *testing.T) {
	b := helper()
	b.Access.Groups = []string{"S1"}
	b.Access.Models = []bots.ModelRule{{Match: "*", Groups: []string{"S1", "S9"}}}
	r := newRig(t, setup{bots: []bots.Bot{b}})
	r.ws.AddGroup(fake.Group{ID: "S1", Users: []string{"U2"}})
	r.ws.Inject(fake.Fault{Method: "usergroups.list", Error: "unknown_method"})
	for range 2 {
		m, err := r.adapter.Member(t.Context(), "helper", chat.Place{}, chat.Author{ID: "U2"})
		if err != nil || !slices.Equal(m.Groups, []string{"S1"}) {
			t.Errorf("%+v %v", m, err)
		}
	}
	if n := len(r.ws.Calls("usergroups.users.list")); n != 2 {
		t.Errorf("%d calls for two groups", n)
	}
}

// What Slack could not tell just now must not shut people out for minutes.
func TestAGroupThatCouldNotBeAskedForIsAskedForAgain(t *testing.T) {
	for name, fault := range map[string]fake.Fault{
		"503": {Status: http.StatusServiceUnavailable}, "429": {Status: http.StatusTooManyRequests, RetryAfter: 1}, "cut": {},
	} {
		t.Run(name, func(t *testing.T) {
			b := helper()
			b.Access.Groups = []string{"S1"}
			r := newRig(t, setup{bots: []bots.Bot{b}})
			r.ws.AddGroup(fake.Group{ID: "S1", Users: []string{"U2"}})
			r.ws.Inject(fake.Fault{Method: "usergroups.list", Error: "unknown_method", Times: 9})
			fault.Method = "usergroups.users.list"
			groups := func() ([]string, error) {
				m, err := r.adapter.Member(t.Context(), "helper", chat.Place{}, chat.Author{ID: "U2"})
				return m.Groups, err
			}
			r.ws.Inject(fault)
			if got, err := groups(); err == nil {
				t.Errorf("a failed look-up counts as the groups %v", got)
			}
			if got, err := groups(); err != nil || !slices.Equal(got, []string{"S1"}) {
				t.Errorf("asked again: %v %v", got, err)
			}
			r.adapter.apps[0].members.groups.Age(memberKeeps)
			r.ws.Inject(fault)
			if got, err := groups(); err != nil || !slices.Equal(got, []string{"S1"}) {
				t.Errorf("what was true a while ago: %v %v", got, err)
			}
		})
	}
}

func TestWithoutTheScopeNobodyIsAnAdmin(t *testing.T) {
	app := fake.DefaultApp()
	app.Scopes = []string{"chat:write"}
	r := newRig(t, setup{fake: fake.Options{Apps: []fake.App{app}}})
	r.ws.AddUser(fake.User{ID: "U1", Admin: true})
	m, err := r.adapter.Member(t.Context(), "helper", chat.Place{}, chat.Author{ID: "U1"})
	if err != nil || m.Admin || m.Groups != nil {
		t.Errorf("%+v %v", m, err)
	}
}

func TestHistoryOfAThread(t *testing.T) {
	r := newRig(t, setup{})
	root := r.ws.Say(fake.Said{Channel: "C1", User: "U2", Text: "the build is *red*"})
	r.ws.Reply("C1", root, "U3", "again?")
	first := r.ws.MentionIn("C1", root, "U1", "why?")
	m := r.message()
	for m.ID != chat.MessageID(first) {
		m = r.message()
	}
	if _, err := r.responder(m).Post(t.Context(), chat.Content{Markdown: "**Because** of `x`", Key: "t-0"}); err != nil {
		t.Fatal(err)
	}
	second := r.ws.MentionIn("C1", root, "U1", "and now?")
	for m.ID != chat.MessageID(second) {
		m = r.message()
	}
	r.ws.Reply("C1", root, "U3", "later, not before")
	got, err := r.adapter.History(t.Context(), m, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		author, text string
		ours         bool
	}{{"U2", "the build is **red**", false}, {"U3", "again?", false}, {"U1", "why?", false}, {"U0HELPER", "**Because** of `x`", true}}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i, w := range want {
		if got[i].Author.ID != w.author || got[i].Text != w.text || got[i].FromBot != w.ours {
			t.Errorf("%d: %+v", i, got[i])
		}
	}
	if last, err := r.adapter.History(t.Context(), m, "", 2); err != nil || len(last) != 2 || last[0].Text != "why?" {
		t.Errorf("%+v %v", last, err)
	}
	top := r.ws.Mention("C1", "U1", "fresh")
	for m.ID != chat.MessageID(top) {
		m = r.message()
	}
	if none, err := r.adapter.History(t.Context(), m, "", 5); err != nil || len(none) != 0 {
		t.Errorf("a new thread has no history: %+v %v", none, err)
	}
}

func TestHistoryOfADirectMessageHoldsItsThreads(t *testing.T) {
	r := newRig(t, setup{})
	channel, _ := r.ws.DM("U1", "one")
	m := r.message()
	if _, err := r.responder(m).Post(t.Context(), chat.Content{Markdown: "answer one", Key: "a"}); err != nil {
		t.Fatal(err)
	}
	r.ws.Say(fake.Said{Channel: channel, User: "U1", Text: "two"})
	r.message()
	r.ws.Say(fake.Said{Channel: channel, User: "U1", Text: "three"})
	m = r.message()
	got, err := r.adapter.History(t.Context(), m, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, h := range got {
		texts = append(texts, h.Text)
	}
	if !slices.Equal(texts, []string{"one", "answer one", "two"}) {
		t.Errorf("%q", texts)
	}
}

func TestTheRestOfALongAnswerIsAFileInTheThread(t *testing.T) {
	r := newRig(t, setup{})
	ts := r.ws.Mention("C1", "U1", "hi")
	responder := r.responder(r.message())
	if _, err := responder.Upload(t.Context(), "answer.md", []byte("# All of it\n"), "The rest <!here>"); err != nil {
		t.Fatal(err)
	}
	said := r.ws.Answers("C1", ts)
	if len(said) != 1 || len(said[0].Files) != 1 || string(said[0].Files[0].Data) != "# All of it\n" || said[0].Files[0].Name != "answer.md" {
		t.Errorf("%+v", said)
	}
	if len(r.ws.Pings()) != 0 {
		t.Errorf("%v", r.ws.Pings())
	}
}

func TestThinkingShowsAStatusUntilTheAnswerBegins(t *testing.T) {
	r := newRig(t, setup{})
	ts := r.ws.Mention("C1", "U1", "hi")
	responder := r.responder(r.message())
	ctx, stop := context.WithCancel(t.Context())
	go responder.Thinking(ctx)
	r.await("a status", func() bool { s := r.ws.Statuses(); return len(s) == 1 && s[0].Thread == ts && s[0].Text != "" })
	stop()
	r.await("its end", func() bool { s := r.ws.Statuses(); return s[len(s)-1].Text == "" })
	if n := len(r.ws.Calls("reactions.add")); n != 0 {
		t.Errorf("%d reactions as well", n)
	}
}

func TestTheAnswerItselfTakesTheStatusAway(t *testing.T) {
	r := newRig(t, setup{})
	r.ws.Mention("C1", "U1", "hi")
	answering := r.responder(r.message()).(*responder)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { answering.Thinking(ctx); close(done) }()
	r.await("a status", func() bool { return len(r.ws.Statuses()) == 1 })
	eventually(t, "noticed", func() bool { return r.adapter.apps[0].indicators.standing(answering.where()) })
	if _, err := answering.Post(t.Context(), chat.Content{Markdown: "x"}); err != nil {
		t.Fatal(err)
	}
	stop()
	<-done
	r.adapter.apps[0].background.Finish(time.Second)
	if s := r.ws.Statuses(); len(s) != 2 || s[1].Text != "" {
		t.Errorf("%+v", s)
	}
	if n := len(r.ws.Calls("assistant.threads.setStatus")); n != 1 {
		t.Errorf("%d calls", n)
	}
}

func TestWithoutAStatusThinkingShowsAReaction(t *testing.T) {
	r := newRig(t, setup{})
	ts := r.ws.Mention("C1", "U1", "hi")
	responder := r.responder(r.message())
	r.ws.Inject(fake.Fault{Method: "assistant.threads.setStatus", Error: "missing_scope"})
	for range 2 { // the refusal is remembered
		ctx, stop := context.WithCancel(t.Context())
		go responder.Thinking(ctx)
		r.await("a reaction", func() bool { m, _ := r.ws.Message(ts); return len(m.Reactions["eyes"]) == 1 })
		stop()
		r.await("its end", func() bool { m, _ := r.ws.Message(ts); return len(m.Reactions["eyes"]) == 0 })
	}
	if n := len(r.ws.Calls("assistant.threads.setStatus")); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// calls counts requests, inside a synctest bubble where no network may be.
type calls int

func (c *calls) RoundTrip(r *http.Request) (*http.Response, error) {
	*c++
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(`{"ok":true}`)), Header: http.Header{}, Request: r}, nil
}

func TestAnAnswerThatBeginsAtOnceNeedsNoSign(t *testing.T) {
	for answered, want := range map[time.Duration]bool{thinkingAfter - time.Millisecond: false, thinkingAfter + time.Millisecond: true} {
		synctest.Test(t, func(t *testing.T) {
			var made calls
			a, err := New(Options{Bots: helpers(), HTTPClient: &http.Client{Transport: &made}})
			if err != nil {
				t.Fatal(err)
			}
			responder, err := a.Responder(chat.Message{Bot: "helper", Scope: "slack:B1:T1", Place: chat.Place{Channel: "C1", Thread: "1.1"}})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithTimeout(t.Context(), answered)
			defer stop()
			responder.Thinking(ctx)
			synctest.Wait() // a sign that was set is taken away by itself
			if (made > 0) != want {
				t.Errorf("an answer after %s: %d calls", answered, made)
			}
		})
	}
}

func TestSignsOfThinkingCauseNo429(t *testing.T) {
	r := newRig(t, setup{})
	var pens []chat.Responder
	for range 40 {
		r.ws.Mention("C1", "U1", "hi")
		pens = append(pens, r.responder(r.message()))
	}
	ctx, stop := context.WithTimeout(t.Context(), 2*thinkingAfter)
	defer stop()
	done := make(chan struct{})
	for _, p := range pens {
		go func() { p.Thinking(ctx); done <- struct{}{} }()
	}
	for range pens {
		<-done
	}
	if n := r.ws.Limited(); n != 0 {
		t.Errorf("%d calls were limited", n)
	}
}

func TestTheManifestAsksForWhatIsUsedAndForNoNameOfSlacks(t *testing.T) {
	socket, web := socketHelper(), helper()
	for _, c := range []struct {
		bot    bots.Bot
		base   string
		socket bool
	}{{socket, "", true}, {socket, "https://bots.example", true}, {web, "https://bots.example/", false}, {bots.Bot{ID: "new"}, "", true}, {bots.Bot{ID: "new"}, "https://bots.example", false}} {
		made, err := Platform().Manifest(c.bot.Profile(Platform()), c.base)
		if err != nil {
			t.Fatal(err)
		}
		out := made.JSON
		var m manifest
		if err := json.Unmarshal(out, &m); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if m.Settings.Socket != c.socket || (m.Settings.Events.URL == "") != c.socket || (m.Settings.Interactivity.URL == "") != c.socket {
			t.Errorf("%s", out)
		}
		if !c.socket && m.Settings.Events.URL != "https://bots.example/slack/"+c.bot.ID+"/events" {
			t.Errorf("%s", m.Settings.Events.URL)
		}
		for _, command := range m.Features.Commands {
			if slices.Contains(reserved(), strings.TrimPrefix(command.Command, "/")) {
				t.Errorf("Slack keeps %s for itself", command.Command)
			}
			if command.Command == "/provider" && command.Hint != "[list | use | add | edit | remove | test] [id]" {
				t.Errorf("the hint of /provider is %q", command.Hint)
			}
			if (command.URL == "") != c.socket {
				t.Errorf("%+v", command)
			}
		}
		if len(m.Features.Commands) != len(chat.WordNames()) || !m.Features.Home.MessagesTab || m.Features.Home.ReadOnly {
			t.Errorf("%s", out)
		}
	}
	prefixed := socketHelper()
	prefixed.Sections = inSlack("xoxb-1-helper", appToken, "xapp-1-helper", commandPrefix, "helper-")
	if out, err := appManifest(prefixed.Profile(Platform()), ""); err != nil || !strings.Contains(out.Text, `"/helper-help"`) {
		t.Errorf("%v %s", err, out.Text)
	}
	prefixed.Sections = inSlack("xoxb-1-helper", appToken, "xapp-1-helper", commandPrefix, strings.Repeat("x", 30))
	if _, err := appManifest(prefixed.Profile(Platform()), ""); err == nil {
		t.Error("a command of more than 32 characters")
	}
	if _, err := appManifest(web.Profile(Platform()), "http://bots.example"); err == nil {
		t.Error("Slack calls https only")
	}
}

// TestTheScopesOfTheManifestAreEnough runs the whole life of an answer with a
// token that holds exactly the manifest's scopes, and then with each one of
// them taken away: something must fail, or the scope is not needed.
func TestTheScopesOfTheManifestAreEnough(t *testing.T) {
	all := scopes()
	if refused := life(t, all); refused != "" {
		t.Errorf("with every scope: %s", refused)
	}
	// Events need theirs too, which a Web API call cannot show.
	events := []string{"app_mentions:read", "commands", "mpim:history"}
	for _, scope := range all {
		if slices.Contains(events, scope) {
			continue
		}
		rest := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == scope })
		if life(t, rest) == "" {
			t.Errorf("nothing needs %s", scope)
		}
	}
}

// life makes every call that the adapter makes and names the first method that
// was refused for lack of a scope.
func life(t *testing.T, scopes []string) string {
	app := fake.DefaultApp()
	app.Scopes = scopes
	b := helper()
	b.Access.Groups = []string{"S1"}
	r := newRig(t, setup{bots: []bots.Bot{b}, fake: fake.Options{Apps: []fake.App{app}, Limits: fake.Limits{Off: true}}})
	r.ws.AddGroup(fake.Group{ID: "S1", Users: []string{"U1"}})
	r.ws.AddChannel(fake.Channel{ID: "G1", Private: true})
	r.ws.Inject(fake.Fault{Method: "assistant.threads.setStatus", Error: "channel_type_not_supported"})
	for _, channel := range []string{"C1", "G1", r.ws.DirectChannel("", "U1")} {
		root := r.ws.Say(fake.Said{Channel: channel, User: "U1", Text: "<@U0HELPER> one"})
		m := r.message()
		_, _ = r.responder(m).Post(t.Context(), chat.Content{Markdown: "x", Key: "k", Again: true})
		_, _ = r.responder(m).Upload(t.Context(), "a", []byte("b"), "")
		_, _ = r.responder(m).Post(t.Context(), chat.Content{Markdown: "x", Only: "U1"})
		_, _ = r.adapter.Member(t.Context(), "helper", m.Place, m.Author)
		if channel == "C1" {
			ctx, stop := context.WithCancel(t.Context())
			thought := make(chan struct{})
			go func() { defer close(thought); r.responder(m).Thinking(ctx) }()
			r.await("a reaction", func() bool { return len(r.ws.Calls("reactions.add")) > 0 })
			stop()
			<-thought
		}
		r.ws.Say(fake.Said{Channel: channel, Thread: root, User: "U1", Text: "<@U0HELPER> two"})
		_, _ = r.adapter.History(t.Context(), r.message(), "", 3)
	}
	for _, c := range r.ws.Calls("") {
		if c.Error == "missing_scope" {
			return c.Method
		}
	}
	return ""
}
