// The promises that every adapter keeps.

package discord

import (
	"context"
	"testing"
	"time"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/chat/chattest"
	fake "parley/internal/fake/discord"
)

func TestTheAdapterKeepsItsPromises(t *testing.T) {
	chattest.Run(t, chattest.Harness{Open: openSuite})
}

// suite is an adapter in front of a fake Discord, as the suite sees it.
type suite struct {
	*fake.Server
	t       *testing.T
	options Options
	adapter *Adapter
}

func openSuite(t *testing.T, p chattest.Ports) chattest.Stage {
	srv := startFake(t, fake.Options{Limits: fake.Limits{Calls: 1000, Global: -1}})
	s := &suite{Server: srv, t: t, options: Options{Records: shared(), Bots: []bots.Bot{helper(srv.Token())}, APIURL: srv.APIURL(), Ports: p.Ports, Log: p.Log}}
	s.adapter = s.Another().(*Adapter)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.adapter.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	if err := srv.Wait(ctx, func() bool { return srv.CommandWrites("") > 0 }); err != nil { // the last call of a start
		t.Fatal(err)
	}
	return s
}

func (s *suite) Adapter() chat.Adapter { return s.adapter }

func (s *suite) Another() chat.Adapter {
	a, err := New(s.options)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

func (s *suite) Bot() string { return "helper" }

func (s *suite) Secrets() []string { return []string{s.Token()} }

func (s *suite) Ask(p chat.Place, question string) {
	if p.Channel == "" {
		p.Channel = "general"
	}
	s.Mention(p.Channel, "ann", question)
}

func (s *suite) Say(p chat.Place, text string) { s.Server.Say(p.Channel, "bob", text) }

func (s *suite) Posts(p chat.Place) (out []chattest.Post) {
	for _, m := range s.Messages(p.Channel) {
		if m.Author.ID != s.App("").UserID() {
			continue
		}
		one := chattest.Post{ID: chat.MessageID(m.ID), Text: m.Content, Controls: m.Buttons()}
		for _, f := range s.Timeline(m.ID) {
			one.Pings = append(one.Pings, f.Pings...)
		}
		for _, f := range m.Attachments {
			one.File, one.Data = f.Filename, f.Data
		}
		out = append(out, one)
	}
	return out
}

func (s *suite) Delete(_ chat.Place, id chat.MessageID) { s.Server.Delete(string(id)) }

func (s *suite) Press(_ chat.Place, id chat.MessageID, label string) bool {
	if _, err := s.Server.Press(string(id), "ann", label); err != nil {
		s.t.Error(err)
	}
	return true
}

func (s *suite) Withdraw(question chat.Message) bool {
	s.Server.Delete(string(question.ID))
	return true
}

func (s *suite) Fail(f chattest.Fault) bool {
	if f == chattest.Revoked {
		s.Server.Fail(fake.Fault{Status: 401, Body: `{"message": "401: Unauthorized", "code": 0}`, Times: 1 << 30})
		s.Disconnect("", 4004)
		return true
	}
	s.Server.Fail(map[chattest.Fault]fake.Fault{
		chattest.Limited:  {Shared: 100 * time.Millisecond},
		chattest.Refused:  {Status: 403, Body: `{"message": "Missing Permissions", "code": 50013}`},
		chattest.Down:     {Status: 503, Body: "upstream connect error"},
		chattest.Lost:     {Cut: true},
		chattest.Hangs:    {Delay: patience},
		chattest.Telltale: {Status: 403, Body: `{"message": "Bot ` + s.Token() + ` may not", "code": 50013, "errors": {"content": {"_errors": [{"message": "not from ` + s.Token() + `"}]}}}`},
	}[f])
	return true
}
