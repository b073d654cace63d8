// Sentences of parley's own, before they are in anybody's language.

package chat

import (
	"fmt"
	"strings"
)

// Line is a sentence of parley's own. Its English stands where it is made, and
// names it in the catalogs of other languages; a Speaker writes it in the
// reader's language when it leaves for a person. The zero Line says nothing.
type Line struct {
	Format  string // the English, as for fmt: a constant
	Args    []any  // what fills it; a Line among them is written in the same language
	english string
}

// Say makes a Line. Format is a constant; what it is filled with is a name, a
// number, somebody else's text or another Line, never an English word.
func Say(format string, args ...any) Line {
	return Line{Format: format, Args: args, english: fmt.Sprintf(format, args...)}
}

// SayCount is a Line about n of something: one names it in the singular, others
// in the plural. Both hold %d for n.
func SayCount(n int, one, others string) Line {
	english := others
	if n == 1 {
		english = one
	}
	return Line{Format: others, Args: []any{n}, english: fmt.Sprintf(english, n)}
}

// Paragraph is a Line of several sentences; those that say nothing are left out.
func Paragraph(sentences ...Line) Line {
	var args []any
	for _, s := range sentences {
		if !s.Empty() {
			args = append(args, s)
		}
	}
	return Say(strings.TrimPrefix(strings.Repeat(" %s", len(args)), " "), args...)
}

// Either lists words, one of which is meant: "a, b or c".
func Either(words ...string) Line {
	n := len(words) - 1
	if n < 1 {
		return Verbatim(strings.Join(words, ""))
	}
	return Say("%s or %s", strings.Join(words[:n], ", "), words[n])
}

// All lists words, all of which are meant: "a, b and c".
func All(words ...string) Line {
	n := len(words) - 1
	if n < 1 {
		return Verbatim(strings.Join(words, ""))
	}
	return Say("%s and %s", strings.Join(words[:n], ", "), words[n])
}

// Verbatim is a Line of words that have no other language, or are in their
// reader's already: a person's own, or those of a model server.
func Verbatim(text string) Line { return Line{Format: "%s", Args: []any{text}, english: text} }

// String is the Line in English, for logs and the API.
func (l Line) String() string { return l.english }

// Empty reports whether l says nothing.
func (l Line) Empty() bool { return l.Format == "" }

// Speaker writes lines in one language.
type Speaker interface {
	Say(l Line) string
}

// Languages gives the Speaker for a reader's language, which is named by a tag as
// platforms write it: "fr", "ko-KR". It is English for one that is not known, and
// for an empty one.
type Languages interface {
	Speaker(tag string) Speaker
	// Tags are those of the languages there are, English first.
	Tags() []string
}

// English is the language in which every Line is made.
type English struct{}

// Say gives the Line as it was made.
func (English) Say(l Line) string { return l.String() }

// Speaker is English for every reader.
func (e English) Speaker(string) Speaker { return e }

// Tags is English alone.
func (English) Tags() []string { return []string{"en"} }
