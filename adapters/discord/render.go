// From the Markdown of models to Discord's: blocks. Tables become aligned code
// blocks, deep headings bold lines, ~~~ fences ```; what only Discord treats as
// markup is escaped.

package discord

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// measure is the size of a rendered text as Discord counts it, in Unicode code
// points.
func measure(markdown string) int { return utf8.RuneCountInString(render(markdown)) }

// foreign are the characters without which a text needs no translation. Many texts
// have none of them, and render runs for every edit.
var foreign = []string{"|", "[", "<", ">", "&", "\\", "####", "~~~", "```", "-#", "===", "***", "___", "* * *", "- - -", "_ _ _", "+ "}

// render translates Markdown. It leaves alone what Discord renders itself.
func render(markdown string) string {
	if !slices.ContainsFunc(foreign, func(mark string) bool { return strings.Contains(markdown, mark) }) {
		return trim(markdown)
	}
	r := renderer{lines: strings.Split(markdown, "\n"), links: definitions(markdown)}
	r.out.Grow(len(markdown) + 64)
	for r.at < len(r.lines) {
		r.block()
	}
	r.flush()
	return trim(r.out.String())
}

// trim removes the white space around a message, as Discord does. Discord would
// also remove the space after a final quote mark and then show the mark.
func trim(s string) string {
	s = strings.TrimSpace(s)
	for strings.HasSuffix(s, "\n>") {
		s = strings.TrimSpace(s[:len(s)-2])
	}
	return s
}

// renderer translates a text block by block.
type renderer struct {
	lines []string
	at    int // the next line
	links map[string]string
	out   strings.Builder
	para  []string // lines of one paragraph: a code span can go over several
	quote string   // the quote marks before them
	fence fence    // the open code block
}

// fence is the start of the open code block; mark is empty if there is none.
type fence struct {
	mark  string
	depth int // of the quote around it
}

// block translates the next line, and the lines that belong to its block.
func (r *renderer) block() {
	line := r.lines[r.at]
	if r.fence.mark != "" {
		if r.code(line) {
			return
		}
		r.write("> ```") // the quote ends, and with it the block
		r.fence = fence{}
	}
	depth, rest := unquote(line, len(line))
	prefix := ""
	if depth > 0 {
		prefix = "> "
	}
	if mark := fenceMark(rest); mark != "" {
		r.flush()
		r.fence = fence{mark, depth}
		r.write(prefix + ticks(rest, mark))
		r.at++
		return
	}
	if r.table(depth, prefix, rest) {
		return
	}
	r.at++
	switch body := strings.TrimSpace(rest); {
	case body == "" || body == "---":
		r.flush()
		r.write(prefix + body)
	case isRule(body):
		r.flush()
		r.write(prefix + "---")
	case r.links[definedBy(rest)] != "", standsAlone(body):
		r.flush()
	default:
		r.prose(prefix, depth, rest)
	}
}

// code writes a line of the open code block. It returns false if the line is
// outside of it.
func (r *renderer) code(line string) bool {
	prefix := ""
	if r.fence.depth > 0 {
		depth, rest := unquote(line, r.fence.depth)
		if depth < r.fence.depth {
			return false
		}
		prefix, line = "> ", rest
	}
	if closes(line, r.fence.mark) {
		line = ticks(line, strings.TrimSpace(line))
		r.fence = fence{}
	} else {
		line = strings.ReplaceAll(line, "```", "``\u200b`") // else Discord would end the block here
	}
	r.write(prefix + line)
	r.at++
	return true
}

// table writes the table that begins here, if there is one.
func (r *renderer) table(depth int, prefix, first string) bool {
	if !strings.Contains(first, "|") || r.at+1 == len(r.lines) {
		return false
	}
	if d, next := unquote(r.lines[r.at+1], depth); d != depth || !separator.MatchString(next) {
		return false
	}
	_, marker, row := listItem(first)
	if marker != "" {
		first = row
	}
	rows := []string{first}
	for _, line := range r.lines[r.at+1:] {
		d, rest := unquote(line, depth)
		if d != depth {
			break
		}
		rows = append(rows, rest)
		if !strings.Contains(rest, "|") {
			break
		}
	}
	n, aligns := table(rows)
	if n == 0 {
		return false
	}
	r.flush()
	if marker != "" {
		r.write(prefix + marker)
	}
	writeTable(&r.out, prefix, rows[:n], aligns)
	r.at += n
	return true
}

