// What Slack's refusals become, and that no secret is in them.

package slack

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	slackgo "github.com/slack-go/slack"

	"parley/internal/chat"
	fake "parley/internal/fake/slack"
)

func TestEveryRefusalIsKnownForWhatItIs(t *testing.T) {
	r := newRig(t, setup{})
	r.ws.Mention("C1", "U1", "hi")
	responder := r.responder(r.message())
	for _, c := range []struct {
		fault fake.Fault
		after time.Duration // of a *chat.RateLimited
		why   chat.Reason   // of a *chat.Refusal
	}{
		{fault: fake.Fault{Status: 429, Error: "ratelimited", RetryAfter: 7}, after: 7 * time.Second},
		{fault: fake.Fault{Error: "ratelimited", RetryAfter: 9}, after: 9 * time.Second},
		{fault: fake.Fault{Error: "ratelimited"}, after: time.Second},
		{fault: fake.Fault{Error: "rate_limited"}, after: time.Second},
		{fault: fake.Fault{Status: 429}, after: time.Second},
		{fault: fake.Fault{Error: "message_limit_exceeded"}, after: 30 * time.Second},
		{fault: fake.Fault{Error: "msg_too_long"}, why: chat.TooLong},
		{fault: fake.Fault{Error: "msg_blocks_too_long"}, why: chat.TooLong},
		{fault: fake.Fault{Error: "message_not_found"}, why: chat.Gone},
		{fault: fake.Fault{Error: "cant_update_message"}, why: chat.Gone},
		{fault: fake.Fault{Error: "edit_window_closed"}, why: chat.EditClosed},
		{fault: fake.Fault{Error: "is_archived"}, why: chat.NoAccess},
		{fault: fake.Fault{Error: "is_inactive"}, why: chat.NoAccess},
		{fault: fake.Fault{Error: "channel_not_found"}, why: chat.NoAccess},
		{fault: fake.Fault{Error: "not_in_channel"}, why: chat.NoAccess},
		{fault: fake.Fault{Error: "account_inactive"}, why: chat.NoAccess},
		{fault: fake.Fault{Error: "token_revoked"}, why: chat.NoAccess},
		{fault: fake.Fault{Error: "missing_scope"}, why: chat.NoAccess},
		{fault: fake.Fault{Error: "restricted_action_read_only_channel"}, why: chat.NoAccess},
		{fault: fake.Fault{Error: "invalid_metadata_format"}, why: chat.Invalid},
		{fault: fake.Fault{Error: "no_text"}, why: chat.Invalid},
		{fault: fake.Fault{Error: "fatal_error"}},
		{fault: fake.Fault{Error: "never_heard_of"}},
		{fault: fake.Fault{Status: 503}},
		{fault: fake.Fault{Status: 404}, why: chat.Invalid},
		{fault: fake.Fault{}}, // the connection is cut
	} {
		t.Run(fmt.Sprintf("%d %s", c.fault.Status, c.fault.Error), func(t *testing.T) {
			for _, method := range []string{"chat.postMessage", "chat.update"} {
				c.fault.Method = method
				r.ws.Inject(c.fault)
				var err error
				if method == "chat.update" {
					_, err = responder.Edit(t.Context(), "1.2", chat.Content{Markdown: "x"})
				} else {
					_, err = responder.Post(t.Context(), chat.Content{Markdown: "x"})
				}
				if err == nil {
					t.Fatalf("%s: no error", method)
				}
				limited, isLimited := errors.AsType[*chat.RateLimited](err)
				switch {
				case isLimited != (c.after > 0), isLimited && limited.After != c.after:
					t.Errorf("%s: %v", method, err)
				case chat.Refused(err) != (c.why != ""), c.why != "" && !chat.Refused(err, c.why):
					t.Errorf("%s: %v", method, err)
				case strings.Contains(err.Error(), "xoxb"):
					t.Errorf("%s: the error holds the token: %v", method, err)
				}
			}
		})
	}
}

