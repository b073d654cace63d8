package stream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/chat"
)

// streamer is a platform that streams answers by itself, as Slack does: a
// stream ends by itself after five minutes, and only grows. An edit ends it.
type streamer struct {
	*platform
	open map[chat.MessageID]time.Time
	life time.Duration
}

var errNoStream = &chat.Refusal{Reason: chat.Invalid, Err: errors.New("message_not_in_streaming_state")}

func newStreamer(l chat.Limits) *streamer {
	l.Native = true
	return &streamer{platform: newPlatform(l), open: map[chat.MessageID]time.Time{}, life: 5 * time.Minute}
}

func (p *streamer) Start(ctx context.Context, c chat.Content) (chat.Receipt, error) {
	return p.call(ctx, request{kind: "start", Content: c}, func() chat.MessageID {
		id := p.newID()
		p.order = append(p.order, id)
		p.messages[id], p.keys[c.Key] = chat.Content{Markdown: c.Markdown, Key: c.Key}, id
		p.open[id] = time.Now()
		return id
	})
}

func (p *streamer) grow(ctx context.Context, k request, more string, do func(c *chat.Content)) (chat.Receipt, error) {
	var err error
	receipt, lost := p.call(ctx, k, func() chat.MessageID {
		c := p.messages[k.id]
		began, open := p.open[k.id]
		switch {
		case !open || time.Since(began) > p.life:
			delete(p.open, k.id)
			err = errNoStream
		case len(c.Markdown)+len(more) > 11_500:
			err = &chat.Refusal{Reason: chat.TooLong}
		default:
			c.Markdown += more
			do(&c)
			p.messages[k.id] = c
		}
		return k.id
	})
	return receipt, errors.Join(lost, err)
}

func (p *streamer) Append(ctx context.Context, id chat.MessageID, sent, text string) (chat.Receipt, error) {
	return p.grow(ctx, request{kind: "append", id: id, Content: chat.Content{Markdown: text}}, strings.TrimPrefix(text, sent), func(*chat.Content) {})
}

func (p *streamer) End(ctx context.Context, id chat.MessageID, sent string, c chat.Content) (chat.Receipt, error) {
	return p.grow(ctx, request{kind: "end", id: id, Content: c}, strings.TrimPrefix(c.Markdown, sent), func(now *chat.Content) {
		now.Stop, now.Final = c.Stop, c.Final
		delete(p.open, id)
	})
}

func (p *streamer) Edit(ctx context.Context, id chat.MessageID, c chat.Content) (chat.Receipt, error) {
	r, err := p.platform.Edit(ctx, id, c)
	if err == nil {
		p.mu.Lock()
		delete(p.open, id)
		p.mu.Unlock()
	}
	return r, err
}

// ended checks that no stream is left and that everything is final.
func (p *streamer) ended(t *testing.T) {
	t.Helper()
	if len(p.open) > 0 {
		t.Errorf("%d streams were not ended", len(p.open))
	}
	p.settled(t)
}

func TestAnAnswerIsStreamedByThePlatform(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newStreamer(chat.Limits{Edits: slackEdits})
		var stood []Posted
		a := open(t, p, Job{Record: func(_ context.Context, s ...Posted) error {
			if !s[0].Pending {
				stood = append(stood, s...)
			}
			return nil
		}})
		want := say(a, 20*time.Millisecond, strings.SplitAfter(strings.Repeat("Some **bold** words, `code`, and [a link](https://example.org/x).\n\n```go\nx := 1\n```\n\n", 9), " ")...)
		end(t, a)
		if p.shown() != want {
			t.Errorf("in the end stands %q", p.shown())
		}
		if p.count("start") != 1 || p.count("end") != 1 || p.count("append") < 5 || len(p.calls) != p.count("append")+2 {
			t.Errorf("%d starts, %d appends, %d ends, %d calls", p.count("start"), p.count("append"), p.count("end"), len(p.calls))
		}
		for i := 1; i < len(p.sights); i++ {
			if !strings.HasPrefix(p.sights[i].text, p.sights[i-1].text) {
				t.Errorf("%q did not grow from %q", p.sights[i].text, p.sights[i-1].text)
			}
		}
		if first, last := stood[0], stood[len(stood)-1]; !first.Streaming || last.Streaming {
			t.Errorf("the record says %+v and then %+v", first, last)
		}
		p.ended(t)
	})
}

