package relay

import (
	"context"
	"iter"
	"math"
	"strings"
	"testing"

	"parley/internal/chat"
	"parley/internal/completion"
)

// reported is a reply whose usage counts so many tokens in the prompt.
func reported(tokens int) reply {
	return reply{deltas: []completion.Delta{{Text: "Yes."}, {Usage: &completion.Usage{PromptTokens: tokens}}}}
}

func refused(size int) reply {
	return reply{err: &completion.Error{Kind: completion.KindContext, Size: size}}
}

func TestATokensBytesAreLearned(t *testing.T) {
	for name, c := range map[string]struct {
		replies []reply
		want    float64
	}{
		"from a report":                        {[]reply{reported(250)}, 4},
		"a later report counts for a part":     {[]reply{reported(250), reported(500)}, 4 - 0.3*2},
		"a small prompt teaches nothing":       {[]reply{reported(enoughTokens - 1)}, 0},
		"no report teaches nothing":            {[]reply{words("Yes.")}, 0},
		"an answer that fails teaches too":     {[]reply{reported(250).then(errAway)}, 4},
		"no token is less than a byte":         {[]reply{reported(5000)}, leastPerToken},
		"or more than eight":                   {[]reply{reported(100)}, mostPerToken},
		"a refusal replaces what was believed": {[]reply{reported(250), refused(500)}, 2},
		"one that tells no size does not":      {[]reply{reported(250), refused(0)}, 4},
		"another error does not":               {[]reply{reported(250), {err: &completion.Error{Kind: completion.KindServer, Size: 500}}}, 4},
		"nor one after the first word":         {[]reply{reported(250), {deltas: words("Ye").deltas, err: refused(500).err}}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			learned := newCalibration()
			r := roundOf(t, "?", ofModels("a")...)
			r.messages = []completion.Message{completion.Text("user", strings.Repeat("x", 1000))}
			for _, reply := range c.replies {
				take(t.Context(), calibrate{scripted{func(_ context.Context, r round) iter.Seq2[event, error] { return reply.events(r) }}, learned}, r)
			}
			if got := learned.of(r.target.ref()); math.Abs(got-c.want) > 1e-9 {
				t.Errorf("a token is %v bytes, want %v", got, c.want)
			}
			if got := learned.of(ofModels("b")[0].ref()); got != 0 {
				t.Errorf("and of another model %v", got)
			}
		})
	}
}

func TestAPromptWithImagesTeachesNothing(t *testing.T) {
	learned := newCalibration()
	r := roundOf(t, "?", ofModels("a")...)
	image := completion.Of("user", []chat.Part{chat.TextPart(strings.Repeat("x", 1000)), chat.FilePart(chat.File{Type: "image/png"})})
	image.Parts[1].Image = []byte("\x89PNG")
	r.messages = []completion.Message{image}
	for _, reply := range []reply{reported(250), refused(500)} {
		take(t.Context(), calibrate{scripted{func(_ context.Context, r round) iter.Seq2[event, error] { return reply.events(r) }}, learned}, r)
	}
	if got := learned.of(r.target.ref()); got != 0 {
		t.Errorf("a token is %v bytes", got)
	}
}

// Who asks again with less must know the new number.
func TestARefusalTeachesBeforeItIsPassedOn(t *testing.T) {
	learned := newCalibration()
	r := roundOf(t, "?", ofModels("a")...)
	r.messages = []completion.Message{completion.Text("user", strings.Repeat("x", 1000))}
	c := calibrate{scripted{func(_ context.Context, r round) iter.Seq2[event, error] { return refused(500).events(r) }}, learned}
	for _, err := range c.complete(t.Context(), r) {
		if err != nil && learned.of(r.target.ref()) != 2 {
			t.Errorf("a token is %v bytes when the refusal comes", learned.of(r.target.ref()))
		}
	}
}
