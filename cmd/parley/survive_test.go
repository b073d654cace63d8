// Nothing accepted is lost, whatever happens to the process.

package main

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"parley/internal/fake/discord"
	"parley/internal/fake/openai"
	"parley/internal/fake/slack"
	"parley/internal/store/storetest"
)

// A process that is killed while it writes leaves half an answer; the next one
// finishes it in the same message.
func TestKilledWhileWriting(t *testing.T) {
	t.Parallel()
	storeKinds(t, func(t *testing.T, w *world) {
		ws := w.useSlack(slack.Options{}, false)
		// A killed process cannot tell the next one when it last identified.
		d := w.useDiscord(discord.Options{Identify: discord.IdentifyLimits{Window: time.Millisecond}})
		s := w.start()
		text := strings.TrimSpace(strings.Repeat("This is a sentence of the answer. ", 30))
		w.model.Func(func(openai.Request) openai.Reply {
			return openai.Reply{Text: text, Fault: openai.FaultSilence, After: 60}
		})
		ts := ws.Mention("C1", "U1", "write")
		id := d.Mention("general", "ann", "write")
		w.until("both answers have begun", func() bool {
			return len(ws.Answers("C1", ts)) == 1 && len(d.Replies(id)) == 1
		})
		first, reply := ws.Answers("C1", ts)[0], d.Replies(id)[0]
		s.kill()

		w.model.Func(nil)
		w.model.Answer(text)
		w.start()
		answer := w.onSlack("C1", ts, text)
		if got := ws.Answers("C1", ts); len(got) != 1 || answer.TS != first.TS {
			t.Errorf("the answer should stand once, in the message where it began: %d messages", len(got))
		}
		again := w.onDiscord(id, text)
		if got := d.Replies(id); len(got) != 1 || again.ID != reply.ID {
			t.Errorf("the reply should stand once, in the message where it began: %d messages", len(got))
		}
		w.clean()
	})
}

// The platform has taken the post, but the process dies before it knows.
func TestKilledBetweenPostAndRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	s := w.start()
	w.model.Answer("Only once.")
	ws.Inject(slack.Fault{Method: "chat.postMessage", After: true, Times: 100})
	ts := ws.Mention("C1", "U1", "write")
	w.until("the post was made", func() bool { return len(ws.Answers("C1", ts)) >= 1 })
	s.kill()
	w.start()
	w.onSlack("C1", ts, "Only once.")
	if got := ws.Answers("C1", ts); len(got) != 1 {
		t.Errorf("the answer stands %d times", len(got))
	}
}

// A thousand messages, each delivered twice, and three kill -9s: a thousand
// answers.
func TestAThousandMessagesAndThreeKills(t *testing.T) {
	t.Parallel()
	storeKinds(t, func(t *testing.T, w *world) {
		const n = 1000
		w.env["SLACK_UPDATE_LIMIT"] = "off"
		w.env["LOG_LEVEL"] = "warn"
		ws := w.useSlack(slack.Options{Copies: 2, Limits: slack.Limits{Off: true}, Pace: 6}, false)
		s := w.start()
		w.model.Func(func(r openai.Request) openai.Reply {
			return openai.Reply{Text: "Answer to " + r.Prompt() + "."}
		})
		channel := func(i int) string { return fmt.Sprintf("C%d", i%50) }
		stamps := make([]string, n)
		for i := range n {
			stamps[i] = ws.Mention(channel(i), fmt.Sprintf("U%d", i%20), fmt.Sprintf("question %d", i))
			switch {
			case i%300 == 299:
				s.kill()
				s = w.start()
			case i%50 == 49: // a hundred open at once are enough, also for a busy machine
				for began := time.Now(); len(ws.Answers(channel(i-49), stamps[i-49])) == 0; w.pause() {
					if time.Since(began) > 4*patience {
						t.Fatalf("question %d is not answered", i-49)
					}
				}
			}
		}
		answered := func() int {
			done := 0
			for i, ts := range stamps {
				want := fmt.Sprintf("Answer to question %d.", i)
				if a := ws.Answers(channel(i), ts); len(a) == 1 && a[0].Seen == want && len(a[0].Controls) == 0 {
					done++
				}
			}
			return done
		}
		// Slow is not lost: it is over when nothing more comes.
		for done, moved := 0, time.Now(); done < n && time.Since(moved) < 2*patience; w.pause() {
			if now := answered(); now > done {
				done, moved = now, time.Now()
			}
		}
		for i, ts := range stamps {
			a := ws.Answers(channel(i), ts)
			if len(a) != 1 || a[0].Seen != fmt.Sprintf("Answer to question %d.", i) {
				t.Errorf("question %d: %d answers, delivered %v: %+v", i, len(a), ws.Delivered(ts), a)
			}
		}
		w.clean()
	})
}

