package markdown

import (
	"math/rand/v2"
	"slices"
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
	for range 400 {
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
	for range 400 {
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

// Over a cut, every letter stays what it is: bold, code, a link, an item's.
func TestMarkdownStaysIntactOverACut(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for name, doc := range documents {
		if strings.Contains(name, "table") || name == "mixed" {
			continue // a repeated header is seen twice: tested below
		}
		t.Run(name, func(t *testing.T) {
			doc = strings.TrimRight(doc, "\n") + "\n\n" // so that blocks do not run together
			long := strings.Repeat(doc, 12)
			want := seen(long)
			for range 60 {
				size := 120 + r.IntN(600)
				var got []string
				for _, p := range parts(New(size, nil), long) {
					got = append(got, seen(p.Text())...)
				}
				got = slices.DeleteFunc(got, func(l string) bool { return strings.HasPrefix(l, "…") })
				for i := range min(len(want), len(got)) {
					if want[i] != got[i] {
						t.Fatalf("cut to %d, letter %d (after %q) is %q instead of %q", size, i, strings.Join(want[max(0, i-5):i], ","), got[i], want[i])
					}
				}
				if len(got) != len(want) {
					t.Fatalf("cut to %d, %d letters instead of %d", size, len(got), len(want))
				}
			}
		})
	}
}

func TestCutsPreferParagraphsThenLinesThenSentences(t *testing.T) {
	words := strings.Repeat("Some words here, and a few more of them. ", 6) // 246 characters
	for name, c := range map[string]struct {
		text string
		size int
		want string // the end of the first part
	}{
		"paragraph":             {words + "\n\n" + words + "\nline\n" + words, 480, "them. \n\n"},
		"line":                  {words + "\nline\n" + words + words, 400, "\nline\n"},
		"sentence":              {words + words, 300, "of them. "},
		"word":                  {strings.ReplaceAll(words+words, ".", ""), 300, " "},
		"before a fence":        {words + "\n```\n" + strings.Repeat("code\n", 20) + "```\n", 300, "them. \n"},
		"never after a heading": {words + "\n\n## Heading\n\n" + words, 270, "them. \n\n"},
		"link":                  {strings.Repeat("x", 280) + " [" + strings.Repeat("long text ", 5) + "](https://example.com) " + words, 300, "x "},
		"japanese":              {strings.Repeat("日本語の文章です。", 60), 200, "。"},
	} {
		t.Run(name, func(t *testing.T) {
			got := parts(New(c.size, nil), c.text)[0].Body
			if !strings.HasSuffix(got, c.want) {
				t.Errorf("the first part ends with %q", got[max(0, len(got)-40):])
			}
		})
	}
}

func TestACutNeverSplitsACharacterALinkOrAMention(t *testing.T) {
	pieces := []string{"👩‍👩‍👧‍👦", "e\u0301", "🇩🇪", "[text of it](https://example.com/x)", "<@U123ABC>", "https://example.com/a/b", "`code span`"}
	text := strings.Repeat(strings.Join(pieces, " ")+" ", 100)
	for size := 60; size < 400; size += 7 {
		for _, p := range parts(New(size, nil), text) {
			rest := p.Body
			for _, piece := range pieces {
				rest = strings.ReplaceAll(rest, piece, "")
			}
			if strings.TrimSpace(rest) != "" {
				t.Fatalf("cut to %d, a part holds pieces: %q", size, rest)
			}
		}
	}
	family := strings.Repeat("👩‍👩‍👧‍👦", 200) // no space anywhere
	for _, p := range parts(New(50, nil), family) {
		if len(p.Body)%len("👩‍👩‍👧‍👦") != 0 {
			t.Fatalf("a family was split: %q", p.Body)
		}
	}
}

func TestFencesAreClosedAndReopened(t *testing.T) {
	text := "Look:\n\n````go title=\"x\"\n" + strings.Repeat("line of code ```\n", 50) + "````\nAfter.\n"
	got := parts(New(300, nil), text)
	for i, p := range got[:len(got)-1] {
		if i > 0 && !strings.HasPrefix(p.Text(), "````go title=\"x\"\n") {
			t.Errorf("part %d begins with %q", i, p.Text()[:20])
		}
		if !strings.HasSuffix(p.Text(), "\n````") {
			t.Errorf("part %d ends with %q", i, p.Text()[len(p.Text())-20:])
		}
	}
}

func TestTablesKeepTheirHeader(t *testing.T) {
	header := "| Name | Count |\n|------|------:|\n"
	text := header + strings.Repeat("| one | 1 |\n", 60) + "\nAfter."
	got := parts(New(300, nil), text)
	if len(got) < 3 {
		t.Fatalf("%d parts", len(got))
	}
	for i, p := range got[:len(got)-1] {
		if !strings.HasPrefix(p.Text(), header) || !strings.HasSuffix(p.Text(), "|\n") {
			t.Errorf("part %d is %q", i, p.Text())
		}
	}
}

// A platform may count otherwise: bytes, or more for what it has to escape.
func TestCutsFollowThePlatformsMeasure(t *testing.T) {
	escaped := func(s string) int { return utf8.RuneCountInString(strings.ReplaceAll(s, "<", "&lt;")) }
	bytes := func(s string) int { return len(s) }
	r := rand.New(rand.NewPCG(7, 8))
	for range 150 {
		text := randomText(r) + strings.Repeat("<<< ", r.IntN(100)) + randomText(r)
		for _, measure := range []func(string) int{escaped, bytes} {
			size := 100 + r.IntN(400)
			var all strings.Builder
			for _, p := range parts(New(size, measure), text) {
				all.WriteString(p.Body)
				if n := measure(p.Text()); n > size {
					t.Fatalf("a part of size %d measures %d", size, n)
				}
			}
			if all.String() != text {
				t.Fatal("the bodies are not the text")
			}
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add(sample, uint16(100), uint16(7))
	for _, doc := range documents {
		f.Add(doc, uint16(40), uint16(3))
	}
	f.Fuzz(func(t *testing.T, text string, size, step uint16) {
		whole := parts(New(int(size%2000), nil), text)
		var all strings.Builder
		for _, p := range whole {
			all.WriteString(p.Body)
		}
		if all.String() != text {
			t.Fatal("the bodies are not the text")
		}
		s := New(int(size%2000), nil)
		for at := 0; at < len(text); {
			at = min(len(text), at+1+int(step%50))
			s.Advance(text[:at], false)
			if show, _ := s.Growing(text[:at]); !s.Fits(show) {
				t.Fatalf("growing text of size %d measures %d", s.Size(), s.Measure(show))
			}
		}
		if grown := parts(s, text); !slices.Equal(grown, whole) {
			t.Fatalf("it depends on how the text arrived:\n%q\n%q", grown, whole)
		}
	})
}
