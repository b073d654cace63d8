// Completion while typing: bots after "@", commands after "/", and what the
// desk knows of their arguments.

package playground

import (
	"encoding/json"
	"net/http"
	"strings"

	"parley/internal/chat"
)

// commandInfo is one command as the completion explains it.
type commandInfo struct {
	name, about string
	verbs       []verbInfo
	desk        bool // its argument is completed by the desk
}

type verbInfo struct {
	name, about string
	desk        bool
}

var commands = []commandInfo{
	{name: "model", about: "Show or switch the model here", desk: true},
	{name: "provider", about: "List, switch, add, remove or test providers", verbs: []verbInfo{
		{"list", "Providers and their models", false},
		{"use", "Switch provider here", true},
		{"add", "Connect a model server", false},
		{"test", "Probe an endpoint", true},
		{"remove", "Forget a provider", true},
	}},
	{name: "bot", about: "List bots, or give this place to another", verbs: []verbInfo{
		{"list", "The bots of this app", false},
		{"use", "Give this place to a bot", true},
	}},
	{name: "reset", about: "Forget this conversation"},
	{name: "stop", about: "End the answer being written"},
	{name: "usage", about: "What your questions used"},
	{name: "help", about: "What one can do here"},
}

// suggestion is one line of the completion.
type suggestion struct {
	Label   string `json:"label"`
	Detail  string `json:"detail,omitempty"`
	Insert  string `json:"insert"` // replaces Back characters before the caret
	Back    int    `json:"back"`   // UTF-16 code units, as the page counts
	Current bool   `json:"current,omitempty"`
	More    bool   `json:"more,omitempty"` // an argument follows: complete again
	Bot     string `json:"bot,omitempty"`
}

const suggestions = 25

// complete answers for ?text=, what stands before the caret.
func (s *server) complete(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	text := q.Get("text")
	if len(text) > 2000 {
		text = text[len(text)-2000:]
	}
	out := []suggestion{}
	if c, known := s.a.channel(q.Get("channel")); known {
		at := spot{c: c, thread: q.Get("thread"), bot: q.Get("bot")}
		if c.Bot != "" {
			at.bot = c.Bot
		}
		out = s.suggest(r, at, text)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out[:min(len(out), suggestions)])
}

func (s *server) suggest(r *http.Request, at spot, text string) []suggestion {
	line := text
	// A command may follow a mention: "@helper /mo".
	if found := s.a.mentions(text); len(found) > 0 {
		last := found[len(found)-1]
		if rest := strings.TrimLeft(text[last.at.Stop:], " "); strings.HasPrefix(rest, "/") && strings.TrimSpace(text[:found[0].at.Start]) == "" {
			line, at.bot = rest, found[0].bot
		}
	}
	if strings.HasPrefix(line, "/") && !strings.Contains(line, "\n") {
		return s.suggestCommand(r, at, line[1:])
	}
	if i := strings.LastIndex(text, "@"); i >= 0 {
		return s.suggestBots(text[:i], text[i+1:])
	}
	return []suggestion{}
}

func (s *server) suggestBots(before, typed string) []suggestion {
	out := []suggestion{}
	if strings.ContainsAny(typed, "\n`") || len(typed) > 40 || before != "" && !strings.ContainsAny(before[len(before)-1:], " \n\t(\"'*_") {
		return out
	}
	for _, b := range s.a.bots {
		if hasPrefixFold(b.ID, typed) || hasPrefixFold(b.Name, typed) {
			out = append(out, suggestion{Label: b.Name, Detail: b.Description, Insert: "@" + b.ID + " ", Back: units(typed) + 1, Bot: b.ID})
		}
	}
	return out
}

func (s *server) suggestCommand(r *http.Request, at spot, line string) []suggestion {
	name, rest, spaced := strings.Cut(line, " ")
	out := []suggestion{}
	if !spaced {
		for _, c := range commands {
			if hasPrefixFold(c.name, name) {
				out = append(out, suggestion{Label: "/" + c.name, Detail: c.about, Insert: "/" + c.name + " ", Back: units(name) + 1, More: c.desk || len(c.verbs) > 0})
			}
		}
		return out
	}
	for _, c := range commands {
		if c.name != name {
			continue
		}
		if c.desk {
			return s.suggestArgument(r, at, name, "", strings.TrimLeft(rest, " "))
		}
		verb, argument, spaced := strings.Cut(strings.TrimLeft(rest, " "), " ")
		for _, v := range c.verbs {
			switch {
			case !spaced && hasPrefixFold(v.name, verb):
				out = append(out, suggestion{Label: v.name, Detail: v.about, Insert: v.name + more(v.desk), Back: units(verb), More: v.desk})
			case spaced && v.name == verb && v.desk:
				return s.suggestArgument(r, at, name, verb, strings.TrimLeft(argument, " "))
			}
		}
	}
	return out
}

func (s *server) suggestArgument(r *http.Request, at spot, name, verb, typed string) []suggestion {
	out := []suggestion{}
	args := typed
	if verb != "" {
		args = verb + " " + typed
	}
	options, err := s.desk.Complete(r.Context(), chat.Command{
		Name: name, Args: args, Scope: Scope, Bot: at.bot, Place: at.c.place(at.thread), Author: you(),
	})
	if err != nil {
		s.a.o.Log.DebugContext(r.Context(), "playground has no completion", "command", name, "err", err)
		return out
	}
	for _, o := range options {
		value := strings.TrimPrefix(o.Value, verb+" ")
		label, detail := o.Label, ""
		if label == "" {
			label = value
		} else if label != value {
			label, detail = value, o.Label
		}
		out = append(out, suggestion{Label: label, Detail: detail, Insert: value, Back: units(typed), Current: o.Current})
	}
	return out
}

func more(follows bool) string {
	if follows {
		return " "
	}
	return ""
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// units counts UTF-16 code units.
func units(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xffff {
			n++
		}
	}
	return n
}
