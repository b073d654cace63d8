package discord

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"parley/bots"
	"parley/internal/chat"
)

func bot(id, token string, lead bool) bots.Bot {
	return bots.Bot{ID: id, Default: lead, Sections: inDiscord(token)}
}

func TestBotsWithOneTokenShareOneApplication(t *testing.T) {
	a, err := New(Options{Records: shared(), Bots: []bots.Bot{
		bot("zeta", "one.a.b", false), bot("alpha", "one.a.b", false), bot("beta", "two.a.b", false), bot("omega", "two.a.b", true), bot("slackonly", "", false),
	}})
	if err != nil {
		t.Fatal(err)
	}
	leads := map[string]string{}
	for id, one := range a.byBot {
		leads[id] = one.lead.ID
	}
	for id, want := range map[string]string{"alpha": "alpha", "zeta": "alpha", "beta": "omega", "omega": "omega", "slackonly": ""} {
		if leads[id] != want {
			t.Errorf("%s is led by %q, want %q", id, leads[id], want)
		}
	}
	if len(a.apps) != 2 {
		t.Errorf("%d applications, want 2", len(a.apps))
	}
	var ids []string
	for _, h := range a.Health() {
		ids = append(ids, h.Bot)
		if h.OK || h.Reason == "" || h.Platform != "discord" {
			t.Errorf("before the start: %+v", h)
		}
	}
	if got := strings.Join(ids, " "); got != "alpha beta omega zeta" {
		t.Errorf("health of %s", got)
	}
}

func TestWrongOptionsAreRefused(t *testing.T) {
	for name, o := range map[string]Options{
		"address": {APIURL: "discord.com/api"}, "scheme": {APIURL: "ftp://x/api"}, "limit": {GlobalLimit: -1},
		"token": {Bots: []bots.Bot{bot("a", "my secret token", false)}},
	} {
		if _, err := New(o); err == nil || strings.Contains(err.Error(), "my secret token") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheSetupSaysWhatToDo(t *testing.T) {
	token := base64.RawStdEncoding.EncodeToString([]byte("123456789012345678")) + ".a.very-secret"
	s, err := setupOf(bot("helper", token, false).Profile(Platform()), "https://parley.example/base")
	if err != nil {
		t.Fatal(err)
	}
	invite, err := url.Parse(s.Invite)
	if err != nil {
		t.Fatal(err)
	}
	q := invite.Query()
	// View Channels, Send Messages, Attach Files, Read Message History, Send Messages in Threads
	if q.Get("client_id") != "123456789012345678" || q.Get("scope") != "bot applications.commands" || q.Get("permissions") != "274878008320" {
		t.Errorf("invite %s", s.Invite)
	}
	made, err := Platform().Manifest(bot("helper", token, false).Profile(Platform()), "https://parley.example/base")
	if err != nil || !json.Valid(made.JSON) || made.Text != s.String() {
		t.Errorf("%s %s %v", made.JSON, made.Text, err)
	}
	for _, want := range []string{s.Invite, "Message Content Intent", "Install Link: None", "Public Bot: off", "https://parley.example/base/discord/helper/interactions", "Read Message History"} {
		if !strings.Contains(s.String(), want) {
			t.Errorf("%q is missing in\n%s", want, s)
		}
	}
	if strings.Contains(s.String()+string(made.JSON), "very-secret") {
		t.Error("the token is shown")
	}
	if s, err = setupOf(chat.Profile{ID: "new"}, ""); err != nil || !strings.Contains(s.Invite, "YOUR_APPLICATION_ID") || !strings.Contains(s.String(), "Reset Token") {
		t.Errorf("without a token: %s %v", s, err)
	}
	if _, err = setupOf(chat.Profile{ID: "new"}, "http://parley.example"); err == nil {
		t.Error("an http address was taken; Discord wants https")
	}
}
