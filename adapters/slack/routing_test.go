// One Slack app in several workspaces: everything is answered by the bot whose
// token is the workspace's, whichever way it came.

package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slack-go/slack/socketmode"

	"parley/bots"
	"parley/internal/chat"
	fake "parley/internal/fake/slack"
)

// installedTwice is a rig with one app in the workspaces T0TEAM (bot helper,
// channel C1) and T0OTHER (bot other, channel C2).
func installedTwice(t *testing.T, s setup, token string) *rig {
	t.Helper()
	one, two := fake.DefaultApp(), fake.DefaultApp()
	two.ID = "A0HELPER2" // the fake tells installations apart by id
	two.Team, two.BotToken, two.BotID, two.BotUser = "T0OTHER", "xoxb-2-helper", "B0TWO", "U0TWO"
	s.fake.Apps = []fake.App{one, two}
	b1 := helper()
	if s.socket {
		b1 = socketHelper()
	}
	b2 := b1
	b2.ID = "other"
	b1, b2 = withToken(b1, token), withToken(b2, "xoxb-2-helper")
	s.bots = []bots.Bot{b1, b2}
	r := newRig(t, s)
	if !s.socket {
		r.ws.Serve("A0HELPER2", r.ws.App("").BaseURL) // an app has one address
	}
	r.ws.AddChannel(fake.Channel{ID: "C1", Team: "T0TEAM"})
	r.ws.AddChannel(fake.Channel{ID: "C2", Team: "T0OTHER"})
	return r
}

func overBothTwice(t *testing.T, f func(t *testing.T, r *rig)) {
	for name, socket := range map[string]bool{"http": false, "socket": true} {
		t.Run(name, func(t *testing.T) {
			r := installedTwice(t, setup{socket: socket}, "xoxb-1-helper")
			eventually(t, "both connected", func() bool { h := r.adapter.Health(); return h[0].OK && h[1].OK })
			f(t, r)
		})
	}
}

func TestEachWorkspaceIsServedByItsOwnBot(t *testing.T) {
	overBothTwice(t, func(t *testing.T, r *rig) {
		for _, c := range []struct{ app, channel, bot, scope, team string }{
			{"A0HELPER2", "C2", "other", "slack:B0TWO:T0OTHER", "T0OTHER"},
			{"A0HELPER", "C1", "helper", "slack:B0HELPER:T0TEAM", "T0TEAM"},
			{"A0HELPER2", "C2", "other", "slack:B0TWO:T0OTHER", "T0OTHER"}, // by the other connection, too
			{"A0HELPER", "C1", "helper", "slack:B0HELPER:T0TEAM", "T0TEAM"},
		} {
			r.ws.MentionApp(c.app, c.channel, "U1", "hi")
			m := r.message()
			if m.Bot != c.bot || m.Scope != c.scope || m.Place.Workspace != c.team || m.Text != "hi" {
				t.Fatalf("%+v", m)
			}
			post, err := r.responder(m).Post(t.Context(), chat.Content{Markdown: "Once upon", Key: "k", Stop: "turn-1"})
			if err != nil {
				t.Fatalf("the answer in %s: %v", c.channel, err)
			}
			before := len(r.desk.did())
			if got := r.ws.Slash(fake.Command{App: c.app, Channel: c.channel, User: "U1", Command: "/model", Text: "b"}); got.Problem != "" {
				t.Fatalf("%+v", got)
			}
			if _, err := r.ws.Press(fake.Press{Message: string(post.ID), User: "U1", Button: "Stop"}); err != nil {
				t.Fatal(err)
			}
			eventually(t, "both commands", func() bool { return len(r.desk.did()) == before+2 })
			for _, did := range r.desk.did()[before:] {
				if did.Bot != c.bot || did.Scope != c.scope || did.Place.Workspace != c.team {
					t.Errorf("%+v", did)
				}
			}
		}
	})
}

func TestAFormOfEachWorkspaceOpensAndIsAnswered(t *testing.T) {
	overBothTwice(t, func(t *testing.T, r *rig) {
		r.desk.onDo = func(context.Context, chat.Command) (chat.Reply, error) { return chat.Reply{Form: form()}, nil }
		r.desk.onSubmit = func(_ context.Context, s chat.Submission) (chat.Outcome, error) {
			return chat.Outcome{Then: func(context.Context) chat.Reply { return chat.Reply{Text: "saved by " + s.Bot} }}, nil
		}
		got := r.ws.Slash(fake.Command{App: "A0HELPER2", Channel: "C2", User: "U1", Command: "/provider", Text: "add"})
		if got.Problem != "" || got.Body != "" {
			t.Fatalf("%+v", got)
		}
		if _, got, err := r.ws.SubmitView("U1", map[string]string{"id": "lab", "endpoint": "http://x"}); err != nil || got.Problem != "" {
			t.Fatalf("%v %+v", err, got)
		}
		r.await("the result", func() bool {
			all := r.ws.Messages("C2")
			return len(all) == 1 && all[0].Only == "U1" && all[0].Seen == "saved by other"
		})
	})
}

