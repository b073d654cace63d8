package chat

import (
	"strings"
	"testing"
)

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 answers", 1: "1 answer", 2: "2 answers"} {
		if got := Count(n, "answer"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestDollars(t *testing.T) {
	if got := Dollars(nil); got != "–" {
		t.Errorf("an unknown cost is shown as %q", got)
	}
	for usd, want := range map[float64]string{0: "$0", 0.00001: "<$0.0001", 0.0001: "$0.0001", 1.5: "$1.5000"} {
		if got := Dollars(&usd); got != want {
			t.Errorf("%v is shown as %q, want %q", usd, got, want)
		}
	}
}

func TestListed(t *testing.T) {
	for words, want := range map[string]string{"": "", "a": "a", "a b": "a or b", "a b c": "a, b or c"} {
		if got := Listed(strings.Fields(words), "or"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
