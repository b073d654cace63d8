// Markdown as models write it → the Markdown Discord shows: tables as aligned
// code blocks, images as links, deep headings as bold lines, ~~~ fences as ```.

package discord

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// measure is a text's size as Discord counts it, once rendered: Unicode code
// points.
func measure(markdown string) int { return utf8.RuneCountInString(render(markdown)) }

// foreign are the marks without which nothing needs translating: most texts
// have none, and render is called for every edit.
var foreign = []string{"|", "![", "####", "~~~", "````"}

// render translates Markdown. What Discord renders itself it leaves as it is.
func render(markdown string) string {
	if !slices.ContainsFunc(foreign, func(mark string) bool { return strings.Contains(markdown, mark) }) {
		return trim(markdown)
	}
	var b strings.Builder
	b.Grow(len(markdown) + 64)
	lines := strings.Split(markdown, "\n")
	fence := ""
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if mark := fenceMark(line); mark != "" {
			switch {
			case fence == "":
				fence = mark
				line = ticks(line, mark)
			case closes(line, fence):
				line = ticks(line, mark)
				fence = ""
			default:
				line = inner(line, fence)
			}
		} else if fence != "" {
			line = inner(line, fence)
		} else {
			if rows, aligns := table(lines[i:]); rows > 0 {
				writeTable(&b, lines[i:i+rows], aligns)
				i += rows - 1
				continue
			}
			line = prose(line)
		}
		b.WriteString(line)
		if i < len(lines)-1 {
			b.WriteByte('\n')
		}
	}
	return trim(b.String())
}

// trim takes away what Discord would: white space around the message. The
// indentation of the first line stays while text follows it.
func trim(s string) string { return strings.TrimSpace(s) }

// fenceMark is the run of ` or ~ that opens or closes a code block, or "".
func fenceMark(line string) string {
	text := strings.TrimLeft(line, " \t>")
	for _, c := range "`~" {
		n := len(text) - len(strings.TrimLeft(text, string(c)))
		if n >= 3 && !(c == '`' && strings.Contains(text[n:], "`")) {
			return text[:n]
		}
	}
	return ""
}

func closes(line, fence string) bool {
	mark := strings.TrimLeft(strings.TrimSpace(line), " \t>")
	return strings.HasPrefix(mark, fence) && strings.Trim(mark, fence[:1]) == ""
}

// inner keeps a ``` inside a block that was fenced otherwise from ending the
// block: Discord knows no other fence.
func inner(line, fence string) string {
	if fence == "```" || !strings.Contains(line, "```") {
		return line
	}
	return strings.ReplaceAll(line, "```", "``\u200b`")
}

// ticks writes a fence the only way Discord knows.
func ticks(line, mark string) string {
	if mark == "```" {
		return line
	}
	return strings.Replace(line, mark, "```", 1)
}

var (
	image   = regexp.MustCompile(`!\[([^\]\n]*)\]\(\s*<?([^\s()<>]+(?:\([^\s()]*\)[^\s()<>]*)*)>?(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)`)
	heading = regexp.MustCompile(`^(\s{0,3})#{4,6}\s+(.*?)\s*#*\s*$`)
)

// prose renders one line outside code blocks.
func prose(line string) string {
	if !strings.Contains(line, "####") {
		// no heading that Discord does not know
	} else if found := heading.FindStringSubmatch(line); found != nil {
		if text := strings.ReplaceAll(found[2], "**", ""); text != "" {
			line = found[1] + "**" + text + "**"
		}
	}
	if !strings.Contains(line, "![") {
		return line
	}
	return outsideCode(line, func(text string) string {
		return image.ReplaceAllStringFunc(text, func(found string) string {
			g := image.FindStringSubmatch(found)
			if g[1] == "" || g[1] == g[2] {
				return g[2]
			}
			return "[" + g[1] + "](" + g[2] + ")"
		})
	})
}

// outsideCode applies f to what is not in `code` on a line.
func outsideCode(line string, f func(string) string) string {
	var b strings.Builder
	for line != "" {
		start := strings.IndexByte(line, '`')
		if start < 0 {
			break
		}
		n := len(line[start:]) - len(strings.TrimLeft(line[start:], "`"))
		mark := line[start : start+n]
		end := strings.Index(line[start+n:], mark)
		if end < 0 {
			break
		}
		stop := start + n + end + n
		b.WriteString(f(line[:start]))
		b.WriteString(line[start:stop])
		line = line[stop:]
	}
	b.WriteString(f(line))
	return b.String()
}

