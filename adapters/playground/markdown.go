// Markdown to HTML. People's and models' text is never trusted: raw HTML is
// shown as text, links go to the web or to mail only, and nothing is loaded
// from other sites: an image becomes a link.

package playground

import (
	"bytes"
	"html/template"
	"net/url"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	gmhtml "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"

	"parley/bots"
)

// markdown renders Markdown as HTML that is safe on the page. Every line break
// counts, as in other chats.
type markdown struct {
	md    goldmark.Markdown
	plain goldmark.Markdown // without tables
}

func newMarkdown(all []bots.Bot) *markdown {
	// Without the raw-HTML parsers a tag is plain text, and the text after an
	// unclosed one is still Markdown.
	blocks := []util.PrioritizedValue{
		util.Prioritized(parser.NewSetextHeadingParser(), 100), util.Prioritized(parser.NewThematicBreakParser(), 200),
		util.Prioritized(parser.NewListParser(), 300), util.Prioritized(parser.NewListItemParser(), 400),
		util.Prioritized(parser.NewCodeBlockParser(), 500), util.Prioritized(parser.NewATXHeadingParser(), 600),
		util.Prioritized(parser.NewFencedCodeBlockParser(), 700), util.Prioritized(parser.NewBlockquoteParser(), 800),
		util.Prioritized(parser.NewParagraphParser(), 1000),
	}
	inlines := []util.PrioritizedValue{
		util.Prioritized(&mentionParser{names: mentionNames(all)}, 50),
		util.Prioritized(parser.NewCodeSpanParser(), 100), util.Prioritized(parser.NewLinkParser(), 200),
		util.Prioritized(parser.NewAutoLinkParser(), 300), util.Prioritized(parser.NewEmphasisParser(), 500),
	}
	build := func(more ...goldmark.Extender) goldmark.Markdown {
		return goldmark.New(
			goldmark.WithParser(parser.NewParser(
				parser.WithBlockParsers(blocks...), parser.WithInlineParsers(inlines...),
				parser.WithParagraphTransformers(parser.DefaultParagraphTransformers()...),
				parser.WithASTTransformers(util.Prioritized(directions{}, 100)),
			)),
			goldmark.WithExtensions(append(more, extension.Strikethrough, extension.Linkify, extension.TaskList)...),
			goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(safeHTML{}, 1)), gmhtml.WithHardWraps()),
		)
	}
	table := extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute))
	return &markdown{md: build(table), plain: build()}
}

// html renders source, as plain text if the renderer fails.
func (m *markdown) html(source string) template.HTML {
	md := m.md
	if cells(source) > mostCells {
		md = m.plain
	}
	var out bytes.Buffer
	if err := md.Convert([]byte(source), &out); err != nil {
		return template.HTML("<p>" + template.HTMLEscapeString(source) + "</p>")
	}
	return template.HTML(out.String()) //nolint:gosec // safeHTML escapes all text
}

// mostCells limits a table's size. Short rows are padded to the width of the
// first, so a few kilobytes could make millions of cells.
const mostCells = 5000

// cells is an upper bound for the table cells in source: the columns of the
// widest line of dashes times the lines from there.
func cells(source string) int {
	most, all := 0, strings.Split(source, "\n")
	for i, line := range all {
		if strings.Contains(line, "-") && strings.Trim(line, "|:-> \t\r0123456789.*+") == "" {
			most = max(most, (strings.Count(line, "|")+1)*(len(all)-i))
		}
	}
	return most
}

// directions gives each list and quote the direction of its own text, so that
// markers and bars are on the right side. Code is left to right and does not
// affect the text around it.
type directions struct{}

// Transform implements parser.ASTTransformer.
func (directions) Transform(doc *ast.Document, _ text.Reader, _ parser.Context) {
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n.Kind() {
		case ast.KindList, ast.KindBlockquote:
			n.SetAttributeString("dir", "auto")
		case ast.KindCodeSpan:
			n.SetAttributeString("dir", "ltr")
		}
		return ast.WalkContinue, nil
	})
}

// safeHTML renders the nodes that could turn text into markup.
type safeHTML struct{}

