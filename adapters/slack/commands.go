// Commands: slash commands and their names, and how a reply reaches the person.

package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"parley/adapters/internal/prompt"
	"parley/internal/chat"
)

const (
	// answerWithin leaves room in the three seconds that Slack waits.
	answerWithin = 2300 * time.Millisecond
	// commandLife is how long a command may work before it is given up; its
	// response_url lives for thirty minutes.
	commandLife = 10 * time.Minute
)

// visibleName is the name under which a command is registered with Slack. Slack
// keeps some names for itself and refuses a whole manifest that asks for one;
// such a command gets "parley-" in front. A prefix makes any name free.
func visibleName(word, prefix string) string {
	if prefix == "" && slices.Contains(reserved(), word) {
		return "/parley-" + word
	}
	return "/" + prefix + word
}

// reserved are Slack's own command names, those of the past included: apps that
// asked for them report that the manifest was refused.
func reserved() []string {
	return []string{"active", "apps", "archive", "away", "call", "collapse", "commands", "debug", "dm", "dnd", "expand",
		"feed", "feedback", "help", "huddle", "invite", "join", "keys", "kick", "kill", "leave", "me", "msg", "mute", "open",
		"prefs", "pro", "remind", "remove", "rename", "search", "send", "shortcuts", "shrug", "star", "status", "topic",
		"unarchive", "who"}
}

// commandName is the plain name of a command as typed, prefix and slash taken
// off.
func commandName(typed, prefix string) string {
	name := strings.ToLower(strings.TrimPrefix(typed, "/"))
	if cut, ok := strings.CutPrefix(name, prefix); ok && prefix != "" {
		name = cut
	}
	if cut, ok := strings.CutPrefix(name, "parley-"); ok && slices.Contains(chat.WordNames(), cut) {
		name = cut
	}
	return name
}

// slashCommand is a slash command as Slack sends it, over HTTP as a form and
// over Socket Mode as JSON.
type slashCommand struct {
	Team        string `json:"team_id"`
	Channel     string `json:"channel_id"`
	User        string `json:"user_id"`
	UserName    string `json:"user_name"`
	Command     string `json:"command"`
	Text        string `json:"text"`
	ResponseURL string `json:"response_url"`
	TriggerID   string `json:"trigger_id"`
	Enterprise  string `json:"enterprise_id"`
	OrgWide     truth  `json:"is_enterprise_install"`
}

// replyTarget is where and to whom a reply goes, and what can still be done there.
type replyTarget struct {
	place       chat.Place
	user        chat.Author
	responseURL string
	triggerID   string
	// replace says that the reply takes the place of the message that was
	// pressed: an ephemeral one of ours.
	replace bool
	// slash says that the reply to a command goes to the channel, not a thread.
	slash bool
}

// reply is a message in answer to a slash command or for a response_url.
type reply struct {
	ResponseType    string        `json:"response_type,omitempty"`
	ReplaceOriginal bool          `json:"replace_original"`
	Text            string        `json:"text"`
	Blocks          []slack.Block `json:"blocks,omitempty"`
	UnfurlLinks     bool          `json:"unfurl_links"`
	UnfurlMedia     bool          `json:"unfurl_media"`
	// Metadata tells a reply that stands in a thread from an answer.
	Metadata *slack.SlackMetadata `json:"metadata,omitempty"`

	by *app // whose reply it is: its token reaches the place
	to replyTarget
}

// starting is the answer before it is known for whom a command is, and so in which
// language.
func starting() *reply {
	return &reply{ResponseType: "ephemeral", Text: chat.Say("This bot is just starting. Try again in a few seconds.").String()}
}

// unrouted is the answer to a command that reached no app.
func unrouted(err error) *reply {
	if errors.Is(err, errNobody) {
		return &reply{ResponseType: "ephemeral", Text: chat.Say("This bot has no valid token for this workspace. Tell your parley administrator.").String()}
	}
	return starting()
}

// slash runs a slash command. What is said within answerWithin of its arrival is
// the answer to the request; a nil answer means that the rest follows at the
// response_url.
func (a *app) slash(ctx context.Context, arrived time.Time, c slashCommand) *reply {
	self, ok := a.whoami(ctx)
	if !ok {
		return starting()
	}
	team := self.team(c.Team, nil)
	o := replyTarget{
		place: chat.Place{Platform: platform, Workspace: team, Channel: c.Channel, Direct: strings.HasPrefix(c.Channel, "D")},
		user:  chat.Author{ID: c.User, Name: c.UserName}, responseURL: c.ResponseURL, triggerID: c.TriggerID, slash: true,
	}
	command := chat.Command{
		Name: commandName(c.Command, prefixOf(a.lead)), Args: strings.TrimSpace(c.Text), Scope: self.scope(team),
		Bot: a.lead.ID, Place: o.place, Author: o.user,
	}
	said, _ := prompt.Ask(ctx, a.background, arrived.Add(a.intake.within), commandLife, func(ctx context.Context, give func(*reply) bool) {
		r, err := a.ports.Desk.Do(ctx, command)
		if said := a.show(ctx, r, err, command.Name, command.Scope, o); said != nil && !give(said) {
			a.tell(ctx, o, *said)
		}
	})
	return said
}

