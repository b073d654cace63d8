package discord

import (
	"os"
	"regexp"
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
		"image in code":        {"`![a](b)` and ![a](https://x.example/b)", "`![a](b)` and [a](https://x.example/b)"},
		"image in a block":     {"```md\n![a](b)\n#### h\n```\n![a](http://b)", "```md\n![a](b)\n#### h\n```\n[a](http://b)"},
		"tilde fence":          {"~~~go\nx := 1\n~~~\ntext", "```go\nx := 1\n```\ntext"},
		"long fence":           {"````md\n```\nx\n```\n````", "```md\n``\u200b`\nx\n``\u200b`\n```"},
		"strike is no fence":   {"~~gone~~ text", "~~gone~~ text"},
		"table": {
			"Before\n\n| Name | Count | Note |\n|:-----|------:|:----:|\n| **Ann** | 1 | a\\|b |\n| `Bob` | 200 | [x](http://y) |\n\nAfter",
			"Before\n\n```\nName | Count |     Note\n-----+-------+-------------\nAnn  |     1 |     a|b\nBob  |   200 | x (http://y)\n```\n\nAfter",
		},
		"table without outer bars":  {"a | b\n--|--\n1 | 2", "```\na | b\n--+--\n1 | 2\n```"},
		"wide characters":           {"| 名前 | n |\n|---|---|\n| 東京都 | 1 |\n| ab | 2 |", "```\n名前   | n\n-------+--\n東京都 | 1\nab     | 2\n```"},
		"short and long rows":       {"|a|b|\n|-|-|\n|1|\n|1|2|3|", "```\na | b\n--+--\n1 |\n1 | 2\n```"},
		"bars in a block":           {"```\n|a|b|\n|-|-|\n```", "```\n|a|b|\n|-|-|\n```"},
		"bars in prose":             {"either a | b or c", "either a | b or c"},
		"a rule is no table":        {"a | b\n---", "a | b\n---"},
		"unfinished table":          {"| a | b |\n|--", "| a | b |\n|--"},
		"fence in a cell":           {"| a |\n|---|\n| ```x``` |", "```\na\n-\nx\n```"},
		"label is its URL":          {"See [https://example.com/a_b](https://example.com/a_b) and [docs](https://example.com/x_(y)).", "See https://example.com/a_b and [docs](https://example.com/x_(y))."},
		"label holds a URL":         {"Mixed [Visit https://example.com now](https://example.com/q).", "Mixed Visit https://example.com now (https://example.com/q)."},
		"label is another URL":      {"[https://a.example](https://b.example)", "https://a.example (https://b.example)"},
		"label is its host":         {"[example.com](https://example.com/) [www.example.com](https://example.com/a)", "https://example.com/ https://example.com/a"},
		"label like a host":         {"[Node.js](https://nodejs.org)", "[Node.js](https://nodejs.org)"},
		"label with www":            {"[see www.a.example](https://b.example)", "see www.a.example (https://b.example)"},
		"label with marks":          {"[`https://a.example`](https://a.example) [**bold** `x`](https://a.example)", "https://a.example [**bold** `x`](https://a.example)"},
		"label escaped":             {`[https://a.example/x\_y](https://a.example/x_y)`, "https://a.example/x_y"},
		"URL before a letter":       {"[https://a.example](https://a.example)s", "<https://a.example>s"},
		"URL that ends in a dot":    {"[https://a.example/x.](https://a.example/x.)", "<https://a.example/x.>"},
		"no label":                  {"[](https://a.example)", "https://a.example"},
		"link with a title":         {"[a](https://a.example \"A title\") [b](<https://b.example/x y> 'T')", "[a](https://a.example) [b](https://b.example/x%20y)"},
		"link over two lines":       {"[a\nb](https://a.example)", "[a b](https://a.example)"},
		"link to no web address":    {"[the guide](docs/a.md), [above](#top), [mail](mailto:a@b.example), [a@b.example](mailto:a@b.example)", "the guide (docs/a.md), above, mail (a@b.example), a@b.example"},
		"label is its file":         {"[README.md](README.md)s", "README.mds"},
		"link in code":              {"`[https://a.example](https://a.example)` ``[x`](https://x.example)``", "`[https://a.example](https://a.example)` ``[x`](https://x.example)``"},
		"badge":                     {"[![build](https://a.example/b.svg)](https://ci.example)", "[build](https://ci.example)"},
		"data image":                {"![chart](data:image/png;base64,AAAA)", "chart"},
		"reference links":           {"See [the docs][1], [Go][] and [go].\n\n[1]: https://a.example \"T\"\n[go]: <https://go.example>", "See [the docs](https://a.example), [Go](https://go.example) and [go](https://go.example)."},
		"sources":                   {"So it is [1].\n\n[1]: https://a.example", "So it is [1].\n\n[1]: https://a.example"},
		"unfinished link":           {"[docs](https://exa", "[docs](https://exa"},
		"brackets":                  {"a[0], [x], [^1] and [a [b] c](https://a.example)", "a[0], [x], [^1] and [a [b] c](https://a.example)"},
		"autolinks":                 {"<https://a.example/x_y> <me@a.example> <mailto:me@a.example>", "<https://a.example/x_y> me@a.example me@a.example"},
		"bars":                      {"if (a || b || c) holds, `x || y` does\n\na |||| b", "if (a \\|\\| b \\|\\| c) holds, `x || y` does\n\na \\|\\|\\|\\| b"},
		"bars escaped already":      {`a \|\| b and \|| c ||`, `a \|\| b and \|| c \|\|`},
		"bars in a URL":             {"https://a.example/?q=a||b and a || b", "https://a.example/?q=a||b and a \\|\\| b"},
		"bars in code over lines":   {"`a ||\nb` || c", "`a ||\nb` \\|\\| c"},
		"bars in a heading":         {"## a || b\n- c || d", "## a \\|\\| b\n- c \\|\\| d"},
		"bars in a table's cell":    {"|a|b|\n|-|-|\n|`x \\|\\| y`|2|", "```\na      | b\n-------+--\nx || y | 2\n```"},
		"table in a quote":          {"> | a | b |\n> |---|---|\n> | 1 | 2 |\nafter", "> ```\n> a | b\n> --+--\n> 1 | 2\n> ```\nafter"},
		"table in a quote in one":   {"> > | a | b |\n> > |---|---|\n> > | 1 | 2 |", "> ```\n> a | b\n> --+--\n> 1 | 2\n> ```"},
		"table beside a quote":      {"> | a | b |\n|---|---|", "> | a | b |\n|---|---|"},
		"table in a list":           {"- | a | b |\n  |---|---|\n  | 1 | 2 |\n- next", "-\n```\na | b\n--+--\n1 | 2\n```\n- next"},
		"marks in cells":            {"|a|\n|-|\n|**b** `c` 2 ** 3 __d__ x<br>y &lt; z|", "```\na\n--------------------\nb c 2 ** 3 d x y < z\n```"},
		"code in a quote":           {"> ```go\n> x := 1 || 2\n> ```\nafter || it", "> ```go\n> x := 1 || 2\n> ```\nafter \\|\\| it"},
		"code a quote leaves open":  {"> ```\n> x\nafter", "> ```\n> x\n> ```\nafter"},
		"quotes in code":            {"```\n> ```\n>>> x\n-# y\n```\nz", "```\n> ``\u200b`\n>>> x\n-# y\n```\nz"},
		"fence within a fence":      {"```md\nuse ``` there\n```", "```md\nuse ``\u200b` there\n```"},
		"code in a list":            {"1. Do:\n   ```sh\n   a || b\n   ```\n2. ```\n   c || d\n   ```\nend || ed", "1. Do:\n   ```sh\n   a || b\n   ```\n2. ```\n   c || d\n   ```\nend \\|\\| ed"},
		"quotes":                    {">a\n>\n> b\n>> c\n> > > d", "> a\n> \n> b\n> > c\n> > > d"},
		"quote that ends in a mark": {"> a\n>", "> a"},
		"a quote to the end":        {">>> print(1)\n1\n\ntext", "\\>>> print(1)\n1\n\ntext"},
		"small print":               {"-# none\n- -# none", "\\-# none\n- -# none"},
		"rules":                     {"a\n\n***\n\nb\n\n* * *\n___\n- - -\nc", "a\n\n---\n\nb\n\n---\n---\n---\nc"},
		"underlined heading":        {"Title\n=====\ntext", "# Title\ntext"},
		"lists":                     {"+ a\n  * b\n    1. c\n- [ ] d\n- [x] e\n- [X](https://a.example) f\n- ##### g", "- a\n  * b\n    1. c\n- ☐ d\n- ☑ e\n- [X](https://a.example) f\n- **g**"},
		"deep heading in a quote":   {"> #### a", "> **a**"},
		"HTML":                      {"a<br>b <b>c</b> <i>d</i> <kbd>Ctrl</kbd> H<sub>2</sub>O <!-- no --><a href=\"https://a.example\">e</a> <img src='https://a.example/i.png' alt='f'>", "a\nb **c** *d* `Ctrl` H2O [e](https://a.example) [f](https://a.example/i.png)"},
		"HTML that folds":           {"<details>\n<summary>More</summary>\n\ntext\n\n</details>", "**More**\n\ntext"},
		"HTML that is none":         {"List<String> a < b && c > d, x <b y", "List<String> a < b && c > d, x <b y"},
		"HTML line in a quote":      {"> a<br>b", "> a\n> b"},
		"entities":                  {"a&nbsp;&amp;&nbsp;b &lt;x&gt; &copy; R&D &#42;y&#42; https://a.example/?a=1&copy=2", "a & b \\<x\\> © R&D \\*y\\* https://a.example/?a=1&copy=2"},
		"backslash at a line's end": {"a\\\nb\\", "a\nb\\"},
		"mentions stay as written":  {"@everyone <@123> <@&4> <#5>", "@everyone <@123> <@&4> <#5>"},
		"white space around":        {"\n\n  text  \n\n", "text"},
	} {
		if got := render(one.in); got != one.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, one.want)
		}
	}
}

