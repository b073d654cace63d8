package stream

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/chat"
)

// A platform that says "slow down" is left alone for exactly as long as it
// asks, and then gets the latest text.
func TestSlowDownIsHonoured(t *testing.T) {
	for name, kind := range map[string]string{"posts": "post", "edits": "edit"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlatform(chat.Limits{})
				var refused time.Time
				p.before = func(_ int, k request) error {
					if k.kind == kind && refused.IsZero() {
						refused = time.Now()
						return &chat.RateLimited{After: 7 * time.Second}
					}
					return nil
				}
				a := open(t, p, Job{})
				want := say(a, 20*time.Millisecond, many(100)...)
				end(t, a)
				i := slices.IndexFunc(p.calls, func(k request) bool { return k.kind == kind && k.at.After(refused) })
				// The refusal travels back, then the wait, then the next call there.
				if got := p.calls[i].at.Sub(refused); got < 7*time.Second || got > 7*time.Second+2*p.latency {
					t.Errorf("the next call came after %v", got)
				}
				if p.calls[i].Again {
					t.Error("a refused post was taken for one that may have happened")
				}
				if p.shown() != want {
					t.Errorf("in the end stands %q", p.shown())
				}
				p.settled(t)
			})
		})
	}
}

func TestErrorsThatPassAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{Size: 300})
		p.before = func(n int, _ request) error {
			if n%3 != 0 {
				return errWeather
			}
			return nil
		}
		a := open(t, p, Job{})
		want := say(a, 20*time.Millisecond, many(100)...)
		end(t, a)
		if p.shown() != want {
			t.Errorf("in the end stands %q", p.shown())
		}
		p.settled(t)
	})
}

// An answer that got lost on its way back leaves open whether the post
// happened: the next try looks first, and nothing is posted twice.
func TestAPostWhoseAnswerGotLostIsLookedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{Size: 300})
		lost := map[string]bool{}
		p.after = func(_ int, k request) error {
			if k.kind == "post" && !lost[k.Key] {
				lost[k.Key] = true
				return errWeather
			}
			return nil
		}
		a := open(t, p, Job{})
		want := say(a, 20*time.Millisecond, many(100)...)
		end(t, a)
		if p.shown() != want {
			t.Errorf("in the end stands %q", p.shown())
		}
		for i, k := range p.calls {
			if again := k.kind == "post" && i > 0 && p.calls[i-1].Key == k.Key; again != k.Again {
				t.Errorf("call %d of %s says again=%v", i, k.Key, k.Again)
			}
		}
		p.settled(t)
	})
}

// stubborn shows half of the first so many texts it is sent, and says so.
type stubborn struct {
	*platform
	left int
}

func (p *stubborn) halved(c chat.Content) (chat.Content, bool) {
	if p.left <= 0 {
		return c, false
	}
	p.left--
	c.Markdown = c.Markdown[:len(c.Markdown)/2]
	return c, true
}

func (p *stubborn) Post(ctx context.Context, c chat.Content) (chat.Receipt, error) {
	c, differs := p.halved(c)
	r, err := p.platform.Post(ctx, c)
	r.Differs = differs
	return r, err
}

func (p *stubborn) Edit(ctx context.Context, id chat.MessageID, c chat.Content) (chat.Receipt, error) {
	c, differs := p.halved(c)
	r, err := p.platform.Edit(ctx, id, c)
	r.Differs = differs
	return r, err
}

// A message that shows another text than it was sent is written again, a
// bounded number of times: a platform may have reasons of its own.
func TestAMessageThatShowsAnotherTextIsWrittenAgain(t *testing.T) {
	for name, c := range map[string]struct {
		left, calls int
		whole       bool
	}{"the post": {1, 2, true}, "and an edit": {2, 3, true}, "always": {100, 3, false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &stubborn{newPlatform(chat.Limits{}), c.left}
				a := open(t, p, Job{})
				a.Append("all of the answer")
				end(t, a)
				if (p.shown() == "all of the answer") != c.whole {
					t.Errorf("in the end stands %q", p.shown())
				}
				if n := len(p.calls); n != c.calls {
					t.Errorf("%d calls, want %d", n, c.calls)
				}
				p.settled(t)
			})
		})
	}
}

func TestAPlatformThatHangsIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{})
		hangs := hanging{platform: p, first: make(chan struct{}, 1)}
		a := open(t, hangs, Job{})
		a.Append("Words that hang for a while in the first post")
		begin := time.Now()
		end(t, a)
		if took := time.Since(begin); took > callTimeout+2*time.Second {
			t.Errorf("the end came after %v", took)
		}
		if !p.calls[0].Again {
			t.Error("the second post did not look for the first")
		}
	})
}

type hanging struct {
	*platform
	first chan struct{}
}

func (h hanging) Post(ctx context.Context, c chat.Content) (chat.Receipt, error) {
	select {
	case h.first <- struct{}{}:
		<-ctx.Done()
		return chat.Receipt{}, ctx.Err()
	default:
		return h.platform.Post(ctx, c)
	}
}

func refuse(reason chat.Reason) error {
	return &chat.Refusal{Reason: reason, Err: errors.New("no")}
}

func TestRefusalsThatMakeTheAnswerPointless(t *testing.T) {
	for _, reason := range []chat.Reason{chat.Gone, chat.NoAccess} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlatform(chat.Limits{})
			p.before = func(n int, _ request) error {
				if n > 0 {
					return refuse(reason)
				}
				return nil
			}
			a := open(t, p, Job{})
			a.Append("Some words to begin with, and now")
			<-time.After(time.Second)
			a.Append(" some more")
			<-a.Done()
			if !chat.Refused(a.Err(), reason) {
				t.Errorf("the reason given is %v", a.Err())
			}
			a.Append(" ignored")
			if _, err := a.Finish(t.Context(), End{}); !chat.Refused(err, reason) {
				t.Errorf("finished with %v", err)
			}
			if len(p.calls) != 2 {
				t.Errorf("%d calls", len(p.calls))
			}
		})
	}
}

func TestTooLongIsCutSmaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{Size: 1000})
		p.before = func(_ int, k request) error {
			if len(k.Markdown) > 400 { // less than the adapter believes
				return refuse(chat.TooLong)
			}
			return nil
		}
		a := open(t, p, Job{})
		want := say(a, 20*time.Millisecond, many(300)...)
		end(t, a)
		if p.shown() != want {
			t.Errorf("in the end stands %q", p.shown())
		}
		p.settled(t)
	})
}

func TestAClosedEditWindowMovesTheTextToANewMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{})
		p.before = func(_ int, k request) error {
			if k.id == "m0" && len(k.Markdown) > 100 {
				return refuse(chat.EditClosed)
			}
			return nil
		}
		a := open(t, p, Job{})
		want := say(a, 20*time.Millisecond, many(50)...)
		r := end(t, a)
		if got := p.messages["m1"]; got.Markdown != want || !got.Final {
			t.Errorf("the new message holds %q", got.Markdown)
		}
		if len(p.order) != 2 || len(r.Messages) != 2 {
			t.Errorf("%d messages, %d in the result", len(p.order), len(r.Messages))
		}
	})
}

// What is left behind shows half an answer and a Stop button: where a message
// can be deleted it is, also by who takes over.
func TestAMessageThatCanBeEditedNoMoreIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{})
		removals := 0
		p.before = func(_ int, k request) error {
			switch {
			case k.kind == "edit" && k.id == "m0" && len(k.Markdown) > 100:
				return refuse(chat.EditClosed)
			case k.kind == "remove":
				if removals++; removals == 1 {
					return errWeather
				}
			}
			return nil
		}
		kept := map[string]Posted{}
		record := func(_ context.Context, all ...Posted) error {
			for _, q := range all {
				kept[q.Key] = q
			}
			return nil
		}
		a := open(t, remover{p}, Job{Turn: "t", Stop: true, Record: record})
		want := say(a, 20*time.Millisecond, many(50)...)
		r := end(t, a)
		if len(p.order) != 1 || p.messages["m1"].Markdown != want || len(r.Messages) != 1 || r.Messages[0].ID != "m1" {
			t.Errorf("%q stand, the result is %+v", p.texts(), r)
		}
		for _, k := range p.calls {
			if k.kind == "post" && k.After == "m0" {
				t.Error("the new message replies to the one that is taken back")
			}
		}
		p.settled(t)

		// As after a crash before the turn was closed.
		b := open(t, remover{p}, Job{Turn: "t", Stop: true, Record: record, Posted: []Posted{kept["t-0"], kept["t-1"]}})
		b.Append(want)
		r = end(t, b)
		if len(p.order) != 1 || p.messages["m1"].Markdown != want || len(r.Messages) != 1 || p.count("post") != 2 {
			t.Errorf("after a takeover %q stand, the result is %+v, %d posts", p.texts(), r, p.count("post"))
		}
		p.settled(t)
	})
}

