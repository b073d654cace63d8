// What the model reads of a thread beside the questions to it, and what becomes
// of a question that is deleted.

package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"parley/internal/fake/discord"
	"parley/internal/fake/openai"
	"parley/internal/fake/slack"
)

// post lets an app of the workspace post, as its own program would.
func post(t *testing.T, ws *slack.Server, token string, fields ...string) {
	t.Helper()
	form := url.Values{"token": {token}}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	response, err := http.PostForm(ws.APIURL()+"chat.postMessage", form)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var said struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
	}
	if err := json.NewDecoder(response.Body).Decode(&said); err != nil || !said.OK {
		t.Fatalf("the app could not post: %v %s", err, said.Error)
	}
}

// read is the user messages of the last request, as one text.
func (w *world) read() string {
	last, _ := w.model.Last()
	var out []string
	for _, m := range last.Messages {
		if m.Role != "system" {
			out = append(out, m.Role+": "+m.Content)
		}
	}
	return strings.Join(out, "\n")
}

func TestWhatOthersWroteSinceTheLastAnswerIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ci := slack.App{ID: "A0CI", Name: "CI", BotID: "B0CI", BotUser: "U0CI", BotToken: "xoxb-ci", AppToken: "xapp-ci"}
	ws := w.useSlack(slack.Options{Apps: []slack.App{slack.DefaultApp(), ci}}, false)
	w.start()
	w.model.Answer("Fine.")

	root := ws.Mention("C1", "U1", "we deploy now, stand by")
	w.onSlack("C1", root, "Fine.")
	ws.Reply("C1", root, "U1", "<@U0BOB0001> which ticket is it?")
	post(t, ws, "xoxb-ci", "channel", "C1", "thread_ts", root, "attachments", `[{"fallback":"red","title":"Build 42 failed","text":"the variable DB_URL is missing"}]`)
	ws.MentionIn("C1", root, "U1", "/model")
	w.model.Next(openai.Reply{Text: "Because of DB_URL."})
	ws.MentionIn("C1", root, "U1", "why did it fail?")
	w.onSlack("C1", root, "Because of DB_URL.")
	first := w.read()
	for _, want := range []string{"which ticket is it?", "Build 42 failed", "DB_URL is missing", "why did it fail?"} {
		if strings.Count(first, want) != 1 {
			t.Errorf("%q is read %d times:\n%s", want, strings.Count(first, want), first)
		}
	}
	if strings.Index(first, "which ticket") > strings.Index(first, "Build 42") || strings.Contains(first, "/model") || strings.Count(first, "assistant: Fine.") != 1 {
		t.Errorf("the order, a command or an answer is wrong:\n%s", first)
	}

	// What was heard is remembered, and read once.
	w.model.Next(openai.Reply{Text: "Bob knows."})
	ws.MentionIn("C1", root, "U1", "and the ticket?")
	w.onSlack("C1", root, "Bob knows.")
	second := w.read()
	if strings.Count(second, "Build 42 failed") != 1 || strings.Count(second, "which ticket is it?") != 1 || strings.Count(second, "Because of DB_URL.") != 1 {
		t.Errorf("later the model reads:\n%s", second)
	}

	// Without history the question is answered all the same.
	ws.Reply("C1", root, "U1", "<@U0BOB0001> are you there?")
	ws.Inject(slack.Fault{Method: "conversations.replies", Status: http.StatusInternalServerError, Times: 1})
	w.model.Next(openai.Reply{Text: "No idea."})
	ws.MentionIn("C1", root, "U1", "is he?")
	w.onSlack("C1", root, "No idea.")
	w.clean()
}

func TestWhatOthersWroteIsReadOnDiscord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.useDiscord(discordWithoutLimits())
	w.start()
	thread := d.Thread("general", "deploy")
	w.model.Answer("Fine.")
	w.onDiscord(d.Mention(thread, "ann", "we deploy now"), "Fine.")
	d.Say(thread, "ann", "<@"+d.UserID("bob")+"> which ticket is it?")
	d.Webhook(thread, "CI", "Build 42 failed")
	w.model.Next(openai.Reply{Text: "DB_URL."})
	w.onDiscord(d.Mention(thread, "ann", "why?"), "DB_URL.")
	if read := w.read(); strings.Count(read, "which ticket is it?") != 1 || strings.Count(read, "Build 42 failed") != 1 || strings.Count(read, "assistant: Fine.") != 1 {
		t.Errorf("the model reads:\n%s", read)
	}
	w.clean()
}

