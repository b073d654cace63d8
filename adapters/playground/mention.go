// Mentions: "@helper" or "@Helper" outside code names a bot.

package playground

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"

	"parley/bots"
)

// mentionName is a way to write a bot's name, as its file spells it: in lower case
// some names are longer, and what people type would never be found.
type mentionName struct{ written, bot string }

// mentionNames lists ids and names, the longest first: "code reviewer" before
// "code". An id wins over another bot's name.
func mentionNames(all []bots.Bot) []mentionName {
	var out []mentionName
	for _, b := range all {
		out = append(out, mentionName{b.ID, b.ID})
	}
	for _, b := range all {
		if b.Name != "" {
			out = append(out, mentionName{b.Name, b.ID})
		}
	}
	slices.SortStableFunc(out, func(a, b mentionName) int { return cmp.Compare(len(b.written), len(a.written)) })
	return out
}

var kindMention = ast.NewNodeKind("Mention")

// mentionNode is one mention and where it stands in the source.
type mentionNode struct {
	ast.BaseInline
	bot string
	at  text.Segment
}

// Kind implements ast.Node.
func (n *mentionNode) Kind() ast.NodeKind { return kindMention }

// Dump implements ast.Node.
func (n *mentionNode) Dump(source []byte, level int) {
	ast.DumpHelper(n, source, level, map[string]string{"Bot": n.bot}, nil)
}

type mentionParser struct{ names []mentionName }

// Trigger implements parser.InlineParser.
func (p *mentionParser) Trigger() []byte { return []byte{'@'} }

// Parse implements parser.InlineParser.
func (p *mentionParser) Parse(_ ast.Node, block text.Reader, _ parser.Context) ast.Node {
	if before := block.PrecendingCharacter(); isWord(before) || before == '/' || before == '.' {
		return nil
	}
	line, at := block.PeekLine()
	for _, name := range p.names {
		end := 1 + len(name.written)
		if len(line) < end || !strings.EqualFold(string(line[1:end]), name.written) {
			continue
		}
		if next, _ := utf8.DecodeRune(line[end:]); len(line) > end && (isWord(next) || next == '-' && continues(line[end+1:])) {
			continue
		}
		block.Advance(end)
		return &mentionNode{bot: name.bot, at: text.NewSegment(at.Start, at.Start+end)}
	}
	return nil
}

func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// continues reports whether a hyphen is followed by more of a name: "@helper-2"
// is not helper, "@helper - hello" is.
func continues(rest []byte) bool {
	r, _ := utf8.DecodeRune(rest)
	return len(rest) > 0 && isWord(r)
}

// mentioned lists the bots named in source, each once, in order.
func (a *Adapter) mentioned(source string) []string {
	var out []string
	for _, n := range a.mentions(source) {
		if !slices.Contains(out, n.bot) {
			out = append(out, n.bot)
		}
	}
	return out
}

func (a *Adapter) mentions(source string) []*mentionNode {
	if !strings.Contains(source, "@") {
		return nil
	}
	var out []*mentionNode
	_ = ast.Walk(a.text.parse([]byte(source)), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if m, ok := n.(*mentionNode); ok && entering {
			out = append(out, m)
		}
		return ast.WalkContinue, nil
	})
	return out
}

// addressed is source as bot gets it: its own mention removed.
func (a *Adapter) addressed(source, bot string) string {
	var out strings.Builder
	from := 0
	for _, n := range a.mentions(source) {
		if n.bot != bot || n.at.Start < from {
			continue
		}
		out.WriteString(source[from:n.at.Start])
		from = n.at.Stop
		// "@helper: what…" and "tell @helper what…" leave neither a stray
		// colon nor two spaces.
		if out.Len() == 0 || strings.TrimSpace(out.String()) == "" {
			from += len(source[from:]) - len(strings.TrimLeft(source[from:], " \t:,"))
		} else if strings.HasSuffix(out.String(), " ") && strings.HasPrefix(source[from:], " ") {
			from++
		}
	}
	out.WriteString(source[from:])
	return strings.TrimSpace(out.String())
}
