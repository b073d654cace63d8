// What parley itself says comes in the language of the one who asked.

package main

import (
	"slices"
	"strings"
	"testing"

	"parley/internal/fake/openai"
	"parley/internal/fake/slack"
)

func TestAFrenchTeamReadsFrenchOnSlack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("bots/helper.yaml", helperYAML+"access: {deny: [{users: [U2]}]}\n")
	ws := w.useSlack(slack.Options{}, false)
	ws.AddUser(slack.User{ID: "U1", Name: "anne", Locale: "fr-FR"})
	ws.AddUser(slack.User{ID: "U2", Name: "luc", Locale: "fr-CA"})
	ws.AddUser(slack.User{ID: "U3", Name: "sam"})
	s := w.start()

	// The first reply may come before Slack has told of a person.
	w.until("a reply is in French", func() bool {
		w.slash("/reset", "")
		return slices.ContainsFunc(ws.Messages("C1"), func(m slack.Message) bool {
			return strings.Contains(m.Seen, "L’historique de ce canal a été effacé.")
		})
	})

	w.until("a refusal is in French", func() bool {
		ws.Mention("C1", "U2", "bonjour")
		w.pause()
		return len(told(ws, "C1", "U2", "Vous n’avez pas accès à Helper")) > 0
	})

	w.model.Func(func(openai.Request) openai.Reply { return openai.Reply{Status: 401} })
	ts := ws.Mention("C1", "U1", "bonjour")
	var note string
	w.until("the failure is in French", func() bool {
		if a := ws.Answers("C1", ts); len(a) == 1 {
			note = a[0].Seen
		}
		return strings.Contains(note, "a refusé la clé d’API")
	})
	if ref := strings.Trim(reference.FindString(note), "()"); ref == "" || !strings.Contains(s.log.String(), ref) {
		t.Errorf("the log does not have the reference of %q", note)
	}

	// Beside them, a colleague reads English.
	ts = ws.Mention("C1", "U3", "hello")
	w.until("the failure is in English", func() bool {
		a := ws.Answers("C1", ts)
		return len(a) == 1 && strings.Contains(a[0].Seen, "refused the API key")
	})
	w.clean()
}

func TestAKoreanTeamReadsKoreanOnDiscord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.useDiscord(discordWithoutLimits())
	d.Prefer("ann", "ko")
	w.start()
	w.until("the commands are registered", func() bool { return len(d.Commands("")) > 0 })
	i, err := d.Slash("general", "ann", "/provider add")
	if err != nil {
		t.Fatal(err)
	}
	if all, err := i.Answer(t.Context()); err != nil || len(all) == 0 || !strings.Contains(all[0].Content, "관리자만 할 수 있는 작업입니다") {
		t.Errorf("a refusal reads %+v, %v", all, err)
	}
	w.model.Func(func(openai.Request) openai.Reply { return openai.Reply{Status: 401} })
	question := d.Mention("general", "ann", "안녕하세요")
	w.until("the failure is in Korean", func() bool {
		a := d.Replies(question)
		return len(a) == 1 && strings.Contains(a[0].Content, "API 키를 거부했습니다") && reference.MatchString(a[0].Content)
	})
	w.clean()
}

func TestABotMaySpeakOneLanguage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("bots/helper.yaml", helperYAML+"language: fr\n")
	d := w.useDiscord(discordWithoutLimits())
	d.Prefer("ann", "ko")
	w.start()
	w.model.Func(func(openai.Request) openai.Reply { return openai.Reply{Status: 401} })
	question := d.Mention("general", "ann", "안녕하세요")
	w.until("it speaks French", func() bool {
		a := d.Replies(question)
		return len(a) == 1 && strings.Contains(a[0].Content, "a refusé la clé d’API")
	})
}
