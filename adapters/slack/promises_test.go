// The promises that every adapter keeps, in both ways of writing an answer.

package slack

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/chat/chattest"
	fake "parley/internal/fake/slack"
)

func TestTheAdapterKeepsItsPromises(t *testing.T) {
	for _, mode := range []string{"edit", "auto"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			chattest.Run(t, chattest.Harness{Open: func(t *testing.T, p chattest.Ports) chattest.Stage {
				return openStage(t, mode, p)
			}})
		})
	}
}

// stage is an adapter in front of a workspace, as the suite sees it.
type stage struct {
	*fake.Server
	t       *testing.T
	options Options
	adapter *Adapter
}

func openStage(t *testing.T, mode string, p chattest.Ports) *stage {
	t.Helper()
	ws, err := fake.Start(fake.Options{Limits: fake.Limits{Off: true}, EventTimeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	bot := helper()
	bot.Sections = inSlack("xoxb-1-helper", signingSecret, "shhh-helper", appToken, "xapp-1-helper")
	s := &stage{Server: ws, t: t, options: Options{Bots: []bots.Bot{bot}, APIURL: ws.APIURL(), Ports: p.Ports, StreamMode: mode, Log: p.Log, UpdateLimit: UpdateLimit{Off: true}}}
	s.adapter = s.Another().(*Adapter)
	web := httptest.NewServer(s.adapter.Handler())
	ws.Serve("", web.URL+"/slack/helper")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.adapter.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-done
		ws.Close()
		web.Close()
		for _, v := range ws.Violations() {
			if !strings.Contains(v, "12,000 characters") { // the suite tries what happens then
				t.Errorf("Slack's documents do not allow: %s", v)
			}
		}
	})
	return s
}

func (s *stage) Adapter() chat.Adapter { return s.adapter }

func (s *stage) Another() chat.Adapter {
	a, err := New(s.options)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

func (s *stage) Bot() string { return "helper" }

func (s *stage) Secrets() []string {
	of := section(s.options.Bots[0])
	return []string{of.App.Reveal(), of.Value(appToken), of.Value(signingSecret)}
}

func (s *stage) Ask(p chat.Place, question string) {
	if p.Channel == "" {
		s.Mention("C0TALK", "U0ANN", question)
		return
	}
	s.MentionIn(p.Channel, p.Thread, "U0ANN", question)
}

func (s *stage) Say(p chat.Place, text string) { s.Reply(p.Channel, p.Thread, "U0BOB", text) }

func (s *stage) Posts(p chat.Place) (out []chattest.Post) {
	for _, m := range s.Messages(p.Channel) {
		if m.App == "" {
			continue
		}
		one := chattest.Post{ID: chat.MessageID(m.TS), Text: m.Seen, Only: m.Only}
		for _, c := range m.Controls {
			one.Controls = append(one.Controls, c.Label)
		}
		for _, seen := range s.Timeline(m.TS) {
			one.Pings = append(one.Pings, seen.Pings...)
		}
		for _, f := range m.Files {
			one.File, one.Data = f.Name, f.Data
		}
		out = append(out, one)
	}
	return out
}

func (s *stage) Delete(_ chat.Place, id chat.MessageID) { s.Server.Delete(string(id)) }

func (s *stage) Press(_ chat.Place, id chat.MessageID, label string) bool {
	if _, err := s.Server.Press(fake.Press{Message: string(id), User: "U0ANN", Button: label}); err != nil {
		s.t.Error(err)
	}
	return true
}

func (s *stage) Withdraw(question chat.Message) bool {
	s.Server.Delete(string(question.ID))
	return true
}

func (s *stage) Fail(f chattest.Fault) bool {
	s.Inject(map[chattest.Fault]fake.Fault{
		chattest.Limited:  {Status: 429, RetryAfter: 1},
		chattest.Refused:  {Error: "restricted_action"},
		chattest.Down:     {},
		chattest.Lost:     {After: true},
		chattest.Hangs:    {Delay: patience},
		chattest.Telltale: {Error: "invalid_arguments " + strings.Join(s.Secrets(), " ")},
		chattest.Revoked:  {Error: "token_revoked", Times: 1 << 30},
	}[f])
	return true
}
