// What people and models write stays text.

package playground

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"parley/bots"
	"parley/internal/chat"
)

// attacks are attempts to become more than text.
var attacks = []string{
	`<script>alert(1)</script>`,
	`<img src=x onerror=alert(1)>`,
	"<div\nonclick=alert(1)>x</div>",
	`[x](javascript:alert(1))`,
	`[x](JaVaScRiPt:alert(1))`,
	"[x](java\tscript:alert(1))",
	`[x](&#106;avascript:alert(1))`,
	`[x](data:text/html;base64,PHNjcmlwdD4=)`,
	`[x](vbscript:x)`,
	`<javascript:alert(1)>`,
	`![x](javascript:alert(1))`,
	`![<img src=x onerror=alert(1)>](https://e.example/"onerror="alert(1))`,
	`[x](https://e.example/"onmouseover="alert(1) "t" )`,
	`[x](https://e.example 'a" onmouseover="alert(1)')`,
	"```\"><script>alert(1)</script>\nx\n```",
	"```html\n</code></pre><script>alert(1)</script>\n```",
	"| a |\n| - |\n| <script>alert(1)</script> |",
	"<!-- --><script>alert(1)</script>",
	"<!--\n<script>alert(1)</script>",
	`<style>*{display:none}</style>`,
	`<a href="javascript:alert(1)">x</a>`,
	"[x]: javascript:alert(1)\n[x]",
	`@helper"><script>alert(1)</script>`,
	`</textarea><script>alert(1)</script>`,
	`<svg/onload=alert(1)>`,
	`<iframe src=//e.example></iframe>`,
	`<base href=//e.example/>`,
	`<form action=//e.example><input name=x>`,
	`[x](//e.example)`,
	`{{.}}<%= 1 %>${1}`,
	`# <b onclick=x>h</b>`,
	"[x](https://e.example/\u202ejavascript:)",
}

var (
	tagPattern  = regexp.MustCompile(`<([a-zA-Z/!][^\s>]*)([^>]*)>`)
	attrPattern = regexp.MustCompile(`([a-zA-Z-]+)(?:="([^"]*)")?`)
)

// harmless fails if rendered Markdown holds an element or attribute that
// Markdown cannot make here.
func harmless(t *testing.T, source, out string) {
	t.Helper()
	allowed := map[string]string{
		"p": "", "br": "", "br/": "", "em": "", "strong": "", "del": "", "code": "dir", "ul": "dir", "ol": "dir start", "li": "", "blockquote": "dir", "hr": "", "hr/": "",
		"h1": "", "h2": "", "h3": "", "h4": "", "h5": "", "h6": "", "table": "", "thead": "", "tbody": "", "tr": "", "td": "align", "th": "align",
		"div": "class tabindex dir", "span": "class", "bdi": "class", "figure": "class dir", "figcaption": "", "pre": "tabindex", "button": "type class data-copy",
		"a": "href target rel", "input": "type disabled checked aria-label",
	}
	for _, m := range tagPattern.FindAllStringSubmatch(out, -1) {
		name := strings.ToLower(strings.TrimPrefix(m[1], "/"))
		attributes, known := allowed[name]
		if !known {
			t.Errorf("%q makes <%s>: %s", source, name, out)
			continue
		}
		for _, a := range attrPattern.FindAllStringSubmatch(m[2], -1) {
			if !strings.Contains(" "+attributes+" ", " "+strings.ToLower(a[1])+" ") {
				t.Errorf("%q makes <%s %s>: %s", source, name, a[1], out)
			}
			if a[1] == "href" {
				u, err := url.Parse(html.UnescapeString(a[2]))
				if err != nil || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "mailto" {
					t.Errorf("%q links to %q", source, a[2])
				}
				if !strings.Contains(m[2], `rel="noopener noreferrer nofollow"`) {
					t.Errorf("%q makes a link without rel: %s", source, m[0])
				}
			}
		}
	}
}

func TestWrittenTextStaysText(t *testing.T) {
	md := newMarkdown(testBots())
	for _, a := range attacks {
		harmless(t, a, string(md.html(a)))
		harmless(t, a, string(md.html("- x\n\n  "+a+"\n\n> "+a)))
	}
}

func FuzzWrittenTextStaysText(f *testing.F) {
	md := newMarkdown(testBots())
	for _, a := range attacks {
		f.Add(a)
	}
	f.Add("# h\n\n1. a\n2. b\n\n| a | b |\n|:-|-:|\n| `x` | ~~y~~ |\n\n- [x] done\n\n```go\nfunc\n```\n\nhttps://e.example @helper <mail@e.example>")
	f.Fuzz(func(t *testing.T, source string) {
		if len(source) > 4000 {
			return
		}
		harmless(t, source, string(md.html(source)))
	})
}

