// Section 6 on Discord: what is answered, and what the commands do.

package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/internal/fake/discord"
	"parley/internal/fake/openai"
)

func TestWhatIsAnsweredOnDiscord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.useDiscord(discordWithoutLimits())
	w.start()
	w.model.Func(func(r openai.Request) openai.Reply { // Where several people speak, each is named.
		lines := strings.Split(r.Prompt(), "\n") // the last is the question, behind what others said
		line := lines[len(lines)-1]
		_, said, named := strings.Cut(line, ": ")
		if !named {
			said = line
		}
		return openai.Reply{Text: "Re: " + said}
	})

	first := d.Mention("general", "ann", "first")
	answer := w.onDiscord(first, "Re: first")
	said := 1
	// Reply chains: each follow-up carries the chain and nothing else.
	second := d.Reply(answer.ID, "bob", "second", false)
	third := d.Reply(w.onDiscord(second, "Re: second").ID, "ann", "third", true)
	w.onDiscord(third, "Re: third")
	said += 2
	if last, _ := w.model.Last(); len(last.Messages) != 6 {
		t.Errorf("a chain of three carries %d messages, want 6 with the persona: %+v", len(last.Messages), last.Messages)
	}
	w.onDiscord(d.Mention("general", "ann", "apart"), "Re: apart")
	said++

	bot := d.Bot("Robo")
	thread := d.Thread("general", "elsewhere")
	for _, say := range map[string]func(){
		"a message":               func() { d.Say("general", "ann", "just talking") },
		"a join":                  func() { d.System("general", "ann", 7) },
		"a pin":                   func() { d.System("general", "ann", 6) },
		"a bot":                   func() { d.Say("general", bot, "@Helper hi") },
		"a bot's reply":           func() { d.Reply(answer.ID, bot, "hi", true) },
		"a webhook":               func() { d.Webhook("general", "Hook", "@Helper hi") },
		"a reply to a person":     func() { d.Reply(first, "bob", "indeed", true) },
		"another's thread":        func() { d.Say(thread, "ann", "hello there") },
		"everyone":                func() { d.Say("general", "ann", "@everyone look") },
		"somebody else's mention": func() { d.Say("general", "ann", "@bob look") },
	} {
		say()
	}
	w.onDiscord(d.Mention("general", "ann", "after all that"), "Re: after all that")
	w.asked(t, said+1, "what is not for the bot")

	// In a thread where it answered, every message is for it, but for those
	// that name only others.
	begun := d.Mention(thread, "ann", "in a thread")
	w.onDiscord(begun, "Re: in a thread")
	w.onDiscord(d.Say(thread, "bob", "no mention here"), "Re: no mention here")
	d.Say(thread, "bob", "@ann what do you think?")
	w.onDiscord(d.Say(thread, "bob", "and now?"), "Re: and now?")
	w.asked(t, said+4, "a message to others in a thread")
	w.clean()
}

// A thread the bot began, or that hangs on its message, needs no mention.
func TestItsOwnThreadsAreFollowedOnDiscord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.useDiscord(discordWithoutLimits())
	w.start()
	w.model.Answer("Yes.")
	begun := d.ThreadBy(d.App("").UserID(), "general", "begun")
	w.onDiscord(d.Say(begun, "ann", "hello?"), "Yes.")
	question := d.Mention("general", "ann", "?")
	answer := w.onDiscord(question, "Yes.")
	d.Say(d.ThreadFrom(question, "ann", "among us"), "ann", "not for the bot")
	w.onDiscord(d.Say(d.ThreadFrom(answer.ID, "bob", "about it"), "bob", "why?"), "Yes.")
	w.asked(t, 3, "what is said in a thread of people")
	w.clean()
}

