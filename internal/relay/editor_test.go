package relay

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/chat"
	"parley/internal/inbox"
	"parley/internal/stream"
)

// busyPlatform takes no message for an hour.
type busyPlatform struct{ chat.Responder }

func (busyPlatform) Limits() chat.Limits { return chat.Limits{Size: 4000} }

func (busyPlatform) Post(context.Context, chat.Content) (chat.Receipt, error) {
	return chat.Receipt{}, &chat.RateLimited{After: time.Hour}
}

// An answer that waits for the platform does not hold up the hand-over.
func TestAnAnswerIsLeftWhenItsTurnIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stream.NewScheduler(stream.Options{})
		defer s.Close()
		ctx, hand := context.WithCancelCause(t.Context())
		answer := s.Open(t.Context(), stream.Job{Turn: "t", Responder: busyPlatform{}})
		defer leaveWhenInterrupted(ctx, answer)()
		answer.Append("Some words of an answer.")
		began := time.Now()
		time.AfterFunc(time.Minute, func() { hand(inbox.ErrHandedOver) })
		_, err := answer.Finish(t.Context(), stream.End{})
		if !errors.Is(err, inbox.ErrHandedOver) || time.Since(began) > time.Minute+leaveTime {
			t.Errorf("finished after %s with %v", time.Since(began), err)
		}
	})
}

func TestAnAnswerIsNotLeftWhenAPersonStopsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stream.NewScheduler(stream.Options{})
		defer s.Close()
		ctx, stop := context.WithCancelCause(t.Context())
		answer := s.Open(t.Context(), stream.Job{Turn: "t", Responder: busyPlatform{}})
		defer leaveWhenInterrupted(ctx, answer)()
		answer.Append("Some words of an answer.")
		stop(chat.ErrStopped)
		finishing, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := answer.Finish(finishing, stream.End{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("finished with %v", err)
		}
	})
}

func TestWhatAnAnswerOutlives(t *testing.T) {
	for _, c := range []struct {
		cause error
		lives bool
	}{
		{chat.ErrStopped, true}, {chat.ErrWithdrawn, true}, {inbox.ErrHandedOver, true}, {inbox.ErrLost, false}, {errors.New("other"), false},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, end := context.WithCancelCause(t.Context())
			writing, done := outlive(ctx)
			end(c.cause)
			synctest.Wait()
			if lives := writing.Err() == nil; lives != c.lives || !lives && !errors.Is(context.Cause(writing), c.cause) {
				t.Errorf("after %v it lives: %v, by %v", c.cause, lives, context.Cause(writing))
			}
			done()
			if writing.Err() == nil {
				t.Error("it goes on after done")
			}
		})
	}
}

func TestWhatPeopleCanReadOfAnAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		parts []inbox.Part
		want  string
	}{
		"nothing":                         {nil, ""},
		"two messages":                    {[]inbox.Part{{Text: "One. "}, {Text: "Two."}}, "One. Two."},
		"one that the next says again":    {[]inbox.Part{{Text: "One. "}, {Text: "Two", Stuck: true}, {Text: "Two."}}, "One. Two."},
		"one that nothing says again yet": {[]inbox.Part{{Text: "One. "}, {Text: "Two", Stuck: true}, {}}, "One. Two"},
	} {
		if got := readable(c.parts); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
