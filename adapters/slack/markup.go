// Slack's own markup (mrkdwn) read into Markdown, as the person meant it.
// https://docs.slack.dev/messaging/formatting-message-text

package slack

import (
	"regexp"
	"strings"
)

// token is one of Slack's angle-bracket sequences. People cannot type one: a
// literal "<" arrives as "&lt;".
var token = regexp.MustCompile(`<([^<>\n]*)>`)

// mentions says whether text names the bot, and whether it names anybody else.
func mentions(text, bot string) (me, others bool) {
	for _, hit := range token.FindAllStringSubmatch(text, -1) {
		body, _, _ := strings.Cut(hit[1], "|")
		switch {
		case body == "@"+bot:
			me = true
		case strings.HasPrefix(body, "@"), strings.HasPrefix(body, "!subteam^"),
			body == "!here", body == "!channel", body == "!everyone":
			others = true
		}
	}
	return me, others
}

// toMarkdown translates text and takes the bot's own mention out of it.
func toMarkdown(text, bot string) string {
	text = withoutMention(text, bot)
	var out strings.Builder
	open := false // a block's last fence wants the next text on a new line
	for _, piece := range codeAndText(text) {
		block := piece.code && strings.HasPrefix(piece.text, "```")
		if open && !strings.HasPrefix(piece.text, "\n") || block && out.Len() > 0 && !strings.HasSuffix(out.String(), "\n") {
			out.WriteByte('\n')
		}
		open = block
		if !piece.code {
			piece.text = emphasis(piece.text)
		}
		out.WriteString(unescape(token.ReplaceAllStringFunc(piece.text, func(t string) string { return resolve(t, piece.code) })))
	}
	return strings.TrimSpace(out.String())
}

// withoutMention removes every mention of the bot, with the punctuation that
// follows one at the start ("@helper: hello") and one of the spaces around it.
func withoutMention(text, bot string) string {
	for from := 0; ; {
		at, end := ownMention(text, bot, from)
		if at < 0 {
			return text
		}
		before, after := text[:at], text[end:]
		if strings.TrimSpace(before) == "" {
			before, after = "", strings.TrimLeft(after, " \t\u00a0,:")
		} else if strings.HasSuffix(before, " ") {
			after = strings.TrimPrefix(after, " ")
		}
		text, from = before+after, len(before)
	}
}

// ownMention finds <@BOT> or <@BOT|name> in text from a place on; -1 for none.
func ownMention(text, bot string, from int) (at, end int) {
	for {
		n := strings.Index(text[from:], "<@"+bot)
		if n < 0 {
			return -1, 0
		}
		at = from + n
		from = at + 2 + len(bot)
		last := strings.IndexAny(text[from:], "<>")
		if last >= 0 && text[from+last] == '>' && (last == 0 || text[from] == '|') {
			return at, from + last + 1
		}
	}
}

// resolve is one sequence as Markdown; inside code no link syntax is made.
func resolve(sequence string, code bool) string {
	body, label, labelled := strings.Cut(sequence[1:len(sequence)-1], "|")
	if body == "" {
		return sequence
	}
	switch body[0] {
	case '@':
		if labelled && label != "" {
			return "@" + strings.TrimPrefix(label, "@")
		}
		return body
	case '#':
		if labelled && label != "" {
			return "#" + label
		}
		return body
	case '!':
		switch {
		case labelled && label != "":
			return label
		case strings.HasPrefix(body, "!subteam^"):
			return "@" + strings.TrimPrefix(body, "!subteam^")
		}
		return "@" + body[1:]
	}
	switch {
	case !labelled || label == "" || label == body || strings.HasSuffix(body, "://"+label) || body == "mailto:"+label || body == "tel:"+label:
		if labelled && label != "" {
			return label
		}
		return body
	case code:
		return label
	}
	return "[" + label + "](" + body + ")"
}

var entities = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")

func unescape(s string) string { return entities.Replace(s) }

// piece is a part of a message: code, or text between.
type piece struct {
	text string
	code bool
}

var code = regexp.MustCompile("(?s)```.*?```|`[^`\n]+`")

func codeAndText(text string) []piece {
	var out []piece
	from := 0
	for _, at := range code.FindAllStringIndex(text, -1) {
		if at[0] > from {
			out = append(out, piece{text: text[from:at[0]]})
		}
		out = append(out, piece{text: fenced(text[at[0]:at[1]]), code: true})
		from = at[1]
	}
	if from < len(text) {
		out = append(out, piece{text: text[from:]})
	}
	return out
}

// fenced puts the fences of a code block on lines of their own: in Slack
// "```x := 1```" is a block, in Markdown it is not.
func fenced(block string) string {
	if !strings.HasPrefix(block, "```") || len(block) < 6 {
		return block
	}
	body := block[3 : len(block)-3]
	if !strings.HasPrefix(body, "\n") {
		body = "\n" + body
	}
	if !strings.HasSuffix(body, "\n") {
		body += "\n"
	}
	return "```" + body + "```"
}

var (
	bold   = regexp.MustCompile(`(^|[\s(\[{"'_~])\*([^\s*](?:[^*\n]*[^\s*])?)\*($|[\s)\]}"'_~.,:;!?])`)
	struck = regexp.MustCompile(`(^|[\s(\[{"'_*])~([^\s~](?:[^~\n]*[^\s~])?)~($|[\s)\]}"'_*.,:;!?])`)
)

// emphasis doubles the signs that Slack writes once: *bold*, ~struck~. Italics
// are the same in both.
func emphasis(text string) string {
	if !strings.ContainsAny(text, "*~") {
		return text
	}
	text = bold.ReplaceAllString(text, "$1**$2**$3")
	return struck.ReplaceAllString(text, "$1~~$2~~$3")
}
