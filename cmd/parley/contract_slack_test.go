// Section 6 on Slack: what is answered, and what the commands do.

package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"parley/internal/fake/openai"
	"parley/internal/fake/slack"
)

func TestWhatIsAnsweredOnSlack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	w.start()
	w.model.Func(func(r openai.Request) openai.Reply { return openai.Reply{Text: "Re: " + r.Prompt()} })
	bot := ws.App("").BotUser

	if status, answer, err := ws.VerifyURL(""); err != nil || status != http.StatusOK || answer == "" {
		t.Errorf("url_verification: %d %q %v", status, answer, err)
	}

	root := ws.Mention("C1", "U1", "first")
	w.onSlack("C1", root, "Re: first")
	// Never answered.
	for what, event := range map[string]slack.Said{
		"a message in a channel":       {Channel: "C1", User: "U1", Text: "just talking"},
		"a join":                       {Channel: "C1", User: "U1", Text: "<@U1> has joined", Subtype: "channel_join"},
		"a bot's message":              {Channel: "C1", User: "U8", Text: "<@" + bot + "> hi", Subtype: "bot_message", Extra: map[string]any{"bot_id": "B8"}},
		"a bot without subtype":        {Channel: "C1", User: "U8", Text: "<@" + bot + "> hi", Extra: map[string]any{"bot_id": "B8"}},
		"a bot in its thread":          {Channel: "C1", User: "U8", Text: "hi", Thread: root, Extra: map[string]any{"bot_id": "B8"}},
		"others mentioned in a thread": {Channel: "C1", User: "U1", Text: "<@U2> what do you think?", Thread: root},
		"a thread it is not in":        {Channel: "C1", User: "U1", Text: "hello there", Thread: "1700000000.000100"},
		"a topic":                      {Channel: "C1", User: "U1", Text: "set the topic", Subtype: "channel_topic"},
	} {
		ts := ws.Say(event)
		w.until(what+" is delivered", func() bool { return ws.Delivered(ts) })
	}
	ws.Edit(root, "<@"+bot+"> first, but better")
	// Whatever came before this was looked at.
	w.onSlack("C1", ws.Mention("C1", "U1", "after all that"), "Re: after all that")
	w.asked(t, 2, "what is not for the bot")

	// Answered.
	others := ws.Say(slack.Said{Channel: "C1", User: "U3", Text: "a thread of people"})
	for what, event := range map[string]slack.Said{
		"a follow-up in a thread":      {Channel: "C1", User: "U2", Text: "and then?", Thread: root},
		"a reply also sent to all":     {Channel: "C1", User: "U2", Text: "all of you", Thread: root, Subtype: "thread_broadcast"},
		"a file in a thread":           {Channel: "C1", User: "U2", Text: "see this", Thread: root, Subtype: "file_share"},
		"the bot beside others":        {Channel: "C1", User: "U2", Text: "<@U3> and <@" + bot + "> both?", Thread: root},
		"a mention in another thread":  {Channel: "C1", User: "U2", Text: "<@" + bot + "> here too", Thread: others},
		"a file with a mention at top": {Channel: "C1", User: "U2", Text: "<@" + bot + "> file", Subtype: "file_share"},
	} {
		before := len(w.model.Requests())
		ts := ws.Say(event)
		w.until(what+" is answered", func() bool { return len(w.model.Requests()) == before+1 })
		thread := event.Thread
		if thread == "" {
			thread = ts
		}
		w.until(what+" is answered in its thread", func() bool {
			last, _ := w.model.Last()
			all := ws.Answers("C1", thread)
			return len(all) > 0 && all[len(all)-1].Seen == "Re: "+last.Prompt()
		})
		if all := ws.Answers("C1", thread); all[len(all)-1].ThreadTS != thread {
			t.Errorf("%s was not answered in the thread", what)
		}
	}
	w.clean()
}

func TestSlackRequestsAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	s := w.start()
	secret := ws.App("").SigningSecret
	body := `{"type":"url_verification","challenge":"c"}`
	send := func(path, body, secret string, shift time.Duration) int {
		h := http.Header{}
		if secret != "" {
			slack.Sign(h, secret, time.Now().Add(shift), []byte(body))
		}
		header := map[string]string{}
		for name := range h {
			header[name] = h.Get(name)
		}
		status, _, err := s.call(http.MethodPost, path, header, body)
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	for _, path := range []string{"/slack/helper/events", "/slack/helper/commands", "/slack/helper/interactions"} {
		for what, got := range map[string]int{
			"no signature":      send(path, body, "", 0),
			"another secret":    send(path, body, "0123456789abcdef0123456789abcdef", 0),
			"six minutes old":   send(path, body, secret, -6*time.Minute),
			"six minutes ahead": send(path, body, secret, 6*time.Minute),
		} {
			if got != http.StatusUnauthorized {
				t.Errorf("%s, %s: %d, want 401", path, what, got)
			}
		}
		if got := send(path, strings.Repeat("x", 1<<20+1), secret, 0); got != http.StatusRequestEntityTooLarge {
			t.Errorf("%s, too large: %d, want 413", path, got)
		}
		if got := send(path, "{", secret, 0); got >= 500 {
			t.Errorf("%s, broken: %d", path, got)
		}
	}
	if got := send("/slack/nobody/events", body, secret, 0); got != http.StatusNotFound {
		t.Errorf("an unknown bot: %d", got)
	}
	if got := send("/slack/helper/events", body, secret, 0); got != http.StatusOK {
		t.Errorf("a right one: %d", got)
	}
	if code, _ := s.status("/slack/helper/events"); code != http.StatusMethodNotAllowed && code != http.StatusNotFound {
		t.Errorf("GET: %d", code)
	}
}

// Two bots share one app: the default answers first, /bot use gives a place to
// the other. A third has an app of its own.
func TestSeveralBotsOnSlack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := slack.App{ID: "A0OTHER", Name: "Other", BotID: "B0OTHER", BotUser: "U0OTHER", BotToken: "xoxb-other-1", SigningSecret: "fedcba9876543210fedcba9876543210"}
	first := slack.DefaultApp()
	ws := w.useSlack(slack.Options{Apps: []slack.App{first, own}}, false)
	shared := strings.Replace(helperYAML[:strings.Index(helperYAML, "discord:")], "system: Be brief.", "system: I am the HELPER.", 1)
	w.write("bots/helper.yaml", shared)
	w.write("bots/zed.yaml", strings.NewReplacer("id: helper", "id: zed", "name: Helper", "name: Zed", "HELPER", "ZED").Replace(shared)+"default: true\n")
	w.write("bots/other.yaml", "id: other\nname: Other\nprovider: lab\nmodel: m2\nsystem: I am OTHER.\nslack: {command_prefix: \"other-\", bot_token: \"${OTHER_TOKEN}\", signing_secret: \"${OTHER_SECRET}\"}\n")
	w.write("bots/alone.yaml", "id: alone\nname: Alone\nprovider: lab\nmodel: m1\n")
	w.env["OTHER_TOKEN"], w.env["OTHER_SECRET"] = own.BotToken, own.SigningSecret
	s := w.start()
	ws.Serve(own.ID, "http://"+s.addr+"/slack/other")
	w.model.Func(func(r openai.Request) openai.Reply { return openai.Reply{Text: r.System() + " " + r.Model} })

	w.onSlack("C1", ws.Mention("C1", "U1", "who?"), "I am the ZED. m1")
	w.onSlack("C1", ws.MentionApp(own.ID, "C1", "U1", "who?"), "I am OTHER. m2")

	w.slash("/bot", "")
	list := w.private("C1", "U1", "zed")
	if !strings.Contains(list.Seen, "helper") || strings.Contains(list.Seen, "other") || strings.Contains(list.Seen, "alone") {
		t.Errorf("/bot lists the bots of this app: %s", list.Seen)
	}
	w.slash("/bot", "use other")
	w.private("C1", "U1", `"other"`)
	w.slash("/bot", "use helper")
	w.onSlack("C1", ws.Mention("C1", "U1", "who?"), "I am the HELPER. m1")
	w.onSlack("C2", ws.Mention("C2", "U1", "who?"), "I am the ZED. m1")

	// A thread can go to another than its channel.
	root := ws.Mention("C1", "U1", "again")
	w.onSlack("C1", root, "I am the HELPER. m1")
	ws.MentionIn("C1", root, "U1", "/bot use zed")
	w.until("the thread is given away", func() bool {
		for _, m := range ws.Messages("C1") {
			if strings.Contains(m.Seen, "Zed** answers") || strings.Contains(m.Seen, "answers in this thread") {
				return true
			}
		}
		return false
	})
	ws.Reply("C1", root, "U1", "who now?")
	w.settled("C1", root, "I am the ZED.")

	// The other app's commands carry its prefix.
	w.typed(slack.Command{App: own.ID, Channel: "C1", User: "U1", Command: "/other-model", Text: "m1"})
	w.onSlack("C1", ws.MentionApp(own.ID, "C1", "U1", "who?"), "I am OTHER. m1")

	list2 := s.do(http.MethodGet, "/api/v1/bots", nil, http.StatusOK)
	for _, id := range []string{"helper", "zed", "other", "alone"} {
		if !strings.Contains(list2, `"id": "`+id+`"`) {
			t.Errorf("%s is missing: %s", id, list2)
		}
	}
	w.clean()
}

func TestModelNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("providers.yaml", "lab:\n  endpoint: "+w.model.Endpoint()+"\n  models: [m1, m2, zoo/m1, same]\n"+
		"zoo:\n  endpoint: "+w.model.Endpoint()+"\n  models: [m1, m2, lion, same-but-different, deep/er]\n"+
		"den:\n  endpoint: "+w.model.Endpoint()+"\n  models: [lion]\n")
	w.model.SetModels("m1", "m2", "zoo/m1", "lion", "same", "same-but-different", "deep/er")
	ws := w.useSlack(slack.Options{}, false)
	w.start()
	channels := 0
	uses := func(command, text, want string) {
		t.Helper()
		ts := ws.Mention("C1", "U1", "which?")
		w.onSlack("C1", ts, "Yes.")
		if last, _ := w.model.Last(); last.Model != want {
			t.Errorf("%s %s: the channel uses %s, want %s", command, text, last.Model, want)
		}
		channels++
	}
	w.model.Answer("Yes.")
	change := func(command, text, want string) {
		t.Helper()
		w.slash(command, text)
		uses(command, text, want)
	}
	change("/model", "m2", "m2")
	change("/model", "zoo/m1", "zoo/m1") // the current provider has exactly that
	change("/model", "zoo/lion", "lion")
	change("/model", "zoo/m1", "m1") // zoo has no zoo/m1
	change("/model", "deep/er", "deep/er")
	change("/model", "lab/zoo/m1", "zoo/m1")
	change("/model", "zoo/deep/er", "deep/er")
	change("/model", "reset", "m1")

	w.slash("/model", "lion") // lab has none, two others do
	told := w.private("C1", "U1", `"lion"`)
	if !strings.Contains(told.Seen, "zoo/lion") || !strings.Contains(told.Seen, "den/lion") {
		t.Errorf("an ambiguous name should get both: %s", told.Seen)
	}
	w.slash("/model", "zoo/lino")
	if told = w.private("C1", "U1", `"zoo/lino"`); !strings.Contains(told.Seen, "zoo/lion") {
		t.Errorf("a misspelt name should get the nearest: %s", told.Seen)
	}
	uses("/model", "unknown", "m1")

	change("/provider", "use zoo", "m1") // the same model where it has it
	change("/provider", "use den", "lion")
	change("/provider", "use lab", "m1") // its first
	w.slash("/provider", "")
	list := w.private("C1", "U1", "used here")
	for _, part := range []string{"lab", "zoo", "lion", "m2", "used here"} {
		if !strings.Contains(list.Seen, part) {
			t.Errorf("/provider does not show %q: %s", part, list.Seen)
		}
	}
	w.slash("/provider", "use moon")
	w.private("C1", "U1", `"moon"`)
	w.slash("/frobnicate", "")
	w.slash("/help", "")
	w.clean()
}

