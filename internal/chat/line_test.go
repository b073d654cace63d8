package chat_test

import (
	"fmt"
	"testing"

	"parley/internal/chat"
)

// loud is a speaker that shows what it was given.
type loud struct{}

func (loud) Say(l chat.Line) string { return fmt.Sprintf("<"+l.Format+">", l.Args...) }

func TestALineIsItsEnglishUntilASpeakerTakesIt(t *testing.T) {
	who := chat.Say("%s or a workspace admin", "U1")
	for _, c := range []struct {
		line          chat.Line
		english, loud string
	}{
		{chat.Say("Ask %s for access.", who), "Ask U1 or a workspace admin for access.", "<Ask U1 or a workspace admin for access.>"},
		{chat.SayCount(1, "%d answer", "%d answers"), "1 answer", "<1 answers>"},
		{chat.SayCount(2, "%d answer", "%d answers"), "2 answers", "<2 answers>"},
		{chat.Verbatim("100 % sure"), "100 % sure", "<100 % sure>"},
		{chat.Line{}, "", "<>"},
		{chat.Paragraph(chat.Say("One."), chat.Line{}, chat.Say("Two.")), "One. Two.", "<One. Two.>"},
		{chat.Paragraph(chat.Line{}), "", "<>"},
		{chat.Either("a", "b", "c"), "a, b or c", "<a, b or c>"},
		{chat.Either("a"), "a", "<a>"},
	} {
		if got := (chat.English{}).Say(c.line); got != c.english || c.line.String() != c.english {
			t.Errorf("in English %q, want %q", got, c.english)
		}
		if got := (loud{}).Say(c.line); got != c.loud {
			t.Errorf("by another speaker %q, want %q", got, c.loud)
		}
		if c.line.Empty() != (c.english == "") {
			t.Errorf("%q is empty: %v", c.english, c.line.Empty())
		}
	}
}
