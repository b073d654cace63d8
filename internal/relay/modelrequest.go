// The innermost completer: one request to one model.

package relay

import (
	"context"
	"iter"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"parley/internal/completion"
	"parley/internal/telemetry"
)

// modelRequest sends a round's messages to its target. The client repeats a request
// that may be repeated on the wire, so one round here can be several there.
type modelRequest struct {
	client  Client
	metrics *telemetry.Metrics
	tracer  trace.Tracer
}

func (q modelRequest) complete(ctx context.Context, r round) iter.Seq2[event, error] {
	return func(yield func(event, error) bool) {
		ctx, span := q.tracer.Start(ctx, "model", trace.WithAttributes(
			attribute.String("provider", r.target.provider.ID), attribute.String("model", r.target.model)))
		defer span.End()
		if !yield(event{started: &started{target: r.target, messages: r.messages}}, nil) {
			return
		}
		began := time.Now()
		var first firstWord
		finish, failed := "", false
		for delta, err := range q.client.Stream(ctx, r.target.provider, r.forClient(ctx)) {
			e := event{Delta: delta}
			before := first.came && !delta.Retract
			if first.see(e); first.came && !before {
				q.metrics.FirstToken(r.target.provider.ID, time.Since(began))
			}
			if delta.Finish != "" {
				finish = delta.Finish
			}
			failed = err != nil
			if !yield(e, err) {
				break
			}
		}
		r.log.DebugContext(ctx, "model answered", "provider", r.target.provider.ID, "model", r.target.model,
			"finish", finish, "took", time.Since(began).Round(time.Millisecond), "failed", failed)
	}
}

// forClient is what the client is asked for.
func (r round) forClient(ctx context.Context) completion.Request {
	q := completion.Request{
		Model:    r.target.model,
		Messages: r.messages,
		Params:   r.bot.Params,
		For:      r.question.Author.ID,
		Queued:   func(number int) { r.queued(ctx, r.target, number) },
	}
	if len(r.fallbacks) > 0 {
		q.Retry = completion.BeforeFallback()
	}
	q.Retry.Until = retryUntil(r.question.At, time.Now())
	return q
}

// retryTime is how long after a question a request may be tried again: later,
// an answer is no longer waited for like that.
const retryTime = time.Minute

// retryUntil is the end of that time. A platform's clock that is ahead of this
// machine's gives no more.
func retryUntil(asked, now time.Time) time.Time {
	if asked.IsZero() || asked.After(now) {
		asked = now
	}
	return asked.Add(retryTime)
}
