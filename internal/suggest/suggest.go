// Package suggest finds the names that a person probably meant by an unknown
// one, for every "did you mean".
package suggest

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// How well a name fits what was typed; less is better. A name that differs by
// a few letters scores misspelt plus the number of those letters.
const (
	same = iota
	begins
	contains
	misspelt
	unlike = math.MaxInt32 // plus the letters, so that Ranked can sort these too
)

// leastPart is how many letters a name and the typed text must share for one
// to count as part of the other: shorter parts match by chance.
const leastPart = 3

// mostCompared limits what is compared, in code points: names are short, but a
// person may type a whole message.
const mostCompared = 200

// Names returns up to n of names that typed may mean, the likeliest first, or
// none if none is close. Case and separators are ignored. A name with slashes
// also matches by the part after a slash.
func Names(typed string, names []string, n int) []string {
	all := scored(typed, names)
	far := slices.IndexFunc(all, func(c candidate) bool { return c.score >= unlike })
	if far < 0 {
		far = len(all)
	}
	return namesOf(all[:min(n, far)])
}

// Ranked returns all names, the most similar to typed first.
func Ranked(typed string, names []string) []string { return namesOf(scored(typed, names)) }

// Close reports whether typed may mean name.
func Close(typed, name string) bool { return score(plain(typed), name) < unlike }

type candidate struct {
	name  string
	score int
}

func scored(typed string, names []string) []candidate {
	word := plain(typed)
	out := make([]candidate, len(names))
	for i, name := range names {
		out[i] = candidate{name, score(word, name)}
	}
	slices.SortStableFunc(out, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(len(a.name), len(b.name)))
	})
	return out
}

func namesOf(candidates []candidate) []string {
	out := make([]string, len(candidates))
	for i, c := range candidates {
		out[i] = c.name
	}
	return out
}

// score is the best fit of a plain word with name or a part of it after a
// slash.
func score(word, name string) int {
	best := fit(word, plain(name))
	for {
		_, tail, found := strings.Cut(name, "/")
		if !found {
			return best
		}
		best = min(best, fit(word, plain(tail)))
		name = tail
	}
}

func fit(word, name string) int {
	switch {
	case word == "" || name == "":
		return 2 * unlike
	case word == name:
		return same
	case strings.HasPrefix(name, word):
		return begins
	case len(word) >= leastPart && strings.Contains(name, word), len(name) >= leastPart && strings.Contains(word, name):
		return contains
	}
	letters := edits(word, name)
	shorter, longer := min(len(word), len(name)), max(len(word), len(name))
	if letters <= 1+shorter/3 && 2*letters <= longer {
		return misspelt + letters
	}
	return unlike + letters
}

// plain prepares s for comparison: lower case, without separators.
func plain(s string) string {
	if len(s) > 4*mostCompared { // no code point is longer than four bytes
		s = s[:4*mostCompared]
	}
	r := []rune(strings.NewReplacer("_", "", "-", "", " ", "", ".", "").Replace(strings.ToLower(s)))
	return string(r[:min(len(r), mostCompared)])
}

// edits counts the insertions, deletions and replacements that turn a into b.
func edits(a, b string) int {
	x, y := []rune(a), []rune(b)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		diagonal := row[0]
		row[0] = i + 1
		for j := range y {
			change := diagonal
			if x[i] != y[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(y)]
}
