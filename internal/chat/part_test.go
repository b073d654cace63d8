package chat_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"parley/internal/chat"
)

func TestPartsAsText(t *testing.T) {
	words, picture := chat.TextPart("look at this"), chat.FilePart(chat.File{Name: "a.png", Type: "image/png"})
	source := chat.Part{Kind: chat.KindFile, Text: "package main\n", File: chat.File{Name: "main.go"}}
	for name, c := range map[string]struct {
		parts []chat.Part
		want  string
	}{
		"nothing":             {nil, ""},
		"words":               {[]chat.Part{words}, "look at this"},
		"words as they are":   {[]chat.Part{chat.TextPart(" a\n\n\tb ")}, " a\n\n\tb "},
		"paragraphs":          {[]chat.Part{words, chat.TextPart(""), chat.TextPart("and this")}, "look at this\n\nand this"},
		"files without text":  {[]chat.Part{words, {Kind: chat.KindFile}, picture}, "look at this\n[attached: a file]\n[attached file: a.png]"},
		"a file alone":        {[]chat.Part{picture}, "[attached file: a.png]"},
		"a file's text":       {[]chat.Part{words, source, words}, "look at this\n\nmain.go\n```\npackage main\n```\n\nlook at this"},
		"without a name":      {[]chat.Part{{Kind: chat.KindFile, Text: "x"}}, "```\nx\n```"},
		"a fence in the file": {[]chat.Part{{Kind: chat.KindFile, Text: "````\n```\n", File: chat.File{Name: "x.md"}}}, "x.md\n`````\n````\n```\n`````"},
		"a newer kind":        {[]chat.Part{{Kind: "call", Text: "2 + 2"}, {Kind: "sound", File: chat.File{Name: "a.ogg"}}}, "2 + 2\n[attached file: a.ogg]"},
	} {
		if got := chat.AsText(c.parts); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// What an older release stored, or an adapter gave without parts, is read as
// parts.
func TestSaidOfAMessageWithoutParts(t *testing.T) {
	var m chat.Message
	if err := json.Unmarshal([]byte(`{"key":"k","text":" hello ","files":[{"name":"a.png","type":"IMAGE/png"},{"name":"b.txt","type":"text/plain"},{}]}`), &m); err != nil {
		t.Fatal(err)
	}
	want := []chat.Part{
		chat.TextPart("hello"), {Kind: chat.KindImage, File: chat.File{Name: "a.png", Type: "IMAGE/png"}},
		{Kind: chat.KindFile, File: chat.File{Name: "b.txt", Type: "text/plain"}}, {Kind: chat.KindFile},
	}
	if got := m.Said(); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	if got := (chat.Message{Text: "only text"}).Said(); !slices.Equal(got, []chat.Part{chat.TextPart("only text")}) {
		t.Errorf("%+v", got)
	}
	if got := (chat.Message{Text: " \n"}).Said(); got != nil {
		t.Errorf("of nothing: %+v", got)
	}
	m.Parts = []chat.Part{{Kind: chat.KindImage, File: chat.File{Name: "first.png"}}, chat.TextPart("then words")}
	if got := m.Said(); !slices.Equal(got, m.Parts) {
		t.Errorf("parts in their order: %+v", got)
	}
}

// RandomParts are parts of every kind, with odd characters in them.
func randomParts(r *rand.Rand) []chat.Part {
	word := func() string {
		return strings.Repeat(string([]rune("a`\n\"\\ é🎉<&\u2028")[r.IntN(10)]), r.IntN(4))
	}
	var parts []chat.Part
	for range 1 + r.IntN(5) {
		p := chat.Part{Kind: []chat.PartKind{chat.KindText, chat.KindImage, chat.KindFile, "newer"}[r.IntN(4)]}
		if p.Kind != chat.KindImage {
			p.Text = word()
		}
		if p.Kind != chat.KindText {
			p.File = chat.File{Name: word(), Type: word(), Size: r.Int64N(3), URL: word()}
		}
		parts = append(parts, p)
	}
	return parts
}

func TestPartsSurviveBeingStored(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		m := chat.Message{Key: "k", Text: "t", Parts: randomParts(r)}
		raw, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var read chat.Message
		if err := json.Unmarshal(raw, &read); err != nil || !slices.Equal(read.Said(), m.Parts) {
			t.Fatalf("%s is read as %+v (%v)", raw, read.Parts, err)
		}
	}
}

// A fence holds whatever the file holds: nothing in it ends it early.
func TestAFencedFileEndsWhereItEnds(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		var text strings.Builder
		for range 1 + r.IntN(20) {
			text.WriteString([]string{"`", "``", "```", "\n", "x", " "}[r.IntN(6)])
		}
		shown := chat.Part{Kind: chat.KindFile, Text: text.String(), File: chat.File{Name: "f"}}.AsText()
		lines := strings.Split(shown, "\n")
		fence := lines[1]
		if lines[0] != "f" || lines[len(lines)-1] != fence || strings.Contains(text.String(), fence) {
			t.Fatalf("%q is shown as %q", text.String(), shown)
		}
	}
}
