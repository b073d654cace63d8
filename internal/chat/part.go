// What a message is made of: words and files.

package chat

import (
	"fmt"
	"strings"
)

// PartKind is the closed set of what a part can be.
type PartKind string

// The kinds of parts.
const (
	KindText  PartKind = "text"  // words: Text
	KindImage PartKind = "image" // a picture: File
	KindFile  PartKind = "file"  // any other file: File, and its text in Text once that was read
)

// Part is one part of what was said. It is small and may be stored: a file is a
// reference and, where it is one of text, that text; never its bytes. A newer
// release may store kinds that this one does not know.
type Part struct {
	Kind PartKind `json:"kind"`
	Text string   `json:"text,omitempty"`
	File File     `json:"file,omitzero"`
}

// TextPart is a part of words.
func TextPart(text string) Part { return Part{Kind: KindText, Text: text} }

// FilePart is the part that refers to f, an image or another file.
func FilePart(f File) Part {
	if strings.HasPrefix(strings.ToLower(f.Type), "image/") {
		return Part{Kind: KindImage, File: f}
	}
	return Part{Kind: KindFile, File: f}
}

// AsText is what a reader of text alone sees of p: words as they are, the text of
// a file fenced under its name, and of what has no text one line that names it.
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

// AsText is what a reader of text alone sees of parts: paragraphs, and the line of
// a file that has no text right below what goes before it.
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

// OnlyText reports whether parts are words and nothing else.
func OnlyText(parts []Part) bool {
	for _, p := range parts {
		if p.Kind != KindText {
			return false
		}
	}
	return true
}

// Said is what m is made of: its Parts, or, where an adapter or an older release
// gave none, its text and then its files.
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
