// Markdown as the page shows it.

package playground

import (
	"log/slog"
	"strings"
	"testing"

	"parley/bots"
)

// linesTo is a logger whose lines at every level go to c.
func linesTo(c chan string) *slog.Logger {
	return slog.New(slog.NewTextHandler(lineWriter(c), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type lineWriter chan string

func (w lineWriter) Write(p []byte) (int, error) { w <- string(p); return len(p), nil }

func TestMarkdown(t *testing.T) {
	md := newMarkdown(testBots())
	for _, c := range []struct{ source, want string }{
		{"a **b** *c* ~~d~~ `e`", "<p>a <strong>b</strong> <em>c</em> <del>d</del> <code dir=\"ltr\">e</code></p>\n"},
		{"<b>raw</b>", "<p>&lt;b&gt;raw&lt;/b&gt;</p>\n"},
		{"<div>\nx\n</div>", "<p>&lt;div&gt;<br>\nx<br>\n&lt;/div&gt;</p>\n"},
		{"<!-- open\n\n**still** Markdown", "<p>&lt;!-- open</p>\n<p><strong>still</strong> Markdown</p>\n"},
		{"<pre>\n\n- x", "<p>&lt;pre&gt;</p>\n<ul dir=\"auto\">\n<li>x</li>\n</ul>\n"},
		{"see https://e.example/a?b=c&d", `<p>see <a href="https://e.example/a?b=c&amp;d" target="_blank" rel="noopener noreferrer nofollow">https://e.example/a?b=c&amp;d</a></p>` + "\n"},
		{"[t](https://e.example)", `<p><a href="https://e.example" target="_blank" rel="noopener noreferrer nofollow">t</a></p>` + "\n"},
		{"[t](javascript:x)", "<p>t</p>\n"},
		{"[t](/relative)", "<p>t</p>\n"},
		{"![alt](https://e.example/i.png)", `<p><a href="https://e.example/i.png" target="_blank" rel="noopener noreferrer nofollow">alt</a></p>` + "\n"},
		{"<me@e.example>", `<p><a href="mailto:me@e.example" target="_blank" rel="noopener noreferrer nofollow">me@e.example</a></p>` + "\n"},
		{"```go\na < b\n```", `<figure class="code" dir="ltr"><figcaption><span>go</span><button type="button" class="copy" data-copy>Copy</button></figcaption><pre tabindex="0"><code>a &lt; b` + "\n</code></pre></figure>\n"},
		{"```\nopen", `<figure class="code" dir="ltr"><figcaption><span></span><button type="button" class="copy" data-copy>Copy</button></figcaption><pre tabindex="0"><code>open` + "\n</code></pre></figure>\n"},
		{"| a | b |\n| - | -: |\n| 1 | 2 |", `<div class="table" tabindex="0" dir="auto"><table>` + "\n<thead>\n<tr>\n<th>a</th>\n<th align=\"right\">b</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>1</td>\n<td align=\"right\">2</td>\n</tr>\n</tbody>\n</table></div>\n"},
		{"hi @helper and @Code Reviewer", `<p>hi <bdi class="mention">@helper</bdi> and <bdi class="mention">@Code Reviewer</bdi></p>` + "\n"},
		{"- [x] a\n- [ ] b", "<ul dir=\"auto\">\n<li><input type=\"checkbox\" disabled checked aria-label=\"Done\"> a</li>\n<li><input type=\"checkbox\" disabled aria-label=\"To do\"> b</li>\n</ul>\n"},
		{"a\nb", "<p>a<br>\nb</p>\n"},
	} {
		if got := string(md.html(c.source)); got != c.want {
			t.Errorf("%q\n got %s\nwant %s", c.source, got, c.want)
		}
	}
}

// A few kilobytes never become megabytes.
func TestMarkdownDoesNotExplode(t *testing.T) {
	md := newMarkdown(testBots())
	for name, source := range map[string]string{
		"columns":        strings.Repeat("a|", 1000) + "\n" + strings.Repeat("-|", 1000) + "\n" + strings.Repeat("b\n", 4000),
		"quoted columns": "> " + strings.Repeat("a|", 1000) + "\n> " + strings.Repeat("-|", 1000) + "\n" + strings.Repeat("> b\n", 2000),
		"listed columns": "1. " + strings.Repeat("a|", 1000) + "\n   " + strings.Repeat("-|", 1000) + "\n" + strings.Repeat("   b\n", 1500),
		"quotes":         strings.Repeat(">", sizeLimit),
		"lists":          strings.Repeat("1. ", sizeLimit/3),
		"emphasis":       strings.Repeat("a*_", sizeLimit/3),
	} {
		if out := md.html(source); len(out) > 40*len(source) {
			t.Errorf("%s: %d bytes of %d", name, len(out), len(source))
		}
	}
	if out := md.html("| a | b |\n| - | - |\n" + strings.Repeat("| 1 | 2 |\n", 1000)); strings.Count(string(out), "<tr>") != 1001 {
		t.Error("a long but ordinary table is not shown as one")
	}
}

func TestMentions(t *testing.T) {
	s := newStage(t)
	for _, c := range []struct{ source, bots, helper string }{
		{"@helper hi", "helper", "hi"},
		{"@HELPER, hi", "helper", "hi"},
		{"@helper", "helper", ""},
		{"hi @helper there", "helper", "hi there"},
		{"ask @helper.", "helper", "ask ."},
		{"(@helper) go", "helper", "() go"},
		{"@helper-2 hi", "", "@helper-2 hi"},
		{"@helpers hi", "", "@helpers hi"},
		{"@helper - hi", "helper", "- hi"},
		{"me@helper", "", "me@helper"},
		{"https://x.example/@helper", "", "https://x.example/@helper"},
		{"`@helper`", "", "`@helper`"},
		{"```\n@helper\n```", "", "```\n@helper\n```"},
		{"@Code Reviewer and @helper", "reviewer helper", "@Code Reviewer and"},
		{"**@helper** and @helper", "helper", "**** and"},
		{"@helper\n\n- one\n- two", "helper", "- one\n- two"},
		{"@nobody", "", "@nobody"},
	} {
		if got := strings.Join(s.adapter.mentioned(c.source), " "); got != c.bots {
			t.Errorf("%q mentions %q, want %q", c.source, got, c.bots)
		}
		if got := s.adapter.addressed(c.source, "helper"); got != c.helper {
			t.Errorf("%q becomes %q, want %q", c.source, got, c.helper)
		}
	}
}

// In lower case "İ" is a byte longer than as people write it.
func TestANameIsFoundAsItIsWritten(t *testing.T) {
	text := newMarkdown([]bots.Bot{{ID: "city", Name: "İzmir"}})
	for _, source := range []string{"@İzmir hi", "@İZMIR hi", "@CITY hi"} {
		if html := string(text.html(source)); !strings.Contains(html, `<bdi class="mention">`) {
			t.Errorf("%q mentions nobody: %s", source, html)
		}
	}
}