// Where switching is kept for admins, one's own thread is the one that one
// opened: whoever asked first there, and whatever was forgotten.
func TestAThreadIsItsOpenersOnDiscord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("bots/helper.yaml", helperYAML+"access: {switch: admins}\n")
	d := w.useDiscord(discordWithoutLimits())
	w.start()
	w.model.Answer("Yes.")
	w.until("the commands are registered", func() bool { return len(d.Commands("")) > 0 })
	thread := d.ThreadBy("ann", "general", "ann's")
	said := func(user, text, want string) {
		t.Helper()
		i, err := d.Slash(thread, user, text)
		if err != nil {
			t.Fatal(err)
		}
		if all, err := i.Answer(t.Context()); err != nil || len(all) == 0 || !strings.Contains(all[0].Content, want) {
			t.Errorf("%s by %s: %+v, %v, want %q", text, user, all, err, want)
		}
	}
	said("bob", "/model name:m2", "Only Helper admins")
	w.onDiscord(d.Mention(thread, "bob", "first"), "Yes.")
	said("bob", "/model name:m2", "Only Helper admins")
	said("bob", "/reset", "Cleared")
	said("bob", "/model name:m2", "Only Helper admins")
	id := d.Mention(thread, "bob", "/model m2")
	w.until("the command is answered", func() bool {
		r := d.Replies(id)
		return len(r) == 1 && strings.Contains(r[0].Content, "Only Helper admins")
	})
	said("ann", "/model name:m2", "lab/m2")
	w.clean()
}

