// Slack's events as they come, and what becomes of each.

package slack

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/internal/chat"
)

var update = flag.Bool("update", false, "write the golden files anew")

func me() identity { return identity{App: "B0HELPER", User: "U0HELPER", Team: "T0TEAM"} }

// TestEveryEventIsTranslatedAsTheGoldenFilesSay reads testdata/events: each
// NAME.json is an envelope as Slack sends it, NAME.want.json the message that
// comes of it, or "null".
func TestEveryEventIsTranslatedAsTheGoldenFilesSay(t *testing.T) {
	files, err := filepath.Glob("testdata/events/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, ".want.json") {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(name), ".json"), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var e envelope
			if err := json.Unmarshal(data, &e); err != nil {
				t.Fatal(err)
			}
			got := []byte("null")
			if m, ok := translate(me(), "helper", "helper-", e); ok {
				if got, err = json.MarshalIndent(m, "", "  "); err != nil {
					t.Fatal(err)
				}
			}
			golden := strings.TrimSuffix(name, ".json") + ".want.json"
			if *update {
				if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if strings.TrimSpace(string(want)) != string(got) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestBothEventsOfOneMentionHaveOneKey(t *testing.T) {
	mention, ok1 := translate(me(), "helper", "", golden(t, "app_mention"))
	message, ok2 := translate(me(), "helper", "", golden(t, "message_mention"))
	if !ok1 || !ok2 || mention.Key != message.Key || mention.Text != message.Text {
		t.Errorf("%q %q, %q %q", mention.Key, message.Key, mention.Text, message.Text)
	}
	other := identity{App: "B0OTHER", User: "U0OTHER", Team: "T0TEAM"}
	e := golden(t, "message_mention")
	e.Event = json.RawMessage(strings.ReplaceAll(string(e.Event), "U0HELPER", "U0OTHER"))
	if m, ok := translate(other, "other", "", e); !ok || m.Key == mention.Key {
		t.Error("another app that was mentioned in the same message has a key of its own")
	}
}

func TestTheScopeIsTheWorkspaceOfTheEvent(t *testing.T) {
	shared := golden(t, "app_mention") // in a channel shared with another organisation
	shared.TeamID = "T9GUEST"
	if m, _ := translate(me(), "helper", "", shared); m.Scope != "slack:B0HELPER:T0TEAM" {
		t.Errorf("an event authorised for our workspace belongs to it: %q", m.Scope)
	}
	elsewhere := shared
	elsewhere.Authorizations = []authorization{{TeamID: "T9GUEST"}}
	if m, _ := translate(me(), "helper", "", elsewhere); m.Scope != "slack:B0HELPER:T9GUEST" || m.Place.Workspace != "T9GUEST" {
		t.Errorf("an event of another workspace has a scope of its own: %q", m.Scope)
	}
}

func golden(t *testing.T, name string) envelope {
	t.Helper()
	data, err := os.ReadFile("testdata/events/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var e envelope
	if err := json.Unmarshal(data, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// FuzzTranslate: no event breaks the translation, and nothing that comes of it
// names the bot or lacks what the rest relies on.
func FuzzTranslate(f *testing.F) {
	f.Add(`{"type":"app_mention","channel":"C1","user":"U1","ts":"1.2","text":"<@U0HELPER> hi"}`)
	f.Add(`{"type":"message","channel":"D1","channel_type":"im","user":"U1","ts":"1","text":"<<@U0HELPER>>*a*"}`)
	f.Add(`{"type":"message","channel":"C1","user":"U1","ts":"1.2","thread_ts":"1.1","text":"` + "```<x|y>``` `<!here>` &lt;@U1&gt;" + `"}`)
	f.Fuzz(func(t *testing.T, event string) {
		m, ok := translate(me(), "helper", "", envelope{Type: "event_callback", Event: json.RawMessage(event)})
		if !ok {
			return
		}
		if m.Key == "" || m.ID == "" || m.Place.Channel == "" || m.Author.ID == "" || m.Scope != "slack:B0HELPER:T0TEAM" {
			t.Fatalf("%+v", m)
		}
		if m.Trigger != chat.Direct && m.Trigger != chat.Mention && m.Trigger != chat.Thread {
			t.Fatalf("trigger %q", m.Trigger)
		}
	})
}
