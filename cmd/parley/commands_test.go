// The commands, in Slack and Discord, against the real binary.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"parley/internal/fake/discord"
	"parley/internal/fake/openai"
	"parley/internal/fake/slack"
)

// private waits for what only one person sees in a channel.
func (w *world) private(channel, user, part string) slack.Message {
	w.t.Helper()
	var found slack.Message
	w.until(fmt.Sprintf("%s is told %q", user, part), func() bool {
		for _, m := range w.slack.Messages(channel) {
			if m.Only == user && strings.Contains(m.Seen, part) {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// slash types a command as U1 in C1 and waits for what comes of it.
func (w *world) slash(command, text string) {
	w.t.Helper()
	w.typed(slack.Command{Channel: "C1", User: "U1", Command: command, Text: text})
}

// typed waits until the person has seen the answer: on a busy machine it comes
// after the request was answered.
func (w *world) typed(c slack.Command) {
	w.t.Helper()
	got := w.slack.Slash(c)
	if got.Status != http.StatusOK || got.Problem != "" {
		w.t.Fatalf("%s %s was answered %+v", c.Command, c.Text, got)
	}
	w.until(c.Command+" "+c.Text+" is answered", func() bool { return w.slack.Told(got) })
}

// The menus that parley offers do what they say, and a question whose provider
// is gone gets a reference that the log has too.
func TestMenusOfProvidersOnSlack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	ws.AddUser(slack.User{ID: "U1", Name: "ann", Admin: true})
	s := w.start()
	w.model.Answer("As you wish.")
	s.do(http.MethodPut, "/api/v1/providers/corp", map[string]any{"endpoint": w.model.Endpoint(), "models": map[string]any{"discover": true}}, http.StatusCreated)
	if report := s.do(http.MethodPost, "/api/v1/providers/corp/test", nil, http.StatusOK); !strings.Contains(report, `"ok": true`) {
		t.Errorf("a provider whose models are discovered: %s", report)
	}
	if last, _ := w.model.Last(); last.Model == "" {
		t.Error("the probe named no model")
	}

	w.slash("/provider", "")
	menu := w.private("C1", "U1", "`corp`")
	if _, err := ws.Press(slack.Press{Message: menu.TS, User: "U1", Choose: "corp"}); err != nil {
		t.Fatal(err)
	}
	w.until("the channel uses corp", func() bool {
		return strings.Contains(allSeen(ws.Messages("C1")), "uses `corp/")
	})

	s.do(http.MethodDelete, "/api/v1/providers/corp", nil, http.StatusNoContent)
	ts := ws.Mention("C1", "U1", "hello")
	w.until("the failure", func() bool { return len(ws.Answers("C1", ts)) == 1 })
	said := ws.Answers("C1", ts)[0].Seen
	ref := regexp.MustCompile(`ref-\d{8}`).FindString(said)
	if ref == "" || !strings.Contains(said, "corp/") || !strings.Contains(s.log.String(), ref) {
		t.Errorf("a question whose provider is gone: %q", said)
	}
	w.clean()
}

func allSeen(messages []slack.Message) string {
	var all []string
	for _, m := range messages {
		all = append(all, m.Seen)
	}
	return strings.Join(all, "\n")
}

func TestCommandsOnSlack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	ws.AddUser(slack.User{ID: "U1", Name: "ann", Admin: true})
	w.start()
	w.model.Answer("As you wish.")

	w.slash("/model", "")
	menu := w.private("C1", "U1", "`lab/m1`")
	if len(menu.Controls) != 1 || len(menu.Controls[0].Options) < 2 {
		t.Fatalf("/model should offer a menu of the models: %+v", menu.Controls)
	}
	if _, err := ws.Press(slack.Press{Message: menu.TS, User: "U1", Choose: "lab/m2"}); err != nil {
		t.Fatal(err)
	}
	w.until("the next request goes to m2", func() bool {
		ts := ws.Mention("C1", "U1", "hello")
		w.onSlack("C1", ts, "As you wish.")
		last, _ := w.model.Last()
		return last.Model == "m2"
	})

	w.slash("/model", "m3")
	w.private("C1", "U1", "There is no model \"m3\"")
	w.slash("/model", "Reset")
	ts := ws.Mention("C1", "U1", "hello")
	w.onSlack("C1", ts, "As you wish.")
	if last, _ := w.model.Last(); last.Model != "m1" {
		t.Errorf("/model reset left %s", last.Model)
	}

	// In a thread commands follow a mention, and only the caller sees the answer.
	ws.MentionIn("C1", ts, "U1", "/model m2")
	w.until("the switch is told", func() bool {
		return slices.ContainsFunc(ws.Thread("C1", ts), func(m slack.Message) bool { return m.App != "" && strings.Contains(m.Seen, "lab/m2") })
	})
	ws.MentionIn("C1", ts, "U1", "hello again")
	w.until("the thread uses m2", func() bool { last, _ := w.model.Last(); return last.Model == "m2" })
	w.until("it is answered", func() bool {
		said := 0
		for _, m := range ws.Answers("C1", ts) {
			if m.Seen == "As you wish." && len(m.Controls) == 0 {
				said++
			}
		}
		return said == 2
	})
	before := len(w.model.Requests())
	other := ws.Mention("C1", "U1", "elsewhere")
	w.onSlack("C1", other, "As you wish.")
	if got := w.model.Requests()[before].Model; got != "m1" {
		t.Errorf("another thread uses %s, want m1", got)
	}

	// /reset forgets the thread.
	ws.MentionIn("C1", ts, "U1", "/reset")
	w.until("the thread is forgotten", func() bool {
		for _, m := range ws.Messages("C1") {
			if strings.Contains(m.Seen, "Cleared") {
				return true
			}
		}
		return false
	})
	before = len(w.model.Requests())
	ws.MentionIn("C1", ts, "U1", "do you remember?")
	w.until("it is asked", func() bool { return len(w.model.Requests()) > before })
	for _, m := range w.model.Requests()[before].Messages {
		if strings.Contains(m.Content, "hello again") {
			t.Errorf("the conversation was not forgotten: %+v", m)
		}
	}
	w.clean()
}

func TestProviderFormOnSlack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	ws.AddUser(slack.User{ID: "U1", Name: "ann", Admin: true})
	ws.AddUser(slack.User{ID: "U2", Name: "bob"})
	s := w.start()
	corp := openai.NewWith(t, openai.Options{Key: "sk-corp-secret", Models: []string{"gpt-4o"}})
	corp.Answer("From the corporation.")

	w.typed(slack.Command{Channel: "C1", User: "U2", Command: "/provider", Text: "add"}) // a refusal is an answer
	w.private("C1", "U2", "Only Helper admins")

	w.slash("/provider", "add")
	w.until("the form is open", func() bool { v, ok := ws.View("U1"); return ok && v.Open })
	view, _ := ws.View("U1")
	var labels []string
	for _, input := range view.Inputs {
		labels = append(labels, input.Label)
	}
	if got := strings.Join(labels, ", "); got != "Provider ID, Display Name, Endpoint URL, API Key, Models" {
		t.Errorf("the form asks for %s", got)
	}
	wrong := map[string]string{"Provider ID": "Corp Gateway", "Endpoint URL": "ftp://x", "API Key": "sk-corp-secret"}
	view, _, err := ws.SubmitView("U1", wrong)
	if err != nil {
		t.Fatal(err)
	}
	if len(view.Errors) != 2 || !view.Open {
		t.Errorf("both wrong fields should be told at once, with the form open: %v", view.Errors)
	}
	right := map[string]string{"Provider ID": "corp", "Endpoint URL": corp.Endpoint(), "API Key": "sk-corp-secret"}
	view, _, err = ws.SubmitView("U1", right)
	if err != nil || view.Open {
		t.Fatalf("the form should be taken: %v %v", err, view.Errors)
	}
	w.private("C1", "U1", "Saved `corp`")
	for _, m := range ws.Messages("C1") {
		if strings.Contains(m.Seen+string(m.Blocks), "sk-corp-secret") {
			t.Errorf("the key is shown: %s", m.Seen)
		}
	}
	w.slash("/model", "corp/gpt-4o")
	ts := ws.Mention("C1", "U2", "who are you?")
	w.onSlack("C1", ts, "From the corporation.")
	w.slash("/provider", "remove corp")
	w.until("the provider is gone", func() bool { status, _ := s.get("/api/v1/providers/corp"); return status == http.StatusNotFound })
	w.clean()
}

// A form to edit saves the provider it was opened for, whatever id is typed.
func TestEditFormKeepsToItsProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	ws.AddUser(slack.User{ID: "U1", Name: "ann", Admin: true})
	s := w.start()
	corp, lab := openai.NewWith(t, openai.Options{Key: "sk-corp-secret"}), openai.NewWith(t, openai.Options{Key: "sk-lab-secret"})
	for id, p := range map[string]map[string]any{
		"corp":  {"endpoint": corp.Endpoint(), "apiKey": "sk-corp-secret", "name": "Corp"},
		"annex": {"endpoint": lab.Endpoint(), "apiKey": "sk-lab-secret", "name": "Annex"},
	} {
		if status, body, err := s.call(http.MethodPut, "/api/v1/providers/"+id, nil, p); err != nil || status != http.StatusCreated {
			t.Fatalf("%s: %d %s %v", id, status, body, err)
		}
	}
	_, before := s.get("/api/v1/providers/annex")

	w.slash("/provider", "edit corp")
	w.until("the form is open", func() bool { v, ok := ws.View("U1"); return ok && v.Open })
	view, _, err := ws.SubmitView("U1", map[string]string{"Provider ID": "annex", "Display Name": "Taken over"})
	if err != nil {
		t.Fatal(err)
	}
	if got := view.Errors["id"]; !view.Open || !strings.Contains(got, "cannot be changed") {
		t.Errorf("another provider's id should be refused at its field: %v", view.Errors)
	}
	if _, after := s.get("/api/v1/providers/annex"); after != before {
		t.Errorf("the form of corp changed annex: %s, was %s", after, before)
	}
	if view, _, err = ws.SubmitView("U1", map[string]string{"Display Name": "The corporation"}); err != nil || view.Open {
		t.Fatalf("the form should be taken with its own id: %v %v", err, view.Errors)
	}
	w.until("corp has its new name and its key", func() bool {
		_, body := s.get("/api/v1/providers/corp")
		return strings.Contains(body, `"The corporation"`) && strings.Contains(body, `"apiKey": "set"`)
	})
	w.clean()
}

// submit sends a form of the pages, as their script does, and gives the HTML of
// the form that comes back.
func (s *server) submit(form string, fields map[string]string) string {
	s.w.t.Helper()
	values := url.Values{"channel": {"D-helper"}, "form": {form}, "view": {"providers"}}
	for id, v := range fields {
		values.Set("f-"+id, v)
	}
	_, body, err := s.call(http.MethodPost, "/playground/submit", map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}, values.Encode())
	var answer struct{ Form string }
	if err := errors.Join(err, json.Unmarshal([]byte(body), &answer)); err != nil {
		s.w.t.Fatalf("%v: %s", err, body)
	}
	return answer.Form
}

