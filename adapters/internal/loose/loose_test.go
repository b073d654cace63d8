package loose

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAFieldOfAnotherKindIsAbsent(t *testing.T) {
	all := Decode(json.RawMessage(`[{"text":"a","is":true,"n":7.9,"huge":1e300,"tiny":-1e300,"o":{"text":"inner"},"l":[{"text":"1"},null,3,{"text":"2"}]}, "x", null, []]`))
	if len(all) != 1 {
		t.Fatalf("%d objects, want only the one", len(all))
	}
	o := all[0]
	if o.Text("text") != "a" || !o.Is("is") || o.Number("n") != 7 || o.Object("o").Text("text") != "inner" {
		t.Errorf("read %v", o)
	}
	if l := o.List("l"); len(l) != 2 || l[1].Text("text") != "2" {
		t.Errorf("the list's objects are %v", l)
	}
	if o.Number("huge") != mostNumber || o.Number("tiny") != -mostNumber {
		t.Errorf("numbers out of range: %d, %d", o.Number("huge"), o.Number("tiny"))
	}
	for _, name := range []string{"text", "is", "n", "o", "l", "none"} {
		if name != "text" && o.Text(name) != "" || name != "is" && o.Is(name) || name != "n" && o.Number(name) != 0 ||
			name != "o" && o.Object(name) != nil || name != "l" && o.List(name) != nil {
			t.Errorf("%s reads as another kind than it is", name)
		}
	}
	if nothing := o.Object("none"); nothing.Text("a")+nothing.Object("b").Text("c") != "" || nothing.Is("d") || nothing.Number("e") != 0 || nothing.List("f") != nil {
		t.Error("an absent object holds something")
	}
}

func TestWhatIsNoListGivesNothing(t *testing.T) {
	for _, raw := range []string{"", "null", "{}", `"x"`, "[", "[1,2]"} {
		if got := Decode(json.RawMessage(raw)); got != nil {
			t.Errorf("%q gives %v", raw, got)
		}
	}
}

func TestAListIsReadUpToABound(t *testing.T) {
	raw := "[" + strings.Repeat("{},", MostParts+50) + "{}]"
	if got := len(Decode(json.RawMessage(raw))); got != MostParts {
		t.Errorf("%d parts", got)
	}
	if got := len(Values(slices.Repeat([]any{1}, MostParts+1))); got != MostParts {
		t.Errorf("%d values", got)
	}
}

func TestJoinLeavesOutWhatIsEmpty(t *testing.T) {
	if got := Join(", ", "", " a\n", "  ", "b "); got != "a, b" {
		t.Errorf("%q", got)
	}
	if got := Join(", "); got != "" {
		t.Errorf("%q", got)
	}
}

// A long quotation must not cost the words of the person who quotes it.
func TestJoinKeepsWhatFollowsALongPart(t *testing.T) {
	long := Bounded(strings.Repeat("x", 2*MostSaid))
	if got := Join("\n\n", long, "explain this"); !strings.HasSuffix(got, "explain this") {
		t.Errorf("%d bytes without the last part", len(got))
	}
	if got := len(Join("", slices.Repeat([]string{long}, 50)...)); got > 4*MostSaid {
		t.Errorf("%d bytes of parts without end", got)
	}
}

func TestBoundedCutsBetweenCharacters(t *testing.T) {
	for _, s := range []string{"", "short", strings.Repeat("a", MostSaid)} {
		if Bounded(s) != s {
			t.Errorf("%d bytes were cut", len(s))
		}
	}
	for shift := range 4 {
		got := Bounded(strings.Repeat("a", shift) + strings.Repeat("🙂", MostSaid))
		if !utf8.ValidString(got) || !strings.HasSuffix(got, "🙂…") || len(got) > MostSaid+len("…") {
			t.Errorf("shift %d: %d bytes, valid: %v", shift, len(got), utf8.ValidString(got))
		}
	}
	if got := Bounded(strings.Repeat("\x80", 2*MostSaid)); got != "…" {
		t.Errorf("bytes that are no text: %d", len(got))
	}
}
