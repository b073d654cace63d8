// Giving up where nothing is heard.

package completion

import (
	"context"
	"errors"
	"io"
	"time"

	"parley/internal/provider"
)

// errSilence is the cause of a request given up because nothing came.
var errSilence = errors.New("the server sent nothing")

// silence ends a request when nothing is heard for a while.
type silence struct {
	timer *time.Timer
	after time.Duration
	ends  bool // after is the time left, whatever is heard
}

func watchSilence(p provider.Provider, cancel context.CancelCauseFunc) *silence {
	after := provider.DefaultSilence
	if p.SilenceTimeout > 0 {
		after = time.Duration(p.SilenceTimeout) * time.Second
	}
	return &silence{timer: time.AfterFunc(after, func() { cancel(errSilence) }), after: after}
}

func (s *silence) heard() {
	if !s.ends {
		s.timer.Reset(s.after)
	}
}

// limit ends the request d from now at the latest, though the server keep
// sending. Called again, it gives d again.
func (s *silence) limit(d time.Duration) {
	s.timer.Reset(min(d, s.after))
	s.ends = true
}

func (s *silence) stop() { s.timer.Stop() }

// watched tells the silence watch of every byte.
type watched struct {
	io.ReadCloser
	watch *silence
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if n > 0 {
		w.watch.heard()
	}
	return n, err
}