// Answers to slash commands are for the caller, what changes something for all
// is for all; after a mention only the caller sees the answer, in the thread.
func TestWhoSeesWhatCommandsSay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	ws.AddUser(slack.User{ID: "U1", Name: "ann", Admin: true})
	w.start()
	w.model.Answer("Yes.")
	root := ws.Mention("C1", "U1", "begin")
	w.onSlack("C1", root, "Yes.")
	for _, command := range []string{"/model", "/provider", "/bot", "/help", "/stop"} {
		before := len(ws.Messages("C1"))
		w.slash(command, "")
		w.until(command+" is answered", func() bool { return len(ws.Messages("C1")) > before })
		if all := ws.Messages("C1"); all[len(all)-1].Only != "U1" {
			t.Errorf("%s is seen by all: %s", command, all[len(all)-1].Seen)
		}
		before = len(ws.Messages("C1"))
		ws.MentionIn("C1", root, "U1", command)
		w.until(command+" after a mention is answered", func() bool {
			all := ws.Messages("C1")
			return len(all) > before+1 && all[len(all)-1].App != ""
		})
		all := ws.Messages("C1")
		if m := all[len(all)-1]; m.Only != "U1" || m.ThreadTS != root || m.Unseen {
			t.Errorf("%s after a mention: only %q, thread %q, unseen %v: %s", command, m.Only, m.ThreadTS, m.Unseen, m.Seen)
		}
	}
	w.slash("/model", "m2")
	w.until("everyone sees the switch", func() bool {
		for _, m := range ws.Messages("C1") {
			if m.App != "" && m.Only == "" && strings.Contains(m.Seen, "lab/m2") {
				return true
			}
		}
		return false
	})

	// The form cannot open after a mention: there is a button.
	ws.MentionIn("C1", root, "U1", "/provider add")
	var offer slack.Message
	w.until("a button is offered", func() bool {
		for _, m := range ws.Messages("C1") {
			if m.Only == "U1" && m.ThreadTS == root && len(m.Controls) == 1 && m.Controls[0].Kind == "button" && strings.Contains(m.Seen, "form") {
				offer = m
			}
		}
		return offer.TS != ""
	})
	if _, err := ws.Press(slack.Press{Message: offer.TS, User: "U1", Button: offer.Controls[0].Label}); err != nil {
		t.Fatal(err)
	}
	w.until("the form opens", func() bool { v, ok := ws.View("U1"); return ok && v.Open })

	// Two sides of a switch kept for admins: the channel's, and one's own thread.
	w.asked(t, 1, "only commands")
	w.clean()
}

// A channel's model may be kept for admins; one's own thread and direct message
// never are.
func TestSwitchIsForAdmins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("bots/helper.yaml", helperYAML+"access: {switch: admins, channels: [C1, C2], admins: [U7]}\n")
	ws := w.useSlack(slack.Options{}, false)
	ws.AddUser(slack.User{ID: "U1", Name: "ann"})
	w.start()
	w.model.Answer("Yes.")
	root := ws.Mention("C1", "U1", "mine")
	w.onSlack("C1", root, "Yes.")
	w.slash("/model", "m2")
	w.private("C1", "U1", "Only Helper admins")
	ws.MentionIn("C1", root, "U2", "/model m2") // not U2's thread
	w.private("C1", "U2", "Only Helper admins")
	ws.MentionIn("C1", root, "U1", "/model m2")
	w.until("the thread is switched", func() bool {
		for _, m := range ws.Messages("C1") {
			if m.ThreadTS == root && strings.Contains(m.Seen, "lab/m2") && m.App != "" {
				return true
			}
		}
		return false
	})
	ws.Reply("C1", root, "U1", "and?")
	w.until("the thread uses m2", func() bool { last, _ := w.model.Last(); return last.Model == "m2" })
	w.typed(slack.Command{Channel: "C2", User: "U7", Command: "/model", Text: "m2"}) // by an admin
	w.onSlack("C2", ws.Mention("C2", "U1", "?"), "Yes.")
	if last, _ := w.model.Last(); last.Model != "m2" {
		t.Errorf("an admin switched C2, which uses %s", last.Model)
	}
	before := len(w.model.Requests())
	ws.Mention("C3", "U1", "elsewhere")
	w.private("C3", "U1", "")
	w.asked(t, before, "a refusal")
	w.clean()
}

func TestAnswersAtSlacksLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env["SLACK_UPDATE_LIMIT"] = "off"
	ws := w.useSlack(slack.Options{Limits: slack.Limits{Off: true}}, false)
	s := w.start()

	// A code block that runs over several messages.
	var code strings.Builder
	code.WriteString("Here it is:\n\n```go\n")
	for range 900 {
		code.WriteString("fmt.Println(\"a line of the program\")\n")
	}
	code.WriteString("```\n\nThat was it.")
	w.model.Next(openai.Reply{Text: code.String(), Words: 50})
	ts := ws.Mention("C1", "U1", "program")
	w.settled("C1", ts, "That was it.")
	w.until("every part is whole", func() bool { return len(w.whole("C1", ts)) > 1 })
	parts := w.whole("C1", ts)
	lines := 0
	for i, p := range parts {
		if strings.Count(p.Seen, "```")%2 != 0 {
			t.Errorf("part %d leaves a code block open", i)
		}
		if i > 0 && i < len(parts)-1 && !strings.HasPrefix(p.Seen, "```go") {
			t.Errorf("part %d does not open the code block again: %.40q", i, p.Seen)
		}
		lines += strings.Count(p.Seen, `fmt.Println("a line of the program")`)
	}
	if lines != 900 {
		t.Errorf("%d lines arrived, want 900", lines)
	}

	// Plain words come whole, over however many messages.
	var plain strings.Builder
	for i := range 2500 {
		plain.WriteString("word" + strings.Repeat("x", i%7) + " ")
	}
	want := strings.TrimSpace(plain.String()) + " END"
	w.model.Next(openai.Reply{Text: want, Words: 60})
	ts = ws.Mention("C1", "U1", "words")
	w.settled("C1", ts, "END")
	w.until("it is over", func() bool { return len(w.whole("C1", ts)) > 1 })
	var all []string
	for _, p := range w.whole("C1", ts) {
		all = append(all, strings.Fields(p.Seen)...)
	}
	if strings.Join(all, " ") != want {
		t.Errorf("the parts together are not the model's text: %d words, want %d", len(all), len(strings.Fields(want)))
	}

	// Nobody is pinged, and the words stay readable.
	w.model.Next(openai.Reply{Text: "Hey <!channel> <!here> <!everyone> <@U1> <#C1> <!subteam^S1> @channel @here @everyone and <@U1|ann>, done."})
	ts = ws.Mention("C1", "U1", "ping")
	w.settled("C1", ts, "done.")
	if p := ws.Pings(); len(p) > 0 {
		t.Errorf("pinged: %v", p)
	}
	for _, c := range ws.Calls("") {
		for _, hidden := range []string{"<!channel>", "<!here>", "<!everyone>", "<!subteam"} {
			if strings.HasPrefix(c.Method, "chat.") && strings.Contains(c.Args["text"], hidden) {
				t.Errorf("%s carries %s in its text", c.Method, hidden)
			}
		}
	}

	for finish, note := range map[string]string{"length": "length", "content_filter": "filter"} {
		w.model.Next(openai.Reply{Text: "A story of", Finish: finish})
		ts = ws.Mention("C1", "U1", "cut by "+finish)
		w.settled("C1", ts, note)
		if got := w.whole("C1", ts); len(got) != 1 || !strings.HasPrefix(got[0].Seen, "A story of\n") || strings.Count(strings.TrimSpace(got[0].Seen), "\n") > 2 {
			t.Errorf("one short line should be added: %+v", got)
		}
	}
	if strings.Contains(s.log.String(), "a line of the program") || strings.Contains(s.log.String(), "A story of") {
		t.Errorf("the log holds text of an answer")
	}
	w.clean()
}