var slackEdits = chat.Budget{Key: "edits", Calls: 50, Window: time.Minute, Burst: 10}

func TestWithoutNativeNothingIsStreamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newStreamer(chat.Limits{})
		p.limits.Native = false
		a := open(t, p, Job{})
		want := say(a, 20*time.Millisecond, many(50)...)
		end(t, a)
		if p.shown() != want || p.count("start")+p.count("append")+p.count("end") != 0 {
			t.Errorf("%d calls, in the end stands %q", len(p.calls), p.shown())
		}
	})
}

// What the budgets of streaming do not allow is edited, and every stream's end
// has its call.
func TestAnswersSpillToEdits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := chat.Limits{
			Edits:   slackEdits,
			Starts:  chat.Budget{Key: "starts", Calls: 20, Window: time.Minute, Burst: 5},
			Appends: chat.Budget{Key: "appends", Calls: 100, Window: time.Minute, Burst: 20},
			Ends:    chat.Budget{Key: "ends", Calls: 20, Window: time.Minute, Burst: 5},
		}
		s := NewScheduler(Options{})
		defer s.Close()
		var all sync.WaitGroup
		streamed, edited := 0, 0
		var mu sync.Mutex
		for k := range 12 {
			all.Go(func() {
				<-time.After(time.Duration(k) * 150 * time.Millisecond)
				p := newStreamer(limits)
				a := openOn(t, s, p, Job{Turn: fmt.Sprint("t", k)})
				want := say(a, 20*time.Millisecond, many(200)...)
				asked := time.Now()
				end(t, a)
				if p.shown() != want {
					t.Errorf("in the end stands %q", p.shown())
				}
				p.ended(t)
				mu.Lock()
				defer mu.Unlock()
				streamed += p.count("start")
				if p.count("start") == 0 {
					edited++
				} else if took := time.Since(asked); took > time.Second {
					t.Errorf("the end of a stream took %v", took)
				}
			})
		}
		all.Wait()
		if streamed < 4 || edited < 4 {
			t.Errorf("%d were streamed, %d edited", streamed, edited)
		}
	})
}

// A limit that stops the appends for long ends the stream; edits go on.
func TestAStreamThatMayNotGrowGoesOnByEdits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newStreamer(chat.Limits{Appends: chat.Budget{Key: "appends", Calls: 100, Window: time.Minute, Burst: 20}})
		p.before = func(_ int, k request) error {
			if k.kind == "append" && p.count("append") > 2 {
				return &chat.RateLimited{After: 30 * time.Second}
			}
			return nil
		}
		a := open(t, p, Job{})
		want := say(a, 20*time.Millisecond, many(300)...)
		end(t, a)
		if p.shown() != want || p.count("append") != 3 || p.count("end") != 1 || p.count("edit") < 3 {
			t.Errorf("%d appends, %d ends, %d edits; in the end stands %q", p.count("append"), p.count("end"), p.count("edit"), p.shown())
		}
		p.ended(t)
	})
}

func TestAStreamRollsOverByLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newStreamer(chat.Limits{Size: 11_000, Measure: func(s string) int { return len(s) }})
		a := open(t, p, Job{})
		want := say(a, 10*time.Millisecond, many(4000)...)
		end(t, a)
		if p.shown() != want || p.count("edit") != 0 || p.count("start") != len(p.order) || len(p.order) < 3 {
			t.Errorf("%d starts, %d edits, %d messages; equal: %v", p.count("start"), p.count("edit"), len(p.order), p.shown() == want)
		}
		p.ended(t)
	})
}

// Before a stream is five minutes old the answer goes on in a new message, or,
// where there is no paragraph to part at, in the same one by edits.
func TestAStreamRollsOverByTime(t *testing.T) {
	for _, paragraphs := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			p := newStreamer(chat.Limits{Size: 11_000})
			a := open(t, p, Job{})
			words := many(900)
			for k := range words {
				if paragraphs && k%9 == 8 {
					words[k] += "\n\n"
				}
			}
			want := say(a, 500*time.Millisecond, words...)
			end(t, a)
			if p.shown() != want {
				t.Errorf("in the end stands %q", p.shown())
			}
			if paragraphs && (p.count("start") != 2 || p.count("edit") != 0) || !paragraphs && (p.count("start") != 1 || p.count("edit") == 0) {
				t.Errorf("paragraphs %v: %d starts, %d edits", paragraphs, p.count("start"), p.count("edit"))
			}
			p.ended(t)
		})
	}
}