// Everything of the commands that Discord shows, and who sees the answers.
func TestDiscordCommands(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.useDiscord(discordWithoutLimits())
	d.Grant("boss", "Managers", 1<<5)
	w.start()
	w.model.Answer("Yes.")
	registered := d.Commands("")
	for _, name := range []string{"model [name]", "provider list", "provider use", "provider add", "provider remove", "provider test", "bot list", "bot use", "reset", "stop", "help"} {
		if !slices.ContainsFunc(registered, func(c string) bool { return strings.HasPrefix(c, name) }) {
			t.Errorf("/%s is not registered: %q", name, registered)
		}
	}
	answer := func(user, text string) discord.Message {
		t.Helper()
		i, err := d.Slash("general", user, text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		all, err := i.Answer(t.Context())
		if err != nil || len(all) == 0 {
			t.Fatalf("%s: %v", text, err)
		}
		return all[0]
	}
	for text, private := range map[string]bool{
		"/model": true, "/provider list": true, "/bot list": true, "/help": true, "/stop": true, "/model name:nothing": true,
		"/provider use id:nothing": true, "/provider remove id:lab": true,
		"/model name:m2": false, "/model name:reset": false, "/provider use id:lab": false, "/reset": false,
	} {
		if got := answer("ann", text); got.Ephemeral != private {
			t.Errorf("%s: for the caller alone is %v, want %v: %s", text, got.Ephemeral, private, got.Content)
		}
	}
	if got := answer("ann", "/model name:lab/m3"); !strings.Contains(got.Content, "lab/m2") && !strings.Contains(got.Content, "lab/m1") {
		t.Errorf("an unknown model should get the nearest: %s", got.Content)
	}

	// After a mention: a reply that pings nobody.
	id := d.Mention("general", "ann", "/model m2")
	w.until("the command is answered", func() bool { return len(d.Replies(id)) == 1 })
	reply := d.Replies(id)[0]
	for _, f := range reply.Frames {
		if len(f.Pings) > 0 {
			t.Errorf("the reply pinged %v", f.Pings)
		}
	}
	w.onDiscord(d.Mention("general", "ann", "?"), "Yes.")
	if last, _ := w.model.Last(); last.Model != "m2" {
		t.Errorf("the channel uses %s", last.Model)
	}
	id = d.Mention("general", "boss", "/provider add")
	w.until("a button is offered", func() bool { r := d.Replies(id); return len(r) == 1 && len(r[0].Buttons()) == 1 })
	i, err := d.Press(d.Replies(id)[0].ID, "boss", d.Replies(id)[0].Buttons()[0])
	if err != nil {
		t.Fatal(err)
	}
	form, err := i.Modal(t.Context())
	if err != nil || len(form.Fields) != 5 {
		t.Errorf("the form: %+v %v", form, err)
	}
	w.clean()
}

// What was typed wrongly for one provider does not fill the form of another.
func TestEditFormsOnDiscordAreApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.useDiscord(discord.Options{})
	d.Grant("boss", "Managers", 1<<5)
	s := w.start()
	for _, id := range []string{"corp", "annex"} {
		body := map[string]any{"endpoint": w.model.Endpoint(), "name": "Name of " + id}
		if status, answer, err := s.call(http.MethodPut, "/api/v1/providers/"+id, nil, body); err != nil || status != http.StatusCreated {
			t.Fatalf("%s: %d %s %v", id, status, answer, err)
		}
	}
	edit := func(id string) (*discord.Interaction, discord.Modal) {
		t.Helper()
		asked := d.Mention("general", "boss", "/provider edit "+id)
		w.until("a button is offered", func() bool { r := d.Replies(asked); return len(r) == 1 && len(r[0].Buttons()) == 1 })
		i, err := d.Press(d.Replies(asked)[0].ID, "boss", d.Replies(asked)[0].Buttons()[0])
		if err != nil {
			t.Fatal(err)
		}
		form, err := i.Modal(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return i, form
	}
	i, _ := edit("corp")
	sent, err := d.SubmitModal(i, map[string]string{"name": "Typed for corp", "endpoint": "nonsense"})
	if err != nil {
		t.Fatal(err)
	}
	w.until("the mistake is said", func() bool {
		m := sent.Messages()
		return len(m) == 1 && strings.Contains(m[0].Content, "Nothing was saved yet")
	})
	if _, form := edit("annex"); form.Fields[0].Value != "annex" || form.Fields[1].Value != "Name of annex" {
		t.Errorf("the form of annex is filled with %+v", form.Fields)
	}
	if _, form := edit("corp"); form.Fields[0].Value != "corp" || form.Fields[1].Value != "Typed for corp" {
		t.Errorf("what was typed for corp is lost: %+v", form.Fields)
	}
	w.clean()
}

func TestAnswersAtDiscordsLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.useDiscord(discordWithoutLimits())
	w.start()
	var code strings.Builder
	code.WriteString("Here it is:\n\n```python\n")
	for range 150 {
		code.WriteString("print(\"a line of the program\")\n")
	}
	code.WriteString("```\n\nThat was it.")
	w.model.Next(openai.Reply{Text: code.String(), Words: 30})
	id := d.Mention("general", "ann", "program")
	var parts []discord.Message
	w.until("the program stands", func() bool {
		parts = d.Replies(id)
		last := len(parts) - 1
		return last > 0 && strings.HasSuffix(parts[last].Content, "That was it.") && len(parts[last].Buttons()) == 0 && len(parts[0].Buttons()) == 0
	})
	lines := 0
	for i, p := range parts {
		if len([]rune(p.Content)) > 2000 || strings.Count(p.Content, "```")%2 != 0 {
			t.Errorf("part %d is too long or leaves its block open", i)
		}
		if i > 0 && !strings.HasPrefix(p.Content, "```python") && !strings.HasPrefix(p.Content, "That was it") {
			t.Errorf("part %d does not open the block again: %.40q", i, p.Content)
		}
		lines += strings.Count(p.Content, `print("a line of the program")`)
	}
	if lines != 150 {
		t.Errorf("%d lines arrived, want 150", lines)
	}

	want := strings.TrimSpace(strings.Repeat("Plain words go on and on. ", 300))
	w.model.Next(openai.Reply{Text: want, Words: 30})
	id = d.Mention("general", "ann", "words")
	w.until("all words stand", func() bool {
		var all []string
		for _, p := range d.Replies(id) {
			if len(p.Buttons()) > 0 {
				return false
			}
			all = append(all, strings.Fields(p.Content)...)
		}
		return strings.Join(all, " ") == want
	})

	ping := "Hey @everyone @here <@" + d.UserID("bob") + "> <@&" + d.RoleID("") + "> done."
	w.model.Next(openai.Reply{Text: ping})
	id = d.Mention("general", "ann", "ping")
	w.until("it stands", func() bool {
		r := d.Replies(id)
		return len(r) == 1 && strings.Contains(r[0].Content, "done.") && len(r[0].Buttons()) == 0
	})
	for _, r := range d.Replies(id) {
		for _, f := range r.Frames {
			if len(f.Pings) > 0 {
				t.Errorf("pinged %v by %q", f.Pings, f.Content)
			}
		}
	}
	w.clean()
}

