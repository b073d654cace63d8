package near

import (
	"strings"
	"testing"
)

func TestEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "model", 5}, {"model", "model", 0}, {"modle", "model", 2},
		{"provder", "provider", 1}, {"kitten", "sitting", 3}, {"größe", "grösse", 2}, {"Model", "model", 1},
		{strings.Repeat("x", 1_000_000), "model", 200},
	} {
		if got := Edits(c.a, c.b); got != c.want {
			t.Errorf("Edits(%.20q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
		if got := Edits(c.b, c.a); got != c.want {
			t.Errorf("Edits(%q, %.20q) = %d, want %d", c.b, c.a, got, c.want)
		}
	}
}
