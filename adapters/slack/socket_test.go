// Socket Mode: two connections, acknowledgement after storing, reconnects.

package slack

import (
	"strings"
	"testing"
	"time"

	"parley/bots"
	"parley/internal/chat"
	fake "parley/internal/fake/slack"
)

func TestAMentionArrivesBySocketAndIsAcknowledgedOnceStored(t *testing.T) {
	r := newRig(t, setup{socket: true, fake: fake.Options{Pace: 600, EventTimeout: 2 * time.Second}})
	r.await("two connections", func() bool { return r.ws.Connections("") == 2 })
	r.inbox.refuse(2)
	_, ts := r.ws.DM("U1", "hello")
	if m := r.message(); string(m.ID) != ts || m.Text != "hello" {
		t.Errorf("%+v", m)
	}
	r.await("acknowledged", func() bool { return r.ws.Delivered(ts) })
	unacked := 0
	for _, d := range r.ws.Deliveries() {
		if !d.Accepted {
			unacked++
		}
	}
	if unacked < 2 { // a third may have been acknowledged too late, on a busy machine
		t.Errorf("%d envelopes stayed unacknowledged, want the 2 that could not be stored", unacked)
	}
}

func TestEventsGoOnWhileAConnectionComesAgain(t *testing.T) {
	r := newRig(t, setup{socket: true, fake: fake.Options{Pace: 60}})
	r.await("two connections", func() bool { return r.ws.Connections("") == 2 })
	const n = 60
	for i := range n {
		switch i {
		case 10:
			r.ws.Disconnect("", 0, "refresh_requested")
		case 30:
			r.await("the third connection", func() bool { return r.ws.Opened() == 3 && r.ws.Connections("") == 2 })
			r.ws.Cut("", 0)
		}
		r.ws.Mention("C1", "U1", "hello")
	}
	for range n {
		r.message()
	}
	r.await("two connections again", func() bool { return r.ws.Connections("") == 2 && r.ws.Opened() == 4 })
	if _, distinct := r.inbox.count(); distinct != n {
		t.Errorf("%d of %d", distinct, n)
	}
}

func TestAnEnvelopeOfUnknownTypeIsAcknowledged(t *testing.T) {
	r := newRig(t, setup{socket: true})
	r.await("two connections", func() bool { return r.ws.Connections("") == 2 })
	for name, message := range map[string]map[string]any{
		"type of tomorrow":   {"type": "brand_new", "envelope_id": "e1", "payload": map[string]any{"x": 1}},
		"event of tomorrow":  {"type": "events_api", "envelope_id": "e2", "payload": map[string]any{"type": "event_callback", "event": map[string]any{"type": "never_seen"}}},
		"payload of no form": {"type": "events_api", "envelope_id": "e3", "payload": "text"},
		"block of tomorrow":  {"type": "interactive", "envelope_id": "e4", "payload": map[string]any{"type": "block_actions", "message": map[string]any{"blocks": 7}}},
	} {
		if !r.ws.Raw("", 0, message) {
			t.Errorf("%s was not acknowledged", name)
		}
	}
	// An event that the library cannot read reaches the inbox all the same.
	event := map[string]any{"type": "app_mention", "user": "U1", "channel": "C1", "ts": "1700000000.000100",
		"text": "<@U0HELPER> odd", "blocks": "not a list", "files": nil}
	if !r.ws.Raw("", 1, map[string]any{"type": "events_api", "envelope_id": "e5", "payload": map[string]any{"type": "event_callback", "team_id": "T0TEAM", "event": event}}) {
		t.Error("an unreadable event was not acknowledged")
	}
	if m := r.message(); m.Text != "odd" {
		t.Errorf("%+v", m)
	}
}

