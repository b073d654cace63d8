// Section 3's rule for Discord servers that are not trusted, from outside.

package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"parley/internal/fake/openai"
)

// Whoever invites the bot owns a server it is in. They used to administer the
// registry with that.
func TestAStrangerOnDiscordChangesNothing(t *testing.T) {
	t.Parallel()
	storeKinds(t, func(t *testing.T, w *world) {
		d := w.useDiscord(discordWithoutLimits())
		s := w.start()
		w.model.Answer("Yes.")
		w.onDiscord(d.Mention("general", "ann", "hello?"), "Yes.")
		asked := len(w.model.Requests())
		evil := d.Invite("mallory", "lair")
		question := d.Mention("lair", "mallory", "hello?")
		w.until("the sentence", func() bool { r := d.Replies(question); return len(r) == 1 })
		if said := d.Replies(question)[0].Content; !strings.Contains(said, "parley guild admit helper "+evil) {
			t.Errorf("a stranger reads %s", said)
		}
		d.Mention("lair", "mallory", "/provider remove lab")
		for _, line := range []string{"/provider remove id:lab", "/provider list", "/model name:m2", "/reset"} {
			i, err := d.Slash("lair", "mallory", line)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := i.Answer(t.Context()); err != nil || len(got) != 1 || !got[0].Ephemeral || !strings.Contains(got[0].Content, "parley guild admit") {
				t.Errorf("%s: %+v, %v", line, got, err)
			}
		}
		s.do(http.MethodGet, "/api/v1/providers/lab", nil, http.StatusOK)

		// A restart trusts nobody anew and says nothing a second time.
		if code := s.stop(); code != 0 {
			t.Fatalf("exit code %d", code)
		}
		s = w.start()
		d.Mention("lair", "mallory", "and now?")
		w.onDiscord(d.Mention("general", "ann", "still?"), "Yes.")
		if n := len(d.Messages("lair")); n != 4 { // three of the stranger's and one sentence
			t.Errorf("%d messages in the stranger's channel, want 4", n)
		}
		if n := len(w.model.Requests()) - asked; n != 1 {
			t.Errorf("the model was asked %d times, want 1", n)
		}
		w.guildVerbs(s, evil)
		w.onDiscord(d.Mention("lair", "mallory", "welcome?"), "Yes.")
		w.clean()
	})
}

// guildVerbs lists, refuses nonsense, and admits a server.
func (w *world) guildVerbs(s *server, guild string) {
	w.t.Helper()
	type reply struct {
		Guilds []struct{ ID, Name, Source string }
	}
	list := func() (out reply) {
		if err := json.Unmarshal([]byte(s.do(http.MethodGet, "/api/v1/bots/helper/guilds", nil, http.StatusOK)), &out); err != nil {
			w.t.Fatal(err)
		}
		return out
	}
	if got := list().Guilds; len(got) != 1 || got[0].ID != w.discord.GuildID() || got[0].Name != "Fake Guild" || got[0].Source != "first-start" {
		w.t.Errorf("trusted: %+v", got)
	}
	for path, want := range map[string]int{"nobody/guilds": 404, "helper/guilds/" + guild: 404} {
		s.do(http.MethodGet, "/api/v1/bots/"+path, nil, want)
	}
	s.do(http.MethodPut, "/api/v1/bots/helper/guilds/my-server", nil, http.StatusUnprocessableEntity)
	s.do(http.MethodDelete, "/api/v1/bots/helper/guilds/"+guild, nil, http.StatusNotFound)
	s.do(http.MethodPut, "/api/v1/bots/helper/guilds/"+guild, nil, http.StatusCreated)
	s.do(http.MethodDelete, "/api/v1/bots/helper/guilds/"+guild, nil, http.StatusNoContent)
	for _, step := range []struct{ verb, want string }{{"guild list helper", "first-start"}, {"guild admit helper " + guild, "admitted"}, {"guild list helper", guild}, {"guild remove helper " + guild, "no longer"}, {"guild admit helper " + guild, guild}} {
		code, out, errs := s.operatorVerb("", strings.Fields(step.verb)...)
		if code != 0 || !strings.Contains(out, step.want) {
			w.t.Errorf("parley %s: exit %d, %s%s", step.verb, code, out, errs)
		}
	}
}

// A server that the bot's file names stays; the file is what must be changed.
func TestAServerOfTheFileIsNotRemovedByAVerb(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.useDiscord(discordWithoutLimits())
	evil := d.Invite("mallory", "lair") // before the first start
	w.write("bots/helper.yaml", helperYAML+"  guilds: ["+d.GuildID()+"]\n")
	s := w.start()
	w.model.Answer("Yes.")
	w.onDiscord(d.Mention("general", "ann", "hello?"), "Yes.")
	question := d.Mention("lair", "mallory", "hello?")
	w.until("the sentence", func() bool { return len(d.Replies(question)) == 1 })
	if said := d.Replies(question)[0].Content; !strings.Contains(said, "parley guild admit helper "+evil) {
		t.Errorf("a stranger reads %s", said)
	}
	if text := s.do(http.MethodDelete, "/api/v1/bots/helper/guilds/"+d.GuildID(), nil, http.StatusConflict); !strings.Contains(text, "helper.yaml") {
		t.Errorf("the refusal does not name the file: %s", text)
	}
	if text := s.do(http.MethodPut, "/api/v1/bots/helper/guilds/"+d.GuildID(), nil, http.StatusOK); !strings.Contains(text, `"file"`) {
		t.Errorf("a server of the file: %s", text)
	}
	if log := s.log.String(); !strings.Contains(log, "Public Bot") {
		t.Error("the start does not warn of a public bot")
	}
	w.clean()
}

// A question that waits while its server is removed is not answered any more.
func TestAQuestionOfARemovedServerIsNotAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.useDiscord(discordWithoutLimits())
	s := w.start()
	gate := make(chan struct{})
	w.model.Func(func(openai.Request) openai.Reply { return openai.Reply{Text: "Yes.", Gate: gate} })
	first := d.Mention("general", "ann", "first")
	w.until("the model is asked", func() bool { return len(w.model.Requests()) == 1 })
	second := d.Mention("general", "ann", "second") // waits behind the first
	w.until("the second is stored", func() bool {
		_, text := s.status("/metrics")
		return strings.Contains(text, `parley_received_seconds_count{platform="discord"} 2`)
	})
	s.do(http.MethodDelete, "/api/v1/bots/helper/guilds/"+d.GuildID(), nil, http.StatusNoContent)
	close(gate)
	w.onDiscord(first, "Yes.")
	w.until("the second is refused", func() bool {
		r := d.Replies(second)
		return len(r) == 1 && strings.Contains(r[0].Content, "parley guild admit helper "+d.GuildID())
	})
	w.asked(t, 1, "a question of a server that is no longer trusted")
	w.clean()
}
