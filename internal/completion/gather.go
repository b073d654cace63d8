// Reading a stream in fewer, larger pieces.

package completion

import (
	"io"
	"time"
)

const (
	// gatherAfter is how long from its first byte a stream is read as it comes:
	// the first words must not wait.
	gatherAfter = 500 * time.Millisecond
	// gatherFor is how long the bytes that come are then left to gather, once all
	// that was there has been read and was less than gatherBelow: a server that
	// sends more than that in gatherFor is read without a pause. A message is
	// edited every 100 ms at most, so a reader of it sees no difference, and
	// waking up for every token is much of what an answer costs.
	gatherFor   = 50 * time.Millisecond
	gatherBelow = 2 << 10
)

// gathered reads r with a pause before a read that would find little.
type gathered struct {
	r     io.Reader
	done  <-chan struct{} // cuts a pause short
	first time.Time       // when the first byte came
	got   int             // bytes since the last pause
	short bool            // the last read took all there was
	timer *time.Timer
}

func (g *gathered) Read(p []byte) (int, error) {
	if g.short {
		if g.got < gatherBelow && time.Since(g.first) > gatherAfter {
			g.pause()
		}
		g.got = 0
	}
	n, err := g.r.Read(p)
	if n > 0 && g.first.IsZero() {
		g.first = time.Now()
	}
	g.got += n
	g.short = n < len(p)
	return n, err
}

func (g *gathered) pause() {
	if g.timer == nil {
		g.timer = time.NewTimer(gatherFor)
	} else {
		g.timer.Reset(gatherFor)
	}
	select {
	case <-g.timer.C:
	case <-g.done:
		g.timer.Stop()
	}
}