func TestOneAppTokenNeedsOnePairOfConnections(t *testing.T) {
	r := installedTwice(t, setup{socket: true}, "xoxb-1-helper")
	eventually(t, "both connected", func() bool { h := r.adapter.Health(); return h[0].OK && h[1].OK })
	r.await("two connections", func() bool { return r.ws.Connections("") == 2 })
	r.ws.MentionApp("A0HELPER2", "C2", "U1", "hi")
	r.message()
	if n := len(r.ws.Calls("apps.connections.open")); n != 2 {
		t.Errorf("%d connections were opened", n)
	}
}

func TestAWorkspaceThatRefusesItsTokenTakesNoOtherDown(t *testing.T) {
	r := installedTwice(t, setup{socket: true}, "xoxb-revoked")
	r.await("two connections", func() bool { return r.ws.Connections("") == 2 })
	r.ws.MentionApp("A0HELPER2", "C2", "U1", "hi")
	if m := r.message(); m.Bot != "other" {
		t.Errorf("%+v", m)
	}
	eventually(t, "health", func() bool { h := health(r.adapter); return h["other"].OK && !h["helper"].OK })
}

// What is for a workspace whose token was revoked is taken and dropped at once:
// refused, it would come again for ever, and Slack stops sending events to an
// app that refuses too many.
func TestWhatIsForARevokedTokenIsAcknowledged(t *testing.T) {
	for name, socket := range map[string]bool{"http": false, "socket": true} {
		t.Run(name, func(t *testing.T) {
			r := installedTwice(t, setup{socket: socket, fake: fake.Options{EventTimeout: whoamiWithin - 200*time.Millisecond}}, "xoxb-revoked")
			eventually(t, "health", func() bool {
				h := health(r.adapter)
				return h["other"].OK && strings.HasPrefix(h["helper"].Reason, "Slack refuses the bot token")
			})
			if socket {
				r.await("two connections", func() bool { return r.ws.Connections("") == 2 })
			}
			ts := r.ws.MentionApp("A0HELPER", "C1", "U1", "hi")
			r.await("its delivery", func() bool { return len(r.ws.Deliveries()) > 0 })
			if !r.ws.Delivered(ts) {
				t.Errorf("the event was not acknowledged: %+v", r.ws.Deliveries())
			}
			if got := r.ws.Slash(fake.Command{App: "A0HELPER", Channel: "C1", User: "U1", Command: "/model"}); !strings.Contains(got.Body, "no valid token") {
				t.Errorf("%+v", got)
			}
			r.ws.MentionApp("A0HELPER2", "C2", "U1", "hi")
			if m := r.message(); m.Bot != "other" {
				t.Errorf("%+v", m)
			}
			if _, taken := r.inbox.count(); taken != 1 || len(r.desk.did()) != 0 {
				t.Errorf("%d messages and %d commands were taken", taken, len(r.desk.did()))
			}
			if !strings.Contains(r.logged.String(), "for a workspace that no bot has a token of") {
				t.Error("the log does not tell")
			}
		})
	}
}

// The bot of a workspace does not know yet who it is: its events wait, or come
// again, and are not taken by another.
func TestAnEventWaitsForTheBotOfItsWorkspace(t *testing.T) {
	for name, socket := range map[string]bool{"http": false, "socket": true} {
		t.Run(name, func(t *testing.T) {
			r := installedTwice(t, setup{socket: socket, idle: true, fake: fake.Options{Pace: 60, EventTimeout: 5 * time.Second}}, "xoxb-1-helper")
			r.ws.Inject(fake.Fault{Method: "auth.test", App: "A0HELPER2", Status: http.StatusServiceUnavailable})
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); _ = r.adapter.Run(ctx) }()
			defer func() { stop(); <-done }()
			eventually(t, "the first", func() bool { return health(r.adapter)["helper"].OK })
			r.ws.MentionApp("A0HELPER2", "C2", "U1", "hi")
			if m := r.message(); m.Bot != "other" {
				t.Errorf("%+v", m)
			}
		})
	}
}

