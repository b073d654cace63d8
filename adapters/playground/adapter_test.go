// The adapter as the rest of the server sees it: messages in, answers out.

package playground

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/bots"
	"parley/internal/chat"
)

var noTime time.Time

func TestAMentionBecomesAMessage(t *testing.T) {
	s := newStage(t)
	s.answer = ""
	_, out := s.script("/playground/post", "channel", "C-general", "text", "@Helper: what is `@reviewer` for?", "nonce", "a")
	got := s.got()
	if len(got) != 1 {
		t.Fatalf("%d messages", len(got))
	}
	m := got[0]
	root := string(m.ID)
	if m.Text != "what is `@reviewer` for?" || m.Trigger != chat.Mention || m.Bot != "helper" || m.Scope != "playground" || m.Author.ID != "U-you" {
		t.Errorf("got %+v", m)
	}
	if m.Place != (chat.Place{Platform: "playground", Channel: "C-general", Thread: root}) {
		t.Errorf("place %+v, want the thread of the message", m.Place)
	}
	if m.Key != "playground:helper:"+root || m.At.IsZero() {
		t.Errorf("key %q at %v", m.Key, m.At)
	}
	if out.Thread != "/playground/c/general/t/"+root {
		t.Errorf("the page opens %q", out.Thread)
	}
}

func TestWhoIsAsked(t *testing.T) {
	s := newStage(t)
	s.answer = ""
	say := func(channel, thread, text string) string {
		before := len(s.got())
		_, out := s.script("/playground/post", "channel", channel, "thread", thread, "text", text)
		var asked []string
		for _, m := range s.got()[before:] {
			asked = append(asked, m.Bot+" "+string(m.Trigger)+" "+m.Text)
		}
		if thread == "" && out.Thread != "" {
			asked = append(asked, strings.TrimPrefix(out.Thread, "/playground/c/general/t/"))
		}
		return strings.Join(asked, "; ")
	}
	check := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("asked %q, want %q", got, want)
		}
	}
	check(say("D-reviewer", "", "@helper is better"), "reviewer direct @helper is better")
	check(say("C-general", "", "nobody@helper.example"), "")
	both := say("C-general", "", "@helper and @Code Reviewer, compare")
	both, thread := both[:len(both)-26], both[len(both)-24:]
	check(both, "helper mention and @Code Reviewer, compare; reviewer mention @helper and , compare")
	check(say("C-general", thread, "go on"), "helper reply go on; reviewer reply go on")
	check(say("C-general", thread, "only you, @reviewer"), "reviewer mention only you,")
	alone := say("C-general", "", "@helper hi")
	thread = alone[len(alone)-24:]
	check(say("C-general", thread, "and?"), "helper reply and?")
	check(say("C-general", thread, "@helper /model demo"), "helper mention /model demo")
	_, out := s.script("/playground/post", "channel", "C-general", "text", "no bot here")
	check(say("C-general", firstID(t, out.Posts[0]), "still none"), "")
}

func firstID(t *testing.T, html string) string {
	t.Helper()
	_, rest, ok := strings.Cut(html, `data-post="`)
	if !ok {
		t.Fatal(html)
	}
	return rest[:24]
}

