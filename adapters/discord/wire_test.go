package discord

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"github.com/bwmarrin/discordgo"

	"parley/internal/chat"
)

// What the controls of a message carry, as the releases before this one wrote it.
const postedBefore = `[
	{"type":1,"components":[{"type":3,"custom_id":"menu:provider use","placeholder":"Use a provider","options":[{"label":"corp","value":"corp-gateway"}]}]},
	{"type":1,"components":[
		{"type":2,"style":2,"label":"Add a provider","custom_id":"run:provider add"},
		{"type":2,"style":2,"label":"Use b","custom_id":"run:model lab/b"}]},
	{"type":1,"components":[{"type":2,"style":2,"label":"Stop","custom_id":"stop:turn-7"}]}
]`

func TestControlsOfTheReleaseBeforeStillWork(t *testing.T) {
	t.Parallel()
	d := &desk{}
	ways(t, d, func(t *testing.T, s *stage) {
		channel := s.ChannelID("general")
		body := map[string]any{"content": "text", "components": json.RawMessage(postedBefore), "allowed_mentions": map[string]any{"parse": []string{}}}
		var posted struct {
			ID string `json:"id"`
		}
		_, err := s.adapter.apps[0].rest.do(t.Context(), call{
			method: http.MethodPost, path: endpoint(discordgo.EndpointChannelMessages(channel)), major: channel, name: "post", body: body,
		}, &posted)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ label, value, action, args string }{
			{value: "corp-gateway", action: "provider.use", args: "corp-gateway"},
			{label: "Add a provider", action: "provider.add"},
			{label: "Use b", action: "model", args: "lab/b"},
			{label: "Stop", action: "stop", args: "turn-7"},
		} {
			n := len(d.pressed())
			if c.label != "" {
				_, err = s.Press(posted.ID, "ann", c.label)
			} else {
				_, err = s.Choose(posted.ID, "ann", c.value)
			}
			if err != nil {
				t.Fatal(err)
			}
			s.eventually("the desk was asked", func() bool { return len(d.pressed()) == n+1 })
			p := d.pressed()[n]
			if p.Action != c.action || p.Args != c.args || p.Place.Channel != channel || p.Author.ID == "" || p.Bot != "helper" || p.Scope == "" {
				t.Errorf("%s%s became %+v", c.label, c.value, p)
			}
		}
	})
}

// Replicas of the release before read the controls of this one.
func TestControlsReadAsTheReleaseBeforeWroteThem(t *testing.T) {
	out, err := json.Marshal(contentRows(chat.Content{
		Markdown: "text", Stop: "turn-7",
		Menu:    &chat.Menu{Action: "provider.use", Placeholder: "Use a provider", Options: []chat.Option{{Label: "corp", Value: "corp-gateway"}}},
		Buttons: []chat.Button{{Label: "Add a provider", Action: "provider.add"}, {Label: "Use b", Action: "model", Args: "lab/b"}},
	}, chat.English{}))
	if err != nil {
		t.Fatal(err)
	}
	ids := func(text []byte) (out []string) {
		var rows []struct {
			Components []struct {
				ID string `json:"custom_id"`
			} `json:"components"`
		}
		if err := json.Unmarshal(text, &rows); err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			for _, c := range r.Components {
				out = append(out, c.ID)
			}
		}
		return out
	}
	if got, want := ids(out), ids([]byte(postedBefore)); !slices.Equal(got, want) {
		t.Errorf("controls carry %q, want %q", got, want)
	}
}

// The button that opens a form again carries what opened it, pressed or typed.
func TestAFormOpensAgainByAPress(t *testing.T) {
	got := opening("Open the form again", "provider edit corp")
	if len(got) != 1 || got[0].Action != "provider.edit" || got[0].Args != "corp" {
		t.Errorf("%+v", got)
	}
	if got := opening("Open", ""); got != nil {
		t.Errorf("a form that nothing opens has %+v", got)
	}
}
