package discord

import (
	"strings"
	"testing"

	"parley/internal/chat"
	fake "parley/internal/fake/discord"
)

func TestWithoutReadMessageHistoryAnAnswerHasNoReference(t *testing.T) {
	t.Parallel()
	s, m, r := question(t, fake.Options{Limits: fake.Limits{Off: true}})
	s.Deny("general", fake.Denied{History: true})
	first := must(t)(r.Post(t.Context(), chat.Content{Markdown: "one", Key: "turn-0", Stop: "turn"}))
	must(t)(r.Post(t.Context(), chat.Content{Markdown: "two", Key: "turn-1", After: chat.MessageID(first)}))
	must(t)(r.Upload(t.Context(), "answer.md", []byte("three"), "The rest"))
	must(t)(r.Post(t.Context(), chat.Content{Markdown: "four", Key: "turn-2", Again: true}))
	var texts []string
	for _, got := range s.Messages("general")[1:] {
		texts = append(texts, got.Content)
		if got.ReplyTo != "" || got.Content == "one" && len(got.Buttons()) != 1 {
			t.Errorf("%+v", got)
		}
	}
	if strings.Join(texts, " ") != "one two The rest four" {
		t.Errorf("people see %q", texts)
	}
	if n := s.Count("POST", "/messages", 403); n != 1 {
		t.Errorf("%d refused calls: each counts towards a ban of the address", n)
	}
	// Another answer in that channel does not ask again.
	must(t)(s.responder(m).Post(t.Context(), chat.Content{Markdown: "five", Key: "other-0"}))
	if n := s.Count("POST", "/messages", 403); n != 1 {
		t.Errorf("%d refused calls after another answer", n)
	}
	s.clean()
}

func TestAQuestionThatCannotBeRepliedToIsAnswered(t *testing.T) {
	t.Parallel()
	s, m, _ := question(t, fake.Options{Limits: fake.Limits{Off: true}})
	m.ID = chat.MessageID(s.System("general", "ann", 7))
	must(t)(s.responder(m).Post(t.Context(), chat.Content{Markdown: "hello", Key: "turn-0", Stop: "turn"}))
	got := s.Messages("general")
	if last := got[len(got)-1]; last.Content != "hello" || last.ReplyTo != "" || len(last.Buttons()) != 1 {
		t.Errorf("people see %+v", last)
	}
}

func TestWhatDiscordRefusesWithControlsIsSentWithout(t *testing.T) {
	t.Parallel()
	s, m, r := question(t, fake.Options{Limits: fake.Limits{Off: true}})
	const refusal = `{"message":"Invalid Form Body","code":50035,"errors":{"components":{"0":{"_errors":[{"code":"UNION_TYPE_CHOICES","message":"no"}]}}}}`
	s.Fail(fake.Fault{Method: "POST", Path: "/messages", Status: 400, Body: refusal})
	id := must(t)(r.Post(t.Context(), chat.Content{Markdown: "hello", Key: "turn-0", Stop: "turn"}))
	must(t)(r.Edit(t.Context(), chat.MessageID(id), chat.Content{Markdown: "hello there", Key: "turn-0", Stop: "turn"}))
	got, _ := s.Message(id)
	if got.Content != "hello there" || len(got.Buttons()) != 0 || s.Count("PATCH", "/messages", 0) != 1 {
		t.Errorf("people see %+v of %s", got, m.ID)
	}
	s.Fail(fake.Fault{Method: "PATCH", Path: "/messages", Status: 400, Body: refusal})
	if _, err := r.Edit(t.Context(), chat.MessageID(id), chat.Content{Markdown: "again"}); !chat.Refused(err, chat.Invalid) {
		t.Errorf("what is refused without controls too: %v", err)
	}
}

func TestRefusalsOfChannelsAndThreads(t *testing.T) {
	t.Parallel()
	s, _, r := question(t, fake.Options{Limits: fake.Limits{Off: true}})
	id := chat.MessageID(must(t)(r.Post(t.Context(), chat.Content{Markdown: "hello", Key: "turn-0"})))
	for name, one := range map[string]struct {
		denied     fake.Denied
		post, edit chat.Reason
	}{
		"no right to send": {fake.Denied{Send: true}, chat.NoAccess, ""},
		"archived":         {fake.Denied{Archived: true}, "", chat.EditClosed},
		"locked":           {fake.Denied{Archived: true, Locked: true}, chat.NoAccess, chat.EditClosed},
		"AutoMod":          {fake.Denied{Words: []string{"word"}}, chat.Blocked, chat.Blocked},
	} {
		s.Deny("general", one.denied)
		_, err := r.Edit(t.Context(), id, chat.Content{Markdown: "a word"})
		if got := err == nil; got != (one.edit == "") || !got && !chat.Refused(err, one.edit) {
			t.Errorf("%s: an edit gives %v", name, err)
		}
		_, err = r.Post(t.Context(), chat.Content{Markdown: "a word", Key: "turn " + name})
		if got := err == nil; got != (one.post == "") || !got && !chat.Refused(err, one.post) {
			t.Errorf("%s: a post gives %v", name, err)
		}
	}
	s.Deny("general", fake.Denied{Files: true})
	if _, err := r.Upload(t.Context(), "answer.md", []byte("x"), "The rest"); !chat.Refused(err, chat.NoAccess) {
		t.Errorf("an upload without the right gives %v", err)
	}
}

func TestTheAskerIsToldElsewhere(t *testing.T) {
	t.Parallel()
	s := open(t, fake.Options{}, nil, nil)
	thread := s.Thread("general", "talk")
	for _, user := range []string{"ann", "bob"} {
		s.Mention(thread, user, "question")
	}
	for n, m := range s.inbox.wait(t, 2) {
		if n == 1 {
			s.Shut("bob")
		}
		tell := func() {
			if err := s.responder(m).(chat.Elsewhere).TellElsewhere(t.Context(), "It failed."); err != nil {
				t.Error(err)
			}
		}
		tell()
		tell() // after a crash, say
	}
	link := "It failed.\nhttps://discord.com/channels/" + s.GuildID() + "/" + thread + "/"
	if got := s.Messages(s.DMChannel("ann")); len(got) != 1 || !strings.HasPrefix(got[0].Content, link) {
		t.Errorf("ann reads %+v", got)
	}
	got := s.Messages("general")
	if len(got) != 1 || !strings.HasPrefix(got[0].Content, "<@"+s.UserID("bob")+"> "+link) || len(got[0].Frames[0].Pings) != 0 {
		t.Errorf("bob, who takes no direct messages, reads %+v", got)
	}
	s.clean()
}
