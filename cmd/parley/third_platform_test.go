// A platform that parley has never heard of, through the wiring of the server:
// the same table with one more line.

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"parley/internal/chat"
	"parley/internal/fake/toy"
)

const (
	toyToken  = "toy-27182818284590"
	toySecret = "hook-57721566490153"
)

const toyBots = `id: helper
name: Helper
provider: lab
model: m1
system: Be brief.
access: {deny: [{users: [mallory]}]}
default: true
toy:
  token: ${TOY_TOKEN}
  hook_secret: ${TOY_SECRET}
`

// toyRow is the one more line.
func toyRow(w *toy.World) platform {
	return platform{toy.Platform(), func(b *built, _ parts) (chat.Adapter, error) {
		return toy.New(toy.Options{World: w, Bots: b.bots, Ports: b.ports(), Log: b.log}.With(b.config.Platforms)), nil
	}}
}

// toyBox is a server in this process, with a toy in front of it.
type toyBox struct {
	*world
	*server
	toys *toy.World
	app  *toy.App
}

func newToyBox(t *testing.T) *toyBox {
	t.Helper()
	b := &toyBox{world: newWorld(t), toys: &toy.World{}}
	b.app = b.toys.AddApp("A1", toyToken)
	b.toys.MakeAdmin("root")
	b.write("bots/helper.yaml", toyBots)
	b.write("bots/coder.yaml", strings.NewReplacer("helper", "coder", "Helper", "Coder", "default: true\n", "").Replace(toyBots))
	b.write("bots/lone.yaml", "id: lone\nprovider: lab\nmodel: m1\n")
	b.env["TOY_TOKEN"], b.env["TOY_SECRET"], b.env["TOY_SIZE"] = toyToken, toySecret, "300"
	return b
}

// process is this process with the toy's line in the table.
func (b *toyBox) process(stdout, stderr io.Writer) process {
	p := process{stdin: strings.NewReader(""), stdout: stdout, stderr: stderr, more: []platform{toyRow(b.toys)}}
	for name, value := range b.env {
		p.environ = append(p.environ, name+"="+value)
	}
	return p
}

// serve runs the server until the test ends.
func (b *toyBox) serve() {
	b.t.Helper()
	log := &lines{}
	ctx, stop := context.WithCancel(b.t.Context())
	done := make(chan int, 1)
	go func() { done <- run(ctx, []string{"serve"}, b.process(io.Discard, lineWriter{log})) }()
	b.t.Cleanup(func() {
		stop()
		if code := <-done; code != 0 || b.t.Failed() {
			b.t.Errorf("exit %d; log of the server:\n%s", code, tail(log.String(), 60))
		}
		if text := log.String(); strings.Contains(text, toyToken) || strings.Contains(text, toySecret) {
			b.t.Error("a secret is in the log")
		}
	})
	b.server = &server{w: b.world}
	b.until("the server is ready", func() bool {
		m := readyLine.FindStringSubmatch(log.String())
		if m != nil {
			b.addr = m[1]
		}
		return m != nil
	})
	b.awaitReady(b.t)
}

// lineWriter keeps a log that a test looks into while it grows.
type lineWriter struct{ *lines }

