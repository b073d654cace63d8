// Who is let in, at every door, against the real binary.

package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"parley/internal/fake/discord"
	"parley/internal/fake/openai"
	"parley/internal/fake/slack"
)

// shared is a workspace with a channel of Slack Connect: U1 is of it, U9 of
// another organisation and an admin there, U3 a guest, U4 deactivated.
func (w *world) shared() *slack.Server {
	ws := w.useSlack(slack.Options{}, false)
	ws.AddChannel(slack.Channel{ID: "C1", Shared: true})
	ws.AddUser(slack.User{ID: "U1", Name: "ann"})
	ws.AddUser(slack.User{ID: "U9", Name: "eve", Team: "T0THEIRS", Admin: true})
	ws.AddUser(slack.User{ID: "U3", Name: "guy", Restricted: true})
	ws.AddUser(slack.User{ID: "U4", Name: "gone", Deleted: true})
	return ws
}

// Somebody of another organisation gets one sentence at every door, and nothing
// happens: no model, no setting, no stop.
func TestPeopleOfOtherOrganisations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.shared()
	s := w.start()
	const refused = "Helper only answers people of this workspace"
	w.model.Func(func(r openai.Request) openai.Reply {
		if strings.Contains(r.Prompt(), "go on") {
			return openai.Reply{Text: strings.Repeat("On and on it goes. ", 20), Fault: openai.FaultSilence, After: 40}
		}
		return openai.Reply{Text: "Welcome."}
	})

	ws.Mention("C1", "U9", "let me in")
	w.private("C1", "U9", refused)
	for _, c := range []string{"/model", "/model m2", "/provider", "/provider use lab", "/provider add", "/provider remove lab", "/bot", "/reset", "/stop", "/usage", "/parley-help"} {
		before := len(told(ws, "C1", "U9", refused))
		name, args, _ := strings.Cut(c, " ")
		w.typed(slack.Command{Channel: "C1", User: "U9", Command: name, Text: args})
		w.until(c+" is refused", func() bool { return len(told(ws, "C1", "U9", refused)) > before })
	}

	// A running answer's Stop, and a menu whose value was made by hand.
	ts := ws.Mention("C1", "U1", "go on")
	var growing slack.Message
	w.until("the answer has a Stop button", func() bool {
		if a := ws.Answers("C1", ts); len(a) == 1 && len(a[0].Controls) == 1 {
			growing = a[0]
		}
		return growing.TS != ""
	})
	before := len(told(ws, "C1", "U9", refused))
	if _, err := ws.Press(slack.Press{Message: growing.TS, User: "U9", Button: growing.Controls[0].Label}); err != nil {
		t.Fatal(err)
	}
	w.until("the press is refused", func() bool { return len(told(ws, "C1", "U9", refused)) > before })
	if a := ws.Answers("C1", ts); w.model.Canceled() != 0 || len(a[0].Controls) != 1 {
		t.Errorf("a person of another organisation stopped an answer: %+v", a)
	}
	w.slash("/model", "")
	menu := w.private("C1", "U1", "Choose another")
	before = len(told(ws, "C1", "U9", refused))
	if _, err := ws.Press(slack.Press{Message: menu.TS, User: "U9", Choose: "lab/m2"}); err != nil {
		t.Fatal(err)
	}
	w.until("the choice is refused", func() bool {
		return len(told(ws, "C1", "U9", refused)) > before || strings.Contains(seen(ws, menu.TS), refused)
	})

	// Their words in a thread are no question; the thread's own people are answered.
	ws.Reply("C1", ts, "U9", "and what about me?")
	ws.MentionIn("C1", ts, "U9", "and me?")
	_, direct := ws.DM("U9", "psst")
	w.until("the direct message is refused", func() bool {
		a := ws.Answers(ws.DirectChannel("", "U9"), direct)
		return len(a) == 1 && strings.Contains(a[0].Seen, refused)
	})
	w.onSlack("C1", ws.Mention("C1", "U3", "a guest?"), "Welcome.")
	ws.Mention("C1", "U4", "still there?")
	w.private("C1", "U4", "deactivated")
	if requests := w.model.Requests(); len(requests) != 2 {
		t.Errorf("the model was asked %d times, want twice", len(requests))
	}
	if now := s.do(http.MethodGet, "/api/v1/bots/helper", nil, http.StatusOK); !strings.Contains(now, `"m1"`) {
		t.Errorf("the bot's model was changed: %s", now)
	}
}

