// For how long a scope is left to others.

package inbox

import (
	"testing"
	"time"
)

func TestAForeignScopeIsLookedAtLessAndLess(t *testing.T) {
	t.Parallel()
	r := &runner{next: map[string]time.Time{}, left: map[string]left{}, look: make(chan struct{}, 1)}
	var before time.Duration
	for _, want := range []time.Duration{foreignPause, 2 * foreignPause, 4 * foreignPause, longestForeignPause, longestForeignPause} {
		r.leave("s", before)
		r.consider("s", true)
		if in := time.Until(r.next["s"]); in > want || in < want-time.Second {
			t.Errorf("it is left for %s, want %s", in, want)
		}
		before = r.left["s"].pause
	}
	// A new message may be for this process.
	r.consider("s", false)
	if in := time.Until(r.next["s"]); in > foreignPause {
		t.Errorf("a new message waits for %s", in)
	}
}
