// Buttons and menus below a message, and the ids that Discord sends when they are
// used. An id holds the whole action, so any process can handle it.

package discord

import (
	"cmp"
	"unicode/utf8"

	"github.com/bwmarrin/discordgo"

	"parley/internal/chat"
)

// Discord's limits for components.
const (
	customIDLimit    = 100
	buttonLabelLimit = 80
	optionLimit      = 100 // for the label and the value of a menu's option
	placeholderLimit = 150
	mostOptions      = 25
	rowWidth         = 5
	mostRows         = 5
)

// Prefixes of custom ids.
const (
	idRun  = "run:"  // a button; then the chat.ControlText of its action
	idStop = "stop:" // the Stop button; then the turn
	idMenu = "menu:" // a menu; as for a button, with the chosen value as argument
	idForm = "form:" // a form; then its id and the line that opens it again
)

// contentRows are the controls of a posted message. They are never nil: an edit
// has to send an empty list to remove the old ones.
func contentRows(c chat.Content, speaker chat.Speaker) []discordgo.MessageComponent {
	rows := rows(c.Menu, c.Buttons)
	if c.Stop != "" && len(idStop+c.Stop) <= customIDLimit && len(rows) < mostRows {
		rows = append(rows, discordgo.ActionsRow{Components: []discordgo.MessageComponent{
			discordgo.Button{Label: speaker.Say(chat.Say("Stop")), Style: discordgo.SecondaryButton, CustomID: idStop + c.Stop},
		}})
	}
	return rows
}

// rows lays out a menu and buttons. What exceeds Discord's limits is left out;
// people can type it.
func rows(m *chat.Menu, buttons []chat.Button) []discordgo.MessageComponent {
	out := []discordgo.MessageComponent{}
	if menu, ok := menuRow(m); ok {
		out = append(out, menu)
	}
	seen := map[string]bool{}
	var row []discordgo.MessageComponent
	for _, b := range buttons {
		id := idRun + chat.ControlText(b.Action, b.Args)
		if seen[id] || utf8.RuneCountInString(id) > customIDLimit || b.Label == "" || len(out) == mostRows {
			continue
		}
		seen[id] = true
		row = append(row, discordgo.Button{Label: clip(b.Label, buttonLabelLimit), Style: discordgo.SecondaryButton, CustomID: id})
		if len(row) == rowWidth {
			out, row = append(out, discordgo.ActionsRow{Components: row}), nil
		}
	}
	if len(row) > 0 && len(out) < mostRows {
		out = append(out, discordgo.ActionsRow{Components: row})
	}
	return out
}

func menuRow(m *chat.Menu) (discordgo.MessageComponent, bool) {
	if m == nil {
		return nil, false
	}
	var options []discordgo.SelectMenuOption
	marked := false
	for _, o := range fitting(m.Options) {
		// A single-choice menu takes at most one default.
		options = append(options, discordgo.SelectMenuOption{Label: o.Label, Value: o.Value, Default: o.Current && !marked})
		marked = marked || o.Current
	}
	id := idMenu + chat.ControlText(m.Action, "")
	if len(options) == 0 || utf8.RuneCountInString(id) > customIDLimit {
		return nil, false
	}
	return discordgo.ActionsRow{Components: []discordgo.MessageComponent{discordgo.SelectMenu{
		MenuType: discordgo.StringSelectMenu, CustomID: id, Placeholder: clip(m.Placeholder, placeholderLimit), Options: options,
	}}}, true
}

// fitting are the options within Discord's limits, each with a label.
func fitting(options []chat.Option) []chat.Option {
	var out []chat.Option
	seen := map[string]bool{}
	for _, o := range options {
		if o.Value == "" || utf8.RuneCountInString(o.Value) > optionLimit || seen[o.Value] {
			continue
		}
		seen[o.Value] = true
		o.Label = clip(cmp.Or(o.Label, o.Value), optionLimit)
		if out = append(out, o); len(out) == mostOptions {
			break
		}
	}
	return out
}

// clip cuts s to n code points and ends it with an ellipsis if it was longer.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	runes := []rune(s)
	return string(runes[:n-1]) + "…"
}
