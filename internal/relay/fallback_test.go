package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"parley/internal/completion"
)

// replies answers each round by its target's model.
func replies(by map[string]reply) scripted {
	return scripted{func(_ context.Context, r round) iter.Seq2[event, error] { return by[r.target.model].events(r) }}
}

func TestTheNextModelIsAskedOnlyBeforeTheFirstWord(t *testing.T) {
	retracted := reply{deltas: []completion.Delta{{Text: "I think"}, {Retract: true}}}
	for name, c := range map[string]struct {
		first, second reply
		asked         string
		text          string
		err           error
	}{
		"it answers":                            {words("Yes."), words("No."), "lab/a", "Yes.", nil},
		"it ends without a word":                {reply{}, words("No."), "lab/a", "", nil},
		"it fails before its first word":        {reply{err: errAway}, words("No."), "lab/a lab/b", "No.", nil},
		"it fails after a word":                 {words("Ye").then(errAway), words("No."), "lab/a", "Ye", errAway},
		"it fails after words it took back":     {retracted.then(errAway), words("No."), "lab/a lab/b", "No.", nil},
		"it fails after reasoning":              {reply{deltas: []completion.Delta{{Reasoning: "hm"}}, err: errAway}, words("No."), "lab/a lab/b", "No.", nil},
		"both fail: the last one's error is it": {reply{err: errors.New("other")}, reply{err: errAway}, "lab/a lab/b", "", errAway},
	} {
		t.Run(name, func(t *testing.T) {
			got := take(t.Context(), fallback{replies(map[string]reply{"a": c.first, "b": c.second})}, roundOf(t, "?", ofModels("a", "b")...))
			if strings.Join(got.asked, " ") != c.asked || got.text != c.text || !errors.Is(got.err, c.err) {
				t.Errorf("asked %v, text %q, error %v", got.asked, got.text, got.err)
			}
		})
	}
}

func TestAStoppedQuestionIsPutToNoOtherModel(t *testing.T) {
	ctx, stop := context.WithCancelCause(t.Context())
	c := fallback{scripted{func(_ context.Context, r round) iter.Seq2[event, error] {
		stop(errors.New("stopped"))
		return reply{err: context.Canceled}.events(r)
	}}}
	got := take(ctx, c, roundOf(t, "?", ofModels("a", "b")...))
	if !slices.Equal(got.asked, []string{"lab/a"}) || !errors.Is(got.err, context.Canceled) {
		t.Errorf("asked %v, error %v", got.asked, got.err)
	}
}

func TestAFailingModelIsLoggedWithTheNext(t *testing.T) {
	var log bytes.Buffer
	r := roundOf(t, "?", ofModels("a", "b")...)
	r.log = slog.New(slog.NewTextHandler(&log, nil))
	take(t.Context(), fallback{replies(map[string]reply{"a": {err: errAway}, "b": words("No.")})}, r)
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=WARN") || !strings.Contains(got, "provider=lab model=a next=lab/b error=") {
		t.Errorf("the log says %s", got)
	}
}

// Whatever models do: they are asked in order, each once, up to the first that
// does not fail before a word, and what that one does is what comes out.
func TestRandomModelsAreAskedInOrder(t *testing.T) {
	for seed := range uint64(500) {
		dice := rand.New(rand.NewPCG(seed, 1))
		targets := ofModels("m0", "m1", "m2", "m3")[:1+dice.IntN(4)]
		by := map[string]reply{}
		var want taken
		for i, target := range targets {
			r, text := randomReply(dice, i)
			by[target.model] = r
			if len(want.asked) == i && (i == 0 || want.err != nil && want.text == "") {
				want = taken{asked: append(want.asked, target.String()), text: text, err: r.err}
			}
		}
		got := take(t.Context(), fallback{replies(by)}, roundOf(t, "?", targets...))
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("seed %d: %v gave %v, want %v", seed, by, got, want)
		}
	}
}

// randomReply is some reply and the text that is left of it.
func randomReply(dice *rand.Rand, i int) (r reply, text string) {
	for range dice.IntN(4) {
		d := completion.Delta{Retract: dice.IntN(3) == 0}
		if d.Retract {
			text = ""
		}
		if dice.IntN(2) == 0 {
			d.Text = fmt.Sprint("word ", i, " ")
			text += d.Text
		}
		r.deltas = append(r.deltas, d)
	}
	if dice.IntN(2) == 0 {
		r.err = fmt.Errorf("error %d", i)
	}
	return r, text
}