// A stream that is refused, or dies, costs nothing but itself.
func TestAStreamThatIsRefused(t *testing.T) {
	for _, kind := range []string{"start", "append", "end"} {
		for _, why := range []chat.Reason{chat.Invalid, chat.NoAccess, chat.TooLong} {
			synctest.Test(t, func(t *testing.T) {
				p := newStreamer(chat.Limits{Edits: slackEdits})
				p.before = func(_ int, k request) error {
					if k.kind == kind {
						return &chat.Refusal{Reason: why, Err: errors.New("no")}
					}
					return nil
				}
				a := open(t, p, Job{})
				want := say(a, 20*time.Millisecond, many(100)...)
				end(t, a)
				if p.shown() != want || len(p.order) != 1 || p.count(kind) != 1 || p.count("edit") == 0 {
					t.Errorf("%s, %s: %d calls; in the end stands %q", kind, why, len(p.calls), p.texts())
				}
				p.ended(t)
			})
		}
	}
}

// A person may stop the stream with the platform's own button: the writer
// learns it, and what there is of the text stays.
func TestAStreamStoppedByAPerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newStreamer(chat.Limits{Edits: slackEdits})
		p.before = func(_ int, k request) error {
			if k.kind == "append" && p.count("append") == 3 {
				delete(p.open, k.id)
				return chat.ErrStopped
			}
			return nil
		}
		a := open(t, p, Job{})
		said := ""
		for _, w := range many(500) {
			a.Append(w)
			said += w
			select {
			case <-a.Done():
			case <-time.After(20 * time.Millisecond):
				continue
			}
			break
		}
		if !errors.Is(a.Err(), chat.ErrStopped) || strings.Contains(said, "word499") {
			t.Fatalf("the writer was not told: %v", a.Err())
		}
		<-time.After(time.Minute)
		if p.count("edit") != 0 {
			t.Error("it grew on")
		}
		end(t, a)
		if p.shown() != said || p.count("start") != 1 {
			t.Errorf("in the end stands %q", p.shown())
		}
		p.ended(t)
	})
}

// After a takeover a stream is ended at once, or found to have ended, and the
// answer goes on in it by edits, whether the platform still streams or not.
func TestTakeoverOfAStream(t *testing.T) {
	for _, state := range []string{"open", "dead", "no longer native"} {
		synctest.Test(t, func(t *testing.T) {
			p := newStreamer(chat.Limits{})
			old := p.stand("t-0", "old words")
			old.Streaming = true
			if state != "dead" {
				p.open[old.ID] = time.Now()
			}
			p.limits.Native = state != "no longer native"
			a := open(t, p, Job{Posted: []Posted{old}})
			<-time.After(time.Second)
			if len(p.open) > 0 && p.limits.Native {
				t.Error("the stream was not ended at once")
			}
			want := say(a, 20*time.Millisecond, many(50)...)
			end(t, a)
			if p.shown() != want || len(p.order) != 1 {
				t.Errorf("%s: in the end stands %q", state, p.texts())
			}
			p.ended(t)
		})
	}
}

// Whatever gets lost on the way, the whole answer stands once in the end.
func TestStreamsUnderFaults(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			dice := rand.New(rand.NewPCG(seed, 7))
			p := newStreamer(chat.Limits{Size: 400, Edits: slackEdits})
			fault := func(int, request) error {
				switch dice.IntN(16) {
				case 0, 1:
					return errWeather
				case 2:
					return &chat.RateLimited{After: time.Duration(dice.IntN(8000)) * time.Millisecond}
				}
				return nil
			}
			p.before = func(n int, k request) error {
				if k.kind != "post" && dice.IntN(24) == 0 && k.kind != "edit" {
					return &chat.Refusal{Reason: chat.Invalid, Err: errors.New("no")}
				}
				return fault(n, k)
			}
			p.after = func(n int, k request) error {
				if dice.IntN(12) == 0 {
					return errWeather
				}
				return nil
			}
			a := open(t, p, Job{Record: func(context.Context, ...Posted) error {
				if dice.IntN(10) == 0 {
					return errWeather
				}
				return nil
			}})
			want := say(a, 20*time.Millisecond, many(200)...)
			end(t, a)
			if p.shown() != want {
				t.Errorf("seed %d: in the end stand %q", seed, p.texts())
			}
			p.ended(t)
		})
		if t.Failed() {
			return
		}
	}
}
