// What people send beside words: named to the model, and remembered.

package main

import (
	"strings"
	"testing"

	"parley/internal/fake/openai"
	"parley/internal/fake/slack"
)

func TestFilesAreNamedToTheModelAndRemembered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	w.start()
	w.model.Func(func(r openai.Request) openai.Reply {
		words := strings.Fields(r.Prompt())
		return openai.Reply{Text: "Re: " + words[len(words)-1]}
	})
	picture, trace := slack.File{ID: "F1", Name: "chart.png", Type: "image/png", Size: 9}, slack.File{ID: "F2", Name: "trace.txt", Type: "text/plain"}

	root := ws.Say(slack.Said{Channel: "C1", User: "U3", Text: "the queue grows", Files: []slack.File{picture}})
	ws.Reply("C1", root, "U2", "since noon")
	ws.Say(slack.Said{Channel: "C1", Thread: root, User: "U2", Text: "<@" + ws.App("").BotUser + "> why?", Files: []slack.File{trace}})
	w.onSlack("C1", root, "Re: trace.txt]")
	first, _ := w.model.Last()
	const heard, question = "the queue grows\n[attached file: chart.png]", "why?\n[attached file: trace.txt]"
	if got := first.Prompt(); !strings.Contains(got, heard) || !strings.Contains(got, "since noon") || !strings.HasSuffix(got, question) {
		t.Errorf("asked %q", got)
	}
	// A string, and not a list: there are servers that take nothing else.
	if raw := string(first.Messages[len(first.Messages)-1].Raw); !strings.HasPrefix(raw, `"`) {
		t.Errorf("sent %s", raw)
	}

	ws.Reply("C1", root, "U2", "and now?")
	w.onSlack("C1", root, "Re: now?")
	second, _ := w.model.Last()
	var before []string
	for _, m := range second.Messages[:len(second.Messages)-1] {
		before = append(before, m.Content)
	}
	if got := strings.Join(before, "\n"); strings.Count(got, heard) != 1 || strings.Count(got, question) != 1 {
		t.Errorf("remembered %q", got)
	}
	w.clean()
}
