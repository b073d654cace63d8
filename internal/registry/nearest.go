// Names that were probably meant, for an unknown provider or model.

package registry

import (
	"cmp"
	"slices"
	"strings"

	"parley/internal/near"
)

// Nearest returns up to n of the names, the most alike first: those that
// contain what was written or are contained in it, then those few letters
// away. It may return none.
func Nearest(written string, names []string, n int) []string {
	type candidate struct {
		name  string
		score int
	}
	word := strings.ToLower(written)
	var found []candidate
	for _, name := range names {
		lower := strings.ToLower(name)
		distance := near.Edits(word, lower)
		switch {
		case word == "":
			continue
		case lower == word:
			found = append(found, candidate{name, -2})
		case strings.HasPrefix(lower, word):
			found = append(found, candidate{name, -1})
		case strings.Contains(lower, word), len(lower) > 2 && strings.Contains(word, lower):
			found = append(found, candidate{name, 0})
		case distance <= max(2, min(len(word), len(lower))/3):
			found = append(found, candidate{name, distance})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(len(a.name), len(b.name)), cmp.Compare(a.name, b.name))
	})
	out := make([]string, 0, min(n, len(found)))
	for _, c := range found[:min(n, len(found))] {
		out = append(out, c.name)
	}
	return out
}
