// What the pretended models write.

package simulate

import (
	"math/rand/v2"
	"strings"
)

// Text is an answer of n characters: paragraphs of sentences, with a list here
// and there and a bold word now and then.
func Text(r *rand.Rand, n int) string {
	words := strings.Fields("the scheduler decides which answer may be edited next so that people see new text as early as a platform allows while every final text still arrives in time and nothing is lost on the way because budgets are shared and scarce")
	var b strings.Builder
	for b.Len() < n {
		if r.IntN(5) == 0 {
			for range 2 + r.IntN(3) {
				b.WriteString("- " + sentence(r, words, 4+r.IntN(8)) + "\n")
			}
			b.WriteString("\n")
			continue
		}
		for k := range 2 + r.IntN(4) {
			if k > 0 {
				b.WriteString(" ")
			}
			b.WriteString(sentence(r, words, 6+r.IntN(12)))
		}
		b.WriteString("\n\n")
	}
	text := b.String()[:n-1]
	return strings.TrimRight(text, " \n*") + "."
}

func sentence(r *rand.Rand, words []string, n int) string {
	out := make([]string, n)
	for i := range out {
		out[i] = words[r.IntN(len(words))]
		if r.IntN(25) == 0 {
			out[i] = "**" + out[i] + "**"
		}
	}
	s := strings.Join(out, " ")
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
