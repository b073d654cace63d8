// Blocks read as Markdown: https://docs.slack.dev/reference/block-kit/blocks.

package slack

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"parley/adapters/internal/loose"
)

// block is what a block says; buttons, menus and dividers say nothing. One of an
// unknown type says what it holds under the names that Slack uses for texts.
func (r reader) block(b loose.Object, depth int) string {
	if depth > loose.Deepest {
		return ""
	}
	switch b.Text("type") {
	case "rich_text":
		return r.rich(b.List("elements"), depth+1)
	case "markdown":
		return strings.TrimSpace(b.Text("text"))
	case "header":
		return bolded(r.words(b["text"]))
	case "section":
		parts := []string{r.words(b["text"])}
		for _, f := range b.List("fields") {
			parts = append(parts, r.words(map[string]any(f)))
		}
		return loose.Join("\n", append(parts, r.image(b.Object("accessory")))...)
	case "context":
		var parts []string
		for _, e := range b.List("elements") {
			parts = append(parts, loose.Join("", r.words(map[string]any(e)), r.image(e)))
		}
		return loose.Join(" ", parts...)
	case "image", "video":
		return loose.Join("\n", r.image(b), r.words(b["description"]))
	case "table", "data_table":
		return loose.Join("\n", bolded(r.words(b["caption"])), r.table(b, depth+1))
	case "divider", "actions", "context_actions", "input", "file":
		return ""
	}
	return r.unknown(b, depth+1)
}

// unknown reads a block of another type: cards, alerts, plans, and what comes
// after them.
func (r reader) unknown(b loose.Object, depth int) string {
	var parts []string
	for _, name := range []string{"title", "subtitle", "text", "body", "subtext", "description", "details", "output"} {
		if inner := b.Object(name); inner.Text("type") == "rich_text" {
			parts = append(parts, r.block(inner, depth))
		} else {
			parts = append(parts, r.words(b[name]))
		}
	}
	for _, name := range []string{"blocks", "elements", "cards", "tasks", "child_blocks"} {
		for _, inner := range b.List(name) {
			parts = append(parts, r.block(inner, depth))
		}
	}
	return loose.Join("\n", parts...)
}

// words is a text object, or a text.
func (r reader) words(v any) string {
	switch v := v.(type) {
	case string:
		return strings.TrimSpace(v)
	case map[string]any:
		o := loose.Object(v)
		switch o.Text("type") {
		case "mrkdwn":
			return toMarkdown(o.Text("text"), r.bot)
		case "plain_text", "raw_text", "":
			return strings.TrimSpace(o.Text("text"))
		}
	}
	return ""
}

// image is what an image shows, as its author described it.
func (r reader) image(b loose.Object) string {
	switch b.Text("type") {
	case "image", "video":
		if about := loose.Join(": ", r.words(b["title"]), b.Text("alt_text")); about != "" {
			return "[" + b.Text("type") + ": " + about + "]"
		}
	}
	return ""
}

func bolded(s string) string {
	if s == "" {
		return ""
	}
	return "**" + s + "**"
}

// table gives rows as Markdown, the first as the header.
func (r reader) table(b loose.Object, depth int) string {
	var lines []string
	wide := 0
	for _, row := range loose.Values(b["rows"]) {
		if o, ok := row.(map[string]any); ok {
			row = o["cells"]
		}
		var line []string
		for _, c := range loose.Values(row) {
			line = append(line, r.cell(c, depth))
		}
		lines = append(lines, "| "+strings.Join(line, " | ")+" |")
		if len(lines) == 1 {
			wide = len(line)
			lines = append(lines, "|"+strings.Repeat(" --- |", wide))
		}
	}
	if wide == 0 {
		return ""
	}
	return loose.Join("\n", lines...)
}

