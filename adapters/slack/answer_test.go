// Mentions in, answers out: over signed HTTP.

package slack

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/internal/chat"
	fake "parley/internal/fake/slack"
)

func TestAMentionReachesTheInboxOnceAndItsAnswerGrows(t *testing.T) {
	r := newRig(t, setup{})
	ts := r.ws.Mention("C1", "U1", "what is *Go*? see <https://go.dev|the site> &amp; <#C9|general>")
	m := r.message()
	if m.Text != "what is **Go**? see [the site](https://go.dev) & #general" {
		t.Errorf("text = %q", m.Text)
	}
	if m.Trigger != chat.Mention || m.Bot != "helper" || m.Author.ID != "U1" || m.Place.Thread != ts || m.Place.Channel != "C1" || m.Place.Workspace != "T0TEAM" {
		t.Errorf("message = %+v", m)
	}
	r.await("both events to be taken", func() bool { return r.ws.Delivered(ts) && len(r.ws.Deliveries()) == 2 })
	if puts, distinct := r.inbox.count(); puts != 2 || distinct != 1 {
		t.Errorf("app_mention and message made %d messages of %d", distinct, puts)
	}

	responder := r.responder(m)
	first, err := responder.Post(t.Context(), chat.Content{Markdown: "Go is a", Key: "turn-0", Stop: "turn"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := responder.Edit(t.Context(), first.ID, chat.Content{Markdown: "Go is a language", Stop: "turn"}); err != nil {
		t.Fatal(err)
	}
	final := "Go is a language. <!channel> **Ask** <@U1> or <!subteam^S1>, `<!here>`"
	if _, err := responder.Edit(t.Context(), first.ID, chat.Content{Markdown: final, Final: true}); err != nil {
		t.Fatal(err)
	}
	line := r.ws.Timeline(string(first.ID))
	if len(line) != 3 || line[0].Text != "Go is a" || line[1].Text != "Go is a language" {
		t.Fatalf("timeline = %+v", line)
	}
	if len(line[0].Controls) != 1 || line[0].Controls[0].Label != "Stop" || line[0].Controls[0].Value != "stop turn" || len(line[2].Controls) != 0 {
		t.Errorf("Stop stands while the answer grows and goes with the final: %+v", line)
	}
	if got := strings.ReplaceAll(line[2].Text, gap, ""); got != final {
		t.Errorf("final = %q", got)
	}
	if p := r.ws.Pings(); len(p) > 0 {
		t.Errorf("the answer pinged %v", p)
	}
	posted := r.ws.Answers("C1", ts)
	if len(posted) != 1 || posted[0].Edited {
		t.Errorf("answers = %+v", posted)
	}
}

func TestAPostThatMayHaveHappenedIsFoundAgain(t *testing.T) {
	r := newRig(t, setup{})
	r.ws.Mention("C1", "U1", "hello")
	m := r.message()
	r.ws.Inject(fake.Fault{Method: "chat.postMessage", After: true}) // done, but nobody knows
	c := chat.Content{Markdown: "Hi there", Key: "turn-0"}
	if _, err := r.responder(m).Post(t.Context(), c); err == nil {
		t.Fatal("a cut connection must be an error")
	}
	c.Again = true
	got, err := r.responder(m).Post(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	answers := r.ws.Answers("C1", string(m.ID))
	if len(answers) != 1 || answers[0].TS != string(got.ID) {
		t.Errorf("posted %d times, found %q", len(answers), got.ID)
	}
	c.Key = "turn-1"
	if _, err := r.responder(m).Post(t.Context(), c); err != nil || len(r.ws.Answers("C1", string(m.ID))) != 2 {
		t.Errorf("another part of the turn is posted: %v", err)
	}
}

func TestAMessageIsTakenBackOnce(t *testing.T) {
	r := newRig(t, setup{})
	ts := r.ws.Mention("C1", "U1", "hello")
	m := r.message()
	responder := &responder{app: r.adapter.apps[0], to: m}
	got, err := responder.Post(t.Context(), chat.Content{Markdown: "one too many"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := responder.Remove(t.Context(), got.ID); err != nil {
			t.Error(err)
		}
	}
	if left := r.ws.Answers("C1", ts); len(left) != 0 {
		t.Errorf("%+v", left)
	}
	if _, err := responder.Remove(t.Context(), m.ID); !chat.Refused(err, chat.NoAccess) {
		t.Errorf("a person's message: %v", err)
	}
}

// Slack posts at the top of the channel, without an error, where the thread's
// first message is gone.
func TestAPostThatComesBackWithoutItsThreadIsTakenBack(t *testing.T) {
	app := fake.DefaultApp()
	app.Events = []string{"app_mention"} // nobody tells of the deletion
	r := newRig(t, setup{fake: fake.Options{Apps: []fake.App{app}}})
	ts := r.ws.Mention("C1", "U1", "hello")
	m := r.message()
	r.ws.Delete(ts)
	_, err := r.responder(m).Post(t.Context(), chat.Content{Markdown: "an answer to nothing", Key: "t-0"})
	if !chat.Refused(err, chat.Gone) || !errors.Is(err, chat.ErrWithdrawn) {
		t.Errorf("the post gave %v", err)
	}
	if left := r.ws.Messages("C1"); len(left) != 0 {
		t.Errorf("in the channel stands %+v", left)
	}
}

// A post whose thread was gone when it arrived stands at the top of the channel.
func TestAPostIsFoundWithoutAPost(t *testing.T) {
	r := newRig(t, setup{fake: fake.Options{Limits: fake.Limits{Off: true}}})
	responder := func(m chat.Message) chat.Remover { return r.responder(m).(chat.Remover) }
	find := func(m chat.Message, s chat.Sought) chat.MessageID {
		t.Helper()
		id, err := responder(m).Find(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	for _, gone := range []bool{false, true} {
		ts := r.ws.Mention("C1", "U1", "hello")
		m := r.message()
		if got := find(m, chat.Sought{Key: "turn-0"}); got != "" {
			t.Errorf("found %s before anything was posted", got)
		}
		if gone {
			r.ws.Delete(ts)
		}
		r.ws.Inject(fake.Fault{Method: "chat.postMessage", After: true}) // done, but nobody knows
		if _, err := r.responder(m).Post(t.Context(), chat.Content{Markdown: "Hi there", Key: "turn-0"}); err == nil {
			t.Fatal("a cut connection must be an error")
		}
		id := find(m, chat.Sought{Key: "turn-0"})
		if got, ok := r.ws.Message(string(id)); !ok || got.Seen != "Hi there" || (got.ThreadTS == "") != gone {
			t.Errorf("thread gone %v: found %q, %+v", gone, id, got)
		}
		if got := find(m, chat.Sought{Key: "turn-1"}); got != "" {
			t.Errorf("thread gone %v: the post of another key was found as %s", gone, got)
		}
		if _, err := responder(m).Remove(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
}

func TestAFileIsTakenBackWithItsMessage(t *testing.T) {
	r := newRig(t, setup{fake: fake.Options{Limits: fake.Limits{Off: true}}})
	ts := r.ws.Mention("C1", "U1", "hello")
	m := r.message()
	responder := r.responder(m).(interface {
		chat.Responder
		chat.Remover
	})
	for _, known := range []bool{true, false} {
		got, err := responder.Upload(t.Context(), "answer.md", []byte("the rest"), "The rest is here.")
		if err != nil {
			t.Fatal(err)
		}
		id := got.ID
		if !known {
			if id, err = responder.Find(t.Context(), chat.Sought{Key: "turn-1", File: "answer.md"}); err != nil || id != got.ID {
				t.Errorf("found %q, %v, want %q", id, err, got.ID)
			}
		}
		for range 2 { // gone already is no error
			if _, err := responder.Remove(t.Context(), id); err != nil {
				t.Error(err)
			}
		}
		if left := r.ws.Answers("C1", ts); len(left) != 0 || len(r.ws.Uploads()) != 0 {
			t.Errorf("there stand %+v and %d files", left, len(r.ws.Uploads()))
		}
	}
	if id, err := responder.Find(t.Context(), chat.Sought{Key: "turn-1", File: "answer.md"}); id != "" || err != nil {
		t.Errorf("found %q, %v", id, err)
	}
}

// Where the workspace keeps every file, the message goes all the same.
func TestAFileThatMayNotBeDeletedIsARefusal(t *testing.T) {
	r := newRig(t, setup{})
	ts := r.ws.Mention("C1", "U1", "hello")
	m := r.message()
	responder := r.responder(m)
	got, err := responder.Upload(t.Context(), "answer.md", []byte("the rest"), "The rest is here.")
	if err != nil {
		t.Fatal(err)
	}
	r.ws.Inject(fake.Fault{Method: "files.delete", Error: "file_deleting_disabled"})
	if _, err := responder.(chat.Remover).Remove(t.Context(), got.ID); !chat.Refused(err, chat.NoAccess) {
		t.Errorf("removing gave %v", err)
	}
	if left := r.ws.Answers("C1", ts); len(left) != 0 {
		t.Errorf("there stand %+v", left)
	}
}

func TestHistoryKeepsWhatItReadBeforeItFailed(t *testing.T) {
	r := newRig(t, setup{})
	root := r.ws.Say(fake.Said{Channel: "C1", User: "U2", Text: "begin"})
	for n := range historyPage + 10 {
		r.ws.Reply("C1", root, "U3", fmt.Sprint("message ", n))
	}
	last := r.ws.MentionIn("C1", root, "U1", "and?")
	m := r.message()
	for m.ID != chat.MessageID(last) {
		m = r.message()
	}
	r.ws.Inject(fake.Fault{Method: "conversations.replies", Skip: 1, Status: 500})
	got, err := r.adapter.History(t.Context(), m, "", 1000)
	if err == nil || len(got) != historyPage || got[0].Text != "begin" {
		t.Errorf("%d messages, %v", len(got), err)
	}
	r.ws.Inject(fake.Fault{Method: "conversations.replies", Status: 429, Error: "ratelimited", RetryAfter: 600})
	for range 2 {
		if _, err := r.adapter.History(t.Context(), m, "", 5); !isLimited(err) {
			t.Errorf("limited: %v", err)
		}
	}
	if calls := r.ws.Calls("conversations.replies"); len(calls) != 3 {
		t.Errorf("%d calls: while Slack says to slow down nothing is asked", len(calls))
	}
	r.adapter.apps[0].historyFrom.Store(new(time.Time{}))
	since, err := r.adapter.History(t.Context(), m, got[100].ID, 5)
	if err != nil || len(since) != 5 || since[4].Text != fmt.Sprint("message ", historyPage+9) {
		t.Errorf("since: %+v, %v", since, err)
	}
}

func isLimited(err error) bool {
	_, ok := errors.AsType[*chat.RateLimited](err)
	return ok
}
