// The commands: one table for everything that lists, describes or recognizes
// them.

package chat

import (
	"slices"
	"strings"

	"parley/internal/suggest"
)

// Word is one of the commands, the same on every platform.
type Word struct {
	Name     string
	About    Line // what it does, in a few words
	Argument Argument
	Verbs    []Verb // possible first arguments
}

// Verb is a possible first argument of a command.
type Verb struct {
	Name     string
	About    Line
	Argument Argument
	Admins   bool // for admins only
}

// Argument is a value that follows a command or a verb; without a Name there
// is none. Its possible values are its Choices, or come from the desk's
// Complete.
type Argument struct {
	Name    string
	About   Line
	Also    string // a word that may replace it
	Choices []Choice
}

// Choice is one of the values that an argument may have.
type Choice struct {
	Value string
	About Line
}

// Words are the commands, in display order.
func Words() []Word {
	provider := Argument{Name: "id", About: Say("The provider")}
	return []Word{
		{Name: "model", About: Say("Show or switch the model used here"), Argument: Argument{Name: "name", About: Say("A model, provider/model, or reset"), Also: "reset"}},
		{Name: "provider", About: Say("List, switch, add or change model providers"), Verbs: []Verb{
			{Name: "list", About: Say("List providers and their models")},
			{Name: "use", About: Say("Switch to a provider"), Argument: provider},
			{Name: "add", About: Say("Add a provider"), Admins: true},
			{Name: "edit", About: Say("Change a provider that was added"), Argument: provider, Admins: true},
			{Name: "remove", About: Say("Remove a provider"), Argument: provider, Admins: true},
			{Name: "test", About: Say("Test a provider"), Argument: provider, Admins: true},
		}},
		{Name: "bot", About: Say("List the bots, or give this place to one"), Verbs: []Verb{
			{Name: "list", About: Say("List the bots of this app")},
			{Name: "use", About: Say("Give this channel, thread or conversation to a bot"), Argument: Argument{Name: "id", About: Say("The bot")}},
		}},
		{Name: "usage", About: Say("What your answers cost"), Argument: Argument{Name: "of", About: Say("For admins: everybody's figures"), Choices: []Choice{
			{"all", Say("everybody")}, {"user", Say("by person")}, {"channel", Say("by channel")},
			{"model", Say("by model")}, {"day", Say("by day")},
		}}},
		{Name: "reset", About: Say("Forget this conversation")},
		{Name: "stop", About: Say("Stop your answers being written here")},
		{Name: "help", About: Say("What you can do here")},
	}
}

// WordNames are the names of Words.
func WordNames() []string {
	var names []string
	for _, w := range Words() {
		names = append(names, w.Name)
	}
	return names
}

// WordOf finds the word with a name.
func WordOf(name string) (Word, bool) {
	for _, w := range Words() {
		if w.Name == name {
			return w, true
		}
	}
	return Word{}, false
}

// VerbNames are the names of w's verbs.
func (w Word) VerbNames() []string {
	var names []string
	for _, v := range w.Verbs {
		names = append(names, v.Name)
	}
	return names
}

// Takes lists the verbs for a sentence: "list or use ID".
func (w Word) Takes() Line {
	var forms []string
	for _, v := range w.Verbs {
		forms = append(forms, strings.TrimSpace(v.Name+" "+strings.ToUpper(v.Argument.Name)))
	}
	return Either(forms...)
}

// Hint shows what may follow the command: "[list | use] [id]".
func (w Word) Hint() string {
	var values []string
	switch {
	case len(w.Verbs) > 0:
		return "[" + strings.Join(w.VerbNames(), " | ") + "] [id]"
	case len(w.Argument.Choices) > 0:
		for _, c := range w.Argument.Choices {
			values = append(values, c.Value)
		}
	case w.Argument.Also != "":
		values = []string{w.Argument.Name, w.Argument.Also}
	case w.Argument.Name != "":
		values = []string{w.Argument.Name}
	default:
		return ""
	}
	return "[" + strings.Join(values, " | ") + "]"
}

// Command parses a command written after a mention. Text that only looks like
// one ("/etc/hosts is odd") is a question. A misspelled command counts as a
// command, so that the right one can be offered, except where people may be
// talking to each other.
func (m Message) Command() (name, args string, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(m.Text), "/")
	if !ok {
		return "", "", false
	}
	name, args, _ = strings.Cut(rest, " ")
	name = strings.ToLower(name)
	names := WordNames()
	if !slices.Contains(names, name) && (m.Trigger == Thread || !slices.ContainsFunc(names, func(w string) bool { return suggest.Close(name, w) })) {
		return "", "", false
	}
	return name, strings.TrimSpace(args), true
}
