// Menus and buttons, as posts keep them and pages send them back.

package playground

import "parley/internal/chat"

// menu and button are a post's controls. Command is the chat.ControlText of the
// action; the names are those of the release before, which shares the board.
type (
	menu struct {
		Command     string
		Placeholder string
		Options     []chat.Option
	}
	button struct {
		Label   string
		Command string
		Args    string // what the release before kept apart; else empty
	}
)

func menuOf(m *chat.Menu) *menu {
	if m == nil {
		return nil
	}
	return &menu{Command: chat.ControlText(m.Action, ""), Placeholder: m.Placeholder, Options: m.Options}
}

func buttonsOf(list []chat.Button) []button {
	var out []button
	for _, b := range list {
		out = append(out, button{Label: b.Label, Command: chat.ControlText(b.Action, b.Args)})
	}
	return out
}

// press is what a control that carries line asks for at a spot.
func (p spot) press(line string) chat.Press {
	action, args := chat.ParseControl(line)
	return chat.Press{Action: action, Args: args, Scope: Scope, Bot: p.bot, Place: p.c.place(p.thread), Author: p.author()}
}
