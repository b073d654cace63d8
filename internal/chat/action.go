// Actions: what a button or a menu does when it is used, and how a control
// carries that on a platform.

package chat

import (
	"slices"
	"strings"
)

// ActionStop ends the answer whose turn is its argument.
const ActionStop = "stop"

// Press is a button that was pressed, or an option of a menu that was chosen.
// Who may do that is asked at the press, in whatever process it arrives.
type Press struct {
	Action string // an id: a word ("stop"), or a word and a verb ("provider.use")
	Args   string
	Scope  string
	Bot    string // lead bot of the app
	Place  Place
	Author Author
}

// Menu offers a choice; choosing a value does Action with it.
type Menu struct {
	Action      string
	Placeholder string
	Options     []Option // adapters show as many as the platform allows, best first
}

// Option is one choice of a menu or of autocomplete.
type Option struct {
	Label   string
	Value   string
	Current bool
}

// Button does Action with Args when it is pressed.
type Button struct {
	Label  string
	Action string
	Args   string
}

// ControlText is an action and its argument in one line, for a control to carry.
// What people can type too reads as they type it, without the slash: so controls
// of the release before are understood, and it understands those of this one.
func ControlText(action, args string) string {
	if word, verb, ok := verbOf(action); ok {
		action = word + " " + verb
	}
	return strings.TrimSpace(action + " " + args)
}

// ParseControl reads a ControlText, or a command without its slash. A command
// that takes a verb and has none means the first.
func ParseControl(text string) (action, args string) {
	name, args, _ := strings.Cut(strings.TrimSpace(text), " ")
	args = strings.TrimSpace(args)
	w, ok := WordOf(name)
	if !ok || len(w.Verbs) == 0 {
		return name, args
	}
	if args == "" {
		return name + "." + w.Verbs[0].Name, ""
	}
	verb, rest, _ := strings.Cut(args, " ")
	if !slices.Contains(w.VerbNames(), verb) {
		return name, args
	}
	return name + "." + verb, strings.TrimSpace(rest)
}

// Typed is the command that does an action, "/provider use"; false for one that
// cannot be typed.
func Typed(action string) (command string, ok bool) {
	if word, verb, ok := verbOf(action); ok {
		return "/" + word + " " + verb, true
	}
	if _, ok := WordOf(action); ok {
		return "/" + action, true
	}
	return "", false
}

// verbOf splits the id of an action that a word's verb stands for.
func verbOf(action string) (word, verb string, ok bool) {
	word, verb, _ = strings.Cut(action, ".")
	w, ok := WordOf(word)
	return word, verb, ok && slices.Contains(w.VerbNames(), verb)
}
