// A round: one question to the models, and what is done about it on the way to
// the endpoint.

package relay

import (
	"context"
	"iter"
	"log/slog"

	"go.opentelemetry.io/otel/trace"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/completion"
	"parley/internal/conversation"
	"parley/internal/provider"
	"parley/internal/telemetry"
)

// Client makes one request to a model. The sequence yields at most one error and
// it is the last yield; leaving the loop frees the model server.
type Client interface {
	Stream(ctx context.Context, p provider.Provider, r completion.Request) iter.Seq2[completion.Delta, error]
}

// completer answers a round. The sequence yields at most one error and it is the
// last yield; leaving the loop frees the model server. A completer that wraps
// another gives it a changed copy of the round, and passes on, changes or keeps
// back what it yields. It knows the round and its own fields, but neither the relay
// nor the other wrappers.
type completer interface {
	complete(ctx context.Context, r round) iter.Seq2[event, error]
}

// round is one question and what completers need to have it answered.
type round struct {
	target    target   // the model to ask
	fallbacks []target // those left to ask if it fails before its first word

	bot      bots.Bot                // for its system prompt and parameters
	history  []conversation.Exchange // what was said before the question
	question chat.Message
	messages []completion.Message // what the target is sent; refit fills it in

	// queued is called with the question's number in the queue of a busy provider.
	queued func(ctx context.Context, t target, number int)
	log    *slog.Logger // of the turn
}

// event is what a round brings, in order: for each request a started, then what
// the model writes.
type event struct {
	completion.Delta
	started *started
}

// started says that a request begins. What earlier requests of the round brought
// no longer counts.
type started struct {
	target   target
	messages []completion.Message
}

// newRounds composes the completers, the innermost first: every model, fallbacks
// too, is asked again with less of the conversation where it must be, and each of
// these requests teaches how that model counts tokens.
func newRounds(client Client, windows windows, metrics *telemetry.Metrics, tracer trace.Tracer) completer {
	var c completer = modelRequest{client: client, metrics: metrics, tracer: tracer}
	c = calibrate{next: c, calibration: windows.calibration}
	c = refit{next: c, windows: windows}
	c = fallback{next: c}
	return c
}

// firstWord follows a round up to the first word of the answer: before it the
// question may be asked again. Words that are taken back do not count.
type firstWord struct{ came bool }

func (f *firstWord) see(e event) {
	if e.Retract || e.started != nil {
		f.came = false
	}
	if e.Text != "" {
		f.came = true
	}
}