// killedHalfway starts a server that dies while an answer stands in part, with
// its Stop button. Which of its last words were recorded nobody knows; the first
// are.
func (w *world) killedHalfway() (ws *slack.Server, ts string) {
	w.t.Helper()
	ws = w.useSlack(slack.Options{}, false)
	s := w.start()
	w.model.Func(func(openai.Request) openai.Reply {
		return openai.Reply{Text: strings.Repeat(halfway, 20), Fault: openai.FaultSilence, After: 40}
	})
	ts = ws.Mention("C1", "U1", "write")
	w.until("the answer grows", func() bool {
		a := ws.Answers("C1", ts)
		return len(a) == 1 && len(a[0].Controls) == 1 && len(a[0].Seen) > 100
	})
	s.kill()
	w.model.Func(nil)
	return ws, ts
}

const halfway = "On and on it goes. "

// A process dies while it writes, and before the next one starts the person
// loses the right to that model: the half answer gets an end, and no Stop button
// stays behind.
func TestKilledAndThenRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws, ts := w.killedHalfway()
	w.write("bots/helper.yaml", helperYAML+"access:\n  models: [{match: \"lab/*\", users: [U7]}]\n")
	w.start()
	w.until("the message ends with the refusal", func() bool {
		a := ws.Answers("C1", ts)
		return len(a) == 1 && len(a[0].Controls) == 0 && strings.Contains(a[0].Seen, "don't have access to lab/m1")
	})
	if got := ws.Answers("C1", ts)[0].Seen; !strings.HasPrefix(got, halfway) {
		t.Errorf("of what people had read is left %q", got)
	}
	w.clean()
}

// Somebody stops an answer and its process dies before it has written the end:
// the next one keeps what could be read, takes the Stop button away and
// remembers the exchange.
func TestKilledAndThenStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.useRedis()
	ws, ts := w.killedHalfway()
	// The Stop reached the store, as another replica would have put it there.
	st := storetest.Open(t, w.env["REDIS_URL"])
	keys := st.Client.Keys(t.Context(), "parley:{slack:*}:turns").Val()
	if len(keys) != 1 {
		t.Fatalf("turn records: %v", keys)
	}
	for _, field := range st.Client.HKeys(t.Context(), keys[0]).Val() {
		turn, _, _ := strings.Cut(field, ":")
		if err := st.Client.SAdd(t.Context(), strings.TrimSuffix(keys[0], "turns")+"stops", turn).Err(); err != nil {
			t.Fatal(err)
		}
	}
	w.model.Answer("Yes.")
	asked := len(w.model.Requests())
	w.start()
	w.until("the Stop button is gone", func() bool {
		a := ws.Answers("C1", ts)
		return len(a) == 1 && len(a[0].Controls) == 0
	})
	if got := ws.Answers("C1", ts)[0].Seen; !strings.HasPrefix(got, halfway) {
		t.Errorf("of what people had read is left %q", got)
	}
	next := ws.MentionIn("C1", ts, "U1", "and?")
	w.until("the thread goes on", func() bool { return next != "" && len(w.model.Requests()) > asked })
	last, _ := w.model.Last()
	if n := len(last.Messages); n < 3 || !strings.HasPrefix(last.Messages[n-2].Content, halfway) {
		t.Errorf("the stopped answer is not remembered: %+v", last.Messages)
	}
	w.clean()
}

// A failure keeps what people have read, also when an earlier process wrote it.
func TestKilledAndThenTheProviderFails(t *testing.T) {
	t.Parallel()
	storeKinds(t, func(t *testing.T, w *world) {
		ws, ts := w.killedHalfway()
		w.model.Func(func(openai.Request) openai.Reply { return openai.Reply{Status: 401} })
		w.start()
		w.until("the failure is told", func() bool {
			a := ws.Answers("C1", ts)
			return len(a) == 1 && len(a[0].Controls) == 0 && strings.Contains(a[0].Seen, "ref-")
		})
		if got := ws.Answers("C1", ts)[0].Seen; !strings.HasPrefix(got, halfway) {
			t.Errorf("of what people had read is left %q", got)
		}
		w.clean()
	})
}

// The replica with the bot dies while it answers, and one without that bot takes
// over what it can: the answer waits for a replica that has the bot.
func TestKilledBesideAReplicaWithoutTheBot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.useRedis()
	older := maps.Clone(w.env)
	other := startProcess(t, w.dir, older)
	t.Cleanup(other.kill)
	ws := w.useSlack(slack.Options{}, false)
	s := w.start()
	w.model.Func(func(openai.Request) openai.Reply {
		return openai.Reply{Text: "Half of it is here and", Fault: openai.FaultSilence, After: 4}
	})
	ts := ws.Mention("C1", "U1", "write")
	w.until("the answer has begun", func() bool { return len(ws.Answers("C1", ts)) == 1 })
	s.kill()
	w.until("the other replica has looked", func() bool {
		return strings.Contains(other.log.String(), "cannot answer") || strings.Contains(other.log.String(), "dropped")
	})
	w.model.Func(nil)
	w.model.Answer("Half of it is here and the rest too.")
	w.start()
	w.onSlack("C1", ts, "Half of it is here and the rest too.")
	w.clean()
}
