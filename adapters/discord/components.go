// Buttons and menus below a message, and the ids by which Discord gives them
// back. An id carries the whole action, so that any process can take it.

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
	optionLimit      = 100 // label and value of a menu's option
	placeholderLimit = 150
	mostOptions      = 25
	rowWidth         = 5
	mostRows         = 5
)

// The kinds of custom ids.
const (
	idRun  = "run:"  // a button: the chat.ControlText of its action follows
	idStop = "stop:" // the Stop button: its turn follows
	idMenu = "menu:" // a menu: as a button, and the chosen value is the argument
	idForm = "form:" // a form: its id, and the line that opens it again
)

// contentRows are the controls of a posted message. Never nil: an edit without
// controls must say so, or the old ones stay.
func contentRows(c chat.Content) []discordgo.MessageComponent {
	rows := rows(c.Menu, c.Buttons)
	if c.Stop != "" && len(idStop+c.Stop) <= customIDLimit && len(rows) < mostRows {
		rows = append(rows, discordgo.ActionsRow{Components: []discordgo.MessageComponent{
			discordgo.Button{Label: "Stop", Style: discordgo.SecondaryButton, CustomID: idStop + c.Stop},
		}})
	}
	return rows
}

// rows lays out a menu and buttons. What does not fit Discord's limits is left
// out: the same can always be typed.
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
		// A single-choice menu takes one default.
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

// fitting are the options that Discord takes, with labels.
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

// clip cuts s to n code points, with an ellipsis where something is lost.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	runes := []rune(s)
	return string(runes[:n-1]) + "…"
}
