// Questions with more than text.

package conversation

import (
	"strings"
	"unicode/utf8"

	"parley/internal/chat"
)

// KeepText is the most bytes of a file's text in a transcript.
const KeepText = 32 << 10

// Asked is an exchange with m as its question, as a transcript stores it.
func Asked(m chat.Message) Exchange {
	e := Exchange{ID: m.ID, ReplyTo: m.ReplyTo, Author: m.Author, At: m.At}
	parts := kept(m.Said())
	e.Question = chat.AsText(parts)
	if !chat.OnlyText(parts) {
		e.Parts = parts
	}
	return e
}

// Asked is the question's parts, none if there is no question.
func (e Exchange) Asked() []chat.Part {
	if len(e.Parts) > 0 || e.Question == "" {
		return e.Parts
	}
	return []chat.Part{chat.TextPart(e.Question)}
}

// kept shortens the text of files to what is stored.
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

// beginning is at most n bytes of s, cut between characters, copied so that it
// does not keep s in memory.
func beginning(s string, n int) string {
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.Clone(s[:n])
}
