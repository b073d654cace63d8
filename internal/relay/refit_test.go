package relay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"parley/internal/chat"
	"parley/internal/completion"
	"parley/internal/conversation"
	"parley/internal/provider"
)

// unknownWindows knows nothing of any model.
func unknownWindows() windows {
	return windows{
		learned:     func(string, string) provider.Quirks { return provider.Quirks{} },
		listed:      func(context.Context, provider.Provider, string) int { return 0 },
		calibration: newCalibration(),
	}
}

// narrow is a model that takes so many bytes. It names a limit in tokens, 0 for
// none, which may be wrong.
type narrow struct {
	bytes int
	names func(n *narrow) int
	asked [][]completion.Message
}

func right(n *narrow) int { return n.bytes / 4 }

func tooLarge(*narrow) int { return 1_000_000 }

// hardlyLess asks for one exchange less each time.
func hardlyLess(n *narrow) int { return bytesOf(n.asked[len(n.asked)-1])*10/33 - 10 }

func (n *narrow) complete(_ context.Context, r round) iter.Seq2[event, error] {
	n.asked = append(n.asked, r.messages)
	if bytesOf(r.messages) <= n.bytes {
		return words("Yes.").events(r)
	}
	refusal := &completion.Error{Kind: completion.KindContext}
	if n.names != nil {
		refusal.Limit = n.names(n)
	}
	return reply{err: refusal}.events(r)
}

func talk(exchanges, length int) []conversation.Exchange {
	var out []conversation.Exchange
	for i := range exchanges {
		out = append(out, conversation.Exchange{Author: chat.Author{ID: "U1"}, Question: fmt.Sprint("question ", i), Answer: strings.Repeat("x", length)})
	}
	return out
}

func TestALongConversationIsCutUntilItFits(t *testing.T) {
	for name, c := range map[string]struct {
		model    narrow
		requests int
		kept     int // messages of the last request, at least
		fits     bool
	}{
		"it fits":                       {narrow{bytes: 10_000}, 1, 22, true},
		"the refusal names the limit":   {narrow{bytes: 4_000, names: right}, 2, 12, true},
		"it names one that is none":     {narrow{bytes: 4_000, names: tooLarge}, 2, 8, true},
		"it is believed twice only":     {narrow{bytes: 1_500, names: hardlyLess}, 5, 2, true},
		"it names none: half of it":     {narrow{bytes: 4_000}, 2, 8, true},
		"half, and half of that":        {narrow{bytes: 1_500}, 3, 4, true},
		"down to the question alone":    {narrow{bytes: 100}, 4, 2, true},
		"the question alone is refused": {narrow{bytes: 10}, 4, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := roundOf(t, "and now?", ofModels("a")...)
			r.history = talk(10, 500)
			got := take(t.Context(), refit{&c.model, unknownWindows()}, r)
			last := c.model.asked[len(c.model.asked)-1]
			if len(c.model.asked) != c.requests || len(last) < c.kept || (got.err == nil) != c.fits {
				t.Errorf("%d requests, the last of %d messages, error %v; want %d, %d, fits %v", len(c.model.asked), len(last), got.err, c.requests, c.kept, c.fits)
			}
		})
	}
}

func TestOnlyARefusalOfTheLengthIsAskedAgain(t *testing.T) {
	long := &completion.Error{Kind: completion.KindContext}
	for name, r := range map[string]reply{
		"another error":          {err: errAway},
		"after the first word":   words("Ye").then(long),
		"an error of no kind":    {err: errors.New("x")},
		"an answer without text": {},
	} {
		t.Run(name, func(t *testing.T) {
			q := roundOf(t, "and now?", ofModels("a")...)
			q.history = talk(10, 500)
			c := refit{scripted{func(_ context.Context, q round) iter.Seq2[event, error] { return r.events(q) }}, unknownWindows()}
			if got := take(t.Context(), c, q); len(got.asked) != 1 || !errors.Is(got.err, r.err) {
				t.Errorf("asked %v, error %v", got.asked, got.err)
			}
		})
	}
	t.Run("a stopped question", func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		q := roundOf(t, "and now?", ofModels("a")...)
		q.history = talk(10, 500)
		c := refit{scripted{func(_ context.Context, q round) iter.Seq2[event, error] {
			stop()
			return reply{err: long}.events(q)
		}}, unknownWindows()}
		if got := take(ctx, c, q); len(got.asked) != 1 || !errors.Is(got.err, long) {
			t.Errorf("asked %v, error %v", got.asked, got.err)
		}
	})
}

