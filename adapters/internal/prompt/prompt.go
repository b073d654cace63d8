// Package prompt replies to a platform that waits only briefly: work that
// finishes in time gives the reply, other work continues and reports by other
// means.
package prompt

import (
	"context"
	"errors"
	"time"

	"parley/adapters/internal/background"
)

var (
	// ErrLate means that there was no answer in time. The work continues.
	ErrLate = errors.New("no answer in time")
	// ErrNothing means that the work ended without an answer, perhaps by a panic.
	ErrNothing = errors.New("the work ended without an answer")
)

// Ask runs work for at most limit, and waits until by for its answer. The work
// passes its answer to give. If give returns false, the answer was late or not
// the first, and the work must report it itself. The work may continue after
// give.
func Ask[T any](ctx context.Context, g *background.Group, by time.Time, limit time.Duration, work func(ctx context.Context, give func(T) bool)) (T, error) {
	right := make(chan struct{}, 1) // whoever receives from it decides whether there is an answer
	right <- struct{}{}
	given, ended := make(chan T, 1), make(chan struct{})
	g.Go(ctx, limit, func(ctx context.Context) {
		defer close(ended)
		work(ctx, func(v T) bool {
			select {
			case <-right:
				given <- v
				return true
			default:
				return false
			}
		})
	})
	t := time.NewTimer(time.Until(by))
	defer t.Stop()
	var none T
	err := ErrNothing
	select {
	case v := <-given:
		return v, nil
	case <-ended:
	case <-t.C:
		err = ErrLate
	}
	select {
	case v := <-given:
		return v, nil
	case <-right:
		return none, err
	}
}
