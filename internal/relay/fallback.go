// Another model where the chosen one fails before its first word.

package relay

import (
	"context"
	"iter"
)

// fallback asks a round's target and then its fallbacks, until one has begun to
// answer.
type fallback struct{ next completer }

func (f fallback) complete(ctx context.Context, r round) iter.Seq2[event, error] {
	return func(yield func(event, error) bool) {
		for {
			failed, done := f.try(ctx, r, yield)
			if done {
				return
			}
			next := r.fallbacks[0]
			r.log.WarnContext(ctx, "model failed before its first word; asking the fallback",
				"provider", r.target.provider.ID, "model", r.target.model, "next", next.String(), "error", failed)
			r.target, r.fallbacks = next, r.fallbacks[1:]
		}
	}
}

// try asks one model and passes on what it yields, except the error after which the
// next model is asked: that one it returns.
func (f fallback) try(ctx context.Context, r round, yield func(event, error) bool) (failed error, done bool) {
	var first firstWord
	for e, err := range f.next.complete(ctx, r) {
		if err != nil && !first.came && len(r.fallbacks) > 0 && ctx.Err() == nil {
			return err, false
		}
		first.see(e)
		if !yield(e, err) {
			return nil, true
		}
	}
	return nil, true
}
