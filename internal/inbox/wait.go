// Waiting for another turn of a scope to close.

package inbox

import "context"

// WaitSettled asks settled at once, and again each time a turn of scope closes
// in this process, until it reports true or an error, or ctx ends; then the
// error is ctx's cause. A turn's handler runs in the process that owns the
// scope, so that it hears of every close there.
func (i *Inbox) WaitSettled(ctx context.Context, scope string, settled func() (bool, error)) error {
	for {
		closed := i.nextClose(scope) // before asking: a close in between is heard of
		if ok, err := settled(); ok || err != nil {
			return err
		}
		select {
		case <-closed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// nextClose is a channel that is closed when the next turn of scope is.
func (i *Inbox) nextClose(scope string) <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	c, ok := i.closes[scope]
	if !ok {
		c = make(chan struct{})
		i.closes[scope] = c
	}
	return c
}

// noteClose wakes up who waits for a close.
func (i *Inbox) noteClose(scope string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if c, ok := i.closes[scope]; ok {
		close(c)
		delete(i.closes, scope)
	}
}