// A form to edit that an earlier release opened names no provider: it saves
// nothing, however often it is sent.
func TestEditFormOfAnEarlierReleaseSavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.start()
	endpoint := w.model.Endpoint()
	s.do(http.MethodPut, "/api/v1/providers/annex", map[string]any{"endpoint": endpoint, "name": "Annex"}, http.StatusCreated)
	_, before := s.get("/api/v1/providers/annex")
	for range 2 {
		body := s.submit("provider-edit", map[string]string{"id": "annex", "name": "Taken over", "endpoint": endpoint, "models": ""})
		if !strings.Contains(body, "/provider edit annex") || !strings.Contains(body, `name="form" value="provider-edit"`) || !strings.Contains(body, "Taken over") {
			t.Errorf("it should be said to open the form again, with what was typed: %s", body)
		}
	}
	if _, after := s.get("/api/v1/providers/annex"); after != before {
		t.Errorf("the form changed annex: %s, was %s", after, before)
	}
	w.clean()
}

// Each field of a form says what is too long for it.
func TestFormSaysWhatIsTooLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.start()
	long := strings.Repeat("x", 9000)
	body := s.submit("provider-add", map[string]string{"id": long, "name": long, "endpoint": "https://llm.example.com/" + long, "apiKey": long, "models": "one, " + long})
	for _, id := range []string{"id", "name", "endpoint", "apiKey", "models"} {
		if !regexp.MustCompile(`id="e-` + id + `">[^<]*must be`).MatchString(body) {
			t.Errorf("nothing is said of %s", id)
		}
	}
	w.clean()
}

