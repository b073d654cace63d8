package markdown

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

func parts(s *Splitter, text string) []Part {
	s.Advance(text, true)
	var out []Part
	for i := range s.Full() {
		out = append(out, s.Part(text, i))
	}
	return append(out, s.Rest(text))
}

const sample = "# Title\n\nSome **bold text that goes on** and a [link](https://example.com/a/b).\n\n" +
	"```go\nfunc main() {\n\tprintln(\"hello\")\n}\n```\n\n" +
	"- one\n- two\n  - nested\n    - deeper\n- three\n\n" +
	"| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n| 5 | 6 |\n\n" +
	"A long sentence follows here. It has parts; `code` and <@U123456> too. Emoji 👩‍👩‍👧‍👦 and 日本語の文章です。それから。\n"

func TestCutsLoseNothingAndFit(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		text := randomText(r)
		size := 40 + r.IntN(400)
		s := New(size, nil)
		var all strings.Builder
		for i, p := range parts(s, text) {
			all.WriteString(p.Body)
			if n := utf8.RuneCountInString(p.Text()); n > size {
				t.Fatalf("part %d of size %d measures %d:\n%q", i, size, n, p.Text())
			}
		}
		if all.String() != text {
			t.Fatalf("the bodies are not the text")
		}
	}
}

func TestACutDoesNotDependOnHowTheTextArrived(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		text := randomText(r)
		size := 40 + r.IntN(400)
		whole := parts(New(size, nil), text)
		s := New(size, nil)
		for at := 0; at < len(text); {
			at = min(len(text), at+1+r.IntN(60))
			s.Advance(text[:at], false)
			s.Growing(text[:at])
		}
		grown := parts(s, text)
		if len(grown) != len(whole) {
			t.Fatalf("%d parts when it grew, %d at once", len(grown), len(whole))
		}
		for i := range whole {
			if whole[i] != grown[i] {
				t.Fatalf("part %d differs:\n%q\n%q", i, whole[i], grown[i])
			}
		}
	}
}

func randomText(r *rand.Rand) string {
	var b strings.Builder
	for range 1 + r.IntN(12) {
		switch r.IntN(5) {
		case 0:
			from := r.IntN(len(sample))
			b.WriteString(strings.ToValidUTF8(sample[from:], ""))
		case 1:
			b.WriteString(strings.Repeat("word ", r.IntN(200)))
		case 2:
			b.WriteString("```py\n" + strings.Repeat("x = 1\n", r.IntN(100)) + "```\n")
		case 3:
			b.WriteString(strings.Repeat("日本", r.IntN(200)))
		default:
			b.WriteString(sample)
		}
	}
	return b.String()
}
