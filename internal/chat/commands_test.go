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