// What is free is told from what has no price.
func TestUsageTellsFreeFromUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	ws.AddUser(slack.User{ID: "U1", Name: "ann", Admin: true})
	s := w.start()
	w.model.Answer("Yes.")
	for id, price := range map[string]any{"free": map[string]any{"input": 0, "output": 0}, "paid": map[string]any{"input": 1000, "output": 1000}, "other": nil} {
		s.do(http.MethodPut, "/api/v1/providers/"+id, map[string]any{"endpoint": w.model.Endpoint(), "apiKey": "sk-lab-secret-key", "models": []string{"m1"}, "pricing": price}, http.StatusCreated)
		w.slash("/model", id+"/m1")
		w.onSlack("C1", ws.Mention("C1", "U1", "is it?"), "Yes.")
	}
	w.slash("/usage", "")
	text := w.private("C1", "U1", "other/m1").Seen
	for id, want := range map[string]string{"free": `, \$0$`, "paid": `, \$\d\.\d{4}$`, "other": `, no price known$`} {
		if !regexp.MustCompile(`(?m)` + id + `/m1.*` + want).MatchString(text) {
			t.Errorf("the cost of %s is not as %q: %s", id, want, text)
		}
	}
	usage := s.do(http.MethodGet, "/api/v1/usage?by=model", nil, http.StatusOK)
	if strings.Count(usage, `"costUSD": null`) != 1 || strings.Count(usage, `"costUSD": 0,`) != 1 {
		t.Errorf("the API says %s", usage)
	}
	w.clean()
}

func TestStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	w.start()
	w.model.Func(func(openai.Request) openai.Reply {
		return openai.Reply{Text: strings.Repeat("On and on it goes. ", 20), Fault: openai.FaultSilence, After: 40}
	})

	ts := ws.Mention("C1", "U1", "go on")
	var growing slack.Message
	w.until("the answer grows and has a Stop button", func() bool {
		a := ws.Answers("C1", ts)
		if len(a) == 1 && len(a[0].Controls) == 1 {
			growing = a[0]
		}
		return growing.TS != ""
	})
	if _, err := ws.Press(slack.Press{Message: growing.TS, User: "U1", Button: growing.Controls[0].Label}); err != nil {
		t.Fatal(err)
	}
	w.until("the model is freed", func() bool { return w.model.Open() == 0 && w.model.Canceled() == 1 })
	w.until("the button is gone and the text stays", func() bool {
		a := ws.Answers("C1", ts)[0]
		return len(a.Controls) == 0 && strings.HasPrefix(a.Seen, "On and on it goes.")
	})

	// As a slash command it ends the caller's answers in the channel.
	ts = ws.Mention("C1", "U1", "go on")
	foreign := ws.Mention("C1", "U9", "go on")
	w.until("both grow", func() bool { return len(ws.Answers("C1", ts)) == 1 && len(ws.Answers("C1", foreign)) == 1 })
	w.slash("/stop", "")
	w.until("the caller's is stopped", func() bool { return len(ws.Answers("C1", ts)[0].Controls) == 0 })
	if len(ws.Answers("C1", foreign)[0].Controls) == 0 {
		t.Errorf("/stop ended somebody else's answer")
	}
	w.clean()
}

func TestCommandsOnDiscord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.useDiscord(discord.Options{})
	w.start()
	w.until("the commands are registered", func() bool { return len(d.Commands("")) > 0 })
	w.model.Answer("As you wish.")
	choices, err := d.Autocomplete(t.Context(), "general", "ann", "/model name:m")
	if err != nil || len(choices) < 2 {
		t.Errorf("autocomplete offered %v, %v", choices, err)
	}
	for text, want := range map[string]string{"/provider use id:": "demo", "/bot use id:": "helper"} { // nothing typed yet
		if choices, err := d.Autocomplete(t.Context(), "general", "ann", text); err != nil || len(choices) == 0 || choices[0].Value != want {
			t.Errorf("%s offers %v, %v, want %s", text, choices, err, want)
		}
	}
	i, err := d.Slash("general", "ann", "/model name:m2")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := i.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.onDiscord(d.Mention("general", "bob", "hello"), "As you wish.")
	if last, _ := w.model.Last(); last.Model != "m2" {
		t.Errorf("the channel uses %s, want m2", last.Model)
	}
	if i, err = d.Slash("general", "ann", "/provider add"); err != nil {
		t.Fatal(err)
	}
	answer, err := i.Answer(t.Context())
	if err != nil || !strings.Contains(answer[0].Content, "Only Helper admins") || !answer[0].Ephemeral {
		t.Errorf("a person without Manage Server should be refused privately: %+v %v", answer, err)
	}
	w.clean()
}

