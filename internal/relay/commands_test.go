package relay

import (
	"strings"
	"testing"

	"parley/bots"
	"parley/internal/chat"
)

func TestEveryCommandIsCarriedOutAndExplained(t *testing.T) {
	help := order{bot: bots.Bot{ID: "helper", Name: "Helper"}}.help(bots.ModelRef{Provider: "lab", Model: "m1"})
	does := (&Relay{}).commands()
	for _, w := range chat.Words() {
		if does[w.Name] == nil {
			t.Errorf("nobody carries out /%s", w.Name)
		}
		delete(does, w.Name)
		if w.Name != "help" && !strings.Contains(help, "`/"+w.Name) {
			t.Errorf("/help does not name /%s:\n%s", w.Name, help)
		}
		for _, v := range w.Verbs {
			if v.Name != "list" && !strings.Contains(help, "`/"+w.Name+" "+v.Name) {
				t.Errorf("/help does not name /%s %s:\n%s", w.Name, v.Name, help)
			}
		}
	}
	for name := range does {
		t.Errorf("/%s is carried out but in no list", name)
	}
}

func TestAWrongVerbIsToldWhatThereIs(t *testing.T) {
	for _, c := range []struct{ command, verb, want string }{
		{"provider", "romove", "/provider takes list, use ID, add, edit ID, remove ID or test ID. Did you mean `/provider remove`?"},
		{"bot", "choose", "/bot takes list or use ID."},
	} {
		if got := wrongVerb(c.command, c.verb).Error(); got != c.want {
			t.Errorf("/%s %s is told %q, want %q", c.command, c.verb, got, c.want)
		}
	}
}