// Two bots with tokens of their own, one of which takes its interactions by
// signed requests.
func TestTwoBotsOnDiscord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.useDiscord(discord.Options{Apps: []discord.AppOptions{{Name: "Helper"}, {Name: "Sage"}}})
	w.env["SAGE_TOKEN"] = d.App("Sage").Token
	w.write("bots/sage.yaml", "id: sage\nname: Sage\nprovider: lab\nmodel: m2\nsystem: I am SAGE.\ndiscord: {token: \"${SAGE_TOKEN}\"}\n")
	s := w.start()
	w.model.Func(func(r openai.Request) openai.Reply { return openai.Reply{Text: r.System() + " " + r.Model} })
	w.onDiscord(d.Mention("general", "ann", "who?"), "Be brief. m1")
	w.onDiscord(d.Say("general", "ann", "@Sage who?"), "I am SAGE. m2")

	url := "http://" + s.addr + "/discord/sage/interactions"
	if err := d.VerifyEndpoint(t.Context(), "Sage", url); err != nil {
		t.Errorf("the interactions endpoint: %v", err)
	}
	if code, _, _ := s.call(http.MethodPost, "/discord/helper/interactions", nil, `{"type":1}`); code != http.StatusUnauthorized {
		t.Errorf("unsigned: %d, want 401", code)
	}
	if code, _, _ := s.call(http.MethodPost, "/discord/nobody/interactions", nil, `{"type":1}`); code != http.StatusNotFound {
		t.Errorf("an unknown bot: %d, want 404", code)
	}
	d.App("").SetInteractionsURL("http://" + s.addr + "/discord/helper/interactions")
	i, err := d.Slash("general", "ann", "/model name:m2")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := i.Answer(t.Context()); err != nil {
		t.Errorf("a command by HTTP: %v", err)
	}
	w.onDiscord(d.Mention("general", "ann", "who?"), "Be brief. m2")
	w.clean()
}

// What Discord keeps of an answer is what people read: where its reply shows
// another text than it was sent, the message is written again.
func TestAnAnswerThatDiscordKeptHalfOfIsMadeWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.useDiscord(discordWithoutLimits())
	w.start()
	w.model.Answer("All of the answer, from its first word to its last.")
	for _, method := range []string{"POST", "PATCH"} {
		d.Fail(discord.Fault{Method: method, Path: "/messages", Halve: true})
		w.onDiscord(d.Mention("general", "ann", "all of it?"), "All of the answer, from its first word to its last.")
	}
	w.clean()
}

// What a model writes is what people read: while it grows, too, Discord hides
// nothing and shows no link as brackets.
func TestMarkdownIsShownAsItWasMeantOnDiscord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.useDiscord(discordWithoutLimits())
	w.start()
	w.model.Next(openai.Reply{Text: "See [https://example.com/a_b](https://example.com/a_b) and [docs](https://example.com/x_(y)). Mixed [Visit https://example.com now](https://example.com/q).\n\n" +
		"if (a || b || c) holds, stop.\n\n> | a | b |\n> |---|---|\n> | 1 | 2 |\n\n>>> print(1)\n", Words: 1, Interval: 20 * time.Millisecond})
	question := d.Mention("general", "ann", "?")
	w.onDiscord(question, "See https://example.com/a_b and [docs](https://example.com/x_(y)). Mixed Visit https://example.com now (https://example.com/q).\n\n"+
		"if (a \\|\\| b \\|\\| c) holds, stop.\n\n> ```\n> a | b\n> --+--\n> 1 | 2\n> ```\n\n\\>>> print(1)")
	for _, frame := range d.Timeline(d.Replies(question)[0].ID) {
		if strings.Contains(frame.Content, "||") || strings.Contains(frame.Content, "[http") || strings.Contains(frame.Content, "[Visit") {
			t.Errorf("people saw\n%s", frame.Content)
		}
	}
	w.clean()
}