// told are the messages with a text that only one person sees.
func told(ws *slack.Server, channel, user, part string) (out []slack.Message) {
	for _, m := range ws.Messages(channel) {
		if m.Only == user && strings.Contains(m.Seen, part) {
			out = append(out, m)
		}
	}
	return out
}

// seen is what one message says now.
func seen(ws *slack.Server, ts string) string {
	for _, m := range ws.Messages("C1") {
		if m.TS == ts {
			return m.Seen
		}
	}
	return ""
}

// The same people, where the bot's file lets them in or keeps them out.
func TestExternalGuestsAndDeny(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		access  string
		answers string // the users who are answered
	}{
		{"external: true", "U1 U3 U9"},
		{"guests: false", "U1"},
		{"users: [U9, U1]", "U1 U9"},
		{"external: true, guests: false", "U1 U9"},
		{"groups: [S1]", "U1"}, // U9 is in the group, and of another organisation all the same
		{"external: true, deny: [{users: [U1]}, {groups: [S2]}], admins: [U1]", "U9"},
	} {
		t.Run(c.access, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.write("bots/helper.yaml", helperYAML+"access: {"+c.access+"}\n")
			ws := w.shared()
			ws.AddGroup(slack.Group{ID: "S1", Users: []string{"U1", "U9"}})
			ws.AddGroup(slack.Group{ID: "S2", Users: []string{"U3"}})
			w.start()
			w.model.Answer("Welcome.")
			for _, user := range []string{"U1", "U3", "U9"} {
				ts := ws.Mention("C1", user, "may I?")
				if strings.Contains(c.answers, user) {
					w.onSlack("C1", ts, "Welcome.")
					continue
				}
				w.private("C1", user, "sk ") // who can help
			}
			if n := len(w.model.Requests()); n != len(strings.Fields(c.answers)) {
				t.Errorf("the model was asked %d times", n)
			}
			w.clean()
		})
	}
}

// A form that was opened before the rules changed is refused when it is sent.
func TestAFormOfTheDeniedIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	ws.AddUser(slack.User{ID: "U1", Name: "ann", Admin: true})
	s := w.start()
	w.slash("/provider", "add")
	w.until("the form is open", func() bool { v, ok := ws.View("U1"); return ok && v.Open })
	s.stop()
	w.write("bots/helper.yaml", helperYAML+"access: {deny: [{users: [U1]}], admins: [U1, U7]}\n")
	s = w.start()
	if _, _, err := ws.SubmitView("U1", map[string]string{"Provider ID": "corp", "Endpoint URL": w.model.Endpoint()}); err != nil {
		t.Fatal(err)
	}
	w.private("C1", "U1", "You don't have access to Helper. Ask U7")
	if status, _ := s.get("/api/v1/providers/corp"); status != http.StatusNotFound {
		t.Errorf("the denied person's provider was saved: %d", status)
	}
}

// Without the scope Slack tells nothing: the log names it, once.
func TestWithoutTheScopeOfPeople(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := slack.DefaultApp()
	app.Scopes = []string{"app_mentions:read", "channels:history", "chat:write", "commands", "reactions:write"}
	ws := w.useSlack(slack.Options{Apps: []slack.App{app}}, false)
	s := w.start()
	for i := range 5 {
		user := fmt.Sprintf("U%d", i)
		ws.Mention("C1", user, "hello")
		w.private("C1", user, "couldn't check that you belong")
	}
	if n := strings.Count(s.log.String(), "until the app has the scope users:read"); n != 1 {
		t.Errorf("the log names the missing scope %d times", n)
	}
	if n := len(w.model.Requests()); n != 0 {
		t.Errorf("the model was asked %d times", n)
	}
}