// A press for a bot that does not know yet who it is comes again, and the one
// that was refused has not used it up.
func TestAPressThatWasRefusedActsWhenItComesAgain(t *testing.T) {
	r := installedTwice(t, setup{socket: true, idle: true}, "xoxb-1-helper")
	a := r.adapter.apps[0]
	press := socketEnvelope{Type: socketmode.RequestTypeInteractive, EnvelopeID: "e-1", Payload: json.RawMessage(`{"type":"block_actions",
		"team":{"id":"T0OTHER"},"user":{"id":"U1"},"channel":{"id":"C2"},"container":{"channel_id":"C2","message_ts":"1.1"},
		"message":{"ts":"1.1"},"actions":[{"type":"button","action_id":"` + actionRun + `1","value":"stop turn-1"}]}`)}
	early, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.handle(early, press); !errors.Is(err, errStarting) {
		t.Fatalf("before the bots know who they are: %v", err)
	}
	for _, one := range r.adapter.apps {
		if !one.identify(t.Context()) {
			t.Fatal("not connected")
		}
	}
	if _, err := a.handle(t.Context(), press); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it acts", func() bool { return len(r.desk.did()) == 1 })
	if did := r.desk.did(); did[0].Bot != "other" {
		t.Errorf("%+v", did)
	}
}

// A reply too large for its acknowledgement, and no response_url: the token of
// the workspace shows it, not that of the app that holds the connection.
func TestALongReplyIsShownByTheBotOfItsWorkspace(t *testing.T) {
	r := installedTwice(t, setup{socket: true}, "xoxb-1-helper")
	eventually(t, "both connected", func() bool { h := r.adapter.Health(); return h[0].OK && h[1].OK })
	r.await("two connections", func() bool { return r.ws.Connections("") == 2 })
	r.desk.onDo = func(context.Context, chat.Command) (chat.Reply, error) {
		menu := &chat.Menu{Action: "model"}
		for i := range 100 {
			menu.Options = append(menu.Options, chat.Option{Value: fmt.Sprintf("corp/%03d-%s", i, strings.Repeat("x", 100))})
		}
		return chat.Reply{Text: "Models: " + strings.Repeat("many ", 1500), Menu: menu}, nil
	}
	r.ws.AddUser(fake.User{ID: "U1", Name: "ann"})
	for app, at := range map[string]struct{ team, channel string }{"A0HELPER": {"T0TEAM", "C1"}, "A0HELPER2": {"T0OTHER", "C2"}} {
		if !r.ws.Raw("", 0, map[string]any{"type": "slash_commands", "envelope_id": "e-" + app, "payload": map[string]any{
			"team_id": at.team, "channel_id": at.channel, "user_id": "U1", "command": "/model",
		}}) {
			t.Errorf("the command of %s was not acknowledged", at.team)
		}
		r.await("the reply in "+at.team, func() bool { return len(r.ws.Messages(at.channel)) == 1 })
		if said := r.ws.Messages(at.channel)[0]; said.App != app || said.Only != "U1" {
			t.Errorf("%+v", said)
		}
	}
}

// Slack waits three seconds in all, however long it took to learn for whom a
// command or a form is.
func TestACommandDuringTheStartIsAnsweredInTime(t *testing.T) {
	for name, c := range map[string]struct {
		path string
		form url.Values
		bots int
	}{
		"one bot":        {"/commands", url.Values{"team_id": {"T2"}, "channel_id": {"C2"}, "user_id": {"U1"}, "command": {"/model"}}, 1},
		"two workspaces": {"/commands", url.Values{"team_id": {"T2"}, "channel_id": {"C2"}, "user_id": {"U1"}, "command": {"/model"}}, 2},
		"a form": {"/interactions", url.Values{"payload": {`{"type":"view_submission","team":{"id":"T2"},"user":{"id":"U1"},
			"view":{"callback_id":"parley.form","private_metadata":"{}"}}`}}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var all []bots.Bot
				for _, id := range []string{"one", "two"}[2-c.bots:] {
					b := withToken(helper(), "xoxb-"+id)
					b.ID = id
					all = append(all, b)
				}
				var made calls
				var d desk
				a, err := New(Options{Bots: all, Ports: chat.Ports{Inbox: newInbox(), Desk: &d}, HTTPClient: &http.Client{Transport: &made}})
				if err != nil {
					t.Fatal(err)
				}
				go func() {
					time.Sleep(whoamiWithin - time.Millisecond)
					for n, app := range a.apps {
						app.self.Store(&identity{App: fmt.Sprint("B", n), User: fmt.Sprint("U", n), Team: fmt.Sprint("T", n+3-c.bots)})
						close(app.known)
					}
				}()
				d.onDo = func(context.Context, chat.Command) (chat.Reply, error) {
					time.Sleep(time.Minute)
					return chat.Reply{Text: "done"}, nil
				}
				d.onSubmit = func(context.Context, chat.Submission) (chat.Outcome, error) {
					time.Sleep(time.Minute)
					return chat.Outcome{}, nil
				}
				body, w := c.form.Encode(), httptest.NewRecorder()
				r := httptest.NewRequest(http.MethodPost, "/slack/two"+c.path, strings.NewReader(body))
				fake.Sign(r.Header, "shhh-helper", time.Now(), []byte(body))
				begun := time.Now()
				a.Handler().ServeHTTP(w, r)
				if took := time.Since(begun); took != answerWithin || w.Code != http.StatusOK || w.Body.Len() != 0 {
					t.Errorf("after %s: %d %s", took, w.Code, w.Body)
				}
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if n := len(d.did()) + len(d.forms); n != 1 || c.path == "/commands" && made == 0 {
					t.Errorf("%d were done, %d calls to say so", n, made)
				}
			})
		})
	}
}

