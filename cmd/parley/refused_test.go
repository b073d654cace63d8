// Where the platform takes no answer, the one who asked reads one sentence with
// the reference that the log has.

package main

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"parley/internal/fake/discord"
	"parley/internal/fake/openai"
	"parley/internal/fake/slack"
)

var reference = regexp.MustCompile(`\(ref-\d{8}\)`)

// told is the message of a channel that holds text, once there is one.
func (w *world) told(srv *server, d *discord.Server, channel, text string) discord.Message {
	w.t.Helper()
	var found discord.Message
	w.until("a message in "+channel+" says: "+text, func() bool {
		for _, m := range d.Messages(channel) {
			if m.Author.Bot && strings.Contains(m.Content, text) {
				found = m
				return true
			}
		}
		return false
	})
	ref := strings.Trim(reference.FindString(found.Content), "()")
	if ref == "" || !strings.Contains(srv.log.String(), ref) {
		w.t.Errorf("the log does not have the reference of %q", found.Content)
	}
	return found
}

func TestWhereDiscordTakesNoAnswerThePersonIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.useDiscord(discordWithoutLimits())
	srv := w.start()
	w.model.Answer("An answer.")

	// No right to write: a direct message.
	d.Deny("general", discord.Denied{Send: true})
	d.Mention("general", "ann", "one")
	w.told(srv, d, d.DMChannel("ann"), "not allowed to write where you asked")

	// The right goes while the answer grows.
	d.Deny("general", discord.Denied{})
	step := make(chan struct{})
	w.model.Next(openai.Reply{Text: strings.Repeat("On and on it goes. ", 40), Step: step})
	question := d.Mention("general", "bob", "two")
	for range 20 {
		step <- struct{}{}
	}
	w.until("the answer grows", func() bool { return len(d.Replies(question)) == 1 })
	d.Lock("general", true)
	close(step)
	w.told(srv, d, d.DMChannel("bob"), "not allowed to write where you asked")
	d.Lock("general", false)

	// A locked thread, and a person who takes no direct messages: the channel.
	d.Shut("carol")
	thread := d.Thread("general", "locked")
	d.Deny(thread, discord.Denied{Archived: true, Locked: true})
	d.Mention(thread, "carol", "three")
	if m := w.told(srv, d, "general", "not allowed to write where you asked"); !strings.Contains(m.Content, "<@"+d.UserID("carol")+">") || len(m.Frames[0].Pings) != 0 {
		t.Errorf("carol reads %+v", m)
	}

	// A filter: what stands stays, gets the sentence, and has no Stop.
	d.Deny("general", discord.Denied{Words: []string{"forbidden"}})
	w.model.Next(openai.Reply{Text: "These are words that everybody may read and like. And this is forbidden.", Words: 1, Interval: 100 * time.Millisecond})
	question = d.Mention("general", "ann", "four")
	w.until("the sentence is there", func() bool {
		got := d.Replies(question)
		return len(got) == 1 && strings.Contains(got[0].Content, "A filter here blocked my answer.") && reference.MatchString(got[0].Content)
	})
	if got := d.Replies(question)[0]; !strings.HasPrefix(got.Content, "These are words") || len(got.Buttons()) != 0 || len(got.Attachments) != 0 {
		t.Errorf("ann reads %+v", got)
	}

	// Nobody can be told: the log says so.
	d.Deny("general", discord.Denied{Send: true})
	d.Mention("general", "carol", "five")
	w.until("the log says so", func() bool {
		return strings.Contains(srv.log.String(), "nobody could be told that the answer is missing")
	})

	// Without Read Message History it answers, without the reference.
	d.Deny("general", discord.Denied{History: true})
	d.Mention("general", "ann", "six")
	w.until("the answer is there", func() bool {
		all := d.Messages("general")
		last := all[len(all)-1]
		return last.Content == "An answer." && last.ReplyTo == ""
	})
	w.clean()
}

func TestWhereSlackTakesNoAnswerThePersonIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	w.start()
	w.model.Answer("An answer.")
	ws.Inject(slack.Fault{Method: "chat.postMessage", Channel: "C1", Error: "restricted_action_read_only_channel"})
	ws.Mention("C1", "U1", "one")
	w.until("a direct message says so", func() bool {
		for _, m := range ws.Messages(ws.DirectChannel("", "U1")) {
			if strings.Contains(m.Text, "not allowed to write where you asked") && reference.MatchString(m.Text) && strings.HasSuffix(m.Text, "<#C1>") {
				return true
			}
		}
		return false
	})
}
