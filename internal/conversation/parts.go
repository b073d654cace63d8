// Questions of more than text.

package conversation

import (
	"strings"
	"unicode/utf8"

	"parley/internal/chat"
)

// KeepText is the most bytes of a file's text that a transcript holds.
const KeepText = 32 << 10

// Asked is an exchange that begins with what m says, as a transcript keeps it.
func Asked(m chat.Message) Exchange {
	e := Exchange{ID: m.ID, ReplyTo: m.ReplyTo, Author: m.Author, At: m.At}
	parts := kept(m.Said())
	e.Question = chat.AsText(parts)
	if !chat.OnlyText(parts) {
		e.Parts = parts
	}
	return e
}

// Asked is what the question is made of; none where there is no question.
func (e Exchange) Asked() []chat.Part {
	if len(e.Parts) > 0 || e.Question == "" {
		return e.Parts
	}
	return []chat.Part{chat.TextPart(e.Question)}
}

// kept are parts with as much of the text of files as is kept.
func kept(parts []chat.Part) []chat.Part {
	out := make([]chat.Part, len(parts))
	for i, p := range parts {
		if p.Kind != chat.KindText && len(p.Text) > KeepText {
			p.Text = beginning(p.Text, KeepText)
		}
		out[i] = p
	}
	return out
}

// beginning is at most n bytes of s, cut between two characters, in memory of
// its own.
func beginning(s string, n int) string {
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.Clone(s[:n])
}