// show makes the reply of what the desk said to a command or an action of this
// name; nil when a form opened instead, or there is nothing to say.
func (a *app) show(ctx context.Context, r chat.Reply, err error, name, scope string, o replyTarget) *reply {
	if err != nil {
		r = chat.Reply{Text: a.sorry(o, err, "command", name)}
	}
	if r.Form != nil {
		err := a.openForm(ctx, *r.Form, scope, o)
		if err == nil {
			return nil
		}
		r = chat.Reply{Text: a.sorry(o, err, "form", r.Form.ID)}
	}
	return a.reply(r, o)
}

// reply renders what a command said.
func (a *app) reply(r chat.Reply, o replyTarget) *reply {
	if strings.TrimSpace(r.Text) == "" && r.Menu == nil && len(r.Buttons) == 0 {
		return nil
	}
	out := &reply{ResponseType: "ephemeral", Text: notification(r.Text), ReplaceOriginal: o.replace && !r.Public, by: a, to: o}
	if r.Public {
		out.ResponseType = "in_channel"
	}
	out.Blocks = blocks(chat.Content{Markdown: clip(r.Text), Menu: r.Menu, Buttons: r.Buttons}, o.place.Owner, a.speaker(o.user.ID))
	return out
}

// clip shortens a reply to what one message holds.
func clip(markdown string) string {
	if Measure(markdown) <= messageSize {
		return markdown
	}
	cut := []rune(markdown)
	cut = cut[:min(len(cut), messageSize/2)]
	for Measure(string(cut)) > messageSize-4 {
		cut = cut[:len(cut)*9/10]
	}
	return string(cut) + "\n…"
}

// sorry is what a person reads of an error: the text that was written for them,
// or one line with a reference that the log has too.
func (a *app) sorry(o replyTarget, err error, what, name string) string {
	line, ref := chat.Explain(err)
	if u, ok := errors.AsType[*chat.UserError](err); !ok || u.Err != nil {
		a.log.Error("a command failed", what, name, "ref", ref, "error", a.secrets.Error(err))
	}
	return a.speaker(o.user.ID).Say(line)
}

// tell sends a reply after the request was answered: by the response_url, else
// through the Web API.
func (a *app) tell(ctx context.Context, o replyTarget, said reply) {
	public := said.ResponseType == "in_channel"
	if public && !o.slash {
		said.Metadata = new(besides())
	}
	if o.responseURL != "" && (o.slash || said.ReplaceOriginal) {
		err := a.respond(ctx, o.responseURL, said)
		if err == nil {
			return
		}
		a.log.WarnContext(ctx, "a response_url did not take the reply", "error", err)
	}
	options := []slack.MsgOption{slack.MsgOptionText(said.Text, false), slack.MsgOptionBlocks(said.Blocks...), inThread(o.place.Thread)}
	var err error
	if public {
		options = append(options, slack.MsgOptionMetadata(besides()), slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl())
		_, _, err = a.api.PostMessageContext(ctx, o.place.Channel, options...)
	} else {
		_, err = a.api.PostEphemeralContext(ctx, o.place.Channel, o.user.ID, options...)
	}
	if err == nil {
		return
	}
	a.log.WarnContext(ctx, "a reply could not be shown where it belongs", "error", a.failed("reply", err))
	if o.responseURL != "" {
		said.ReplaceOriginal = false
		if a.respond(ctx, o.responseURL, said) == nil {
			return
		}
	}
	if !public { // the last place a person looks: their direct message with the bot
		options = []slack.MsgOption{slack.MsgOptionText(said.Text, false), slack.MsgOptionBlocks(said.Blocks...)}
		if _, _, err := a.api.PostMessageContext(ctx, o.user.ID, options...); err != nil {
			a.log.WarnContext(ctx, "a reply could not be delivered", "error", a.failed("reply", err))
		}
	}
}

// respond posts to a response_url: five uses within thirty minutes, Slack's own
// hosts or the host of SLACK_API_URL only.
func (c *client) respond(ctx context.Context, to string, said reply) error {
	if !c.trusts(to) {
		return errors.New("the response_url is not at Slack")
	}
	body, err := json.Marshal(said)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return errors.New("the response_url is malformed")
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	resp, err := c.http.Do(req)
	if err != nil {
		return errors.New("the response_url could not be reached") // the error holds the URL, which is a secret
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the response_url answered HTTP %d", resp.StatusCode)
	}
	return nil
}
