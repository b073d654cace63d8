// Package prompt answers a platform that waits for a moment only: what is ready
// in time is the answer, what is not goes on and is told in another way.
package prompt

import (
	"context"
	"errors"
	"time"

	"parley/adapters/internal/background"
)

var (
	// ErrLate says that nothing was given in time. The work goes on.
	ErrLate = errors.New("no answer in time")
	// ErrNothing says that the work ended and gave nothing, by a defect perhaps.
	ErrNothing = errors.New("the work ended without an answer")
)

// Ask runs work for limit at most, and waits until by for the answer that it
// gives. Give reports whether its answer was the first, and in time: an answer
// for which it says no, the work has to tell by itself. Work may go on after it.
func Ask[T any](ctx context.Context, g *background.Group, by time.Time, limit time.Duration, work func(ctx context.Context, give func(T) bool)) (T, error) {
	right := make(chan struct{}, 1) // whoever takes it decides whether there is an answer
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