func (w lineWriter) Write(p []byte) (int, error) {
	w.add(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

// answer waits until the app's messages in a channel are n more than before,
// complete, and gives the last ones as one text.
func (b *toyBox) answer(channel string, before int, want string) {
	b.t.Helper()
	b.until(fmt.Sprintf("%.60q is read in %s", want, channel), func() bool {
		var text strings.Builder
		posts := b.toys.Posts(b.app, channel)
		if len(posts) <= before {
			return false
		}
		for _, p := range posts[before:] {
			if len(p.Controls) > 0 {
				return false
			}
			text.WriteString(p.Text + " ")
		}
		return strings.Join(strings.Fields(text.String()), " ") == strings.Join(strings.Fields(want), " ")
	})
}

// request sends a command or a form as the platform does.
func (b *toyBox) request(kind string, q toy.Request) toy.Reply {
	b.t.Helper()
	status, text, err := b.call(http.MethodPost, "/toy/helper/"+kind, map[string]string{"Toy-Secret": toySecret, "Authorization": ""}, q)
	if err != nil || status != http.StatusOK {
		b.t.Fatalf("%d %s %v", status, text, err)
	}
	var r toy.Reply
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *toyBox) command(by, command, args string) toy.Reply {
	b.t.Helper()
	return b.request("commands", toy.Request{Channel: "c1", By: by, Command: command, Args: args})
}

func TestAThirdPlatformIsAnswered(t *testing.T) {
	t.Parallel()
	b := newToyBox(t)
	b.serve()
	long := strings.Repeat("A lane is an order of messages, and nothing else. ", 20)
	b.model.Answer(long)
	b.toys.Ask(b.app, "c1", "ann", "What is a lane?")
	b.answer("c1", 0, long)
	parts := b.toys.Posts(b.app, "c1")
	if len(parts) < 3 {
		t.Errorf("1000 characters are %d messages of 300", len(parts))
	}
	for _, p := range parts {
		if len(p.Text) > 300 {
			t.Errorf("a message has %d characters", len(p.Text))
		}
	}
	if q, _ := b.model.Last(); q.Model != "m1" || q.System() != "Be brief." || q.Prompt() != "What is a lane?" {
		t.Errorf("the model was asked %+v", q)
	}

	b.model.Answer("No.")
	b.toys.Ask(b.app, "c1", "ann", "Is it more?")
	b.answer("c1", len(parts), "No.")
	if q, _ := b.model.Last(); len(q.Messages) < 4 {
		t.Errorf("the model knows nothing of what was said before: %+v", q.Messages)
	}

	before := len(b.model.Requests())
	b.toys.Ask(b.app, "c2", "mallory", "And me?")
	b.answer("c2", 0, "You don't have access to Helper. Ask a workspace admin for access.")
	if len(b.model.Requests()) != before {
		t.Error("the model was asked for somebody who is denied")
	}

	b.model.Next(withoutEnd())
	question := b.toys.Ask(b.app, "c3", "ann", "Never mind")
	b.until("the answer grows", func() bool { return len(b.toys.Posts(b.app, "c3")) == 1 })
	b.toys.Withdraw(b.app, question)
	b.until("the answer is taken back", func() bool { return len(b.toys.Posts(b.app, "c3")) == 0 })
}

func TestAThirdPlatformTakesCommands(t *testing.T) {
	t.Parallel()
	b := newToyBox(t)
	b.serve()
	if r := b.command("ann", "help", ""); !strings.Contains(r.Text, "**Helper**") || strings.Contains(r.Text, "after a mention") {
		t.Errorf("help: %+v", r)
	}
	if r := b.command("ann", "model", ""); r.Menu == nil || len(r.Menu.Options) < 2 || r.Public {
		t.Errorf("model: %+v", r)
	}
	if r := b.command("ann", "model", "m2"); !r.Public || !strings.Contains(r.Text, "lab/m2") {
		t.Errorf("switch: %+v", r)
	}
	if r := b.command("ann", "bot", "list"); !strings.Contains(r.Text, "`coder`") || strings.Contains(r.Text, "`lone`") {
		t.Errorf("the bots of the app: %s", r.Text)
	}
	if r := b.command("ann", "provider", "add"); r.Form != nil || !strings.Contains(r.Text, "Only Helper admins") {
		t.Errorf("no admin: %+v", r)
	}
	form := b.command("root", "provider", "add").Form
	if form == nil {
		t.Fatal("an admin gets no form")
	}
	values := map[string]string{"id": "second", "endpoint": b.model.Endpoint(), "key": "sk-lab-secret-key", "models": "m1"}
	for _, f := range form.Fields {
		if _, ok := values[f.ID]; !ok && !f.Optional {
			t.Errorf("the form wants %q, which this test does not give", f.ID)
		}
	}
	if r := b.request("forms", toy.Request{Channel: "c1", By: "root", Form: form.ID, Values: values}); len(r.Errors) > 0 || !strings.Contains(r.Text, "second") {
		t.Errorf("the form: %+v", r)
	}
	if got := b.do(http.MethodGet, "/api/v1/providers/second", nil, http.StatusOK); !strings.Contains(got, b.model.Endpoint()) {
		t.Error(got)
	}

	// An answer uses what was chosen; after a mention commands are the same.
	b.model.Answer("Yes.")
	b.toys.Ask(b.app, "c1", "ann", "Well?")
	b.answer("c1", 0, "Yes.")
	if q, _ := b.model.Last(); q.Model != "m2" {
		t.Errorf("the model asked is %s", q.Model)
	}
	b.toys.Ask(b.app, "c1", "ann", "/bot use coder")
	b.answer("c1", 1, "**Coder** answers in this channel now.")
	for _, header := range []string{"", "wrong"} {
		if status, _, _ := b.call(http.MethodPost, "/toy/helper/commands", map[string]string{"Toy-Secret": header}, toy.Request{By: "root", Command: "help"}); status != http.StatusUnauthorized {
			t.Errorf("a request with the secret %q is answered with %d", header, status)
		}
	}
}

func TestAThirdPlatformIsShownToOperators(t *testing.T) {
	t.Parallel()
	b := newToyBox(t)
	b.serve()
	b.env["PARLEY_URL"] = "http://" + b.addr
	var list struct {
		Bots []struct {
			ID        string
			Platforms []string
		}
	}
	if err := json.Unmarshal([]byte(b.do(http.MethodGet, "/api/v1/bots", nil, http.StatusOK)), &list); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, bot := range list.Bots {
		got = append(got, bot.ID+" "+strings.Join(bot.Platforms, " "))
	}
	if want := "coder playground toy, helper playground toy, lone playground"; strings.Join(got, ", ") != want {
		t.Errorf("the bots are %q, want %q", got, want)
	}
	for _, c := range []struct{ args, says string }{
		{"help", "answers mentions in Slack, Discord and Toy from"},
		{"help", "parley manifest slack|discord|toy"},
		{"manifest toy --bot coder --url https://bots.example", "Make a toy named Coder. Its commands go to https://bots.example/toy/coder/commands."},
		{"bot list", "playground, toy"},
		{"manifest tea", "manifest takes slack, discord or toy, not"},
		{"guild list helper", "not on Discord"},
	} {
		var out bytes.Buffer
		run(t.Context(), strings.Fields(c.args), b.process(&out, &out))
		if !strings.Contains(out.String(), c.says) {
			t.Errorf("parley %s lacks %q:\n%s", c.args, c.says, out.String())
		}
	}
	b.toys.Revoke(toyToken)
	b.toys.Ask(b.app, "c1", "ann", "Are you well?")
	b.until("health says why", func() bool {
		_, text := b.get("/readyz")
		return strings.Contains(text, "toy/helper") && strings.Contains(text, "the platform refuses the token")
	})
}

func TestAThirdPlatformsSettingsAreChecked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(b *toyBox)
		want   string
	}{
		"a token of another kind":  {func(b *toyBox) { b.env["TOY_TOKEN"] = "xoxb-1" }, "helper.yaml:9: TOY_TOKEN is not a token: that begins with toy-"},
		"a secret without a token": {func(b *toyBox) { b.env["TOY_TOKEN"] = "" }, "helper.yaml:9: toy.token is empty while toy.hook_secret (TOY_SECRET) is not: set TOY_TOKEN (toy-…)"},
		"bots that do not agree": {func(b *toyBox) {
			b.write("bots/coder.yaml", "id: coder\nprovider: lab\nmodel: m1\ntoy: {token: \"${TOY_TOKEN}\"}\n")
		}, "helper.yaml:9: toy.token is the same as in coder.yaml, but toy.hook_secret is not"},
		"a field out of its place":   {func(b *toyBox) { b.write("bots/lone.yaml", "id: lone\nprovider: lab\nmodel: m1\nhook_secret: x\n") }, `lone.yaml:4: unknown field "hook_secret" (it belongs under "toy")`},
		"a variable that is wrong":   {func(b *toyBox) { b.env["TOY_SIZE"] = "few" }, `TOY_SIZE: "few" is not a number of characters; for example TOY_SIZE=500`},
		"signed, and no admin token": {func(b *toyBox) { delete(b.env, "ADMIN_TOKEN") }, "ADMIN_TOKEN: is required because bot coder has a toy.hook_secret"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newToyBox(t)
			c.change(b)
			var out, errs bytes.Buffer
			if code := run(t.Context(), []string{"check"}, b.process(&out, &errs)); code != exitFailed || !strings.Contains(errs.String(), c.want) {
				t.Errorf("exit %d, want %q in:\n%s%s", code, c.want, out.String(), errs.String())
			}
			if strings.Contains(errs.String(), toySecret) {
				t.Error("a secret is told")
			}
		})
	}
}