// Who may not use a bot cannot keep it writing.
func TestTheRefusedAreToldAFewTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.shared()
	w.start()
	w.model.Answer("Welcome.")
	for range 20 {
		ws.Mention("C1", "U9", "let me in")
		ws.Mention("C1", "U9", "/model m2")
	}
	w.onSlack("C1", ws.Mention("C1", "U1", "may I?"), "Welcome.")
	last := ws.Mention("C1", "U9", "and now?")
	w.until("the last is taken", func() bool { return ws.Delivered(last) })
	w.onSlack("C1", ws.Mention("C1", "U1", "still?"), "Welcome.")
	w.until("the refusals come", func() bool { return len(told(ws, "C1", "U9", "only answers people")) >= 5 })
	if n := len(told(ws, "C1", "U9", "")); n > 6 { // one more where a minute has passed
		t.Errorf("one person was refused %d times in words", n)
	}
}

// No list, menu, suggestion or sentence names what the person may not use.
func TestNamesAreForThoseWhoMayUseThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	vault := openai.NewWith(t, openai.Options{Models: []string{"secret-model"}})
	w.write("providers.yaml", "lab:\n  endpoint: "+w.model.Endpoint()+"\n  models: [m1, m2, m-hidden]\n"+
		"vault:\n  endpoint: "+vault.Endpoint()+"\n  models: [secret-model]\n"+
		"vault-two:\n  endpoint: "+vault.Endpoint()+"\n  models: {discover: true}\n")
	shared := helperYAML + "access:\n  models:\n    - {match: \"vault*\", users: [U7]}\n    - {match: \"lab/m-hidden\", users: [U7]}\n"
	w.write("bots/helper.yaml", shared)
	w.write("bots/hush.yaml", strings.NewReplacer("id: helper", "id: hush", "name: Helper", "name: Hush").Replace(helperYAML)+"access: {users: [U7]}\n")
	ws := w.useSlack(slack.Options{}, false)
	d := w.useDiscord(discord.Options{})
	w.start()
	w.until("the commands are registered", func() bool { return len(d.Commands("")) > 0 })

	hidden := []string{"secret-model", "m-hidden", "hush", "Hush", "vault"}
	check := func(command, said string) {
		for _, name := range hidden {
			if strings.Contains(said, name) && !strings.Contains(command, name) {
				t.Errorf("%s names %s:\n%s", command, name, said)
			}
		}
	}
	for _, c := range []string{
		"/model", "/model secret", "/model m-hidde", "/model vault", "/model m-hidden", "/provider", "/provider list", "/provider use", "/provider use vaul",
		"/provider use vault", "/provider use vault-two", "/provider test", "/provider test vaul", "/provider remove vaul", "/provider edit vaul", "/provider remove",
		"/bot", "/bot use", "/bot use hus", "/parley-help", "/usage",
	} {
		name, args, _ := strings.Cut(c, " ")
		got := len(ws.Messages("C1"))
		w.slash(name, args)
		for _, m := range ws.Messages("C1")[got:] {
			check(c, m.Seen+string(m.Blocks))
		}
	}
	for _, text := range []string{"/model name:", "/model name:sec", "/model name:m-", "/provider use id:", "/provider use id:v", "/provider test id:", "/provider remove id:", "/bot use id:", "/bot use id:hu"} {
		choices, err := d.Autocomplete(t.Context(), "general", "ann", text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		check(text, fmt.Sprint(choices))
	}
	// Who may use them sees them.
	w.typed(slack.Command{Channel: "C1", User: "U7", Command: "/provider", Text: "use"})
	w.private("C1", "U7", "lab, vault, vault-two")
	w.typed(slack.Command{Channel: "C1", User: "U7", Command: "/bot", Text: "list"})
	w.private("C1", "U7", "Hush")
	if n := len(vault.Requests()); n != 0 {
		t.Errorf("a model that the person may not use was asked %d times", n)
	}
	w.clean()
}