func TestARefusedAppIsToldAndTheOthersRunOn(t *testing.T) {
	good, bad := socketHelper(), socketHelper()
	bad.ID, bad.Sections = "broken", inSlack("xoxb-wrong", appToken, "xapp-wrong")
	lost := socketHelper()
	lost.ID, lost.Sections = "mute", inSlack("xoxb-3")
	third := fake.App{ID: "A3", BotID: "B3", BotUser: "U3", BotToken: "xoxb-3", Name: "Mute"}
	r := newRig(t, setup{socket: true, bots: []bots.Bot{good, bad, lost}, fake: fake.Options{Apps: []fake.App{fake.DefaultApp(), third}}})
	r.await("the good one", func() bool { return r.ws.Connections("") == 2 })
	r.await("the refusal", func() bool { return len(r.ws.Calls("auth.test")) >= 3 })
	eventually(t, "health", func() bool {
		h := health(r.adapter)
		return h["helper"].OK &&
			h["broken"].Reason == "Slack refuses the bot token (invalid_auth): check slack.bot_token of bot broken" &&
			h["mute"].Reason == "neither slack.app_token (Socket Mode) nor slack.signing_secret (HTTP) is set, so no event can arrive"
	})
	r.ws.Mention("C1", "U1", "still here")
	r.message()
}

func TestARefusedAppTokenIsTold(t *testing.T) {
	b := socketHelper()
	b.Sections = inSlack("xoxb-1-helper", appToken, "xapp-wrong")
	r := newRig(t, setup{socket: true, bots: []bots.Bot{b}})
	eventually(t, "health", func() bool {
		return health(r.adapter)["helper"].Reason == "Slack refuses Socket Mode (invalid_auth): check slack.app_token of bot helper, and that Socket Mode is on"
	})
}

func TestWhatWasTakenIsAcknowledgedAtTheEnd(t *testing.T) {
	r := newRig(t, setup{socket: true})
	r.await("two connections", func() bool { return r.ws.Connections("") == 2 })
	_, ts := r.ws.DM("U1", "last words")
	r.message()
	r.stop()
	r.await("closed", func() bool { return r.ws.Connections("") == 0 })
	r.await("acknowledged", func() bool { return r.ws.Delivered(ts) })
}

func health(a *Adapter) map[string]chat.Health {
	out := map[string]chat.Health{}
	for _, h := range a.Health() {
		out[h.Bot] = h
	}
	return out
}

func TestAnEnvelopeThatComesByBothSocketsActsOnce(t *testing.T) {
	r := newRig(t, setup{socket: true})
	r.await("two connections", func() bool { return r.ws.Connections("") == 2 })
	command := map[string]any{"type": "slash_commands", "envelope_id": "e-1", "payload": map[string]any{
		"command": "/model", "text": "m2", "channel_id": "C1", "user_id": "U1", "team_id": "T0TEAM",
	}}
	for n := range 2 {
		if !r.ws.Raw("", n, command) {
			t.Errorf("connection %d: the envelope was not acknowledged", n)
		}
	}
	if did := r.desk.did(); len(did) != 1 {
		t.Errorf("it acted %d times: %+v", len(did), did)
	}
	command["envelope_id"] = "e-2" // the same words again are another command
	if !r.ws.Raw("", 0, command) || len(r.desk.did()) != 2 {
		t.Error("the second command was not carried out")
	}
}

func TestALostSocketIsLoggedOnce(t *testing.T) {
	r := newRig(t, setup{socket: true})
	r.await("two connections", func() bool { return r.ws.Connections("") == 2 })
	eventually(t, "both stand", func() bool { return strings.Count(r.logged.String(), "connection stands") == 2 })
	r.ws.Cut("", 0)
	r.await("it comes again", func() bool { return r.ws.Opened() == 3 && r.ws.Connections("") == 2 })
	eventually(t, "the loss is logged", func() bool { return strings.Contains(r.logged.String(), "slack: socket lost") })
	if n := strings.Count(r.logged.String(), "slack: socket lost"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	if !strings.Contains(r.logged.String(), "reason=") {
		t.Errorf("no reason is given:\n%s", r.logged.String())
	}
}
