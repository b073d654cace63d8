// Reading a stream in fewer, larger pieces.

package completion

import (
	"io"
	"time"
)

const (
	// batchAfter is how long after its first byte a stream is read unbuffered: the
	// first words must not wait.
	batchAfter = 500 * time.Millisecond
	// batchFor is how long bytes then collect, after a read that took everything
	// and was less than batchBelow; a server that sends more than that in batchFor
	// is read without pauses. A message is edited every 100 ms at most, so readers
	// see no difference, and waking up for every token is much of what an answer
	// costs.
	batchFor   = 50 * time.Millisecond
	batchBelow = 2 << 10
)

// batchReader reads r with a pause before a read that would find little.
type batchReader struct {
	r     io.Reader
	done  <-chan struct{} // ends a pause early
	first time.Time       // when the first byte came
	got   int             // bytes since the last pause
	short bool            // the last read took all there was
	timer *time.Timer
}

func (b *batchReader) Read(p []byte) (int, error) {
	if b.short {
		if b.got < batchBelow && time.Since(b.first) > batchAfter {
			b.pause()
		}
		b.got = 0
	}
	n, err := b.r.Read(p)
	if n > 0 && b.first.IsZero() {
		b.first = time.Now()
	}
	b.got += n
	b.short = n < len(p)
	return n, err
}

func (b *batchReader) pause() {
	if b.timer == nil {
		b.timer = time.NewTimer(batchFor)
	} else {
		b.timer.Reset(batchFor)
	}
	select {
	case <-b.timer.C:
	case <-b.done:
		b.timer.Stop()
	}
}
