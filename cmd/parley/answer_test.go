// A mention ends with the model's exact text, on every way in.

package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/internal/fake/discord"
	"parley/internal/fake/openai"
	"parley/internal/fake/slack"
)

// sixSeconds is an answer that takes about six seconds to write.
func sixSeconds() openai.Reply {
	var text strings.Builder
	for i := range 120 {
		fmt.Fprintf(&text, "Word %d of **the answer**. ", i)
	}
	return openai.Reply{Text: strings.TrimSpace(text.String()), Interval: 10 * time.Millisecond}
}

func slackGrowth(w *world, ts string) int {
	grown, before := 0, 0
	for _, seen := range w.slack.Timeline(ts) {
		if len(seen.Text) > before {
			grown++
		}
		before = len(seen.Text)
	}
	return grown
}

func TestMentionOverSlack(t *testing.T) {
	t.Parallel()
	for _, way := range []struct {
		name   string
		socket bool
	}{{"signed HTTP", false}, {"Socket Mode", true}} {
		t.Run(way.name, func(t *testing.T) {
			w := newWorld(t)
			ws := w.useSlack(slack.Options{}, way.socket)
			w.start()
			long := sixSeconds()
			w.model.Next(long)

			ts := ws.Mention("C1", "U1", "tell me everything")
			answer := w.onSlack("C1", ts, long.Text)
			if n := slackGrowth(w, answer.TS); n < 3 {
				t.Errorf("the answer was seen to grow %d times, want at least 3", n)
			}
			// How few is held in pretended time by internal/stream; a busy machine adds some.
			if first := ws.Timeline(answer.TS)[0].Text; len(first) > len(long.Text)/2 {
				t.Errorf("the first post held %d of %d characters; it should be the first words", len(first), len(long.Text))
			}

			w.model.Answer("Then nothing.")
			ws.Reply("C1", ts, "U1", "and then?")
			w.until("the follow-up is answered", func() bool { return len(ws.Answers("C1", ts)) == 2 })
			w.onSlack("C1", ts, "Then nothing.")
			last, _ := w.model.Last()
			var roles []string
			for _, m := range last.Messages {
				roles = append(roles, m.Role+": "+m.Content)
			}
			want := []string{"system: Be brief.", "user: tell me everything", "assistant: " + long.Text, "user: and then?"}
			if strings.Join(roles, "\n") != strings.Join(want, "\n") {
				t.Errorf("the follow-up did not carry the history:\n%s", strings.Join(roles, "\n"))
			}
			if got := last.Header.Get("Authorization"); got != "Bearer sk-lab-secret-key" {
				t.Errorf("Authorization was %q", got)
			}
			if last.Fields["temperature"] != 0.3 || last.Fields["stream"] != true {
				t.Errorf("parameters were not sent: %v", last.Fields)
			}
			w.clean()
		})
	}
}

func TestMentionOverTheDiscordGateway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.useDiscord(discord.Options{})
	w.start()
	long := sixSeconds()
	long.Text = long.Text[:1900]
	w.model.Next(long)

	id := d.Mention("general", "ann", "tell me everything")
	answer := w.onDiscord(id, strings.TrimSpace(long.Text))
	if n := len(d.Timeline(answer.ID)); n < 3 {
		t.Errorf("the answer had %d states, want at least 3", n)
	}
	w.model.Answer("Then nothing.")
	follow := d.Reply(answer.ID, "ann", "and then?", true)
	w.onDiscord(follow, "Then nothing.")
	last, _ := w.model.Last()
	if len(last.Messages) != 4 || last.Messages[3].Content != "and then?" {
		t.Errorf("the follow-up did not carry the history: %+v", last.Messages)
	}
	w.clean()
}

func TestDirectMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws, d := w.useSlack(slack.Options{}, false), w.useDiscord(discord.Options{})
	w.start()
	w.model.Answer("Hello yourself.")
	channel, ts := ws.DM("U1", "hello")
	w.onSlack(channel, ts, "Hello yourself.")
	w.onDiscord(d.DM("ann", "hello"), "Hello yourself.")
	w.clean()
}

func TestModelIsSwitchedByCommand(t *testing.T) {
	t.Parallel()
	storeKinds(t, func(t *testing.T, w *world) {
		ws, d := w.useSlack(slack.Options{}, false), w.useDiscord(discord.Options{})
		s := w.start()
		corp := openai.NewWith(t, openai.Options{Models: []string{"gpt-4o"}})
		corp.Answer("From the corporation.")
		record := map[string]any{
			"name": "Corp", "endpoint": corp.Endpoint(), "apiKey": "sk-corp-secret", "models": []any{map[string]any{"id": "gpt-4o", "name": "GPT-4o"}},
			"apiStyle": "openai", "extraHeaders": map[string]string{"X-Corp-Token": "token-corp-secret"},
			"pricing": map[string]float64{"input": 1, "output": 2}, "maxInput": 8192,
			"addParams": map[string]any{"seed": 7}, "dropParams": []string{"max_tokens"},
		}
		s.do(http.MethodPut, "/api/v1/providers/corp", record, http.StatusCreated)
		body := s.do(http.MethodGet, "/api/v1/providers/corp", nil, http.StatusOK)
		if strings.Contains(body, "secret") || !strings.Contains(body, `"set"`) {
			t.Errorf("the record shows a secret or does not say that one is set: %s", body)
		}

		w.slash("/model", "corp/gpt-4o")
		ts := ws.Mention("C1", "U1", "who are you?")
		w.onSlack("C1", ts, "From the corporation.")
		last, _ := corp.Last()
		if last.Model != "gpt-4o" || last.Header.Get("X-Corp-Token") != "token-corp-secret" || last.Fields["seed"] != 7.0 {
			t.Errorf("the request was not as the record says: %s %v", last.Model, last.Fields)
		}
		if _, there := last.Fields["max_tokens"]; there {
			t.Errorf("max_tokens was to be dropped")
		}

		i, err := d.Slash("general", "ann", "/model name:corp/gpt-4o")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := i.Answer(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.onDiscord(d.Mention("general", "ann", "who are you?"), "From the corporation.")

		// All of it is still there after a restart.
		if code := s.stop(); code != 0 {
			t.Errorf("a graceful stop ended with %d", code)
		}
		s = w.start()
		s.do(http.MethodGet, "/api/v1/providers/corp", nil, http.StatusOK)
		ts = ws.Mention("C1", "U1", "still?")
		w.onSlack("C1", ts, "From the corporation.")
		w.noSecretsIn(t, s)
		w.clean()
	})
}

// noSecretsIn looks for secrets and for what was said in the log and in every
// file of the embedded store.
func (w *world) noSecretsIn(t *testing.T, s *server) {
	t.Helper()
	hidden := []string{"sk-corp-secret", "token-corp-secret", "sk-lab-secret-key", "who are you?", "From the corporation", w.env["SLACK_BOT_TOKEN"], w.env["DISCORD_TOKEN"]}
	files := map[string]string{"log": s.log.String()}
	_ = filepath.Walk(w.env["DATA_DIR"], func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			data, _ := os.ReadFile(path)
			files[path] = string(data)
		}
		return nil
	})
	for name, text := range files {
		for _, secret := range hidden {
			if secret != "" && strings.Contains(text, secret) {
				t.Errorf("%s holds %q", name, secret)
			}
		}
	}
}
