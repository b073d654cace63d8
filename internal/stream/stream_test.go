package stream

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"parley/internal/chat"
)

// open begins an answer on its own scheduler, which is closed with the test.
func open(t *testing.T, r chat.Responder, j Job) *Answer {
	s := NewScheduler(Options{})
	t.Cleanup(s.Close)
	return openOn(t, s, r, j)
}

func openOn(t *testing.T, s *Scheduler, r chat.Responder, j Job) *Answer {
	j.Responder, j.Stop = r, true
	if j.Turn == "" {
		j.Turn = "t"
	}
	return s.Open(t.Context(), j)
}

func end(t *testing.T, a *Answer) Result {
	t.Helper()
	r, err := a.Finish(t.Context(), End{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAnAnswerGrowsAndEndsWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{})
		a := open(t, p, Job{})
		want := say(a, 20*time.Millisecond, many(200)...)
		r := end(t, a)
		if got := p.shown(); got != want {
			t.Errorf("the final text is %q", got)
		}
		if len(r.Messages) != 1 || r.Messages[0].Length != utf8.RuneCountInString(want) {
			t.Errorf("result %+v", r)
		}
		if len(p.sights) < 10 {
			t.Errorf("it grew %d times in 4 s", len(p.sights))
		}
		for i := 1; i < len(p.sights); i++ {
			if len(p.sights[i].text) < len(p.sights[i-1].text) {
				t.Errorf("it shrank from %q to %q", p.sights[i-1].text, p.sights[i].text)
			}
		}
		p.settled(t)
	})
}

func TestFirstWords(t *testing.T) {
	for name, c := range map[string]struct {
		every time.Duration
		words []string
		after time.Duration
		text  string
	}{
		"24 characters at once":       {0, []string{"four and twenty characters"}, 0, "four and twenty characters"},
		"24 characters, a bit later":  {50 * time.Millisecond, []string{"four and", " twenty cha", "racters in all"}, 100 * time.Millisecond, "four and twenty characters in all"},
		"what there is after 150 ms":  {100 * time.Millisecond, []string{"one", " two", " three", " four", " five"}, 150 * time.Millisecond, "one two"},
		"space does not start it":     {100 * time.Millisecond, []string{"\n\n", " ", "one", " two", " three", " four"}, 350 * time.Millisecond, "\n\n one two"},
		"half a mark waits for words": {100 * time.Millisecond, []string{"**", "bold", " and", "** more"}, 150 * time.Millisecond, "**bold**"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlatform(chat.Limits{})
				a := open(t, p, Job{})
				begin := time.Now()
				want := say(a, c.every, c.words...)
				end(t, a)
				first := p.calls[0]
				if got := first.at.Sub(begin) - p.latency/2; got != c.after || first.Markdown != c.text {
					t.Errorf("after %v stood %q; want after %v %q", got, first.Markdown, c.after, c.text)
				}
				if p.shown() != want {
					t.Errorf("in the end stands %q", p.shown())
				}
			})
		})
	}
}

func TestFirstWordsOfAHundredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{})
		s := NewScheduler(Options{})
		defer s.Close()
		var all sync.WaitGroup
		waits := make([]time.Duration, 100)
		for k := range waits {
			all.Go(func() {
				own := newPlatform(p.limits)
				a := openOn(t, s, own, Job{})
				begin := time.Now()
				say(a, 20*time.Millisecond, strings.SplitAfter("a b c d e f g h i j k l m n o p q r s t u v w x y z", " ")...)
				end(t, a)
				waits[k] = own.sights[0].at.Add(own.latency / 2).Sub(begin)
			})
		}
		all.Wait()
		slices.Sort(waits)
		if waits[50] > 250*time.Millisecond || waits[99] > 300*time.Millisecond {
			t.Errorf("p50 %v, p99 %v", waits[50], waits[99])
		}
	})
}

func TestUnchangedTextIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{})
		a := open(t, p, Job{})
		a.Append("These words stand, and nothing comes for long")
		<-time.After(time.Minute)
		if len(p.calls) != 1 {
			t.Errorf("%d calls while nothing changed", len(p.calls))
		}
		a.Append(" [") // held back: nothing to be seen of it
		<-time.After(time.Minute)
		if len(p.calls) != 1 {
			t.Errorf("%d calls while nothing visible changed", len(p.calls))
		}
		end(t, a)
		if len(p.calls) != 2 || p.shown() != "These words stand, and nothing comes for long [" {
			t.Errorf("%d calls, in the end %q", len(p.calls), p.shown())
		}
		p.settled(t)
	})
}

func TestTheLatestTextWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{})
		p.latency = time.Second
		a := open(t, p, Job{})
		say(a, 10*time.Millisecond, many(100)...) // all within the first post
		<-time.After(1500 * time.Millisecond)
		if got, want := p.shown(), strings.TrimSpace(strings.Join(many(100), "")); got != want {
			t.Errorf("the second call carried %q", got)
		}
		end(t, a)
	})
}

func TestNoteBelowTheText(t *testing.T) {
	for text, want := range map[string]string{
		"An answer":            "An answer\n\n_Cut._",
		"```go\nfmt.Println()": "```go\nfmt.Println()\n```\n\n_Cut._",
		"":                     "_Cut._",
		"  \n":                 "_Cut._",
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlatform(chat.Limits{})
			a := open(t, p, Job{})
			a.Append(text)
			<-time.After(time.Second)
			if _, err := a.Finish(t.Context(), End{Note: "_Cut._"}); err != nil {
				t.Fatal(err)
			}
			if p.shown() != want {
				t.Errorf("%q with a note is %q", text, p.shown())
			}
			p.settled(t)
		})
	}
}

func TestNothingToSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{})
		a := open(t, p, Job{})
		a.Append(" \n")
		if r := end(t, a); len(r.Messages) != 0 || len(p.calls) != 0 {
			t.Errorf("result %+v after %d calls", r, len(p.calls))
		}
	})
}

func TestALongAnswerContinuesInTheNextMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{Size: 300})
		a := open(t, p, Job{})
		want := say(a, 20*time.Millisecond, many(150)...)
		r := end(t, a)
		if got := p.shown(); got != want {
			t.Errorf("in the end stands %q", got)
		}
		if len(r.Messages) < 4 {
			t.Errorf("%d messages", len(r.Messages))
		}
		for i, k := range p.calls {
			if k.kind == "post" && i > 0 && k.After == "" {
				t.Errorf("post %q does not say what it continues", k.Key)
			}
			if n := utf8.RuneCountInString(k.Markdown); n > 300 {
				t.Errorf("a message of %d characters", n)
			}
		}
		p.settled(t)
	})
}

func TestTheRestBecomesAFile(t *testing.T) {
	for _, refused := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlatform(chat.Limits{Size: 300})
			if refused {
				p.before = func(_ int, k request) error {
					if k.kind == "upload" {
						return &chat.Refusal{Reason: chat.NoAccess, Err: errors.New("missing_scope")}
					}
					return nil
				}
			}
			a := open(t, p, Job{MaxMessages: 2})
			want := say(a, 20*time.Millisecond, many(200)...)
			r := end(t, a)
			if got := p.shown() + strings.Join(p.files, ""); got != want {
				t.Errorf("messages and file hold %q", got)
			}
			if refused && (len(r.Messages) < 4 || r.File) || !refused && (len(r.Messages) != 2 || !r.File) {
				t.Errorf("%d messages, file %v", len(r.Messages), r.File)
			}
			p.settled(t)
		})
	}
}

// Whatever pieces a text arrives in and however slow the platform is, the same
// messages stand in the end.
func TestTheEndDoesNotDependOnThePieces(t *testing.T) {
	text := "# A plan\n\nSome **bold words** first, then [a link](https://example.com/x).\n\n" +
		"```go\nfunc main() {\n" + strings.Repeat("\tprintln(\"hello\")\n", 30) + "}\n```\n\n" +
		"| a | b |\n|---|---|\n" + strings.Repeat("| one | two |\n", 30) + "\n" +
		strings.Repeat("- an item of a list, 日本語 👩‍👩‍👧‍👦\n", 20) + "\nAnd that was it."
	var want []string
	r := rand.New(rand.NewPCG(1, 1))
	for range 40 {
		synctest.Test(t, func(t *testing.T) {
			p := newPlatform(chat.Limits{Size: 400})
			p.latency = time.Duration(r.IntN(3000)) * time.Millisecond
			a := open(t, p, Job{})
			for at := 0; at < len(text); {
				next := min(len(text), at+1+r.IntN(1+r.IntN(200)))
				for next < len(text) && !utf8.RuneStart(text[next]) {
					next++
				}
				a.Append(text[at:next])
				at = next
				<-time.After(time.Duration(r.IntN(200)) * time.Millisecond)
			}
			end(t, a)
			p.settled(t)
			if want == nil {
				want = p.texts()
			}
			if got := p.texts(); !slices.Equal(got, want) {
				t.Fatalf("other messages stand:\n%q\n%q", got, want)
			}
		})
	}
}

func TestAnEndedContextReleasesEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{})
		p.latency = time.Hour
		s := NewScheduler(Options{})
		cause := errors.New("handed over")
		ctx, cancel := context.WithCancelCause(t.Context())
		a := s.Open(ctx, Job{Turn: "t", Responder: p})
		a.Append("These words are on their way for an hour")
		<-time.After(time.Second)
		cancel(cause)
		<-a.Done()
		if _, err := a.Finish(t.Context(), End{}); !errors.Is(err, cause) {
			t.Errorf("finished with %v", err)
		}
		if len(s.open) != 0 {
			t.Error("the answer is still scheduled")
		}
		s.Close() // a goroutine left behind fails the bubble
	})
}

func TestFinishGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{})
		p.before = func(int, request) error { return errWeather }
		a := open(t, p, Job{})
		a.Append("These words never get there, sadly")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := a.Finish(ctx, End{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("finished with %v", err)
		}
		if n := len(p.calls); n < 8 || n > 20 {
			t.Errorf("tried %d times in a minute", n)
		}
	})
}

func TestCloseEndsAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewScheduler(Options{})
		a := openOn(t, s, newPlatform(chat.Limits{}), Job{})
		a.Append("Some words that are about to be posted")
		s.Close()
		if _, err := a.Finish(t.Context(), End{}); !errors.Is(err, ErrClosed) {
			t.Errorf("finished with %v", err)
		}
		b := openOn(t, s, newPlatform(chat.Limits{}), Job{})
		if _, err := b.Finish(t.Context(), End{}); !errors.Is(err, ErrClosed) {
			t.Errorf("opened after the end and finished with %v", err)
		}
	})
}
