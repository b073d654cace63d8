// What is promised about what people say, where, and what was said before.

package chattest

import (
	"context"
	"slices"
	"strings"

	"parley/internal/chat"
)

func aboutPlaces() []promise {
	return []promise{
		{"a question says what, who and where", asked},
		{"a question waits for an inbox that is away", patiently},
		{"a question that can never be stored holds up no other", unstorable},
		{"a question that is deleted is withdrawn", withdrawn},
		{"a button does its action", pressed},
		{"history is in order, bounded, and begins where it should", remembered},
		{"a bot that is not here is refused", strangers},
		{"the one who asked can be told elsewhere", elsewhere},
		{"an adapter ends with its context", ending},
	}
}

func asked(s *stage) {
	m := s.ask(chat.Place{}, "who am I?")
	if m.Text != "who am I?" {
		s.Errorf("the text is %q", m.Text)
	}
	if m.Key == "" || m.ID == "" || m.Scope == "" || m.Author.ID == "" || m.Trigger == "" || m.At.IsZero() {
		s.Errorf("a question without key, id, scope, author, trigger or time: %+v", m)
	}
	if m.Bot != s.Bot() || m.Place.Platform != s.Adapter().Platform().Name || m.Place.Channel == "" || m.FromBot {
		s.Errorf("a question for %q on %q came as %+v", s.Bot(), s.Adapter().Platform().Name, m)
	}
	again := s.ask(m.Place, "who else?")
	if again.Key == m.Key || again.ID == m.ID {
		s.Errorf("two questions have one key or id: %q, %q", again.Key, again.ID)
	}
	if again.Place.Conversation() != m.Place.Conversation() || again.Scope != m.Scope {
		s.Errorf("a question in the same place came as %+v, want %+v", again.Place, m.Place)
	}
	_, err := s.Adapter().Member(s.Context(), m.Bot, m.Place, m.Author)
	s.must("member", err)
}

func patiently(s *stage) {
	s.inbox.leave(2)
	s.ask(chat.Place{}, "is anybody there?")
	if n := s.inbox.count("is anybody there?"); n != 1 {
		s.Errorf("the question came %d times", n)
	}
}

func unstorable(s *stage) {
	s.inbox.refuse("far too odd")
	s.Ask(chat.Place{}, "far too odd")
	s.ask(chat.Place{}, "as usual")
}

func withdrawn(s *stage) {
	m := s.ask(chat.Place{}, "never mind")
	if !s.Withdraw(m) {
		s.Skip("nobody can delete what they wrote here")
	}
	s.until("the desk hears of it", func() bool { _, gone := s.desk.told(); return len(gone) > 0 })
	_, gone := s.desk.told()
	if got := gone[0]; got.Key != m.Key || got.ID != m.ID || got.Scope != m.Scope || got.Bot != m.Bot || got.Place.Conversation() != m.Place.Conversation() {
		s.Errorf("withdrawn is %+v, want %+v", got, m)
	}
}

func pressed(s *stage) {
	m := s.ask(chat.Place{}, "what can I do?")
	id := s.post(s.responder(m), chat.Content{
		Markdown: "choose", Key: "turn-0", Final: true,
		Buttons: []chat.Button{{Label: "That one", Action: "model", Args: "lab/b"}, {Label: "Stop it", Action: chat.ActionStop, Args: "turn-7"}},
	})
	for n, want := range []chat.Press{{Action: "model", Args: "lab/b"}, {Action: chat.ActionStop, Args: "turn-7"}} {
		if !s.Press(m.Place, id, []string{"That one", "Stop it"}[n]) {
			s.Skip("nothing can be pressed here")
		}
		s.until("the desk hears of the press", func() bool { presses, _ := s.desk.told(); return len(presses) > n })
		presses, _ := s.desk.told()
		got := presses[n]
		if got.Action != want.Action || got.Args != want.Args {
			s.Errorf("the desk is asked for %q with %q, want %q with %q", got.Action, got.Args, want.Action, want.Args)
		}
		if got.Author.ID == "" || got.Bot != s.Bot() || got.Scope != m.Scope || got.Place.Conversation() != m.Place.Conversation() {
			s.Errorf("a press at %+v comes as %+v", m.Place, got)
		}
	}
}

func remembered(s *stage) {
	m := s.ask(chat.Place{}, "the first question")
	s.post(s.responder(m), chat.Content{Markdown: "the first answer", Key: "turn-0", Final: true})
	for _, text := range []string{"so one", "so two", "so three"} {
		s.Say(m.Place, text)
	}
	now := s.ask(m.Place, "the second question")
	read := func(after chat.MessageID, n int) []chat.Message {
		s.Helper()
		got, err := s.Adapter().History(s.Context(), now, after, n)
		s.must("history", err)
		if len(got) > n {
			s.Errorf("%d messages, want at most %d", len(got), n)
		}
		if !slices.IsSortedFunc(got, func(x, y chat.Message) int { return x.At.Compare(y.At) }) {
			s.Error("history is not oldest first")
		}
		return got
	}
	all := read("", 50)
	s.tells(all, "the first question", "the first answer", "so one", "so two", "so three")
	for _, h := range all {
		if h.FromBot != strings.Contains(h.Text, "the first answer") {
			s.Errorf("%q is from the bot: %v", h.Text, h.FromBot)
		}
		if h.ID == "" || h.Author.ID == "" || h.Place.Conversation() != now.Place.Conversation() {
			s.Errorf("without id, author or at another place: %+v", h)
		}
	}
	s.tells(read("", 2), "so two", "so three")
	if len(all) == 5 {
		s.tells(read(all[2].ID, 50), "so two", "so three")
	}
	s.tells(read("", 0))
}

// tells compares what was said with what should have been.
func (s *stage) tells(got []chat.Message, want ...string) {
	s.Helper()
	var texts []string
	for _, m := range got {
		texts = append(texts, m.Text)
	}
	if !slices.EqualFunc(texts, want, strings.Contains) {
		s.Errorf("history tells %q, want %q", texts, want)
	}
}

func strangers(s *stage) {
	m := s.ask(chat.Place{}, "for somebody else")
	m.Bot = "nobody-of-this-name"
	if _, err := s.Adapter().Responder(m); s.seen(err) == nil {
		s.Error("a bot that is not here can answer")
	}
	if got, err := s.Adapter().History(s.Context(), m, "", 10); s.seen(err) == nil && len(got) > 0 {
		s.Errorf("a bot that is not here is told %d messages", len(got))
	}
}

func elsewhere(s *stage) {
	m := s.ask(chat.Place{}, "not here")
	r, ok := s.responder(m).(chat.Elsewhere)
	if !ok {
		s.Skip("there is no other place")
	}
	err := r.TellElsewhere(s.Context(), "It could not be answered there.")
	if s.seen(err); err != nil && !chat.Refused(err) {
		s.Errorf("tell elsewhere: %v", err)
	}
	s.reads(m.Place)
}

func ending(s *stage) {
	ctx, end := context.WithCancel(s.Context())
	running := make(chan error, 1)
	go func() { running <- s.Another().Run(ctx) }()
	end()
	s.returns("Run, after the end of its context", func() {
		if err := s.seen(<-running); err != nil {
			s.Errorf("Run ends with %v", err)
		}
	})
	m := s.ask(chat.Place{}, "think about it")
	thinking, stop := context.WithCancel(s.Context())
	stop()
	s.returns("Thinking, after the end of its context", func() { s.responder(m).Thinking(thinking) })
}
