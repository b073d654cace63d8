// "Did you mean": the names nearest to what a person typed.

package relay

import (
	"cmp"
	"slices"
	"strings"

	"parley/internal/near"
)

// nearest returns up to n of names that are close to typed, the closest first;
// a name that holds what was typed is close, and so is one a few letters away.
func nearest(typed string, names []string, n int) []string {
	type scored struct {
		name  string
		score int
	}
	typed = strings.ToLower(typed)
	var close []scored
	for _, name := range names {
		lower := strings.ToLower(name)
		_, tail, _ := strings.Cut(lower, "/")
		d := min(near.Edits(typed, lower), near.Edits(typed, tail))
		if typed != "" && (strings.Contains(lower, typed) || tail != "" && strings.Contains(typed, tail)) {
			d = min(d, 1)
		}
		if d <= 1+len(typed)/3 {
			close = append(close, scored{name, d})
		}
	}
	slices.SortStableFunc(close, func(a, b scored) int { return cmp.Compare(a.score, b.score) })
	var out []string
	for _, s := range close[:min(n, len(close))] {
		out = append(out, s.name)
	}
	return out
}

// didYouMean is a sentence with a leading space, or nothing.
func didYouMean(prefix string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = "`" + prefix + name + "`"
	}
	return " Did you mean " + strings.Join(quoted, " or ") + "?"
}