func TestAThreadOpenedFromAnAlertIsReadOnDiscord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.useDiscord(discordWithoutLimits())
	w.start()
	alert := d.Alert("general", "Alertmanager", "", map[string]any{"embeds": []any{
		map[string]any{"type": "rich", "title": "Disk full", "description": "97 % of /var on db-3"},
	}})
	w.model.Answer("Delete the old logs.")
	w.onDiscord(d.Mention(d.ThreadFrom(alert, "bob", "disk"), "ann", "what do we do?"), "Delete the old logs.")
	if read := w.read(); strings.Count(read, "97 % of /var on db-3") != 1 || !strings.Contains(read, "Alertmanager") {
		t.Errorf("the model reads:\n%s", read)
	}
	// A reply to an alert brings it along.
	w.onDiscord(d.Reply(alert, "ann", "@Helper and here?", false), "Delete the old logs.")
	if read := w.read(); !strings.Contains(read, "Alertmanager wrote:\n> **Disk full**") {
		t.Errorf("the model reads:\n%s", read)
	}
	w.clean()
}

// withoutEnd is an answer that begins and never ends by itself.
func withoutEnd() openai.Reply {
	return openai.Reply{Text: strings.Repeat("On and on it goes. ", 20), Fault: openai.FaultSilence, After: 40}
}

func TestAQuestionThatIsDeletedIsNotAnsweredOnSlack(t *testing.T) {
	t.Parallel()
	storeKinds(t, func(t *testing.T, w *world) {
		ws := w.useSlack(slack.Options{}, false)
		w.start()
		gone := func(what string) {
			w.until(what+": the model is freed", func() bool { return w.model.Open() == 0 })
			w.until(what+": nothing of the app is left", func() bool {
				for _, m := range ws.Messages("C1") {
					if m.App != "" {
						return false
					}
				}
				return true
			})
		}
		gate := make(chan struct{})
		defer close(gate)
		w.model.Next(openai.Reply{Text: "too late", Gate: gate})
		ts := ws.Mention("C1", "U1", "before the first word")
		w.until("the model is asked", func() bool { return w.model.Open() == 1 })
		ws.Delete(ts)
		gone("before the first word")

		w.model.Next(withoutEnd())
		ts = ws.Mention("C1", "U1", "while it grows")
		w.until("the answer grows", func() bool { return len(ws.Answers("C1", ts)) == 1 })
		ws.Delete(ts)
		gone("while it grows")

		// One that waits behind another is never asked.
		w.model.Next(withoutEnd())
		root := ws.Mention("C1", "U1", "first")
		w.until("the first is being answered", func() bool { return w.model.Open() == 1 && len(ws.Answers("C1", root)) == 1 })
		queued := ws.MentionIn("C1", root, "U1", "SECRET second")
		w.until("it has arrived", func() bool { return ws.Delivered(queued) })
		ws.Delete(queued)
		w.until("its deletion has arrived", ws.Taken) // else the root's may overtake it, and it is its turn
		ws.Delete(root)
		gone("queued")
		w.model.Answer("Here.")
		ts = ws.Mention("C1", "U1", "the next")
		w.onSlack("C1", ts, "Here.")
		for _, r := range w.model.Requests() {
			for _, m := range r.Messages {
				if strings.Contains(m.Content, "SECRET") {
					t.Error("the model was asked a question that was deleted while it waited")
				}
			}
		}

		// A finished answer stays, and the exchange is forgotten.
		var last string
		follow := func(text string, answers int) {
			last = ws.MentionIn("C1", ts, "U1", text)
			w.until(text+" is answered", func() bool { return len(ws.Answers("C1", ts)) == answers })
			w.onSlack("C1", ts, "Here.")
		}
		follow("PASSWORD hunter2", 2)
		secret := last
		follow("go on", 3) // so the turn before it is closed
		ws.Delete(secret)
		w.until("the deletion has arrived", ws.Taken)
		follow("what did I say?", 4)
		if read := w.read(); strings.Contains(read, "PASSWORD") || !strings.Contains(read, "the next") {
			t.Errorf("before %s the model reads:\n%s", last, read)
		}
		w.clean()
	})
}

