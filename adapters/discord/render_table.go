// Tables, which Discord does not support, as aligned code blocks.

package discord

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// align is a column's alignment.
type align byte

const (
	left align = iota
	right
	center
)

var separator = regexp.MustCompile(`^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$`)

// table returns the number of lines of the table that begins with the first, and
// the alignment of its columns; 0 if there is none.
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

// cells splits a row at its bars, except at \|.
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

// bare is the text of a cell without markup, which a code block would show.
func bare(cell string) string {
	if !strings.ContainsAny(cell, "[<&*_~`\\") {
		return cell
	}
	return strings.TrimSpace(inlines{plain: true}.render(cell))
}

// columns is the width of s on a screen.
func columns(width *runewidth.Condition, s string) int {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf || s[i] < ' ' {
			return width.StringWidth(s)
		}
	}
	return len(s)
}

// writeTable writes a table as an aligned code block, with prefix before each line.
// Wide and combining characters count as wide as they are on a screen.
func writeTable(b *strings.Builder, prefix string, lines []string, aligns []align) {
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
	b.WriteString(prefix + "```\n")
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
		b.WriteString(prefix + strings.TrimRight(out.String(), " ") + "\n")
		if n == 0 {
			b.WriteString(prefix)
			for i, w := range widths {
				if i > 0 {
					b.WriteString("-+-")
				}
				b.WriteString(strings.Repeat("-", w))
			}
			b.WriteByte('\n')
		}
	}
	b.WriteString(prefix + "```\n")
}