// align is a column's alignment.
type align byte

const (
	left align = iota
	right
	center
)

var separator = regexp.MustCompile(`^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$`)

// table reports how many of the lines are a table that begins at the first, and
// its columns' alignment; 0: none does.
func table(lines []string) (rows int, aligns []align) {
	if len(lines) < 2 || !strings.Contains(lines[0], "|") || !strings.Contains(lines[1], "-") || !separator.MatchString(lines[1]) {
		return 0, nil
	}
	marks := cells(lines[1])
	if len(marks) != len(cells(lines[0])) || len(marks) == 1 && !strings.Contains(lines[1], "|") {
		return 0, nil
	}
	for _, mark := range marks {
		a := left
		switch {
		case strings.HasPrefix(mark, ":") && strings.HasSuffix(mark, ":") && len(mark) > 1:
			a = center
		case strings.HasSuffix(mark, ":"):
			a = right
		}
		aligns = append(aligns, a)
	}
	rows = 2
	for rows < len(lines) && strings.Contains(lines[rows], "|") && strings.TrimSpace(lines[rows]) != "" && fenceMark(lines[rows]) == "" {
		rows++
	}
	return rows, aligns
}

// cells splits a row at its bars, \| aside.
func cells(line string) []string {
	line = strings.TrimSpace(line)
	line = strings.TrimPrefix(line, "|")
	if strings.HasSuffix(line, "|") && !strings.HasSuffix(line, `\|`) {
		line = line[:len(line)-1]
	}
	var out []string
	var b strings.Builder
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] == '\\' && i+1 < len(line) && line[i+1] == '|':
			b.WriteByte('|')
			i++
		case line[i] == '|':
			out = append(out, strings.TrimSpace(b.String()))
			b.Reset()
		default:
			b.WriteByte(line[i])
		}
	}
	return append(out, strings.TrimSpace(b.String()))
}

var (
	linked = regexp.MustCompile(`!?\[([^\]\n]*)\]\(([^()\s]*)\)`)
	breaks = regexp.MustCompile(`(?i)<br\s*/?>`)
)

// bare is a cell as it reads in a code block, where markup shows as written.
func bare(cell string) string {
	if !strings.ContainsAny(cell, "[<*_~`") {
		return cell
	}
	cell = linked.ReplaceAllStringFunc(cell, func(found string) string {
		g := linked.FindStringSubmatch(found)
		if g[1] == "" || g[1] == g[2] {
			return g[2]
		}
		return g[1] + " (" + g[2] + ")"
	})
	cell = breaks.ReplaceAllString(cell, " ")
	for _, mark := range []string{"**", "__", "~~", "`"} {
		cell = strings.ReplaceAll(cell, mark, "")
	}
	return cell
}

// columns is how wide s is on a screen.
func columns(width *runewidth.Condition, s string) int {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf || s[i] < ' ' {
			return width.StringWidth(s)
		}
	}
	return len(s)
}

// writeTable writes a table as an aligned code block. Columns are as wide as
// their text is on a screen, wide and combining characters included.
func writeTable(b *strings.Builder, lines []string, aligns []align) {
	width := &runewidth.Condition{EastAsianWidth: false, StrictEmojiNeutral: true}
	var rows [][]string
	widths := make([]int, len(aligns))
	for n, line := range lines {
		if n == 1 {
			continue
		}
		row := make([]string, len(aligns))
		for i, cell := range cells(line) {
			if i < len(row) {
				row[i] = bare(cell)
				widths[i] = max(widths[i], columns(width, row[i]))
			}
		}
		rows = append(rows, row)
	}
	b.WriteString("```\n")
	for n, row := range rows {
		var out strings.Builder
		for i, cell := range row {
			if i > 0 {
				out.WriteString(" | ")
			}
			space := widths[i] - columns(width, cell)
			before := 0
			switch aligns[i] {
			case right:
				before = space
			case center:
				before = space / 2
			}
			out.WriteString(strings.Repeat(" ", before) + cell + strings.Repeat(" ", space-before))
		}
		b.WriteString(strings.TrimRight(out.String(), " ") + "\n")
		if n == 0 {
			for i, w := range widths {
				if i > 0 {
					b.WriteString("-+-")
				}
				b.WriteString(strings.Repeat("-", w))
			}
			b.WriteByte('\n')
		}
	}
	b.WriteString("```\n")
}
