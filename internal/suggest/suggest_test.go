package suggest_test

import (
	"slices"
	"strings"
	"testing"

	"parley/internal/suggest"
)

func TestNamesAreWhatWasProbablyMeant(t *testing.T) {
	models := []string{"gpt-4o-mini", "gpt-4o", "qwen3-8b", "org/llama-3.3-70b", "corp/openai/legal-large", "Ä-model"}
	words := []string{"model", "provider", "bot", "usage", "stop", "reset", "help"}
	for _, c := range []struct {
		typed string
		names []string
		want  string
	}{
		{"gpt-4", models, "gpt-4o gpt-4o-mini"},
		{"gtp-4o", models, "gpt-4o"},
		{"gpt4o", models, "gpt-4o gpt-4o-mini"},
		{"GPT_4o mini", models, "gpt-4o-mini gpt-4o"}, // and what it holds
		{"mini", models, "gpt-4o-mini"},
		{"llama", models, "org/llama-3.3-70b"},
		{"legal", models, "corp/openai/legal-large"},
		{"openai/legal", models, "corp/openai/legal-large"},
		{"QWEN3-8B", models, "qwen3-8b"},
		{"qwen3-8b-instruct", models, "qwen3-8b"},
		{"ä-modell", models, "Ä-model"},
		{"something-else-entirely", models, ""},
		{"zzz", models, ""},
		{"", models, ""},
		{strings.Repeat("x", 100_000), models, ""},
		{"modle", words, "model"},
		{"m", words, "model"},
		{"romove", []string{"list", "remove"}, "remove"},
		{"crop", []string{"lab", "corp"}, "corp"},
		{"ab", []string{"cd", "ef"}, ""},
		{"a", []string{"b"}, ""},
		{"apikey", []string{"apiKey", "name"}, "apiKey"},
		{"api_keys", []string{"apiKey", "name"}, "apiKey"},
	} {
		if got := strings.Join(suggest.Names(c.typed, c.names, 3), " "); got != c.want {
			t.Errorf("%.20q: %q, want %q", c.typed, got, c.want)
		}
	}
	if got := suggest.Names("gpt", models, 1); !slices.Equal(got, []string{"gpt-4o"}) {
		t.Errorf("the first of two: %q", got)
	}
}

func TestRankedHasEveryNameInItsPlace(t *testing.T) {
	models := []string{"anthropic/claude-sonnet", "openai/gpt-4o-mini", "openai/gpt-4o", "qwen3-32b", "qwen3-8b"}
	for typed, first := range map[string]string{
		"gpt-4o": "openai/gpt-4o", "GPT-4o-mini": "openai/gpt-4o-mini", "qwen3-8": "qwen3-8b", "claude": "anthropic/claude-sonnet", "qwen-3-32b": "qwen3-32b", "x": "openai/gpt-4o",
	} {
		if got := suggest.Ranked(typed, models); len(got) != len(models) || got[0] != first {
			t.Errorf("%s: %q, want %s first", typed, got, first)
		}
	}
	if got := suggest.Ranked("x", nil); len(got) != 0 {
		t.Errorf("of no names: %q", got)
	}
}

func TestCloseIsWhatIsSuggested(t *testing.T) {
	for typed, want := range map[string]bool{"modle": true, "mod": true, "models": true, "MODEL": true, "etc/hosts": false, "": false, "hi": false, "mo del": true} {
		if got := suggest.Close(typed, "model"); got != want {
			t.Errorf("%q: %v", typed, got)
		}
		if got := len(suggest.Names(typed, []string{"model"}, 1)) == 1; got != want {
			t.Errorf("%q is suggested: %v", typed, got)
		}
	}
}