// The same attempts through every place a page shows: messages, answers,
// provider names, bots, menus, buttons, forms, files.
func TestNoPageRunsWhatItShows(t *testing.T) {
	evil := `"><script>alert(1)</script><img src=x onerror=alert(1)>'`
	s := newStage(t, func(o *Options) {
		o.Bots = append(o.Bots, bots.Bot{ID: "evil", Name: evil, Description: evil, Provider: evil, Model: evil})
		o.Version = evil
		o.Health = func() []chat.Health { return []chat.Health{{Bot: "evil", Platform: "slack", Reason: evil}} }
	})
	s.list = append(s.list, Provider{ID: "x" + evil, Name: evil, Endpoint: "javascript:" + evil, Source: evil, Models: []string{evil}, Hint: evil})
	s.found = []Server{{ID: evil, Name: evil, Endpoint: evil, Models: []string{evil}}}
	s.answer = ""
	pen := s.responder(chat.Place{Channel: "C-general"})
	_, err := pen.Post(t.Context(), chat.Content{
		Key: "k", Markdown: evil, Final: true, Menu: &chat.Menu{Action: evil, Placeholder: evil, Options: []chat.Option{{Label: evil, Value: evil}}},
		Buttons: []chat.Button{{Label: evil, Action: evil, Args: evil}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pen.Post(t.Context(), chat.Content{Key: "k2", Markdown: evil, Stop: evil}); err != nil {
		t.Fatal(err)
	}
	if _, err := pen.Upload(t.Context(), evil, []byte(evil), evil); err != nil {
		t.Fatal(err)
	}
	s.script("/playground/post", "channel", "C-general", "text", evil)
	pages := map[string]string{}
	for _, path := range []string{"/", "/playground/d/evil", "/playground/providers", "/playground/providers?add", "/playground/providers?edit=" + url.QueryEscape("x"+evil), "/playground/bots", "/playground/c/general?before=x%22"} {
		_, pages[path] = s.page(path)
	}
	_, pages["submit"] = s.form("/playground/submit", "channel", "D-helper", "form", evil, "f-"+evil, evil, "f-id", evil, "f-endpoint", evil)
	_, pages["post"] = s.form("/playground/post", "channel", "C-general", "text", "/"+evil)
	_, pages["complete"] = s.page("/playground/complete?channel=C-general&text=@")
	for where, body := range pages {
		if strings.Contains(body, `href="javascript:`) {
			t.Errorf("%s links to script", where)
		}
		body = regexp.MustCompile(`="[^"]*"`).ReplaceAllString(body, "") // what stands in quotes stays there
		if strings.Contains(body, "<script>") || strings.Contains(body, "<img") || regexp.MustCompile(`<[a-z][^>]*\sonerror=`).MatchString(body) {
			t.Errorf("%s runs what it shows", where)
		}
	}
	wants(t, pages["/"], html.EscapeString("<script>alert(1)</script>"))
}

// No secret and no word of a message is in the log at any level, errors
// included.
func TestTheLogHoldsNoWords(t *testing.T) {
	var log strings.Builder
	lines := make(chan string, 100)
	s := newStage(t, func(o *Options) { o.Log = linesTo(lines) })
	s.script("/playground/post", "channel", "C-general", "text", "@helper the-spoken-word")
	s.script("/playground/submit", "channel", "D-helper", "form", "provider-add", "f-id", "corp", "f-endpoint", "https://e.example/", "f-apiKey", "sk-the-key")
	s.page("/playground/complete?channel=C-general&text=%2Fmodel+the-spoken-word")
	s.board.mu.Lock()
	s.board.broken = context.DeadlineExceeded
	s.board.mu.Unlock()
	status, _ := s.script("/playground/post", "channel", "C-general", "text", "@helper the-spoken-word again")
	if status != http.StatusServiceUnavailable {
		t.Error(status)
	}
	for len(lines) > 0 {
		log.WriteString(<-lines)
	}
	if !strings.Contains(log.String(), "ref-") {
		t.Error("the failure is not in the log")
	}
	for _, word := range []string{"spoken-word", "sk-the-key"} {
		if strings.Contains(log.String(), word) {
			t.Errorf("the log holds %q", word)
		}
	}
}
