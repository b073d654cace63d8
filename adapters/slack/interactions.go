// Buttons, menus and modals: what a person pressed, and the controls that they
// press.

package slack

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/slack-go/slack"

	"parley/adapters/internal/prompt"
	"parley/internal/chat"
)

// Action ids. A button carries the chat.ControlText of its action as its value; a
// menu in its action id, and the argument as the value of the chosen option.
const (
	actionRun  = "parley.run"
	actionMenu = "parley.menu:"
)

// blockControls is the block id of a reply's controls; behind it stands whose
// thread they are in. Of a message that one person sees, Slack sends nothing
// back with a press but its controls' ids and values.
const blockControls = "parley.controls:"

// Slack's limits: https://docs.slack.dev/reference/block-kit/block-elements.
const (
	maxOptions     = 100
	maxOptionText  = 75
	maxOptionValue = 150
	maxButtonText  = 75
	maxButtonValue = 2000
	maxButtons     = 20 // of the 25 elements that an actions block holds
)

// interaction is the part of an interaction payload that matters.
type interaction struct {
	Type string `json:"type"`
	Team *struct {
		ID string `json:"id"`
	} `json:"team"`
	Enterprise *struct {
		ID string `json:"id"`
	} `json:"enterprise"`
	OrgWide truth `json:"is_enterprise_install"`
	User    struct {
		ID       string `json:"id"`
		Username string `json:"username"`
		Name     string `json:"name"`
	} `json:"user"`
	Channel struct {
		ID string `json:"id"`
	} `json:"channel"`
	Container struct {
		MessageTS   string `json:"message_ts"`
		ThreadTS    string `json:"thread_ts"`
		ChannelID   string `json:"channel_id"`
		IsEphemeral bool   `json:"is_ephemeral"`
	} `json:"container"`
	Message struct {
		User       string `json:"user"`
		TS         string `json:"ts"`
		ThreadTS   string `json:"thread_ts"`
		ParentUser string `json:"parent_user_id"`
	} `json:"message"`
	Actions     []action `json:"actions"`
	ResponseURL string   `json:"response_url"`
	TriggerID   string   `json:"trigger_id"`
	View        view     `json:"view"`
}

// action is one pressed control.
type action struct {
	ActionID       string `json:"action_id"`
	BlockID        string `json:"block_id"`
	Value          string `json:"value"`
	SelectedOption struct {
		Value string `json:"value"`
	} `json:"selected_option"`
}

// interact answers a button, a menu or a submitted modal. Its result, if any,
// is the body of the answer to Slack.
func (a *app) interact(ctx context.Context, arrived time.Time, i interaction) any {
	switch i.Type {
	case "block_actions":
		a.pressed(ctx, arrived, i)
	case "view_submission":
		if answer := a.submitted(ctx, arrived, i); answer != nil {
			return answer
		}
	}
	return nil
}

// pressed does the action of a button or menu. Slack is told at once, and the
// reply follows; but a stop that Slack was told of must outlive this process.
func (a *app) pressed(ctx context.Context, arrived time.Time, i interaction) {
	if len(i.Actions) == 0 {
		return
	}
	action, args := i.Actions[0].does()
	if action == "" {
		return
	}
	by := arrived
	if action == chat.ActionStop {
		by = arrived.Add(answerWithin)
	}
	_, _ = prompt.Ask(ctx, a.background, by, commandLife, func(ctx context.Context, _ func(struct{}) bool) {
		self, ok := a.whoami(ctx)
		if !ok {
			return
		}
		team := self.Team // i.Team is that of whoever pressed, who may be of another organisation
		if i.Team != nil && (bool(i.OrgWide) || team == "") {
			team = i.Team.ID
		}
		o := i.target(team)
		r, err := a.ports.Desk.Press(ctx, chat.Press{
			Action: action, Args: args, Scope: self.scope(team), Bot: a.lead.ID, Place: o.place, Author: o.user,
		})
		if said := a.show(ctx, r, err, action, self.scope(team), o); said != nil {
			a.tell(ctx, o, *said)
		}
	})
}

