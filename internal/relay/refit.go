// As much of the conversation as a model takes: what should fit its window, and
// less when the model says that the prompt is too long.

package relay

import (
	"context"
	"errors"
	"iter"

	"parley/internal/completion"
)

// refit gives a round its messages, and asks again with fewer for as long as the
// model refuses them as too long and there is less.
type refit struct {
	next    completer
	windows windows
}

func (f refit) complete(ctx context.Context, r round) iter.Seq2[event, error] {
	return func(yield func(event, error) bool) {
		r.messages = r.fitting(f.windows.of(ctx, r))
		for tries := 1; ; tries++ {
			less, limit, done := f.try(ctx, r, tries, yield)
			if done {
				return
			}
			r.log.InfoContext(ctx, "prompt too long; asking again with less of the conversation", "provider", r.target.provider.ID, "model", r.target.model,
				"bytes", bytesOf(r.messages), "next", bytesOf(less), "limit", limit)
			r.messages = less
		}
	}
}

// try asks once and passes on what comes. It keeps back a refusal of the prompt's
// length where there is less to send, and returns that with the limit it named.
func (f refit) try(ctx context.Context, r round, tries int, yield func(event, error) bool) (less []completion.Message, limit int, done bool) {
	var first firstWord
	for e, err := range f.next.complete(ctx, r) {
		if refusal := tooLong(ctx, first, err); refusal != nil {
			if less, ok := f.less(ctx, r, refusal, tries); ok {
				return less, refusal.Limit, false
			}
		}
		first.see(e)
		if !yield(e, err) {
			return nil, 0, true
		}
	}
	return nil, 0, true
}

// tooLong is the refusal of a prompt as too long, nil for any other end of a
// request.
func tooLong(ctx context.Context, first firstWord, err error) *completion.Error {
	refusal, ok := errors.AsType[*completion.Error](err)
	if !ok || refusal.Kind != completion.KindContext || first.came || ctx.Err() != nil {
		return nil
	}
	return refusal
}

// believed is how often the numbers in a refusal decide what is sent next.
const believed = 2

// less is what a target is sent after it refused a round's messages as too long:
// what fits by the limit in its error, else half, then half of that, down to the
// question alone; ok is false when nothing is left to drop. The limit is believed on
// the first tries only.
func (f refit) less(ctx context.Context, r round, refusal *completion.Error, tries int) (messages []completion.Message, ok bool) {
	w := f.windows.of(ctx, r)
	if refusal.Limit > 0 && tries <= believed {
		w.MaxInput = refusal.Limit
		if messages = r.fitting(w); bytesOf(messages) < bytesOf(r.messages) {
			return messages, true
		}
	}
	w.Reserve = 0
	for budget := w.Sent(r.messages); budget > 1; {
		budget /= 2
		w.MaxInput = budget
		if messages = r.fitting(w); bytesOf(messages) < bytesOf(r.messages) {
			return messages, true
		}
	}
	return nil, false
}
