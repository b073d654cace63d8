// Blocks read as Markdown: https://docs.slack.dev/reference/block-kit/blocks.

package slack

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// block is what a block says; buttons, menus and dividers say nothing. One of an
// unknown type says what it holds under the names that Slack uses for texts.
func (r reader) block(b object, depth int) string {
	if depth > deepestSaid {
		return ""
	}
	switch b.text("type") {
	case "rich_text":
		return r.rich(b.list("elements"), depth+1)
	case "markdown":
		return strings.TrimSpace(b.text("text"))
	case "header":
		return bolded(r.words(b["text"]))
	case "section":
		parts := []string{r.words(b["text"])}
		for _, f := range b.list("fields") {
			parts = append(parts, r.words(map[string]any(f)))
		}
		return join("\n", append(parts, r.image(b.object("accessory")))...)
	case "context":
		var parts []string
		for _, e := range b.list("elements") {
			parts = append(parts, join("", r.words(map[string]any(e)), r.image(e)))
		}
		return join(" ", parts...)
	case "image", "video":
		return join("\n", r.image(b), r.words(b["description"]))
	case "table", "data_table":
		return join("\n", bolded(r.words(b["caption"])), r.table(b, depth+1))
	case "divider", "actions", "context_actions", "input", "file":
		return ""
	}
	return r.unknown(b, depth+1)
}

// unknown reads a block of another type: cards, alerts, plans, and what comes
// after them.
func (r reader) unknown(b object, depth int) string {
	var parts []string
	for _, name := range []string{"title", "subtitle", "text", "body", "subtext", "description", "details", "output"} {
		if inner := b.object(name); inner.text("type") == "rich_text" {
			parts = append(parts, r.block(inner, depth))
		} else {
			parts = append(parts, r.words(b[name]))
		}
	}
	for _, name := range []string{"blocks", "elements", "cards", "tasks", "child_blocks"} {
		for _, inner := range b.list(name) {
			parts = append(parts, r.block(inner, depth))
		}
	}
	return join("\n", parts...)
}

// words is a text object, or a text.
func (r reader) words(v any) string {
	switch v := v.(type) {
	case string:
		return strings.TrimSpace(v)
	case map[string]any:
		o := object(v)
		switch o.text("type") {
		case "mrkdwn":
			return toMarkdown(o.text("text"), r.bot)
		case "plain_text", "raw_text", "":
			return strings.TrimSpace(o.text("text"))
		}
	}
	return ""
}

// image is what an image shows, as its author described it.
func (r reader) image(b object) string {
	switch b.text("type") {
	case "image", "video":
		if about := join(": ", r.words(b["title"]), b.text("alt_text")); about != "" {
			return "[" + b.text("type") + ": " + about + "]"
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
func (r reader) table(b object, depth int) string {
	rows, _ := b["rows"].([]any)
	var lines []string
	wide := 0
	for _, row := range rows[:min(len(rows), mostParts)] {
		cells, ok := row.([]any)
		if !ok {
			o, _ := row.(map[string]any)
			cells, _ = o["cells"].([]any)
		}
		var line []string
		for _, c := range cells[:min(len(cells), mostParts)] {
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
	return join("\n", lines...)
}

// cell is one cell, on one line.
func (r reader) cell(v any, depth int) string {
	o, _ := v.(map[string]any)
	c := object(o)
	text := r.words(v)
	switch c.text("type") {
	case "rich_text":
		text = r.rich(c.list("elements"), depth)
	case "raw_number":
		if text = c.text("text"); text == "" {
			if n, ok := c["value"].(float64); ok {
				text = strconv.FormatFloat(n, 'f', -1, 64)
			}
		}
	case "action_cell":
		if text = r.words(c["fallback"]); text == "" {
			text = r.words(c.object("element")["text"])
		}
	}
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}

// rich is rich text: sections, lists, quotations and code.
func (r reader) rich(elements []object, depth int) string {
	if depth > deepestSaid {
		return ""
	}
	var parts []string
	for _, e := range elements {
		inner := e.list("elements")
		switch e.text("type") {
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
			parts = append(parts, r.inline([]object{e}, false))
		}
	}
	return strings.Trim(strings.Join(parts, "\n"), "\n")
}

// items is a list, one line or more for each entry.
func (r reader) items(list object) string {
	number := func(name string) int { n, _ := list[name].(float64); return int(max(0, min(n, 1000))) }
	indent := strings.Repeat("  ", min(number("indent"), deepestSaid))
	var lines []string
	for i, item := range list.list("elements") {
		mark := "- "
		if list.text("style") == "ordered" {
			mark = fmt.Sprintf("%d. ", number("offset")+i+1)
		}
		lines = append(lines, indent+mark+strings.TrimSpace(r.inline(item.list("elements"), false)))
	}
	return strings.Join(lines, "\n")
}

// inline is text within a line; in code no signs are added.
func (r reader) inline(elements []object, code bool) string {
	var out strings.Builder
	for _, e := range elements {
		text := r.element(e, code)
		if style := e.object("style"); !code {
			text = styled(text, style)
		}
		out.WriteString(text)
	}
	return out.String()
}

func (r reader) element(e object, code bool) string {
	switch e.text("type") {
	case "text":
		return e.text("text")
	case "link":
		label, to := e.text("text"), e.text("url")
		if label == "" || label == to || code {
			return orElse(label, to)
		}
		return "[" + label + "](" + to + ")"
	case "emoji":
		return ":" + e.text("name") + ":"
	case "user":
		if id := e.text("user_id"); id != r.bot {
			return "@" + id
		}
		return ""
	case "usergroup":
		return "@" + e.text("usergroup_id")
	case "team":
		return "@" + e.text("team_id")
	case "channel":
		return "#" + e.text("channel_id")
	case "broadcast":
		return "@" + e.text("range")
	case "color":
		return e.text("value")
	case "date":
		if s := e.text("fallback"); s != "" {
			return s
		}
		at, _ := e["timestamp"].(float64)
		return time.Unix(int64(at), 0).UTC().Format("2006-01-02 15:04 MST")
	}
	return e.text("text")
}

// styled puts the signs of a style around a text, inside the spaces at its ends.
func styled(text string, style object) string {
	body := strings.TrimSpace(text)
	if body == "" || style == nil {
		return text
	}
	marks := ""
	for _, m := range []struct{ name, sign string }{{"code", "`"}, {"bold", "**"}, {"italic", "_"}, {"strike", "~~"}} {
		if style.is(m.name) && (m.name == "code" || !style.is("code")) {
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