// does is what a control carries; no action for one that is not ours.
func (c action) does() (action, args string) {
	if menu, ok := strings.CutPrefix(c.ActionID, actionMenu); ok {
		return chat.ParseControl(menu + " " + c.SelectedOption.Value)
	}
	if !strings.HasPrefix(c.ActionID, actionRun) {
		return "", ""
	}
	return chat.ParseControl(c.Value)
}

func (i interaction) target(team string) replyTarget {
	channel := cmp.Or(i.Channel.ID, i.Container.ChannelID)
	return replyTarget{
		place: chat.Place{
			Platform: platform, Workspace: team, Channel: channel, Thread: cmp.Or(i.Container.ThreadTS, i.Message.ThreadTS),
			Owner: i.owner(), Direct: strings.HasPrefix(channel, "D"),
		},
		user: chat.Author{ID: i.User.ID, Name: cmp.Or(i.User.Username, i.User.Name)}, responseURL: i.ResponseURL, triggerID: i.TriggerID,
		replace: i.Container.IsEphemeral,
	}
}

// owner is whose thread the pressed message stands in; empty when neither the
// message nor its controls say so.
func (i interaction) owner() string {
	if i.Message.ParentUser != "" || len(i.Actions) == 0 {
		return i.Message.ParentUser
	}
	if owner, ours := strings.CutPrefix(i.Actions[0].BlockID, blockControls); ours {
		return owner
	}
	return ""
}

// controls are the blocks of a menu and buttons. What does not fit Slack's
// limits is left out and said so.
func controls(menu *chat.Menu, buttons []chat.Button, owner string, speaker chat.Speaker) []slack.Block {
	var elements []slack.BlockElement
	note := ""
	if menu != nil && len(menu.Options) > 0 {
		element, left := menuElement(*menu, speaker)
		if element != nil {
			elements = append(elements, element)
		}
		if left > 0 {
			note = speaker.Say(chat.Say("The menu leaves out %d more.", left))
			if command, ok := chat.Typed(menu.Action); ok {
				note = speaker.Say(chat.Say("The menu leaves out %d more. Write %s and the name.", left, command))
			}
		}
	}
	for i, b := range buttons {
		value := chat.ControlText(b.Action, b.Args)
		if i == maxButtons || utf8.RuneCountInString(value) > maxButtonValue {
			break
		}
		elements = append(elements, slack.NewButtonBlockElement(fmt.Sprintf("%s.%d", actionRun, i), value, plainObject(b.Label, maxButtonText)))
	}
	var out []slack.Block
	if len(elements) > 0 {
		out = append(out, slack.NewActionBlock(blockControls+owner, elements...))
	}
	if note != "" {
		out = append(out, slack.NewContextBlock("parley.note", plainObject(note, 300)))
	}
	return out
}

// menuElement is a static_select of at most 100 options, and how many options
// it could not hold.
func menuElement(menu chat.Menu, speaker chat.Speaker) (slack.BlockElement, int) {
	var options []*slack.OptionBlockObject
	var current *slack.OptionBlockObject
	seen := map[string]bool{}
	left := 0
	for _, o := range menu.Options {
		switch {
		case o.Value == "" || seen[o.Value]:
			continue
		case len(options) == maxOptions || utf8.RuneCountInString(o.Value) > maxOptionValue:
			left++
			continue
		}
		seen[o.Value] = true
		option := slack.NewOptionBlockObject(o.Value, plainObject(cmp.Or(o.Label, o.Value), maxOptionText), nil)
		options = append(options, option)
		if o.Current && current == nil {
			current = option
		}
	}
	if len(options) == 0 {
		return nil, left
	}
	e := slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, plainObject(cmp.Or(menu.Placeholder, speaker.Say(chat.Say("Choose"))), 150), actionMenu+chat.ControlText(menu.Action, ""), options...)
	e.InitialOption = current
	return e, left
}