func TestTextThePlatformCallsInvalidBecomesAFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{})
		p.before = func(_ int, k request) error {
			if k.kind != "upload" && strings.Contains(k.Markdown, "word9") {
				return refuse(chat.Invalid)
			}
			return nil
		}
		a := open(t, p, Job{})
		want := say(a, 100*time.Millisecond, many(30)...)
		r := end(t, a)
		if len(p.files) != 1 || p.files[0] != want || !r.File {
			t.Errorf("the file holds %q", p.files)
		}
		if n := len(p.calls); n > 16 {
			t.Errorf("%d calls", n)
		}
	})
}

// What a filter blocks is not brought in by another door.
func TestBlockedWordsBecomeNoFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{})
		p.before = func(_ int, k request) error {
			if strings.Contains(k.Markdown, "word9") {
				return refuse(chat.Blocked)
			}
			return nil
		}
		a := open(t, p, Job{})
		say(a, 100*time.Millisecond, many(30)...)
		_, err := a.Finish(t.Context(), End{})
		if !chat.Refused(err, chat.Blocked) || len(p.files) != 0 {
			t.Errorf("it ended with %v, files %v", err, p.files)
		}
	})
}

func TestWhatIsPostedIsWrittenDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{Size: 300, Edits: chat.Budget{Key: "e", Calls: 600, Window: time.Minute, Burst: 10}})
		var book []string
		fail := 0
		p.before = func(_ int, k request) error {
			book = append(book, k.kind+" "+k.Key)
			return nil
		}
		a := open(t, p, Job{
			Record: func(_ context.Context, all ...Posted) error {
				fail++
				switch announced := all[0].Pending; {
				case announced && fail%2 == 1:
					return errWeather
				case !announced && fail%3 == 1:
					book = append(book, "owed")
					return errWeather
				}
				for _, q := range all {
					if q.Pending {
						book = append(book, "announce "+q.Key)
						continue
					}
					if want := len(p.messages[q.ID].Markdown); q.ID == "" || q.Length != want {
						t.Errorf("recorded %+v where %d characters stand", q, want)
					}
					book = append(book, "record "+q.Key)
				}
				return nil
			},
		})
		want := say(a, 20*time.Millisecond, many(100)...)
		end(t, a)
		if p.shown() != want {
			t.Errorf("in the end stands %q", p.shown())
		}
		for i, line := range book {
			before, after := "", ""
			if i > 0 {
				before = book[i-1]
			}
			if i+1 < len(book) {
				after = book[i+1]
			}
			if key, ok := strings.CutPrefix(line, "post "); ok && before != "announce "+key {
				t.Errorf("%q came after %q", line, before)
			}
			call := strings.HasPrefix(line, "post ") || strings.HasPrefix(line, "edit ") || line == "owed"
			if call && !strings.HasPrefix(after, "record ") && after != "owed" {
				t.Errorf("%q was followed by %q", line, after)
			}
		}
	})
}

func TestALostLeaseEndsTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{})
		lost := errors.New("the lease is over")
		n := 0
		a := open(t, p, Job{Guard: func(ctx context.Context) (context.Context, context.CancelFunc, error) {
			if n++; n > 2 {
				return nil, nil, lost
			}
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			return ctx, cancel, nil
		}})
		say(a, 20*time.Millisecond, many(50)...)
		if _, err := a.Finish(t.Context(), End{}); !errors.Is(err, lost) {
			t.Errorf("finished with %v", err)
		}
		if len(p.calls) != 2 {
			t.Errorf("%d calls", len(p.calls))
		}
	})
}