// An admin's test of a provider asks only a model that the admin may use.
func TestProviderTestObeysTheModelRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("bots/helper.yaml", helperYAML+"access:\n  models:\n    - {match: \"lab/m1\", users: [U7]}\n    - {match: \"closed/*\", users: [U7]}\n")
	w.write("providers.yaml", "lab:\n  endpoint: "+w.model.Endpoint()+"\n  models: [m1, m2]\nclosed:\n  endpoint: "+w.model.Endpoint()+"\n  models: [m1]\n")
	ws := w.useSlack(slack.Options{}, false)
	ws.AddUser(slack.User{ID: "U1", Name: "ann", Admin: true})
	w.start()
	w.model.Answer("OK")
	w.slash("/provider", "test closed")
	w.private("C1", "U1", "don't have access to the models of closed")
	w.slash("/provider", "test lab")
	w.private("C1", "U1", "`lab`: ")
	for _, r := range w.model.Requests() {
		if r.Model != "m2" {
			t.Errorf("the test asked %s", r.Model)
		}
	}
	if len(w.model.Requests()) == 0 {
		t.Error("the test asked no model")
	}
}

// In a direct message bots of one app can take over from each other; the next
// question is answered by the other.
func TestBotUseInADirectMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	w.write("bots/helper.yaml", strings.Replace(helperYAML, "system: Be brief.", "system: I am the HELPER.", 1)+"default: true\n")
	w.write("bots/zed.yaml", strings.NewReplacer("id: helper", "id: zed", "name: Helper", "name: Zed", "Be brief.", "I am ZED.").Replace(helperYAML))
	w.start()
	w.model.Func(func(r openai.Request) openai.Reply { return openai.Reply{Text: r.System()} })
	ask := func(want string) {
		t.Helper()
		channel, ts := ws.DM("U1", "who are you?")
		w.onSlack(channel, ts, want)
	}
	direct := ws.DirectChannel("", "U1")
	ask("I am the HELPER.")
	w.typed(slack.Command{Channel: direct, User: "U1", Command: "/bot", Text: "use zed"})
	ask("I am ZED.")
	w.typed(slack.Command{Channel: direct, User: "U1", Command: "/bot", Text: "use helper"})
	ask("I am the HELPER.")
	ws.DM("U1", "/bot use zed")
	w.until("the conversation is given away", func() bool {
		for _, m := range ws.Messages(direct) {
			if strings.Contains(m.Seen, "answers in this conversation") && m.Only == "" {
				return true
			}
		}
		return false
	})
	ask("I am ZED.")
	w.clean()
}

// A bot that has left the app answers no more in the places it was given.
func TestABotThatLeftTheAppAnswersNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	w.write("bots/helper.yaml", strings.Replace(helperYAML, "system: Be brief.", "system: I am the HELPER.", 1)+"default: true\n")
	zed := strings.NewReplacer("id: helper", "id: zed", "name: Helper", "name: Zed", "Be brief.", "I am ZED.").Replace(helperYAML)
	w.write("bots/zed.yaml", zed)
	s := w.start()
	w.model.Func(func(r openai.Request) openai.Reply { return openai.Reply{Text: r.System()} })
	w.slash("/bot", "use zed")
	w.onSlack("C1", ws.Mention("C1", "U1", "who?"), "I am ZED.")
	s.stop()
	w.write("bots/zed.yaml", zed[:strings.Index(zed, "slack:")])
	w.start()
	w.onSlack("C1", ws.Mention("C1", "U1", "who?"), "I am the HELPER.")
	w.clean()
}

// In the playground every bot has a direct message of its own: no other bot
// answers there under its name.
func TestBotUseInABotsOwnDirectMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("bots/helper.yaml", strings.Replace(helperYAML, "system: Be brief.", "system: I am the HELPER.", 1)+"default: true\n")
	w.write("bots/zed.yaml", strings.NewReplacer("id: helper", "id: zed", "name: Helper", "name: Zed", "Be brief.", "I am ZED.").Replace(helperYAML))
	w.model.Func(func(r openai.Request) openai.Reply { return openai.Reply{Text: r.System()} })
	s := w.start()
	s.say("D-helper", "", "/bot use zed")
	s.say("D-helper", "", "who are you?")
	page := ""
	w.until("helper answers", func() bool {
		_, page = s.get("/playground/d/helper")
		return strings.Contains(page, "I am the HELPER.") || strings.Contains(page, "I am ZED.")
	})
	if strings.Contains(page, "I am ZED.") {
		t.Error("another bot answers in a bot's own direct message")
	}
}