func TestNoErrorHoldsASecret(t *testing.T) {
	r := newRig(t, setup{idle: true})
	app := r.adapter.apps[0]
	for _, err := range []error{
		fmt.Errorf("Post \"https://x/?token=%s\": EOF", app.token),
		fmt.Errorf("wrapped: %w", errors.New(app.intake.signingSecret)),
	} {
		if got := app.classify(err); strings.Contains(got.Error(), app.token) || strings.Contains(got.Error(), app.intake.signingSecret) {
			t.Errorf("%v", got)
		}
	}
}

func TestTheMessageOfADeletedOrArchivedPlace(t *testing.T) {
	r := newRig(t, setup{})
	r.ws.Mention("C1", "U1", "hi")
	m := r.message()
	responder := r.responder(m)
	got, err := responder.Post(t.Context(), chat.Content{Markdown: "x"})
	if err != nil {
		t.Fatal(err)
	}
	r.ws.Delete(string(got.ID))
	if _, err := responder.Edit(t.Context(), got.ID, chat.Content{Markdown: "y"}); !chat.Refused(err, chat.Gone) {
		t.Errorf("deleted: %v", err)
	}
	r.ws.AddChannel(fake.Channel{ID: "C1", Archived: true})
	if _, err := responder.Post(t.Context(), chat.Content{Markdown: "y"}); !chat.Refused(err, chat.NoAccess) {
		t.Errorf("archived: %v", err)
	}
	long := strings.Repeat("x", messageSize+1)
	r.ws.AddChannel(fake.Channel{ID: "C1"})
	if _, err := responder.Post(t.Context(), chat.Content{Markdown: long}); !chat.Refused(err, chat.TooLong) {
		t.Errorf("long: %v", err)
	}
	if v := r.ws.Violations(); len(v) != 1 || !strings.Contains(v[0], "12,000") {
		t.Errorf("%v", v)
	}
	r.forgive()
	whole := long[:messageSize]
	if _, err := responder.Post(t.Context(), chat.Content{Markdown: whole}); err != nil {
		t.Errorf("a whole message: %v", err)
	}
	if responder.Limits().Measure(whole) != responder.Limits().Size {
		t.Errorf("measures %d", responder.Limits().Measure(whole))
	}
	pinging := strings.Repeat("<@U1> ", 1700) // fits only before it is neutralised
	if n := responder.Limits().Measure(pinging); n != 1700*7 {
		t.Errorf("measures %d", n)
	}
}

func TestBudgets(t *testing.T) {
	for _, c := range []struct {
		limit UpdateLimit
		want  chat.Budget
	}{
		{UpdateLimit{}, chat.Budget{Key: "slack:B1:T1:chat.update", Calls: 50, Window: time.Minute, Burst: 10}},
		{UpdateLimit{PerMinute: 90, Burst: 3}, chat.Budget{Key: "slack:B1:T1:chat.update", Calls: 90, Window: time.Minute, Burst: 3}},
		{UpdateLimit{Off: true}, chat.Budget{}},
	} {
		a, err := New(Options{Bots: helpers(), UpdateLimit: c.limit})
		if err != nil {
			t.Fatal(err)
		}
		responder, err := a.Responder(chat.Message{Bot: "helper", Scope: "slack:B1:T1", Place: chat.Place{Channel: "C1"}})
		if err != nil {
			t.Fatal(err)
		}
		l := responder.Limits()
		if l.Edits != c.want || (l.Posts.Calls == 0) != c.limit.Off || l.Size != 12_000 || l.Native {
			t.Errorf("%+v", l)
		}
	}
	if _, err := (&Adapter{}).Responder(chat.Message{Bot: "nobody"}); err == nil {
		t.Error("a responder for no bot")
	}
}