func TestWhomARequestIsFor(t *testing.T) {
	var apps []*app
	for _, id := range []identity{
		{App: "B1", User: "U1", Team: "T1", Organisation: "E1"}, {App: "B2", User: "U2", Team: "T2"}, {App: "B3", User: "U3", Team: "E3", Organisation: "E3"},
	} {
		a := &app{}
		a.self.Store(&id)
		apps = append(apps, a)
	}
	apps = append(apps, &app{}) // it does not know yet who it is
	for _, c := range []struct{ name, body, want string }{
		{"by the workspace", `{"team_id":"T2"}`, "B2"},
		{"shared with another organisation", `{"team_id":"T9","authorizations":[{"team_id":"T2","user_id":"U9"}]}`, "B2"},
		{"by the bot user", `{"team_id":"T1","authorizations":[{"team_id":"T1","user_id":"U2"}]}`, "B2"},
		{"for a whole organisation", `{"team_id":"T7","authorizations":[{"enterprise_id":"E3","team_id":"T7","user_id":"U9","is_enterprise_install":true}]}`, "B3"},
		{"of an organisation, for one workspace", `{"team_id":"T7","authorizations":[{"enterprise_id":"E1","team_id":"T7","user_id":"U9","is_enterprise_install":false}]}`, ""},
		{"unknown", `{"team_id":"T7"}`, ""},
		{"nothing said", `{}`, ""},
	} {
		var e envelope
		if err := json.Unmarshal([]byte(c.body), &e); err != nil {
			t.Fatal(err)
		}
		if got := botID(e.addressee().among(apps)); got != c.want {
			t.Errorf("an event %s: %q, want %q", c.name, got, c.want)
		}
	}
	for _, c := range []struct{ body, want string }{
		{`{"team_id":"T2","is_enterprise_install":"false"}`, "B2"},
		{`{"team_id":"T7","enterprise_id":"E3","is_enterprise_install":"true"}`, "B3"},
		{`{"team_id":"T7","enterprise_id":"E3","is_enterprise_install":false}`, ""},
	} {
		var s slashCommand
		if err := json.Unmarshal([]byte(c.body), &s); err != nil {
			t.Fatal(err)
		}
		if got := botID(s.addressee().among(apps)); got != c.want {
			t.Errorf("command %s: %q", c.body, got)
		}
	}
	for _, c := range []struct{ body, want string }{
		{`{"team":{"id":"T2"}}`, "B2"},
		{`{"team":{"id":"T1"},"message":{"user":"U2"}}`, "B2"},
		{`{"team":{"id":"T1"},"view":{"app_installed_team_id":"T2"}}`, "B2"},
		{`{"team":null,"enterprise":{"id":"E3"},"is_enterprise_install":true}`, "B3"},
		{`{"team":null,"enterprise":null,"is_enterprise_install":false}`, ""},
	} {
		var i interaction
		if err := json.Unmarshal([]byte(c.body), &i); err != nil {
			t.Fatal(err)
		}
		if got := botID(i.addressee().among(apps)); got != c.want {
			t.Errorf("interaction %s: %q", c.body, got)
		}
	}
}

func botID(a *app) string {
	if a == nil {
		return ""
	}
	return a.self.Load().App
}
