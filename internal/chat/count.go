// Numbers in sentences.

package chat

import "fmt"

// Count is n with its noun, whose plural ends in s: "1 answer", "2 answers".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
