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