func TestAQuestionThatIsDeletedIsNotAnsweredOnDiscord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.useDiscord(discord.Options{})
	w.start()
	w.model.Next(withoutEnd())
	asked := d.Mention("general", "ann", "while it grows")
	var answer string
	w.until("the answer grows", func() bool {
		for _, m := range d.Replies(asked) {
			answer = m.ID
		}
		return answer != ""
	})
	d.Delete(asked)
	w.until("the model is freed and the answer is gone", func() bool {
		for _, m := range d.Messages("general") {
			if m.ID == answer {
				return false
			}
		}
		return w.model.Open() == 0
	})
	w.clean()
}

// The platform has taken a post, the process is killed before it knows, and the
// question is deleted before the next one knows: the post is found and taken back.
func TestAQuestionThatIsDeletedAfterAKillLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{Limits: slack.Limits{Off: true}}, false)
	d := w.useDiscord(discord.Options{Identify: discord.IdentifyLimits{Window: time.Millisecond}, Limits: discord.Limits{Off: true}})
	s := w.start()
	w.model.Func(func(openai.Request) openai.Reply { return withoutEnd() })
	ws.Inject(slack.Fault{Method: "chat.postMessage", After: true})
	ws.Inject(slack.Fault{Method: "conversations.replies", Status: 500, Times: 10000}) // it cannot look
	d.Fail(discord.Fault{Method: "POST", Path: "/messages", Cut: true})
	d.Fail(discord.Fault{Method: "GET", Path: "/messages", Status: 500, Times: 10000})
	ts, id := ws.Mention("C1", "U1", "on Slack"), d.Mention("general", "ann", "on Discord")
	w.until("both are posted", func() bool { return len(ws.Answers("C1", ts)) == 1 && len(d.Replies(id)) == 1 })
	s.kill()
	w.start()
	w.until("the next process goes on", func() bool { return w.model.Open() == 2 })
	ws.Delete(ts)
	d.Delete(id)
	w.until("it has heard of the deletions", func() bool { return w.model.Open() == 0 })
	ws.Heal()
	d.Heal()
	w.until("nothing is left", func() bool { return len(ws.Answers("C1", ts)) == 0 && len(d.Replies(id)) == 0 })
	if n := len(ws.Calls("chat.postMessage")); n != 1 {
		t.Errorf("%d posts on Slack", n)
	}
	w.clean()
}

// A question that is deleted while the rest of its answer is uploaded: the file
// goes, and the message that shows it. What the model used is counted.
func TestAQuestionThatIsDeletedTakesItsFileAlong(t *testing.T) {
	t.Parallel()
	storeKinds(t, func(t *testing.T, w *world) {
		w.write("bots/helper.yaml", helperYAML+"max_messages: 1\n")
		w.env["SLACK_UPDATE_LIMIT"] = "off"
		ws := w.useSlack(slack.Options{Limits: slack.Limits{Off: true}}, false)
		s := w.start()
		w.model.Next(openai.Reply{Text: strings.Repeat("SECRET words. ", 2000), Words: 100, Usage: &openai.Usage{Prompt: 11, Completion: 22}})
		ws.Inject(slack.Fault{Method: "files.completeUploadExternal", After: true})
		ws.Inject(slack.Fault{Method: "conversations.replies", Status: 500, Times: 10000}) // it cannot look
		ts := ws.Mention("C1", "U1", "long")
		w.until("the file is there", func() bool { return len(ws.Answers("C1", ts)) == 2 && len(ws.Uploads()) == 1 })
		ws.Delete(ts)
		w.until("the deletion has arrived", ws.Taken)
		ws.Heal()
		w.until("nothing is left", func() bool { return len(ws.Answers("C1", ts)) == 0 && len(ws.Uploads()) == 0 })
		w.until("what it used is counted", func() bool {
			_, body := s.get("/api/v1/usage?by=user")
			body = strings.Join(strings.Fields(body), "")
			return strings.Contains(body, `"inputTokens":11,"outputTokens":22`)
		})
		w.clean()
	})
}