// A model's window is the record's, a smaller one that an error named, or what
// the endpoint lists.
func TestTheWindowOfATarget(t *testing.T) {
	reserve := 100
	for name, c := range map[string]struct {
		record, learned, listed int
		reserve                 *int
		want                    conversation.Window
	}{
		"nothing is known":                {0, 0, 0, nil, conversation.Window{}},
		"the record":                      {8000, 0, 9000, nil, conversation.Window{MaxInput: 8000, Reserve: 2000}},
		"an error named less":             {8000, 4000, 0, nil, conversation.Window{MaxInput: 4000, Reserve: 1000}},
		"an error named more":             {8000, 9000, 0, nil, conversation.Window{MaxInput: 8000, Reserve: 2000}},
		"an error, and no record":         {0, 4000, 9000, nil, conversation.Window{MaxInput: 4000, Reserve: 1000}},
		"the endpoint's list":             {0, 0, 9000, nil, conversation.Window{MaxInput: 9000, Reserve: 2250}},
		"the bot keeps its own for words": {8000, 0, 0, &reserve, conversation.Window{MaxInput: 8000, Reserve: 100}},
	} {
		t.Run(name, func(t *testing.T) {
			r := roundOf(t, "?", target{provider: provider.Provider{ID: "lab", MaxInput: c.record}, model: "a"})
			r.history, r.bot.Params.MaxTokens = talk(1, 1), c.reserve
			w := unknownWindows()
			w.learned = func(string, string) provider.Quirks { return provider.Quirks{MaxInput: c.learned} }
			w.listed = func(context.Context, provider.Provider, string) int { return c.listed }
			if got := w.of(t.Context(), r); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

// Whatever the model takes and whatever it says: each request is smaller than
// the one before, keeps the system prompt, the question and whole newest
// exchanges, and the question is answered where it fits at all.
func TestRandomConversationsAreFitted(t *testing.T) {
	for seed := range uint64(500) {
		dice := rand.New(rand.NewPCG(seed, 2))
		r := roundOf(t, strings.Repeat("?", 1+dice.IntN(200)), ofModels("a")...)
		r.log = discard
		r.history = talk(dice.IntN(30), 1+dice.IntN(2000))
		model := &narrow{bytes: dice.IntN(20_000), names: []func(*narrow) int{nil, right, tooLarge, hardlyLess}[dice.IntN(4)]}
		got := take(t.Context(), refit{model, unknownWindows()}, r)
		alone := r.fitting(conversation.Window{MaxInput: 1})
		if fits := bytesOf(alone) <= model.bytes; fits != (got.err == nil) {
			t.Fatalf("seed %d: %d bytes for a model of %d: error %v", seed, bytesOf(alone), model.bytes, got.err)
		}
		if len(model.asked) > believed+17 { // 2^17 bytes is more than any of these
			t.Fatalf("seed %d: %d requests", seed, len(model.asked))
		}
		whole := r.fitting(conversation.Window{MaxInput: 1 << 30})
		for i, messages := range model.asked {
			if i > 0 && bytesOf(messages) >= bytesOf(model.asked[i-1]) {
				t.Fatalf("seed %d: request %d is no smaller than the one before", seed, i)
			}
			if !sameText(messages[0], whole[0]) || !slices.EqualFunc(messages[1:], whole[len(whole)-len(messages)+1:], sameText) {
				t.Fatalf("seed %d: request %d is not the newest part of the conversation", seed, i)
			}
		}
	}
}

func sameText(a, b completion.Message) bool { return a.Role == b.Role && a.Text() == b.Text() }
