package discord

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"

	"parley/internal/chat"
)

func TestRender(t *testing.T) {
	for name, one := range map[string]struct{ in, want string }{
		"plain":                {"Hello **world** and `code`", "Hello **world** and `code`"},
		"headings stay":        {"# One\n## Two\n### Three", "# One\n## Two\n### Three"},
		"deep headings":        {"#### Four **bold** ##\n###### Six", "**Four bold**\n**Six**"},
		"a hash is no heading": {"#channel and #1\n####", "#channel and #1\n####"},
		"image":                {"see ![a cat](https://x.example/c.png \"title\") here", "see [a cat](https://x.example/c.png) here"},
		"image without words":  {"![](https://x.example/c.png)", "https://x.example/c.png"},
		"image with parens":    {"![a](https://x.example/c_(1).png)", "[a](https://x.example/c_(1).png)"},
		"image in code":        {"`![a](b)` and ![a](b)", "`![a](b)` and [a](b)"},
		"image in a block":     {"```md\n![a](b)\n#### h\n```\n![a](b)", "```md\n![a](b)\n#### h\n```\n[a](b)"},
		"tilde fence":          {"~~~go\nx := 1\n~~~\ntext", "```go\nx := 1\n```\ntext"},
		"long fence":           {"````md\n```\nx\n```\n````", "```md\n``\u200b`\nx\n``\u200b`\n```"},
		"strike is no fence":   {"~~gone~~ text", "~~gone~~ text"},
		"table": {
			"Before\n\n| Name | Count | Note |\n|:-----|------:|:----:|\n| **Ann** | 1 | a\\|b |\n| `Bob` | 200 | [x](http://y) |\n\nAfter",
			"Before\n\n```\nName | Count |     Note\n-----+-------+-------------\nAnn  |     1 |     a|b\nBob  |   200 | x (http://y)\n```\n\nAfter",
		},
		"table without outer bars": {"a | b\n--|--\n1 | 2", "```\na | b\n--+--\n1 | 2\n```"},
		"wide characters":          {"| 名前 | n |\n|---|---|\n| 東京都 | 1 |\n| ab | 2 |", "```\n名前   | n\n-------+--\n東京都 | 1\nab     | 2\n```"},
		"short and long rows":      {"|a|b|\n|-|-|\n|1|\n|1|2|3|", "```\na | b\n--+--\n1 |\n1 | 2\n```"},
		"bars in a block":          {"```\n|a|b|\n|-|-|\n```", "```\n|a|b|\n|-|-|\n```"},
		"bars in prose":            {"either a | b or c", "either a | b or c"},
		"a rule is no table":       {"a | b\n---", "a | b\n---"},
		"unfinished table":         {"| a | b |\n|--", "| a | b |\n|--"},
		"fence in a cell":          {"| a |\n|---|\n| ```x``` |", "```\na\n-\nx\n```"},
		"mentions stay as written": {"@everyone <@123> <@&4> <#5>", "@everyone <@123> <@&4> <#5>"},
		"white space around":       {"\n\n  text  \n\n", "text"},
	} {
		if got := render(one.in); got != one.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, one.want)
		}
	}
}

func TestTableColumnsAreStraight(t *testing.T) {
	got := render("| Name | Zahl | 説明 |\n|:--|--:|:-:|\n| Zoë | 1 | 👍 |\n| 東京 | 1000 | kurz |\n| e\u0301t\u00e9 | 22 | x |")
	lines := strings.Split(strings.Trim(got, "`\n"), "\n")
	at := -1
	for _, line := range lines {
		line = strings.ReplaceAll(line, "-+-", " | ")
		first := runewidth.StringWidth(line[:strings.Index(line, " | ")])
		if at >= 0 && first != at {
			t.Errorf("the bar of %q stands at %d, want %d\n%s", line, first, at, got)
		}
		at = first
	}
}

func TestLongRepliesSplitWithoutLoss(t *testing.T) {
	text := strings.Repeat("some words on a line\n", 50) + "```go\n" + strings.Repeat("x := 1 // ü\n", 400) + "```\nthe end " + strings.Repeat("é", 5000)
	var words int
	for n, piece := range split(text, 2000) {
		if size := utf8.RuneCountInString(piece); size > 2000 {
			t.Errorf("piece %d has %d code points", n, size)
		}
		if strings.Count(piece, "```")%2 != 0 {
			t.Errorf("piece %d leaves a fence open:\n%s", n, piece)
		}
		words += strings.Count(piece, "some words") + strings.Count(piece, "x := 1") + strings.Count(piece, "é")
	}
	if words != 50+400+5000 {
		t.Errorf("%d of %d pieces of text came through", words, 50+400+5000)
	}
}

func FuzzRender(f *testing.F) {
	for _, seed := range []string{"|a|\n|-|\n|b|", "![a](b)", "~~~\n```\n~~~", "#### x", "a\\|b|c\n-|-\n", "`![`](x)"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out := render(in)
		if utf8.ValidString(in) && !utf8.ValidString(out) {
			t.Errorf("%q → %q is no UTF-8", in, out)
		}
		if n := measure(in); n != utf8.RuneCountInString(out) {
			t.Errorf("%q measures %d, is %d", in, n, utf8.RuneCountInString(out))
		}
		for _, piece := range split(out, 100) {
			if utf8.RuneCountInString(piece) > 100 {
				t.Errorf("%q splits into %q", in, piece)
			}
		}
	})
}

func TestControlsKeepToDiscordsLimits(t *testing.T) {
	long := strings.Repeat("m", 101)
	var buttons []chat.Button
	for n := range 40 {
		buttons = append(buttons, chat.Button{Label: strings.Repeat("ü", 100), Command: "model", Args: strings.Repeat("x", n)})
	}
	buttons = append(buttons, chat.Button{Label: "long", Command: "model", Args: long})
	got := rows(&chat.Menu{Command: "model", Placeholder: strings.Repeat("p", 200), Options: []chat.Option{{Value: long}, {Value: "a", Current: true}, {Value: "a"}, {Value: "b", Current: true}}}, buttons)
	if len(got) != 5 {
		t.Errorf("%d rows, want 5", len(got))
	}
	if rows(nil, nil) == nil {
		t.Error("no controls are nil: an edit would leave the old ones standing")
	}
}

func BenchmarkRender(b *testing.B) {
	text := strings.Repeat("Some prose with **bold** and a [link](https://example.com).\n", 20) + "| a | b |\n|---|---|\n" + strings.Repeat("| one | two |\n", 20)
	for b.Loop() {
		measure(text)
	}
}
