package stream

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/chat"
)

// What was shown and was not the answer is edited away: whenever it is taken
// back, in the end stands the answer and nothing else.
func TestARetractedTextIsEditedAway(t *testing.T) {
	thoughts := many(120)
	for name, c := range map[string]struct {
		size    int
		thought int // words before it is taken back
		removes bool
		answer  []string
	}{
		"before anything stands":   {2000, 1, false, many(9)},
		"a few words":              {2000, 12, false, many(30)},
		"a longer answer":          {2000, 40, false, many(200)},
		"a shorter answer":         {2000, 120, false, []string{"Yes."}},
		"several messages":         {200, 120, true, many(12)},
		"several, none taken back": {200, 120, false, many(12)},
		"the same words":           {2000, 30, false, many(30)},
		"nothing follows":          {2000, 30, false, nil},
	} {
		for after := range 12 { // so that a call is in flight, or none
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newPlatform(chat.Limits{Size: c.size})
					var r chat.Responder = p
					if c.removes {
						r = remover{p}
					}
					a := open(t, r, Job{})
					say(a, 20*time.Millisecond, thoughts[:c.thought]...)
					<-time.After(time.Duration(after) * 17 * time.Millisecond)
					a.Retract()
					want := say(a, 20*time.Millisecond, c.answer...)
					note := ""
					if c.answer == nil {
						note = "Nothing came."
						want = note
					}
					if _, err := a.Finish(t.Context(), End{Note: note}); err != nil {
						t.Fatal(err)
					}
					got := p.shown()
					if c.size == 200 && !c.removes {
						got = strings.ReplaceAll(got, surplusText, "")
					}
					if strings.TrimSpace(got) != strings.TrimSpace(want) {
						t.Errorf("there stands %q, want %q", got, want)
					}
					p.settled(t)
				})
			})
		}
	}
}

// What comes after a retraction is seen as it grows, not only once it is longer
// than what was taken back.
func TestTheTextAfterARetractionGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{})
		a := open(t, p, Job{})
		say(a, 20*time.Millisecond, many(100)...)
		<-time.After(time.Second)
		a.Retract()
		say(a, 20*time.Millisecond, "This ", "is ", "the ", "answer.")
		<-time.After(time.Second)
		if got := p.shown(); got != "This is the answer." {
			t.Errorf("a second later there stands %q", got)
		}
		end(t, a)
	})
}

// However thoughts and answers alternate, and whatever the platform does, the
// last one stands.
func TestRetractingAtAnyMoment(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			rnd, weather := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
			limits := chat.Limits{Size: 150, Edits: chat.Budget{Key: "e", Calls: 120, Window: time.Minute, Burst: 3}}
			p := newPlatform(limits)
			var r chat.Responder = remover{p}
			if seed%2 == 1 { // the platform streams by itself, too
				native := newStreamer(limits)
				p, r = native.platform, removingStreamer{native, remover{native.platform}}
			}
			p.before = func(int, request) error {
				if weather.IntN(6) == 0 {
					return errWeather
				}
				return nil
			}
			a := open(t, r, Job{})
			want := ""
			for range 1 + rnd.IntN(4) {
				a.Retract()
				want = say(a, time.Duration(1+rnd.IntN(90))*time.Millisecond, many(1+rnd.IntN(60))...)
				<-time.After(time.Duration(rnd.IntN(300)) * time.Millisecond)
			}
			end(t, a)
			if got := p.shown(); got != want {
				t.Errorf("seed %d: there stands %q, want %q", seed, got, want)
			}
			p.settled(t)
		})
	}
}

// removingStreamer streams by itself and can take messages back.
type removingStreamer struct {
	*streamer
	remover remover
}

var _ chat.Remover = removingStreamer{}

func (r removingStreamer) Remove(ctx context.Context, id chat.MessageID) (chat.Receipt, error) {
	return r.remover.Remove(ctx, id)
}

func (r removingStreamer) Find(ctx context.Context, s chat.Sought) (chat.MessageID, error) {
	return r.remover.Find(ctx, s)
}

func TestAStreamedTextIsEditedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newStreamer(chat.Limits{Edits: slackEdits})
		a := open(t, p, Job{})
		say(a, 20*time.Millisecond, many(60)...)
		a.Retract()
		want := say(a, 20*time.Millisecond, many(9)...)
		end(t, a)
		if p.shown() != want || p.count("start") != 1 || p.count("edit") == 0 {
			t.Errorf("there stands %q after %d edits", p.shown(), p.count("edit"))
		}
		p.ended(t)
	})
}
