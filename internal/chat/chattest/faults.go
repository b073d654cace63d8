// What is promised about calls that fail.

package chattest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"parley/internal/chat"
)

func aboutFaults() []promise {
	all := []promise{
		{"no secret is told", secretly},
		{"health says why a bot is ill", ill},
		{"a call that began after its context ended does nothing", ended},
		{"a sign of thinking that fails is no error", thought},
	}
	for _, c := range calls() {
		all = append(all,
			promise{c.name + " that is too fast says how long to wait", func(s *stage) { s.limited(c) }},
			promise{c.name + " that is refused says so", func(s *stage) { s.refused(c) }},
			promise{c.name + " that fails in passing can be repeated", func(s *stage) { s.down(c) }},
			promise{c.name + " under way ends with its context", func(s *stage) { s.hung(c) }},
		)
	}
	return all
}

// subject is a question with an answer to work on.
type subject struct {
	m      chat.Message
	r      chat.Responder
	posted chat.MessageID
}

// call is one thing a responder does; it gives what people read when it is done.
type call struct {
	name string
	do   func(ctx context.Context, on subject) error
	then []string
}

const stands = "what stands"

// errCannot says that a responder has no such call.
var errCannot = errors.New("not a call of this platform")

func calls() []call {
	return []call{
		{"a post", func(ctx context.Context, on subject) error {
			_, err := on.r.Post(ctx, chat.Content{Markdown: "what is new", Key: "turn-1", After: on.posted, Final: true})
			return err
		}, []string{stands, "what is new"}},
		{"an edit", func(ctx context.Context, on subject) error {
			_, err := on.r.Edit(ctx, on.posted, chat.Content{Markdown: "what is other", Key: "turn-0", Final: true})
			return err
		}, []string{"what is other"}},
		{"an upload", func(ctx context.Context, on subject) error {
			_, err := on.r.Upload(ctx, "more.md", []byte("more"), "what is in a file")
			return err
		}, []string{stands, "what is in a file"}},
		{"a removal", func(ctx context.Context, on subject) error {
			r, ok := on.r.(chat.Remover)
			if !ok {
				return errCannot
			}
			_, err := r.Remove(ctx, on.posted)
			return err
		}, nil},
	}
}

func (s *stage) subject() subject {
	s.Helper()
	m := s.ask(chat.Place{}, "what if it fails?")
	r := s.responder(m)
	return subject{m, r, s.post(r, chat.Content{Markdown: stands, Key: "turn-0", Final: true})}
}

// attempt makes a call during a fault.
func (s *stage) attempt(c call, f Fault) (subject, error) {
	s.Helper()
	on := s.subject()
	s.suffer(f)
	err := s.seen(c.do(s.Context(), on))
	switch {
	case errors.Is(err, errCannot):
		s.Skip(err)
	case err == nil:
		s.Fatal("it reports success")
	}
	return on, err
}

func (s *stage) limited(c call) {
	on, err := s.attempt(c, Limited)
	limited, ok := errors.AsType[*chat.RateLimited](err)
	if !ok || limited.After <= 0 {
		s.Errorf("%v, want a rate limit with a time to wait", err)
	}
	s.reads(on.m.Place, stands)
}

func (s *stage) refused(c call) {
	on, err := s.attempt(c, Refused)
	if !chat.Refused(err) {
		s.Errorf("%v, want a refusal", err)
	}
	s.reads(on.m.Place, stands)
}

func (s *stage) down(c call) {
	on, err := s.attempt(c, Down)
	if _, limited := errors.AsType[*chat.RateLimited](err); limited || chat.Refused(err) {
		s.Errorf("%v, want an error that may be retried", err)
	}
	s.reads(on.m.Place, stands)
	s.must("repeat it", c.do(s.Context(), on))
	s.reads(on.m.Place, c.then...)
}

func (s *stage) hung(c call) {
	on := s.subject()
	s.suffer(Hangs)
	ctx, cancel := context.WithTimeout(s.Context(), 50*time.Millisecond)
	defer cancel()
	s.returns(c.name+", after the end of its context", func() {
		if err := s.seen(c.do(ctx, on)); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, errCannot) {
			s.Errorf("%v, want the end of the context", err)
		}
	})
}

func ended(s *stage) {
	on := s.subject()
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	for _, c := range calls() {
		if err := s.seen(c.do(ctx, on)); !errors.Is(err, context.Canceled) && !errors.Is(err, errCannot) {
			s.Errorf("%s gives %v, want the end of the context", c.name, err)
		}
	}
	if _, err := s.Adapter().History(ctx, on.m, "", 10); s.seen(err) != nil && !errors.Is(err, context.Canceled) {
		s.Errorf("history gives %v, want the end of the context", err)
	}
	s.reads(on.m.Place, stands)
}

func thought(s *stage) {
	m := s.ask(chat.Place{}, "think hard")
	s.suffer(Down)
	ctx, cancel := context.WithTimeout(s.Context(), time.Second)
	defer cancel()
	s.returns("Thinking, after the end of its context", func() { s.responder(m).Thinking(ctx) })
}

// secretly lets every call fail in every way, and looks at what is said of it.
func secretly(s *stage) {
	on := s.subject()
	for _, f := range []Fault{Limited, Refused, Down, Lost, Telltale, Revoked} {
		for _, c := range s.everything(f) {
			if s.Fail(f) {
				_ = s.seen(c.do(s.Context(), on))
			}
		}
	}
	s.health()
}

// everything is every call of an adapter that fails by itself. It asks about
// another person for each fault: what is known of one may be kept.
func (s *stage) everything(f Fault) []call {
	more := []call{
		{"a post that is tried again", func(ctx context.Context, on subject) error {
			_, err := on.r.Post(ctx, chat.Content{Markdown: "again", Key: "turn-0", Again: true})
			return err
		}, nil},
		{"a search", func(ctx context.Context, on subject) error {
			r, ok := on.r.(chat.Remover)
			if !ok {
				return errCannot
			}
			_, err := r.Find(ctx, chat.Sought{Key: "turn-9"})
			return err
		}, nil},
		{"history", func(ctx context.Context, on subject) error {
			_, err := s.Adapter().History(ctx, on.m, "", 10)
			return err
		}, nil},
		{"member", func(ctx context.Context, on subject) error {
			_, err := s.Adapter().Member(ctx, on.m.Bot, on.m.Place, chat.Author{ID: on.m.Author.ID + fmt.Sprint(int(f))})
			return err
		}, nil},
		{"elsewhere", func(ctx context.Context, on subject) error {
			r, ok := on.r.(chat.Elsewhere)
			if !ok {
				return errCannot
			}
			return r.TellElsewhere(ctx, "elsewhere")
		}, nil},
	}
	return append(calls(), more...)
}

func ill(s *stage) {
	on := s.subject()
	s.suffer(Revoked)
	n := 1
	s.until("the bot is ill", func() bool {
		n++
		_, err := on.r.Post(s.Context(), chat.Content{Markdown: "still here?", Key: fmt.Sprint("turn-", n)})
		_ = s.seen(err)
		return !s.health().OK
	})
	if h := s.health(); h.Reason == "" {
		s.Error("health does not say why")
	}
}
