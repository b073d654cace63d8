package playground

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"parley/internal/chat"
)

// A post as a replica of the release before keeps it: its controls are shown and
// pressed like those of this one, which that replica reads in turn.
func TestControlsOfTheReleaseBeforeStillWork(t *testing.T) {
	s := newStage(t)
	const before = `{"channel":"C-general","bot":"helper","text":"Providers","at":"2026-01-02T03:04:05Z","changed":"2026-01-02T03:04:05Z","final":true,
		"menu":{"Command":"provider use","Placeholder":"Use a provider","Options":[{"Label":"corp","Value":"corp-gateway","Current":false}]},
		"buttons":[{"Label":"Add a provider","Command":"provider","Args":"add"}]}`
	id := postID("before")
	if _, err := s.adapter.o.Board.Add(t.Context(), "C-general", id, time.Now(), []byte(before)); err != nil {
		t.Fatal(err)
	}
	_, body := s.page("/playground/c/general")
	for _, want := range []string{`name="command" value="provider use"`, `name="value" value="corp-gateway"`, `name="command" value="provider add"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	s.script("/playground/do", "channel", "C-general", "command", "provider use", "value", "corp-gateway")
	s.script("/playground/do", "channel", "C-general", "command", "provider add")
	s.script("/playground/do", "channel", "C-general", "command", "stop turn-7")
	s.mu.Lock()
	defer s.mu.Unlock()
	var got []string
	for _, p := range s.presses {
		got = append(got, p.Action+" "+p.Args)
	}
	if all := strings.Join(got, "; "); all != "provider.use corp-gateway; provider.add ; stop turn-7" {
		t.Errorf("pressed were %s", all)
	}

	p := (&responder{}).fill(post{}, chat.Content{
		Menu:    &chat.Menu{Action: "provider.use", Options: []chat.Option{{Label: "corp", Value: "corp-gateway"}}},
		Buttons: []chat.Button{{Label: "Add a provider", Action: "provider.add"}},
	})
	var read struct { // the types of the release before
		Menu    struct{ Command string }
		Buttons []struct{ Label, Command, Args string }
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if read.Menu.Command != "provider use" || len(read.Buttons) != 1 || strings.TrimSpace(read.Buttons[0].Command+" "+read.Buttons[0].Args) != "provider add" {
		t.Errorf("the release before reads %+v", read)
	}
}
