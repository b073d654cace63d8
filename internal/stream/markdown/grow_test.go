package markdown

import (
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
)

// seen is what a reader sees of Markdown: its letters, each with what it
// stands in (bold, a link, code, a table's cell …). Space is left out.
func seen(source string) []string {
	src := []byte(source)
	doc := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(src))
	var out []string
	var styles []string
	add := func(b []byte) {
		for _, r := range string(b) {
			if !unicode.IsSpace(r) {
				out = append(out, string(r)+" "+strings.Join(styles, "/"))
			}
		}
	}
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if n.Kind() == ast.KindParagraph || n.Kind() == ast.KindTextBlock || n.Kind() == ast.KindDocument {
			return ast.WalkContinue, nil // a list turning loose is no flicker
		}
		if _, ok := n.(*ast.Text); !ok {
			if entering {
				style := n.Kind().String()
				switch n := n.(type) {
				case *ast.Emphasis:
					style += fmt.Sprint(n.Level)
				case *ast.Heading:
					style += fmt.Sprint(n.Level)
				case *ast.Link:
					style += string(n.Destination)
				case *east.TableHeader:
					style = "TableRow"
				}
				styles = append(styles, style)
			} else {
				styles = styles[:len(styles)-1]
			}
		}
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Text:
			add(n.Segment.Value(src))
		case *ast.String:
			add(n.Value)
		case *ast.AutoLink:
			add(n.Label(src))
		case *ast.FencedCodeBlock, *ast.CodeBlock, *ast.HTMLBlock:
			lines := n.Lines()
			for i := range lines.Len() {
				segment := lines.At(i)
				add(segment.Value(src))
			}
		case *ast.RawHTML:
			for i := range n.Segments.Len() {
				segment := n.Segments.At(i)
				add(segment.Value(src))
			}
		}
		return ast.WalkContinue, nil
	})
	return out
}

var documents = map[string]string{
	"emphasis":   "Some **bold text** and *slanted text*, ***both at once***, ~~gone~~ and __bold again__, _slanted_.",
	"nested":     "A **bold start with *slanted words* in it** and an end.",
	"not marks":  "Take 2 * 3 * 4, snake_case_name. No: 5 ** 2 is 25, and ~5 m.",
	"code":       "Call `f(x)` or ``a ` b`` then `**not bold**` done.",
	"links":      "See [the docs](https://example.com/a_b_c) and ![a picture](https://example.com/p.png) or <https://example.com/x> now.",
	"address":    "Go to https://example.com/some/path?q=1 for more words.",
	"brackets":   "An array a[0] and a note [1] and [x] stay as they are, a < b too, and b > c.",
	"escapes":    "A \\*star\\* and a \\_line\\_ and \\[brackets\\].",
	"heading":    "# First\n\nWords.\n\n## Second **bold** heading\nMore words.\n",
	"fence":      "Look:\n\n```go\nfunc main() {\n\tx := `raw`\n}\n```\n\nThat was **it**.",
	"long fence": "````markdown\n```go\ncode\n```\n````\nAfter.",
	"tildes":     "~~~\na *b* c\n~~~\n\nAfter.",
	"list":       "Things:\n\n- one\n- two **bold**\n  - nested\n    - deeper `code`\n- three\n\nEnd.",
	"numbers":    "1. First thing\n2. Second thing\n   with more\n10. Tenth\n\nEnd.",
	"list code":  "1. Do this:\n\n   ```sh\n   make run\n   ```\n\n2. Then that.\n",
	"table":      "A table:\n\n| Name | Count |\n|------|------:|\n| one | 1 |\n| **two** | 2 |\n\nAfter it.",
	"quote":      "> A quoted line with **bold words\n> that go on** here.\n\nAfter.",
	"rule":       "Above.\n\n---\n\nBelow.\n\n***\n\nEnd.",
	"paragraph":  "A line with **bold that\ngoes over two lines** of it.\n\nAnother paragraph.",
	"mixed":      sample,
	"japanese":   "これは**太字**です。[リンク](https://example.com)と`コード`。",
	"tasks":      "- [ ] open task\n- [x] done task\n",
	"terms":      "- **Term**: what it means\n- *Other*: `code` of it\n* Star item\n* **Bold** star item\n",
	"item links": "- [First](https://example.com/1): words\n- ![Second](https://example.com/2.png)\n",
	"quote code": "> As it says:\n>\n> ```py\n> x = 1\n> ```\n>\n> and so on.\n\nEnd.",
	"titled":     "A [link](https://example.com/a_(b) \"with a title\") and more.",
	"breaks":     "A line  \nbroken hard\\\nand again.",
	"two lines":  "Some `code that\ngoes over` a line.",
	"all bold":   "**Bold *and slanted***, **[a bold link](https://example.com)** and **`code`**.",
	"info":       "```js {1,3} title=\"x y\"\nlet a = 1;\n```\n",
	"html":       "Press <kbd>Ctrl</kbd> and wait.",
	"mentions":   "Ask <@U123ABC> or <#C123|general> about it.",
	"wide table": "Intro line\n\n| `a` | [b](https://example.com) |\n|:---:|---|\n| x \\| y | **z** |\n",
	"money":      "It costs $5 to $10, i.e. 100% more; a/b or a+b = c - d.",
	"numbers go": "In 2024 it was so.\n\n2024 was a year.\n\n3 of 4 agree.",
}

// Headings underlined on the next line and tables without outer bars cannot be
// foreseen and are not among the documents.

// Whatever a reader has seen while the answer grew is what they see of it in
// the end: nothing flickers.
func TestGrowingTextNeverFlickers(t *testing.T) {
	for name, doc := range documents {
		t.Run(name, func(t *testing.T) {
			final := seen(doc)
			behind := 0
			for at := range doc + " " {
				at = min(at, len(doc))
				s := New(1<<20, nil)
				show, _ := s.Growing(doc[:at])
				got := seen(show)
				for i, letter := range got {
					if i >= len(final) || final[i] != letter {
						want := "nothing"
						if i < len(final) {
							want = final[i]
						}
						t.Fatalf("of %q is shown %q: letter %d is %q, in the end %q", doc[:at], show, i, letter, want)
					}
				}
				behind = max(behind, len(seen(doc[:at]))-len(got))
			}
			if behind > 60 {
				t.Errorf("up to %d letters are held back", behind)
			}
		})
	}
}
