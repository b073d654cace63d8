// Actions: what a button or menu does, and how a control encodes that on a
// platform.

package chat

import (
	"slices"
	"strings"
)

// ActionStop stops the answer of the turn that is its argument.
const ActionStop = "stop"

// Press is a pressed button or a chosen menu option. The permission is checked when
// it arrives, in any process.
type Press struct {
	Action string // an id: a word ("stop"), or a word and a verb ("provider.use")
	Args   string
	Scope  string
	Bot    string // lead bot of the app
	Place  Place
	Author Author
}

// Menu offers a choice; choosing an option runs Action with its value.
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

// Button runs Action with Args when it is pressed.
type Button struct {
	Label  string
	Action string
	Args   string
}

// ControlText encodes an action and its argument in one line for a control. An
// action that people can type is encoded as its command without the slash, so this
// release and the previous one understand each other's controls.
func ControlText(action, args string) string {
	if word, verb, ok := verbOf(action); ok {
		action = word + " " + verb
	}
	return strings.TrimSpace(action + " " + args)
}

// ParseControl decodes a ControlText, or a command without its slash. If a command
// has verbs and none is given, the first one is meant.
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

// Typed is the command for an action, "/provider use"; false if it has none.
func Typed(action string) (command string, ok bool) {
	if word, verb, ok := verbOf(action); ok {
		return "/" + word + " " + verb, true
	}
	if _, ok := WordOf(action); ok {
		return "/" + action, true
	}
	return "", false
}

// verbOf splits the id of an action that is a verb of a word.
func verbOf(action string) (word, verb string, ok bool) {
	word, verb, _ = strings.Cut(action, ".")
	w, ok := WordOf(word)
	return word, verb, ok && slices.Contains(w.VerbNames(), verb)
}
