package slack

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/slack-go/slack"

	"parley/internal/chat"
	fake "parley/internal/fake/slack"
)

// What the controls of a message carry, as the releases before this one wrote it:
// {"type", "action_id", and "value" or the "options" of a menu}.
const postedBefore = `[
	{"type":"markdown","text":"text"},
	{"type":"actions","block_id":"parley.controls:U7","elements":[
		{"type":"static_select","action_id":"parley.menu:provider use","placeholder":{"type":"plain_text","text":"Use a provider"},
			"options":[{"text":{"type":"plain_text","text":"corp"},"value":"corp-gateway"}]},
		{"type":"button","action_id":"parley.run.0","value":"provider add","text":{"type":"plain_text","text":"Add a provider"}},
		{"type":"button","action_id":"parley.run.1","value":"model lab/b","text":{"type":"plain_text","text":"Use b"}}
	]},
	{"type":"actions","block_id":"parley.stop","elements":[{"type":"button","action_id":"parley.run","value":"stop turn-7","text":{"type":"plain_text","text":"Stop"}}]}
]`

func TestControlsOfTheReleaseBeforeStillWork(t *testing.T) {
	overBoth(t, func(t *testing.T, r *rig) {
		var posted slack.Blocks
		if err := json.Unmarshal([]byte(postedBefore), &posted); err != nil {
			t.Fatal(err)
		}
		r.ws.Mention("C1", "U7", "hello") // so that there is a channel
		_, ts, err := r.adapter.apps[0].api.PostMessageContext(t.Context(), "C1", slack.MsgOptionText("text", false), slack.MsgOptionBlocks(posted.BlockSet...))
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range []struct {
			press        fake.Press
			action, args string
		}{
			{fake.Press{Choose: "corp"}, "provider.use", "corp-gateway"},
			{fake.Press{Button: "Add a provider"}, "provider.add", ""},
			{fake.Press{Button: "Use b"}, "model", "lab/b"},
			{fake.Press{Button: "Stop"}, "stop", "turn-7"},
		} {
			c.press.Message, c.press.User = ts, "U1"
			if _, err := r.ws.Press(c.press); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the press", func() bool { return len(r.desk.pressed()) == i+1 })
			p := r.desk.pressed()[i]
			if p.Action != c.action || p.Args != c.args || p.Place.Channel != "C1" || p.Author.ID != "U1" || p.Bot != "helper" || p.Scope == "" {
				t.Errorf("%+v became %+v", c.press, p)
			}
		}
	})
}

// Replicas of the release before read the controls of this one.
func TestControlsReadAsTheReleaseBeforeWroteThem(t *testing.T) {
	out, err := json.Marshal(blocks(chat.Content{
		Markdown: "text", Stop: "turn-7",
		Menu:    &chat.Menu{Action: "provider.use", Placeholder: "Use a provider", Options: []chat.Option{{Label: "corp", Value: "corp-gateway"}}},
		Buttons: []chat.Button{{Label: "Add a provider", Action: "provider.add"}, {Label: "Use b", Action: "model", Args: "lab/b"}},
	}, "U7", chat.English{}))
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(postedBefore), &want); err != nil {
		t.Fatal(err)
	}
	if g, w := carried(got), carried(want); g != w {
		t.Errorf("controls carry\n%s\nwant\n%s", g, w)
	}
}

// carried lists the ids and values in blocks.
func carried(v any) string {
	var out []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, one := range v {
				walk(one)
			}
		case map[string]any:
			for _, name := range []string{"block_id", "action_id", "value"} {
				if s, ok := v[name].(string); ok && s != "" {
					out = append(out, name+" "+s)
				}
			}
			for _, name := range []string{"elements", "options"} {
				walk(v[name])
			}
		}
	}
	walk(v)
	return strings.Join(out, "\n")
}

// A press is no typed command: what only controls may do cannot be typed.
func TestAnActionThatNobodyTypesIsPressed(t *testing.T) {
	overBoth(t, func(t *testing.T, r *rig) {
		r.desk.onDo = func(_ context.Context, c chat.Command) (chat.Reply, error) {
			if c.Name == "help" {
				return chat.Reply{Text: "Was it good?", Buttons: []chat.Button{{Label: "Yes", Action: "feedback.up", Args: "turn-7"}}}, nil
			}
			return chat.Reply{}, nil
		}
		r.ws.Slash(fake.Command{Channel: "C1", User: "U1", Command: "/help"})
		r.await("the reply", func() bool { return len(r.ws.Messages("C1")) == 1 })
		if _, err := r.ws.Press(fake.Press{Message: r.ws.Messages("C1")[0].TS, User: "U1", Button: "Yes"}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the press", func() bool { return len(r.desk.pressed()) == 1 })
		if p := r.desk.pressed()[0]; p.Action != "feedback.up" || p.Args != "turn-7" {
			t.Errorf("%+v", p)
		}
	})
}
