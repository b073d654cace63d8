// What is in a format: the places that are filled, and whether it says anything
// besides.

package language

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// filled is a place that is filled: %d, %[2]s.
var filled = regexp.MustCompile(`%(?:\[(\d+)\])?([-+# 0-9.]*)([a-zA-Z%])`)

// wordless reports whether a format holds no word, and so is the same in every
// language.
func wordless(format string) bool {
	return !strings.ContainsFunc(filled.ReplaceAllString(format, ""), unicode.IsLetter)
}

// places are the arguments that a format takes, each with how it is written, in
// the order of the arguments.
func places(format string) []string {
	var out []string
	next := 1
	for _, m := range filled.FindAllStringSubmatch(format, -1) {
		if m[3] == "%" {
			continue
		}
		if n, err := strconv.Atoi(m[1]); err == nil {
			next = n
		}
		out = append(out, strconv.Itoa(next)+m[2]+strings.Replace(m[3], "q", "s", 1)) // each language has quotes of its own
		next++
	}
	slices.Sort(out)
	return slices.Compact(out)
}