// RegisterFuncs implements renderer.NodeRenderer.
func (s safeHTML) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindFencedCodeBlock, s.code)
	r.Register(ast.KindCodeBlock, s.code)
	r.Register(ast.KindLink, s.link)
	r.Register(ast.KindAutoLink, s.autoLink)
	r.Register(ast.KindImage, s.image)
	r.Register(extast.KindTable, s.table)
	r.Register(extast.KindTaskCheckBox, s.taskBox)
	r.Register(kindMention, s.mention)
}

func write(w util.BufWriter, parts ...string) {
	for _, p := range parts {
		_, _ = w.WriteString(p)
	}
}

func escape(b []byte) string { return string(util.EscapeHTML(b)) }

func lines(n ast.Node, source []byte) []byte {
	var out []byte
	for i := range n.Lines().Len() {
		at := n.Lines().At(i)
		out = append(out, at.Value(source)...)
	}
	return out
}

func (safeHTML) code(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	language := ""
	if fenced, ok := node.(*ast.FencedCodeBlock); ok {
		language = escape(fenced.Language(source))
	}
	write(w, `<figure class="code" dir="ltr"><figcaption><span>`, language,
		`</span><button type="button" class="copy" data-copy>Copy</button></figcaption><pre tabindex="0"><code>`,
		escape(lines(node, source)), "</code></pre></figure>\n")
	return ast.WalkSkipChildren, nil
}

// safeURL returns the URL of a link if it is allowed: absolute, to the web or
// to mail.
func safeURL(raw string) (string, bool) {
	escaped := string(util.URLEscape([]byte(strings.TrimSpace(raw)), true))
	u, err := url.Parse(escaped)
	if err != nil {
		return "", false
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https":
		return escaped, u.Host != ""
	case "mailto":
		return escaped, true
	}
	return "", false
}

func openLink(w util.BufWriter, to string) {
	write(w, `<a href="`, escape([]byte(to)), `" target="_blank" rel="noopener noreferrer nofollow">`)
}

func (safeHTML) link(w util.BufWriter, _ []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	to, ok := safeURL(string(node.(*ast.Link).Destination))
	switch {
	case ok && entering:
		openLink(w, to)
	case ok:
		write(w, "</a>")
	}
	return ast.WalkContinue, nil
}

func (safeHTML) autoLink(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	n := node.(*ast.AutoLink)
	to := string(n.URL(source))
	if n.AutoLinkType == ast.AutoLinkEmail && !strings.HasPrefix(strings.ToLower(to), "mailto:") {
		to = "mailto:" + to
	}
	to, ok := safeURL(to)
	if ok {
		openLink(w, to)
	}
	write(w, escape(n.Label(source)))
	if ok {
		write(w, "</a>")
	}
	return ast.WalkContinue, nil
}

func (safeHTML) image(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	n := node.(*ast.Image)
	label := escape([]byte(plain(n, source)))
	to, ok := safeURL(string(n.Destination))
	if label == "" {
		label = escape([]byte("image"))
	}
	if ok {
		openLink(w, to)
	}
	write(w, label)
	if ok {
		write(w, "</a>")
	}
	return ast.WalkSkipChildren, nil
}

// plain is the text below a node.
func plain(n ast.Node, source []byte) string {
	var out strings.Builder
	_ = ast.Walk(n, func(c ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := c.(*ast.Text); ok && entering {
			out.Write(t.Value(source))
		}
		return ast.WalkContinue, nil
	})
	return out.String()
}

// table wraps tables so that a wide one scrolls by itself, by keyboard too.
func (safeHTML) table(w util.BufWriter, _ []byte, _ ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		write(w, `<div class="table" tabindex="0" dir="auto"><table>`, "\n")
	} else {
		write(w, "</table></div>\n")
	}
	return ast.WalkContinue, nil
}

// taskBox also says in words whether a task is done.
func (safeHTML) taskBox(w util.BufWriter, _ []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	switch {
	case entering && node.(*extast.TaskCheckBox).IsChecked:
		write(w, `<input type="checkbox" disabled checked aria-label="Done"> `)
	case entering:
		write(w, `<input type="checkbox" disabled aria-label="To do"> `)
	}
	return ast.WalkContinue, nil
}

func (safeHTML) mention(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		n := node.(*mentionNode)
		write(w, `<bdi class="mention">`, escape(source[n.at.Start:n.at.Stop]), `</bdi>`)
	}
	return ast.WalkContinue, nil
}

// parse returns the syntax tree of source.
func (m *markdown) parse(source []byte) ast.Node {
	return m.plain.Parser().Parse(text.NewReader(source))
}