// prose translates a line of text.
func (r *renderer) prose(prefix string, depth int, rest string) {
	if r.quote != prefix {
		r.flush()
	}
	r.quote = prefix
	indent, marker, item := listItem(rest)
	switch {
	case marker != "":
		r.flush()
		r.quote = prefix
		rest = indent + marker + " " + heading(task(item))
	case r.underlined(depth):
		r.at++
		rest = "# " + strings.TrimSpace(rest)
	default:
		rest = heading(rest)
	}
	if body := strings.TrimLeft(rest, " "); strings.HasPrefix(body, "-#") || strings.HasPrefix(body, ">>>") {
		// In Discord these are small print and a quote to the end of the message.
		rest = rest[:len(rest)-len(body)] + `\` + body
	}
	r.para = append(r.para, prefix+strings.Repeat("> ", max(depth-1, 0))+rest)
}

// underlined reports whether the next line turns this one into a heading.
func (r *renderer) underlined(depth int) bool {
	if r.at == len(r.lines) {
		return false
	}
	d, next := unquote(r.lines[r.at], depth)
	return d == depth && setext.MatchString(next)
}

// flush writes the collected paragraph.
func (r *renderer) flush() {
	if len(r.para) == 0 {
		return
	}
	text := strings.Join(r.para, "\n")
	r.para = r.para[:0]
	r.write(inlines{links: r.links, newline: "\n" + r.quote}.render(text))
	r.quote = ""
}

func (r *renderer) write(line string) {
	r.out.WriteString(line)
	r.out.WriteByte('\n')
}

// unquote removes at most n quote marks from a line. Three or more in a row are no
// quote but Python's prompt.
func unquote(line string, n int) (depth int, rest string) {
	rest = line
	for depth < n {
		body := strings.TrimLeft(rest, " ")
		if len(rest)-len(body) > 3 || !strings.HasPrefix(body, ">") || strings.HasPrefix(body, ">>>") {
			break
		}
		rest = strings.TrimPrefix(body[1:], " ")
		depth++
	}
	return depth, rest
}

// fenceMark is the run of ` or ~ that opens or closes a code block, or "". It may
// follow the marker of a list item.
func fenceMark(line string) string {
	text := strings.TrimLeft(line, " \t")
	for {
		_, marker, rest := listItem(text)
		if marker == "" {
			break
		}
		text = strings.TrimLeft(rest, " \t")
	}
	for _, c := range "`~" {
		n := len(text) - len(strings.TrimLeft(text, string(c)))
		if n >= 3 && !(c == '`' && strings.Contains(text[n:], "`")) {
			return text[:n]
		}
	}
	return ""
}

func closes(line, fence string) bool {
	mark := strings.TrimSpace(line)
	return strings.HasPrefix(mark, fence) && strings.Trim(mark, fence[:1]) == ""
}

// ticks writes a fence as backticks, which is all Discord knows.
func ticks(line, mark string) string {
	if mark == "```" {
		return line
	}
	return strings.Replace(line, mark, "```", 1)
}

var (
	deep   = regexp.MustCompile(`^(\s{0,3})#{4,6}\s+(.*?)\s*#*\s*$`)
	setext = regexp.MustCompile(`^ {0,3}={3,}\s*$`)
	marks  = regexp.MustCompile(`^(\s*)([-*+]|\d{1,9}[.)])[ \t]+(\S.*)$`)
)

// heading turns a heading that is too deep for Discord into a bold line.
func heading(line string) string {
	if !strings.Contains(line, "####") {
		return line
	}
	found := deep.FindStringSubmatch(line)
	if found == nil {
		return line
	}
	text := strings.ReplaceAll(found[2], "**", "")
	if text == "" {
		return line
	}
	return found[1] + "**" + text + "**"
}

// listItem splits the marker off an item of a list. It is empty if the line is
// none.
func listItem(line string) (indent, marker, rest string) {
	body := strings.TrimLeft(line, " \t")
	if body == "" || strings.IndexByte("-*+0123456789", body[0]) < 0 {
		return "", "", line
	}
	found := marks.FindStringSubmatch(line)
	if found == nil {
		return "", "", line
	}
	if found[2] == "+" {
		found[2] = "-"
	}
	return found[1], found[2], found[3]
}

// task replaces the box of a task by a symbol.
func task(item string) string {
	switch {
	case strings.HasPrefix(item, "[ ] "):
		return "☐ " + item[4:]
	case strings.HasPrefix(item, "[x] "), strings.HasPrefix(item, "[X] "):
		return "☑ " + item[4:]
	}
	return item
}

// isRule reports whether a line is a thematic break.
func isRule(line string) bool {
	line = strings.ReplaceAll(line, " ", "")
	return len(line) >= 3 && strings.IndexByte("-*_", line[0]) >= 0 && strings.Trim(line, line[:1]) == ""
}

var definition = regexp.MustCompile(`^ {0,3}\[([^\]^\n][^\]\n]*)\]:\s*<?([^\s<>]+)>?(?:\s+(?:"[^"]*"|'[^']*'|\([^)]*\)))?\s*$`)

// definitions are the targets of the reference links in a text, by name.
func definitions(markdown string) map[string]string {
	if !strings.Contains(markdown, "]:") {
		return nil
	}
	out := map[string]string{}
	text := strings.ToLower(markdown)
	open := ""
	for line := range strings.SplitSeq(markdown, "\n") {
		mark := fenceMark(line)
		switch {
		case open != "":
			if closes(line, open) {
				open = ""
			}
			continue
		case mark != "":
			open = mark
			continue
		}
		found := definition.FindStringSubmatch(line)
		if found == nil {
			continue
		}
		name := strings.ToLower(found[1])
		used := strings.Contains(text, "]["+name+"]") || strings.Contains(text, "["+name+"][]") ||
			!numeric(name) && strings.Count(text, "["+name+"]") > 1
		if used && out[name] == "" {
			out[name] = found[2]
		}
	}
	return out
}

// definedBy is the name whose target a line defines, if it does.
func definedBy(line string) string {
	if !strings.Contains(line, "]:") {
		return ""
	}
	if found := definition.FindStringSubmatch(line); found != nil {
		return strings.ToLower(found[1])
	}
	return ""
}

func numeric(s string) bool { return strings.Trim(s, "0123456789") == "" }
