package discord

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"parley/internal/chat"
	fake "parley/internal/fake/discord"
)

// heard is what a thread's history says before a mention in it.
func (s *stage) heard(thread string, n int) []chat.Message {
	s.t.Helper()
	id := s.Mention(thread, "ann", "what of it?")
	var m chat.Message
	s.eventually("the mention came", func() bool {
		for _, m = range s.inbox.wait(s.t, 1) {
			if string(m.ID) == id {
				return true
			}
		}
		return false
	})
	got, err := s.adapter.History(s.t.Context(), m, "", n)
	if err != nil {
		s.t.Fatal(err)
	}
	return got
}

func lines(list []chat.Message) string {
	var out []string
	for _, m := range list {
		line := m.Author.Name + ": " + m.Text
		for _, f := range m.Files {
			line += " +" + f.Name
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

func TestAThreadBeginsWithTheMessageItWasOpenedFrom(t *testing.T) {
	t.Parallel()
	s := open(t, fake.Options{Limits: fake.Limits{Off: true}}, nil, nil)
	alert := s.Alert("general", "Alertmanager", "", map[string]any{"embeds": []any{
		map[string]any{"type": "rich", "title": "Disk full", "description": "97 % of /var", "fields": []any{map[string]any{"name": "Host", "value": "db-3"}}},
	}})
	thread := s.ThreadFrom(alert, "bob", "disk")
	s.Say(thread, "bob", "again?")
	s.Attach(thread, "bob", "", fake.Embedded{Filename: "graph.png"})
	got := s.heard(thread, 10)
	if want := "Alertmanager: **Disk full**\n97 % of /var\nHost: db-3\nbob: again?\nbob:  +graph.png"; lines(got) != want {
		t.Errorf("heard\n%s\nwant\n%s", lines(got), want)
	}
	if string(got[0].ID) != alert {
		t.Errorf("the first is %s, want %s", got[0].ID, alert)
	}
	// The start of a thread that is longer than what is asked for is told too.
	for n := range 12 {
		s.Say(thread, "bob", fmt.Sprint("talk ", n))
	}
	got = s.heard(thread, 5)
	if len(got) != 5 || string(got[0].ID) != alert || got[4].Text != "talk 11" || got[1].Text != "talk 8" {
		t.Errorf("of a long thread:\n%s", lines(got))
	}
	// One whose first message was deleted begins with what is left.
	gone := s.Say("general", "bob", "never mind")
	thread = s.ThreadFrom(gone, "bob", "gone")
	s.Delete(gone)
	s.Say(thread, "bob", "still there?")
	if got := lines(s.heard(thread, 10)); got != "bob: still there?" {
		t.Errorf("without its first message: %s", got)
	}
	s.clean()
}

func TestHistoryOwnMessageOpensAThread(t *testing.T) {
	t.Parallel()
	s := open(t, fake.Options{}, nil, nil)
	question := s.Mention("general", "ann", "why?")
	m := s.inbox.wait(t, 1)[0]
	answer := must(t)(s.responder(m).Post(t.Context(), chat.Content{Markdown: "Because.", Key: "turn-0"}))
	got := s.heard(s.ThreadFrom(answer, "bob", "about it"), 10)
	if lines(got) != "Helper: Because." || !got[0].FromBot {
		t.Errorf("heard %+v of %s", got, question)
	}
}

func TestHistoryReadsEveryKindOfMessage(t *testing.T) {
	t.Parallel()
	s := open(t, fake.Options{}, nil, nil)
	elsewhere := s.Say("general", "carol", "the old plan")
	thread := s.Thread("general", "talk")
	s.Alert(thread, "CI", "", map[string]any{"flags": 1 << 15, "components": []any{
		map[string]any{"type": 17, "components": []any{map[string]any{"type": 10, "content": "Deploy **42** failed"}}},
		map[string]any{"type": 23, "odd": true, "components": map[string]any{"a": 1}},
	}})
	s.Rich(thread, "bob", "", map[string]any{"poll": map[string]any{
		"question": map[string]any{"text": "Roll back?"}, "answers": []any{map[string]any{"answer_id": 1, "poll_media": map[string]any{"text": "Yes"}}},
	}})
	s.Rich(thread, "bob", "https://x.example/1", map[string]any{"embeds": []any{map[string]any{"type": "link", "title": "unfolded", "description": "by Discord"}}})
	s.Rich(thread, "bob", "", map[string]any{"message_snapshots": []any{map[string]any{"message": map[string]any{"type": 0, "content": "from afar"}}}})
	s.System(thread, "bob", 6)
	said := s.Say(thread, "bob", "I say no")
	s.Reply(said, "carol", "me too", false)
	s.Rich(thread, "dan", "as I said", map[string]any{"type": 19, "message_reference": map[string]any{"message_id": elsewhere},
		"referenced_message": map[string]any{"id": elsewhere, "content": "the old plan", "author": map[string]any{"id": "7", "username": "carol"}}})
	s.Rich(thread, "eve", "lost to its form", map[string]any{"attachments": "none"})
	want := strings.Join([]string{
		"CI: Deploy **42** failed", "bob: Poll: Roll back?\n- Yes", "bob: https://x.example/1", "bob: Forwarded:\n> from afar",
		"bob: I say no", "carol: me too", "dan: carol wrote:\n> the old plan\n\nas I said",
	}, "\n")
	if got := lines(s.heard(thread, 20)); got != want {
		t.Errorf("heard\n%s\nwant\n%s", got, want)
	}
}

// The listing as a thread opened from a message gives it: the message of type
// 21 says nothing itself.
func TestAListingWithAStarter(t *testing.T) {
	raw, err := os.ReadFile("testdata/history/thread-from-a-message.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []messageEvent
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	one := &app{identity: &identity{}, cache: newCache(nil)}
	got := one.listed(t.Context(), chat.Place{Workspace: "1", Channel: "2", Thread: "20"}, list)
	if want := "root: The export to the tax office stops at page 3 with code E77.\nroot: I tried it twice."; lines(got) != want {
		t.Errorf("heard\n%s\nwant\n%s", lines(got), want)
	}
}