func (s *stage) responder(place chat.Place) chat.Responder {
	s.t.Helper()
	place.Platform = Scope
	r, err := s.adapter.Responder(chat.Message{Bot: "helper", Key: "k", Place: place})
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *stage) posts(room string) []post {
	s.t.Helper()
	out, err := s.adapter.list(s.t.Context(), room, noTime, 100)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// The same turn and part never stand twice, whichever process posts them.
func TestAPostIsNeverMadeTwice(t *testing.T) {
	s := newStage(t)
	ctx := t.Context()
	first, err := s.responder(chat.Place{Channel: "D-helper", Direct: true}).Post(ctx, chat.Content{Key: "turn-0", Markdown: "Hel", Stop: "turn"})
	if err != nil {
		t.Fatal(err)
	}
	other := s.responder(chat.Place{Channel: "D-helper", Direct: true})
	again, err := other.Post(ctx, chat.Content{Key: "turn-0", Markdown: "Hello", Again: true})
	if err != nil || again.ID != first.ID {
		t.Fatalf("%v, %v; want %s", again, err, first.ID)
	}
	if posts := s.posts("D-helper"); len(posts) != 1 || posts[0].Text != "Hel" || !posts[0].growing() {
		t.Errorf("%+v", posts)
	}
	if _, err := other.Edit(ctx, first.ID, chat.Content{Key: "turn-0", Markdown: "Hello.", Final: true}); err != nil {
		t.Fatal(err)
	}
	if posts := s.posts("D-helper"); posts[0].Text != "Hello." || posts[0].growing() {
		t.Errorf("%+v", posts)
	}
	taker, can := other.(chat.Remover)
	if !can {
		t.Fatal("an answer's message cannot be taken back")
	}
	for range 2 {
		if _, err := taker.Remove(ctx, first.ID); err != nil {
			t.Fatal(err)
		}
	}
	if posts := s.posts("D-helper"); len(posts) != 0 {
		t.Errorf("%+v stands after it was taken back", posts)
	}
	if _, err := other.Edit(ctx, first.ID, chat.Content{}); !chat.Refused(err, chat.Gone) {
		t.Errorf("editing what was taken back: %v", err)
	}
	if _, err := other.Edit(ctx, "gone", chat.Content{}); !chat.Refused(err, chat.Gone) {
		t.Errorf("editing what is not there: %v", err)
	}
	if _, err := other.Post(ctx, chat.Content{Markdown: "keyless"}); !chat.Refused(err, chat.Invalid) {
		t.Errorf("a post without a key: %v", err)
	}
}

func TestUnknownPlacesAreRefused(t *testing.T) {
	s := newStage(t)
	for _, m := range []chat.Message{{Bot: "helper", Place: chat.Place{Channel: "C-x"}}, {Bot: "nobody", Place: chat.Place{Channel: "C-general"}}} {
		if _, err := s.adapter.Responder(m); !chat.Refused(err, chat.NoAccess) {
			t.Errorf("%+v: %v", m, err)
		}
	}
}

func TestAFileThatIsTakenBackLeavesNoBytes(t *testing.T) {
	s := newStage(t)
	pen := s.responder(chat.Place{Platform: Scope, Channel: "C-general"})
	got, err := pen.Upload(t.Context(), "answer.md", []byte("the answer"), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pen.(chat.Remover).Remove(t.Context(), got.ID); err != nil {
		t.Fatal(err)
	}
	if n := len(s.board.records); n != 0 {
		t.Errorf("%d records stay", n)
	}
}

func TestAnUploadCanBeSaved(t *testing.T) {
	s := newStage(t)
	pen := s.responder(chat.Place{Channel: "C-general", Thread: postID("x")})
	body := "<script>alert(1)</script>\nthe rest of a long answer"
	for range 2 { // a retry makes no second one
		if _, err := pen.Upload(t.Context(), "answer \"1\".html", []byte(body), "The rest."); err != nil {
			t.Fatal(err)
		}
	}
	posts := s.posts("C-general/" + postID("x"))
	if len(posts) != 1 {
		t.Fatalf("%d posts", len(posts))
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server.URL+"/playground/file/"+posts[0].ID, nil)
	s.authorize(r)
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	got := make([]byte, len(body)+1)
	n, _ := answer.Body.Read(got)
	if string(got[:n]) != body || answer.Header.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(answer.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("%q as %v", got[:n], answer.Header)
	}
	if _, err := pen.Upload(t.Context(), "big", make([]byte, fileLimit+1), ""); !chat.Refused(err, chat.TooLong) {
		t.Errorf("too large: %v", err)
	}
}

func TestHistoryIsWhatCameBefore(t *testing.T) {
	s := newStage(t)
	s.answer = "First answer."
	_, out := s.script("/playground/post", "channel", "C-general", "text", "@helper first")
	thread := out.Thread[len(out.Thread)-24:]
	s.until("the first is answered", func() bool { p := s.posts("C-general/" + thread); return len(p) == 1 && p[0].Final })
	s.answer = ""
	pen := s.responder(chat.Place{Channel: "C-general", Thread: thread})
	if _, err := pen.Post(t.Context(), chat.Content{Key: "note", Markdown: "a menu", Only: "U-you", Final: true}); err != nil {
		t.Fatal(err)
	}
	s.script("/playground/post", "channel", "C-general", "thread", thread, "text", "second")
	got := s.got()
	history, err := s.adapter.History(t.Context(), got[1], "", 10)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, m := range history {
		who := "person"
		if m.FromBot {
			who = "bot"
		}
		said = append(said, who+": "+m.Text)
	}
	if want := []string{"person: first", "bot: First answer."}; !slices.Equal(said, want) {
		t.Errorf("history %q, want %q", said, want)
	}
	if history, _ = s.adapter.History(t.Context(), got[1], "", 1); len(history) != 1 || history[0].Text != "First answer." {
		t.Errorf("the last one is %+v", history)
	}
	if history, _ = s.adapter.History(t.Context(), got[0], "", 10); len(history) != 0 {
		t.Errorf("before the first there was %+v", history)
	}
}

func TestThinkingEndsWithItsContext(t *testing.T) {
	s := newStage(t)
	here := s.feed("channel=D-helper")
	s.until("the page is known", func() bool {
		s.adapter.hub.mu.Lock()
		defer s.adapter.hub.mu.Unlock()
		return len(s.adapter.hub.viewers) == 1
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.responder(chat.Place{Channel: "D-helper", Direct: true}).Thinking(ctx); close(done) }()
	for e := range here {
		if e.kind == "typing" && e.data["on"] == true && e.data["name"] == "Helper" {
			break
		}
	}
	cancel()
	<-done
	for e := range here {
		if e.kind == "typing" && e.data["on"] == false {
			return
		}
	}
	t.Error("the indicator stays")
}

func TestEveryBotIsThereAndWell(t *testing.T) {
	s := newStage(t)
	if h := s.adapter.Health(); len(h) != 2 || !h[0].OK || h[0].Platform != "playground" {
		t.Errorf("%+v", h)
	}
	if m, err := s.adapter.Member(t.Context(), "helper", chat.Place{}, you()); err != nil || !m.Admin {
		t.Errorf("%+v, %v", m, err)
	}
	for what, o := range map[string]Options{
		"a bot":   {Board: newMemory(), Door: s.door},
		"a board": {Bots: []bots.Bot{{ID: "x"}}, Door: s.door},
		"a door":  {Bots: []bots.Bot{{ID: "x"}}, Board: newMemory()},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("built without %s", what)
		}
	}
}