func TestAccessIsRefusedInOneSentence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("bots/helper.yaml", helperYAML+`access:
  users: [U1]
  models:
    - {match: "lab/m2", users: [U7]}
  switch: admins
  admins: [U7]
`)
	ws := w.useSlack(slack.Options{}, false)
	w.start()
	w.model.Answer("Yes.")
	w.onSlack("C1", ws.Mention("C1", "U1", "may I?"), "Yes.")
	ws.Mention("C1", "U2", "may I?")
	w.private("C1", "U2", "U7")
	w.slash("/model", "`m2`")
	w.private("C1", "U1", "don't have access to lab/m2")
	w.slash("/model", "m1")
	w.private("C1", "U1", "Only Helper admins")
	if n := len(w.model.Requests()); n != 1 {
		t.Errorf("the model was asked %d times, want once", n)
	}
}

// Slack cannot say who somebody is: they may be of another organisation, and are
// asked to try again. Who was known a while ago, or is named, goes on; what needs
// an admin is not refused as if they were none.
func TestCommandsWithoutALookUpOfThePerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	w.write("bots/helper.yaml", helperYAML+"access: {users: [U1, U2], admins: [U2]}\n")
	ws.AddUser(slack.User{ID: "U1", Name: "ann", Admin: true})
	server := w.start()
	w.model.Answer("Of course.")
	ws.Inject(slack.Fault{Method: "users.info", Times: 1000, Status: http.StatusBadGateway})
	w.onSlack("C1", ws.Mention("C1", "U1", "may I?"), "Of course.")
	w.until("the turn has ended", func() bool { return strings.Contains(server.log.String(), "turn ended") }) // until then /stop has something to stop
	w.slash("/stop", "")
	w.private("C1", "U1", "No answer of yours")
	w.slash("/provider", "remove lab")
	w.private("C1", "U1", "could not look up your groups")
	ws.Mention("C1", "U3", "may I?")
	w.private("C1", "U3", "could not look up your groups")
	w.typed(slack.Command{Channel: "C1", User: "U4", Command: "/model"})
	w.private("C1", "U4", "could not look up your groups")
	if n := len(w.model.Requests()); n != 1 {
		t.Errorf("the model was asked %d times, want once", n)
	}
}

func TestFailuresAreExplained(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	s := w.start()
	for _, c := range []struct {
		name  string
		reply openai.Reply
		wants []string
	}{
		{"a wrong key", openai.Reply{Status: 401, Message: "Incorrect API key provided: sk-lab-secret-key"}, []string{"lab/m1", "key", "ref-"}},
		{"no such model", openai.Reply{Status: 404, Message: "The model `m1` does not exist.", Code: "model_not_found"}, []string{"lab/m1", "ref-"}},
		{"cut off in the middle", openai.Reply{Text: "Half of the answer is here and the rest is not", Fault: openai.FaultTruncate, After: 6}, []string{"Half of the answer", "lab/m1", "ref-"}},
		{"an error in the stream", openai.Reply{Text: "Half of the answer is here and the rest is not", Fault: openai.FaultError, After: 6}, []string{"Half of the answer", "lab/m1", "ref-"}},
		{"cut by length", openai.Reply{Text: "A long story", Finish: "length"}, []string{"A long story", "length"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.model.Next(c.reply)
			ts := ws.Mention("C1", "U1", "try")
			var seen string
			w.until("the person is told", func() bool {
				a := ws.Answers("C1", ts)
				if len(a) == 1 && len(a[0].Controls) == 0 {
					seen = a[0].Seen
				}
				for _, part := range c.wants {
					if !strings.Contains(seen, part) {
						return false
					}
				}
				return true
			})
			if strings.Contains(seen, "sk-lab") {
				t.Errorf("a key is shown: %s", seen)
			}
			if at := strings.Index(seen, "ref-"); at >= 0 {
				w.until("the log has the reference", func() bool { return strings.Contains(s.log.String(), seen[at:at+12]) })
			}
		})
	}
	w.clean()
}

func TestFallback(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("bots/helper.yaml", helperYAML+"fallbacks: [spare/s1]\n")
	spare := openai.New(t)
	spare.Answer("From the spare.")
	w.write("providers.yaml", "lab:\n  endpoint: "+w.model.Endpoint()+"\n  models: [m1]\nspare:\n  endpoint: "+spare.Endpoint()+"\n  models: [s1]\n")
	ws := w.useSlack(slack.Options{}, false)
	w.start()
	w.model.Func(func(openai.Request) openai.Reply { return openai.Reply{Status: 500, Message: "broken"} })
	w.onSlack("C1", ws.Mention("C1", "U1", "anyone?"), "From the spare.")
	if n := len(w.model.Requests()); n != 2 {
		t.Errorf("the failing provider was asked %d times, want a first time and one more", n)
	}
}
