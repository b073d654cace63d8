package chat_test

import (
	"testing"

	"parley/internal/chat"
)

func TestAHintShowsWhatMayFollow(t *testing.T) {
	for name, want := range map[string]string{
		"model": "[name | reset]", "provider": "[list | use | add | edit | remove | test] [id]", "bot": "[list | use] [id]",
		"usage": "[all | user | channel | model | day]", "stop": "",
	} {
		if w, ok := chat.WordOf(name); !ok || w.Hint() != want {
			t.Errorf("/%s %s, want %s", name, w.Hint(), want)
		}
	}
}

func TestACommandIsToldFromAQuestion(t *testing.T) {
	for _, c := range []struct {
		text       string
		trigger    chat.Trigger
		name, args string
		ok         bool
	}{
		{" /stop ", chat.Mention, "stop", "", true},
		{"/Model  gpt-4o", chat.Mention, "model", "gpt-4o", true},
		{"/provider use lab", chat.Thread, "provider", "use lab", true},
		{"/modle gpt-4o", chat.Direct, "modle", "gpt-4o", true}, // the desk offers the right one
		{"/modle gpt-4o", chat.Thread, "", "", false},           // people may be talking to each other
		{"/etc/hosts is odd", chat.Mention, "", "", false},
		{"/", chat.Mention, "", "", false},
		{"what does /model do?", chat.Mention, "", "", false},
	} {
		name, args, ok := chat.Message{Text: c.text, Trigger: c.trigger}.Command()
		if name != c.name || args != c.args || ok != c.ok {
			t.Errorf("%q (%s) is %q %q %v", c.text, c.trigger, name, args, ok)
		}
	}
}
