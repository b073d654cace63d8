// The completers together, and what their tests share.

package relay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace/noop"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/completion"
	"parley/internal/conversation"
	"parley/internal/provider"
)

// scripted is a completer that does what a test writes down.
type scripted struct {
	answer func(ctx context.Context, r round) iter.Seq2[event, error]
}

func (s scripted) complete(ctx context.Context, r round) iter.Seq2[event, error] {
	return s.answer(ctx, r)
}

// scriptedClient is a client that does.
type scriptedClient struct {
	stream func(ctx context.Context, p provider.Provider, r completion.Request) iter.Seq2[completion.Delta, error]
}

func (c scriptedClient) Stream(ctx context.Context, p provider.Provider, r completion.Request) iter.Seq2[completion.Delta, error] {
	return c.stream(ctx, p, r)
}

// reply is one request's end: what the model writes, then an error or none.
type reply struct {
	deltas []completion.Delta
	err    error
}

// words is a reply of the given texts.
func words(texts ...string) reply {
	var r reply
	for _, t := range texts {
		r.deltas = append(r.deltas, completion.Delta{Text: t})
	}
	return r
}

// then is the reply with an error at its end.
func (r reply) then(err error) reply { return reply{r.deltas, err} }

// wire is the reply as a client yields it.
func (r reply) wire() iter.Seq2[completion.Delta, error] {
	return func(yield func(completion.Delta, error) bool) {
		for _, d := range r.deltas {
			if !yield(d, nil) {
				return
			}
		}
		if r.err != nil {
			yield(completion.Delta{}, r.err)
		}
	}
}

// events is the reply as the innermost completer yields it.
func (r reply) events(q round) iter.Seq2[event, error] {
	return func(yield func(event, error) bool) {
		if !yield(event{started: &started{q.target, q.messages}}, nil) {
			return
		}
		for d, err := range r.wire() {
			if !yield(event{Delta: d}, err) {
				return
			}
		}
	}
}

// taken is what somebody who asks gets of a round.
type taken struct {
	asked []string // targets, in order
	text  string   // after what was taken back
	err   error
}

func take(ctx context.Context, c completer, r round) (t taken) {
	for e, err := range c.complete(ctx, r) {
		if t.err != nil {
			panic("a round went on after its error")
		}
		if t.err = err; err != nil {
			continue
		}
		if e.started != nil {
			t.asked, t.text = append(t.asked, e.started.target.String()), ""
		}
		if e.Retract {
			t.text = ""
		}
		t.text += e.Text
	}
	return t
}

// ofModels are targets of one provider.
func ofModels(models ...string) []target {
	var out []target
	for _, m := range models {
		out = append(out, target{provider: provider.Provider{ID: "lab"}, model: m})
	}
	return out
}

// roundOf is a round with one question for the given targets.
func roundOf(t *testing.T, question string, targets ...target) round {
	t.Helper()
	p := plan{targets: targets, question: chat.Message{Text: question, Author: chat.Author{ID: "U1"}}, bot: bots.Bot{System: "Be brief."}}
	return p.round(func(context.Context, target, int) {}, slog.New(slog.NewTextHandler(t.Output(), nil)))
}

var errAway = &completion.Error{Kind: completion.KindConnect, Err: errors.New("connection refused")}

func TestAFallbackGetsTheConversationThatFitsIt(t *testing.T) {
	var requests []string
	client := scriptedClient{stream: func(_ context.Context, _ provider.Provider, r completion.Request) iter.Seq2[completion.Delta, error] {
		requests = append(requests, fmt.Sprint(r.Model, " ", len(r.Messages)))
		switch {
		case r.Model == "small" && len(r.Messages) > 2:
			return reply{err: &completion.Error{Kind: completion.KindContext}}.wire()
		case r.Model == "small":
			return reply{err: errAway}.wire()
		}
		return words("Hello.").wire()
	}}
	windows := windows{
		learned:     func(string, string) provider.Quirks { return provider.Quirks{} },
		listed:      func(context.Context, provider.Provider, string) int { return 0 },
		calibration: newCalibration(),
	}
	r := roundOf(t, "and now?", ofModels("small", "large")...)
	r.history = []conversation.Exchange{{Question: strings.Repeat("q", 400), Answer: strings.Repeat("a", 400), Author: r.question.Author}}
	got := take(t.Context(), newRounds(client, windows, nil, noop.NewTracerProvider().Tracer("")), r)
	if got.err != nil || got.text != "Hello." {
		t.Errorf("got %q, %v", got.text, got.err)
	}
	if want := []string{"small 4", "small 2", "large 4"}; !slices.Equal(requests, want) {
		t.Errorf("requests with so many messages: %q, want %q", requests, want)
	}
}

func TestWordsThatAreTakenBackAreNoFirstWord(t *testing.T) {
	var f firstWord
	for _, c := range []struct {
		event event
		want  bool
	}{
		{event{started: &started{}}, false},
		{event{Delta: completion.Delta{Reasoning: "hm"}}, false},
		{event{Delta: completion.Delta{Text: "a"}}, true},
		{event{Delta: completion.Delta{Finish: "stop"}}, true},
		{event{Delta: completion.Delta{Retract: true}}, false},
		{event{Delta: completion.Delta{Retract: true, Text: "b"}}, true},
		{event{started: &started{}}, false},
	} {
		if f.see(c.event); f.came != c.want {
			t.Errorf("after %+v: %v", c.event, f.came)
		}
	}
}
