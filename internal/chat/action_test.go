package chat

import "testing"

// What controls carry is read by replicas of the release before, which take it
// for a command: it may not change for what people can type.
func TestControlsReadAsCommandsDo(t *testing.T) {
	for _, c := range []struct{ action, args, text string }{
		{"stop", "01J-turn", "stop 01J-turn"},
		{"model", "", "model"},
		{"model", "lab/qwen3-8b", "model lab/qwen3-8b"},
		{"model", "use a b", "model use a b"},
		{"provider.add", "", "provider add"},
		{"provider.use", "lab", "provider use lab"},
		{"provider.edit", "corp-gateway", "provider edit corp-gateway"},
		{"bot.use", "coder", "bot use coder"},
		{"usage", "all", "usage all"},
		{"feedback.up", "01J-turn", "feedback.up 01J-turn"}, // nobody types it
		{"provider.frobnicate", "x", "provider.frobnicate x"},
	} {
		if got := ControlText(c.action, c.args); got != c.text {
			t.Errorf("%s %q is carried as %q, want %q", c.action, c.args, got, c.text)
		}
		if action, args := ParseControl(c.text); action != c.action || args != c.args {
			t.Errorf("%q reads as %s %q, want %s %q", c.text, action, args, c.action, c.args)
		}
	}
	for text, want := range map[string][2]string{
		"provider":            {"provider.list", ""},
		" bot ":               {"bot.list", ""},
		"provider  use   lab": {"provider.use", "lab"},
		"provider useful":     {"provider", "useful"},
		"":                    {"", ""},
	} {
		if action, args := ParseControl(text); action != want[0] || args != want[1] {
			t.Errorf("%q reads as %q %q, want %q", text, action, args, want)
		}
	}
}

func TestWhatCanBeTyped(t *testing.T) {
	for action, want := range map[string]string{"provider.use": "/provider use", "model": "/model", "feedback.up": "", "provider": "/provider", "provider.fly": ""} {
		if got, ok := Typed(action); got != want || ok != (want != "") {
			t.Errorf("%s is typed %q, %v", action, got, ok)
		}
	}
}
