package chat

import "testing"

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 answers", 1: "1 answer", 2: "2 answers"} {
		if got := Count(n, "answer"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
