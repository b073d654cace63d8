// What the tests of the contract share beside the kit.

package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley/internal/fake/discord"
	"parley/internal/fake/slack"
)

// useDiscordQuickly is a Discord that lets a bot identify again at once, as a
// restart in a test does.
func (w *world) useDiscordQuickly() *discord.Server {
	w.t.Helper()
	return w.useDiscord(discord.Options{Identify: discord.IdentifyLimits{Window: time.Millisecond}})
}

// status asks for a path and gives what came back.
func (s *server) status(path string) (int, string) {
	code, body, err := s.call(http.MethodGet, path, nil, nil)
	if err != nil {
		return 0, err.Error()
	}
	return code, body
}

// stranger asks without the admin token.
func (s *server) stranger(path string) (int, string) {
	code, body, err := s.call(http.MethodGet, path, map[string]string{"Authorization": ""}, nil)
	if err != nil {
		return 0, err.Error()
	}
	return code, body
}

// operatorVerb runs a verb of the binary's own main, against this server.
func (s *server) operatorVerb(stdin string, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	env := maps.Clone(s.w.env)
	env["PARLEY_URL"], env["HTTP_ADDR"] = "http://"+s.addr, s.addr
	environ := make([]string, 0, len(env))
	for name, value := range env {
		environ = append(environ, name+"="+value)
	}
	code = run(context.WithoutCancel(s.w.t.Context()), args, process{
		stdin: strings.NewReader(stdin), stdout: &out, stderr: &errs, environ: environ,
	})
	return code, out.String(), errs.String()
}

// whole is everything a person reads of an answer on Slack, part after part,
// once no Stop button is left.
func (w *world) whole(channel, ts string) (parts []slack.Message) {
	for _, m := range w.slack.Answers(channel, ts) {
		if len(m.Controls) > 0 {
			return nil
		}
		parts = append(parts, m)
	}
	return parts
}

// settled waits until an answer on Slack holds a text and is over.
func (w *world) settled(channel, ts, part string) slack.Message {
	w.t.Helper()
	var answer slack.Message
	w.until(fmt.Sprintf("the answer to %s holds %.60q", ts, part), func() bool {
		all := w.slack.Answers(channel, ts)
		if len(all) == 0 {
			return false
		}
		answer = all[len(all)-1]
		return strings.Contains(answer.Seen, part) && len(answer.Controls) == 0
	})
	return answer
}

// asked is the number of requests the model has seen.
func (w *world) asked(t *testing.T, want int, after string) {
	t.Helper()
	if n := len(w.model.Requests()); n != want {
		t.Errorf("after %s the model was asked %d times, want %d", after, n, want)
	}
}

func discordWithoutLimits() discord.Options {
	return discord.Options{Limits: discord.Limits{Off: true}}
}
