package relay

import (
	"slices"
	"testing"

	"parley/internal/chat"
)

func TestNearestFindsWhatAPersonMeant(t *testing.T) {
	models := []string{"corp/gpt-4o", "corp/gpt-4o-mini", "lab/qwen3-8b", "lab/legal-large"}
	for _, c := range []struct {
		typed string
		want  string
	}{
		{"gpt4o", "corp/gpt-4o"},
		{"qwen", "lab/qwen3-8b"},
		{"QWEN3-8B", "lab/qwen3-8b"},
		{"lab/legal", "lab/legal-large"},
	} {
		if got := nearest(c.typed, models, 3); len(got) == 0 || got[0] != c.want {
			t.Errorf("nearest(%q) = %q, want %q first", c.typed, got, c.want)
		}
	}
	if got := nearest("something-else-entirely", models, 3); len(got) > 0 {
		t.Errorf("nothing is near, got %q", got)
	}
	if got := nearest("modle", chat.WordNames(), 1); !slices.Equal(got, []string{"model"}) {
		t.Errorf("nearest(modle) = %q", got)
	}
}