// cell is one cell, on one line.
func (r reader) cell(v any, depth int) string {
	o, _ := v.(map[string]any)
	c := loose.Object(o)
	text := r.words(v)
	switch c.Text("type") {
	case "rich_text":
		text = r.rich(c.List("elements"), depth)
	case "raw_number":
		if text = c.Text("text"); text == "" {
			if n, ok := c["value"].(float64); ok {
				text = strconv.FormatFloat(n, 'f', -1, 64)
			}
		}
	case "action_cell":
		if text = r.words(c["fallback"]); text == "" {
			text = r.words(c.Object("element")["text"])
		}
	}
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}

// rich is rich text: sections, lists, quotations and code.
func (r reader) rich(elements []loose.Object, depth int) string {
	if depth > loose.Deepest {
		return ""
	}
	var parts []string
	for _, e := range elements {
		inner := e.List("elements")
		switch e.Text("type") {
		case "rich_text_preformatted":
			if code := r.inline(inner, true); code != "" {
				parts = append(parts, "```\n"+strings.Trim(code, "\n")+"\n```")
			}
		case "rich_text_quote":
			if quoted := strings.TrimSpace(r.inline(inner, false)); quoted != "" {
				parts = append(parts, "> "+strings.ReplaceAll(quoted, "\n", "\n> "))
			}
		case "rich_text_list":
			parts = append(parts, r.items(e))
		case "rich_text_section":
			parts = append(parts, r.inline(inner, false))
		default:
			parts = append(parts, r.inline([]loose.Object{e}, false))
		}
	}
	return strings.Trim(strings.Join(parts, "\n"), "\n")
}

// items is a list, one line or more for each entry.
func (r reader) items(list loose.Object) string {
	number := func(name string) int { return max(0, min(list.Number(name), 1000)) }
	indent := strings.Repeat("  ", min(number("indent"), loose.Deepest))
	var lines []string
	for i, item := range list.List("elements") {
		mark := "- "
		if list.Text("style") == "ordered" {
			mark = fmt.Sprintf("%d. ", number("offset")+i+1)
		}
		lines = append(lines, indent+mark+strings.TrimSpace(r.inline(item.List("elements"), false)))
	}
	return strings.Join(lines, "\n")
}

// inline is text within a line; in code no signs are added.
func (r reader) inline(elements []loose.Object, code bool) string {
	var out strings.Builder
	for _, e := range elements {
		text := r.element(e, code)
		if style := e.Object("style"); !code {
			text = styled(text, style)
		}
		out.WriteString(text)
	}
	return out.String()
}

func (r reader) element(e loose.Object, code bool) string {
	switch e.Text("type") {
	case "text":
		return e.Text("text")
	case "link":
		label, to := e.Text("text"), e.Text("url")
		if label == "" || label == to || code {
			return cmp.Or(label, to)
		}
		return "[" + label + "](" + to + ")"
	case "emoji":
		return ":" + e.Text("name") + ":"
	case "user":
		if id := e.Text("user_id"); id != r.bot {
			return "@" + id
		}
		return ""
	case "usergroup":
		return "@" + e.Text("usergroup_id")
	case "team":
		return "@" + e.Text("team_id")
	case "channel":
		return "#" + e.Text("channel_id")
	case "broadcast":
		return "@" + e.Text("range")
	case "color":
		return e.Text("value")
	case "date":
		if s := e.Text("fallback"); s != "" {
			return s
		}
		return time.Unix(int64(e.Number("timestamp")), 0).UTC().Format("2006-01-02 15:04 MST")
	}
	return e.Text("text")
}

// styled puts the signs of a style around a text, inside the spaces at its ends.
func styled(text string, style loose.Object) string {
	body := strings.TrimSpace(text)
	if body == "" || style == nil {
		return text
	}
	marks := ""
	for _, m := range []struct{ name, sign string }{{"code", "`"}, {"bold", "**"}, {"italic", "_"}, {"strike", "~~"}} {
		if style.Is(m.name) && (m.name == "code" || !style.Is("code")) {
			body = m.sign + body + m.sign
			marks += m.sign
		}
	}
	if marks == "" {
		return text
	}
	at := strings.Index(text, strings.TrimSpace(text))
	return text[:at] + body + text[at+len(strings.TrimSpace(text)):]
}