// max_messages bounds an answer; the rest is a file.
func TestTheRestOfALongAnswerIsAFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("bots/helper.yaml", helperYAML+"max_messages: 1\n")
	w.env["SLACK_UPDATE_LIMIT"] = "off"
	ws := w.useSlack(slack.Options{Limits: slack.Limits{Off: true}}, false)
	d := w.useDiscord(discordWithoutLimits())
	w.start()
	text := strings.TrimSpace(strings.Repeat("These are words. ", 1500))
	w.model.Func(func(openai.Request) openai.Reply { return openai.Reply{Text: text, Words: 100} })
	ts := ws.Mention("C1", "U1", "long")
	w.until("the rest is a file on Slack", func() bool {
		for _, m := range ws.Answers("C1", ts) {
			if len(m.Files) > 0 {
				return strings.HasSuffix(strings.TrimSpace(string(m.Files[0].Data)), "These are words.")
			}
		}
		return false
	})
	id := d.Mention("general", "ann", "long")
	w.until("the rest is a file on Discord", func() bool {
		for _, m := range d.Replies(id) {
			if len(m.Attachments) > 0 {
				return strings.HasSuffix(strings.TrimSpace(string(m.Attachments[0].Data)), "These are words.")
			}
		}
		return false
	})
	w.clean()
}

// After the first word no fallback may take over: two halves are no answer.
func TestFallbacksEndWithTheFirstWord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("bots/helper.yaml", helperYAML+"fallbacks: [spare/s1, forbidden/f1]\naccess: {models: [{match: \"forbidden/*\", users: [U7]}]}\n")
	spare := openai.New(t)
	spare.Answer("From the spare.")
	forbidden := openai.New(t)
	w.write("providers.yaml", "lab:\n  endpoint: "+w.model.Endpoint()+"\n  models: [m1]\nspare:\n  endpoint: "+spare.Endpoint()+"\n  models: [s1]\nforbidden:\n  endpoint: "+forbidden.Endpoint()+"\n  models: [f1]\n")
	ws := w.useSlack(slack.Options{}, false)
	s := w.start()
	w.model.Next(openai.Reply{Text: "Half of the answer is here and the rest is not", Fault: openai.FaultTruncate, After: 6})
	ts := ws.Mention("C1", "U1", "go")
	answer := w.settled("C1", ts, "ref-")
	if !strings.HasPrefix(answer.Seen, "Half of the answer") || !strings.Contains(answer.Seen, "lab/m1") || len(spare.Requests()) != 0 {
		t.Errorf("the spare was asked %d times: %s", len(spare.Requests()), answer.Seen)
	}
	at := strings.Index(answer.Seen, "ref-")
	ref := answer.Seen[at : at+12]
	if strings.Trim(ref[4:], "0123456789") != "" {
		t.Errorf("%q is no reference", ref)
	}
	w.until("the log has the reference", func() bool { return strings.Contains(s.log.String(), ref) })

	// Fallbacks obey the rules of models.
	w.model.Func(func(openai.Request) openai.Reply { return openai.Reply{Status: 500, Message: "broken"} })
	spare.Func(func(openai.Request) openai.Reply { return openai.Reply{Status: 500, Message: "broken"} })
	before := len(w.model.Requests())
	ts = ws.Mention("C1", "U1", "go")
	w.settled("C1", ts, "ref-")
	if len(forbidden.Requests()) != 0 {
		t.Errorf("a fallback that the person may not use was asked")
	}
	if n := len(w.model.Requests()) - before; n != 2 || len(spare.Requests()) == 0 {
		t.Errorf("the failing provider was asked %d times, want a first time and one more, and then the spare: %d", n, len(spare.Requests()))
	}
	w.clean()
}