func TestARevokedTokenShowsInHealthUntilACallSucceeds(t *testing.T) {
	r := newRig(t, setup{})
	r.ws.Mention("C1", "U1", "hi")
	responder := r.responder(r.message())
	r.ws.Inject(fake.Fault{Method: "chat.postMessage", Error: "token_revoked"})
	if _, err := responder.Post(t.Context(), chat.Content{Markdown: "x"}); !chat.Refused(err, chat.NoAccess) {
		t.Errorf("%v", err)
	}
	if h := r.adapter.Health()[0]; h.OK || !strings.Contains(h.Reason, "token_revoked") {
		t.Errorf("%+v", h)
	}
	if _, err := responder.Post(t.Context(), chat.Content{Markdown: "x"}); err != nil {
		t.Error(err)
	}
	if h := r.adapter.Health()[0]; !h.OK {
		t.Errorf("%+v", h)
	}
}

func TestWhatIsForOnePersonIsPostedPlainlyInADirectMessage(t *testing.T) {
	r := newRig(t, setup{})
	channel, ts := r.ws.DM("U1", " /model")
	responder := r.responder(r.message())
	if _, err := responder.Post(t.Context(), chat.Content{Markdown: "Now: `a`", Only: "U1"}); err != nil {
		t.Fatal(err)
	}
	if said := r.ws.Answers(channel, ts); len(said) != 1 {
		t.Errorf("%+v", r.ws.Messages(channel))
	}
}

func TestAnAddressThatIsNotSlacksIsSaidSo(t *testing.T) {
	r := newRig(t, setup{idle: true})
	r.ws.Inject(fake.Fault{Method: "auth.test", Status: 404})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.adapter.Run(ctx) }()
	defer func() { stop(); <-done }()
	eventually(t, "health", func() bool {
		return r.adapter.Health()[0].Reason == "What answers at SLACK_API_URL is not Slack (HTTP 404)"
	})
}

// Blocks that Slack refuses become plainer before anything becomes a file.
func TestRefusedBlocksAreSentPlainer(t *testing.T) {
	const answer = "**Yes** & <no>\n\n" + "| a | b |\n| --- | --- |"
	for refusals, want := range map[int]string{1: "**Yes** &amp; &lt;no&gt;\n\n| a | b |\n| --- | --- |", 2: "**Yes** &amp; &lt;no&gt;\n\n| a | b |\n| --- | --- |"} {
		r := newRig(t, setup{})
		r.ws.Mention("C1", "U1", "hi")
		responder := r.responder(r.message())
		r.ws.Inject(fake.Fault{Method: "chat.postMessage", Error: "invalid_blocks", Times: refusals})
		got, err := responder.Post(t.Context(), chat.Content{Markdown: answer, Stop: "turn", Key: "k"})
		if err != nil {
			t.Fatal(err)
		}
		m, _ := r.ws.Message(string(got.ID))
		if m.Seen != want || (len(m.Controls) == 1) != (refusals == 1) {
			t.Errorf("after %d refusals: %q, %d controls", refusals, m.Seen, len(m.Controls))
		}
		if _, err := responder.Edit(t.Context(), got.ID, chat.Content{Markdown: answer + "\nmore"}); err != nil {
			t.Fatal(err)
		}
		if m, _ = r.ws.Message(string(got.ID)); m.Seen != want+"\nmore" {
			t.Errorf("edited: %q", m.Seen)
		}
		if n := len(r.ws.Calls("chat.update")); n != 1 {
			t.Errorf("%d edits: the form is learned", n)
		}
	}
}

func TestPlainSectionsHoldTheWholeText(t *testing.T) {
	text := strings.Repeat("a line & more\n", 700) + strings.Repeat("&", 4000)
	got := ""
	for _, b := range plainSections(text) {
		part := b.(*slackgo.SectionBlock).Text.Text
		if len([]rune(part)) > 3000 || strings.Count(part, "&") != strings.Count(part, "&amp;") {
			t.Errorf("a section of %d characters", len([]rune(part)))
		}
		got += part
	}
	if got != escaped(text) {
		t.Error("the sections do not add up to the text")
	}
}
