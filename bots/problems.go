// Problems of definitions, reported together.

package bots

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"parley/internal/suggest"
)

// Problem is one mistake in one definition file.
type Problem struct {
	File string // name in the directory
	Line int    // from 1; 0 if it concerns the whole file
	Text string // contains no secret
}

// String is "helper.yaml:12: unknown field "foo"".
func (p Problem) String() string {
	switch {
	case p.File == "":
		return p.Text
	case p.Line == 0:
		return p.File + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}

// InvalidError lists every problem of every definition, in order of file and
// line. Its text has one line per problem.
type InvalidError struct{ Problems []Problem }

func (e *InvalidError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

func invalid(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return &InvalidError{Problems: slices.Compact(problems)}
}

// nearest returns the candidate that was probably meant, or "".
func nearest(word string, candidates []string) string {
	return strings.Join(suggest.Names(word, candidates, 1), "")
}