// Whatever is rendered, Discord hides, shrinks and quotes nothing by itself.
func TestNothingIsTakenForDiscordsOwnMarkup(t *testing.T) {
	raw, err := os.ReadFile("testdata/render/answer.md")
	if err != nil {
		t.Fatal(err)
	}
	in := string(raw)
	for n := range len(in) + 1 {
		piece := in[:n]
		if !utf8.ValidString(piece) || strings.Count(piece, "`")%2 != 0 || strings.Count(piece, "[") != strings.Count(piece, "](") {
			continue // the splitter holds back what is unfinished
		}
		if out := render(piece); seen(out) != "" {
			t.Fatalf("%s:\n%s", seen(out), out)
		}
	}
	want := "See https://example.com/a_b and [docs](https://example.com/x_(y)). Mixed Visit https://example.com now (https://example.com/q).\n\n" +
		"if (a \\|\\| b \\|\\| c) holds, stop.\n\n> ```\n> a | b\n> --+--\n> 1 | 2\n> ```"
	if out := render(in); out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
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

// seen is what Discord makes of a text outside of code, as far as its own rules
// go: what it would hide, show small, quote to the end or refuse to link.
func seen(out string) string {
	for i := 0; i < len(out); {
		rest := out[i:]
		if i == 0 || out[i-1] == '\n' {
			if line := strings.TrimLeft(rest, " "); strings.HasPrefix(line, ">>> ") || strings.HasPrefix(line, "-# ") {
				return "a line begins with " + line[:3]
			}
		}
		found := inCode.FindString(rest)
		switch {
		case found != "":
			i += len(found)
		case rest[0] == '\\' && len(rest) > 1:
			_, n := utf8.DecodeRuneInString(rest[1:])
			i += 1 + n
		case strings.HasPrefix(rest, "http://"), strings.HasPrefix(rest, "https://"):
			i += strings.IndexAny(rest+" ", " \t\n<")
		case strings.HasPrefix(rest, "||"):
			return "text between || is hidden"
		case urlLabel.MatchString(rest):
			return "a label holds a URL"
		default:
			i++
		}
	}
	return ""
}

var (
	inCode   = regexp.MustCompile("^(?s:```.*?```|``[^`].*?[^`]``|`[^`\n]+`)")
	urlLabel = regexp.MustCompile(`^\[[^\[\]]*https?://[^\[\]]*\]\(https?://[^\s()<>]+\)`)
)

func TestACutTableInAQuoteStaysInIt(t *testing.T) {
	text := render("> | a | b |\n> |---|---|\n" + strings.Repeat("> | one | two |\n", 40) + "\nafter")
	pieces := split(text, 200)
	if len(pieces) < 3 {
		t.Fatalf("%d pieces of\n%s", len(pieces), text)
	}
	rows := 0
	for n, piece := range pieces {
		rows += strings.Count(piece, "> one | two")
		if strings.Count(piece, "> ```") != 2 || strings.Count(piece, "```") != 2 || utf8.RuneCountInString(piece) > 200 {
			t.Errorf("piece %d:\n%s", n, piece)
		}
	}
	if rows != 40 {
		t.Errorf("%d of 40 rows came through", rows)
	}
}

func FuzzRender(f *testing.F) {
	for _, seed := range []string{
		"> |a|\n> |-|\n> |b|", "[https://a](https://a) || b", "> ```\n> x\ny || z", "- [ ] <b>x</b> &lt;", "[a][1]\n\n[1]: https://x", ">>> x\n-# y", "a<br>`b`||c||",
		"|a|\n|-|\n|b|", "![a](b)", "~~~\n```\n~~~", "#### x", "a\\|b|c\n-|-\n", "`![`](x)"} {
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
		// In a text that leaves code open, or mixes marks of code, the two readings of
		// what is code may differ.
		if plain := !strings.Contains(out, "`"); plain && seen(out) != "" {
			t.Errorf("%q → %q: %s", in, out, seen(out))
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
		buttons = append(buttons, chat.Button{Label: strings.Repeat("ü", 100), Action: "model", Args: strings.Repeat("x", n)})
	}
	buttons = append(buttons, chat.Button{Label: "long", Action: "model", Args: long})
	got := rows(&chat.Menu{Action: "model", Placeholder: strings.Repeat("p", 200), Options: []chat.Option{{Value: long}, {Value: "a", Current: true}, {Value: "a"}, {Value: "b", Current: true}}}, buttons)
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
