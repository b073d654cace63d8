package discord

import (
	"testing"

	"parley/internal/chat"
	fake "parley/internal/fake/discord"
)

// replyTo is what Discord sends of a reply whose message it did not look up.
func replyTo(id string) func(map[string]any) {
	return func(m map[string]any) {
		m["type"], m["message_reference"] = 19, map[string]any{"type": 0, "message_id": id}
		delete(m, "referenced_message")
	}
}

func TestAReplyThatCameWithoutItsMessageIsLookedUp(t *testing.T) {
	t.Parallel()
	s := prepare(t, fake.Options{}, nil)
	old := s.Say("general", s.App("").UserID(), "an answer of yesterday")
	theirs := s.Say("general", "bob", "a word of bob's")
	s.run(nil)
	s.connected()
	s.Inject("general", "ann", "to bob", replyTo(theirs))
	s.Inject("general", "ann", "to nobody", replyTo("1000000000000000001"))
	s.Inject("general", "ann", "to the bot", replyTo(old))
	s.Inject("general", "ann", "<@"+s.App("").UserID()+"> is that so?", replyTo(theirs))
	s.Mention("general", "ann", "the end")
	got := s.inbox.wait(t, 3)
	if got[0].Text != "to the bot" || got[0].Trigger != chat.Answer || string(got[0].ReplyTo) != old {
		t.Errorf("the reply to the bot came as %+v", got[0])
	}
	if want := "bob wrote:\n> a word of bob's\n\nis that so?"; got[1].Text != want {
		t.Errorf("a question about another's message came as %q, want %q", got[1].Text, want)
	}
	if got[2].Text != "the end" {
		t.Errorf("more came than what is for the bot: %+v", got[2])
	}
	s.clean()
}

func TestTheBotKnowsItsOwnMessages(t *testing.T) {
	t.Parallel()
	s := open(t, fake.Options{}, nil, nil)
	s.Mention("general", "ann", "hello")
	post := must(t)(s.responder(s.inbox.wait(t, 1)[0]).Post(t.Context(), chat.Content{Markdown: "Hello.", Key: "k"}))
	s.Inject("general", "ann", "why?", replyTo(post))
	if got := s.inbox.wait(t, 2)[1]; got.Trigger != chat.Answer {
		t.Errorf("the reply came as %+v", got)
	}
	if n := s.Count("GET", "/channels/"+s.ChannelID("general")+"/messages/"+post, 0); n != 0 {
		t.Errorf("its own message was looked up %d times", n)
	}
}

func TestAThreadTheBotBeganIsItsOwn(t *testing.T) {
	t.Parallel()
	s := prepare(t, fake.Options{}, nil)
	bot := s.App("").UserID()
	before := s.ThreadBy(bot, "general", "begun before")
	s.run(nil)
	s.connected()
	s.Mention("general", "ann", "hello")
	post := must(t)(s.responder(s.inbox.wait(t, 1)[0]).Post(t.Context(), chat.Content{Markdown: "Hello.", Key: "k"}))
	question := s.Say("general", "ann", "what do people think?")
	for n, c := range []struct {
		what, thread, owner string
		joined              bool
	}{
		{"begun by the bot before it connected", before, bot, true},
		{"begun by the bot", s.ThreadBy(bot, "general", "begun"), bot, true},
		{"opened from the bot's message", s.ThreadFrom(post, "bob", "about it"), s.UserID("bob"), true},
		{"of people", s.ThreadFrom(question, "bob", "talk"), s.UserID("bob"), false},
	} {
		s.Say(c.thread, "ann", "go on")
		got := s.inbox.wait(t, n+2)[n+1]
		if got.Trigger != chat.Thread || got.Joined != c.joined || got.Place.Thread != c.thread || got.Place.Owner != c.owner {
			t.Errorf("in a thread %s: %+v, want joined %v and the owner %s", c.what, got, c.joined, c.owner)
		}
	}
	s.clean()
}

// Not everything that tells of a thread tells who began it.
func TestTheOwnerOfAThreadIsAskedFor(t *testing.T) {
	t.Parallel()
	d := &desk{}
	s := open(t, fake.Options{}, d, nil)
	s.eventually("the commands are registered", func() bool { return len(s.Commands("")) > 0 })
	thread := s.SilentThread("general", "talk")
	c := s.adapter.apps[0].cache
	c.putChannel(thread, channelInfo{kind: 11, parent: s.ChannelID("general")})
	s.Say(thread, "ann", "hello")
	m := s.inbox.wait(t, 1)[0]
	if m.Place.Owner == "" {
		t.Errorf("came as %+v", m.Place)
	}
	thread = s.SilentThread("general", "another talk") // an interaction tells of it, but not whose it is
	i, err := s.Slash(thread, "ann", "/model")
	if err != nil {
		t.Fatal(err)
	}
	s.answer(i)
	if got := d.asked()[0].Place.Owner; got != m.Place.Owner {
		t.Errorf("the command came with the owner %q, want %q", got, m.Place.Owner)
	}
}

func TestAThreadWhoseOwnerCannotBeHadHoldsNoMessageUp(t *testing.T) {
	t.Parallel()
	s := open(t, fake.Options{}, nil, nil)
	thread := s.SilentThread("general", "talk")
	c := s.adapter.apps[0].cache
	c.putChannel(thread, channelInfo{kind: 11, parent: s.ChannelID("general")})
	s.Fail(fake.Fault{Method: "GET", Path: "/channels/" + thread, Delay: 3 * lookupLimit, Status: 500})
	s.Say(thread, "ann", "hello")
	if m := s.inbox.wait(t, 1)[0]; m.Place.Thread != thread || m.Place.Owner != "" {
		t.Errorf("came as %+v", m.Place)
	}
	asked := func() int { return s.Count("GET", "/channels/"+thread, 0) }
	s.eventually("Discord has noted the question that was given up", func() bool { return asked() == 1 })
	s.Say(thread, "ann", "hello again")
	s.inbox.wait(t, 2)
	if asked() != 1 {
		t.Error("the owner was asked for again at once")
	}
	// A passing failure is no answer.
	p, _ := c.channel(t.Context(), thread)
	p.failed = p.failed.Add(-askAgain)
	c.putChannel(thread, p)
	s.Say(thread, "ann", "and again")
	if m := s.inbox.wait(t, 3)[2]; m.Place.Owner == "" {
		t.Errorf("came as %+v, after Discord could be asked again", m.Place)
	}
}
