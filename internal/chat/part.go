// The parts of a message: text and files.

package chat

import (
	"fmt"
	"strings"
)

// PartKind is a kind of part, one of a closed set.
type PartKind string

// The kinds of parts.
const (
	KindText  PartKind = "text"  // words: Text
	KindImage PartKind = "image" // a picture: File
	KindFile  PartKind = "file"  // any other file: File, and its text in Text once that was read
)

// Part is one part of what was said. It is small, so it can be stored: a file
// is a reference, with its text if it is a text file, never with its bytes. A
// newer release may store kinds that this one does not know.
type Part struct {
	Kind PartKind `json:"kind"`
	Text string   `json:"text,omitempty"`
	File File     `json:"file,omitzero"`
}

// TextPart is a part with text.
func TextPart(text string) Part { return Part{Kind: KindText, Text: text} }

// FilePart is the part that refers to f, an image or another file.
func FilePart(f File) Part {
	if strings.HasPrefix(strings.ToLower(f.Type), "image/") {
		return Part{Kind: KindImage, File: f}
	}
	return Part{Kind: KindFile, File: f}
}

// AsText is p for a reader of text only: text unchanged, a file's text fenced
// under its name, and for anything else a line that names it.
func (p Part) AsText() string {
	switch {
	case p.Kind == KindFile && p.Text != "":
		fence := fenceFor(p.Text)
		return strings.TrimSpace(p.File.Name+"\n"+fence) + "\n" + strings.TrimSuffix(p.Text, "\n") + "\n" + fence
	case p.Text != "":
		return p.Text
	case p.Kind == KindText:
		return ""
	case p.File.Name == "":
		return "[attached: a file]"
	}
	return fmt.Sprintf("[attached file: %s]", p.File.Name)
}

// fenceFor is a code fence that no line of text closes.
func fenceFor(text string) string {
	longest, run := 2, 0
	for i := range len(text) {
		if text[i] != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return strings.Repeat("`", longest+1)
}

// AsText is parts for a reader of text only: paragraphs, with the line of a
// file without text directly below what precedes it.
func AsText(parts []Part) string {
	var b strings.Builder
	for _, p := range parts {
		text := p.AsText()
		switch {
		case text == "":
			continue
		case b.Len() == 0:
		case p.Text == "":
			b.WriteString("\n")
		default:
			b.WriteString("\n\n")
		}
		b.WriteString(text)
	}
	return b.String()
}

// OnlyText reports whether all parts are text.
func OnlyText(parts []Part) bool {
	for _, p := range parts {
		if p.Kind != KindText {
			return false
		}
	}
	return true
}

// Said is what m consists of: its Parts or, from an older release or an
// adapter that sets none, its text and then its files.
func (m Message) Said() []Part {
	if len(m.Parts) > 0 {
		return m.Parts
	}
	var parts []Part
	if text := strings.TrimSpace(m.Text); text != "" {
		parts = append(parts, TextPart(text))
	}
	for _, f := range m.Files {
		parts = append(parts, FilePart(f))
	}
	return parts
}
