// The table of an answer's phases.

package stream

import "testing"

// Every phase but the last can be left, only over is final, and every phase can
// be reached.
func TestTheTableOfPhases(t *testing.T) {
	reached := map[phase]bool{unposted: true}
	for from, list := range follows {
		for _, to := range list {
			reached[to] = true
			if phase(from) >= tidying && to < phase(from) {
				t.Errorf("%s goes back to %s", phase(from), to)
			}
		}
		if (len(list) == 0) != (phase(from) == over) {
			t.Errorf("from %s lead %v", phase(from), list)
		}
	}
	for p := unposted; p <= over; p++ {
		if !reached[p] {
			t.Errorf("%s cannot be reached", p)
		}
	}
}
