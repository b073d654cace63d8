// One Slack app in two workspaces, a bot for each.

package main

import (
	"net/http"
	"testing"

	"parley/internal/fake/openai"
	"parley/internal/fake/slack"
)

func TestOneSlackAppInTwoWorkspaces(t *testing.T) {
	for name, socket := range map[string]bool{"http": false, "socket": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			home, away := slack.DefaultApp(), slack.DefaultApp()
			away.ID, away.Team, away.BotToken, away.BotID, away.BotUser = "A0AWAY", "T0AWAY", "xoxb-away-1", "B0AWAY", "U0AWAY"
			ws := w.useSlack(slack.Options{Apps: []slack.App{home, away}}, socket)
			ws.AddChannel(slack.Channel{ID: "C1", Team: ws.Team()})
			ws.AddChannel(slack.Channel{ID: "C2", Team: "T0AWAY"})
			reach := `signing_secret: "${SLACK_SIGNING_SECRET}"`
			if socket {
				reach = `app_token: "${SLACK_APP_TOKEN}"`
			}
			w.write("bots/helper.yaml", "id: helper\nname: Helper\nprovider: lab\nmodel: m1\nsystem: I am HOME.\nslack: {bot_token: \"${SLACK_BOT_TOKEN}\", "+reach+"}\n")
			w.write("bots/away.yaml", "id: away\nname: Away\nprovider: lab\nmodel: m1\nsystem: I am AWAY.\nslack: {bot_token: \"${AWAY_TOKEN}\", "+reach+"}\n")
			w.env["AWAY_TOKEN"] = away.BotToken
			s := w.start()
			if !socket {
				ws.Serve(away.ID, "http://"+s.addr+"/slack/helper") // an app has one address
			}
			w.model.Func(func(r openai.Request) openai.Reply { return openai.Reply{Text: r.System() + " " + r.Model} })

			w.onSlack("C1", ws.Mention("C1", "U1", "who?"), "I am HOME. m1")
			w.onSlack("C2", ws.MentionApp(away.ID, "C2", "U2", "who?"), "I am AWAY. m1")
			got := ws.Slash(slack.Command{App: away.ID, Channel: "C2", User: "U2", Command: "/model", Text: "m2"})
			if got.Problem != "" || got.Status != http.StatusOK {
				t.Fatalf("%+v", got)
			}
			w.onSlack("C2", ws.MentionApp(away.ID, "C2", "U2", "who?"), "I am AWAY. m2")
			w.onSlack("C1", ws.Mention("C1", "U1", "who?"), "I am HOME. m1")
			w.clean()
		})
	}
}
