// Numbers and lists in sentences.

package chat

import (
	"fmt"
	"strings"
)

// Count is n with its noun, with plural s: "1 answer", "2 answers".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Dollars is a cost for people: "$0.0123", "$0" if it is free, and a dash for
// nil, an unknown price.
func Dollars(usd *float64) string {
	switch {
	case usd == nil:
		return "–"
	case *usd == 0:
		return "$0"
	case *usd < 0.0001:
		return "<$0.0001"
	}
	return fmt.Sprintf("$%.4f", *usd)
}

// Listed joins words for a sentence, with last before the last one: "a, b or
// c".
func Listed(words []string, last string) string {
	n := len(words) - 1
	if n < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:n], ", ") + " " + last + " " + words[n]
}
