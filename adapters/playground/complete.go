// Completion while typing: bots after "@", commands after "/", and what the
// desk knows of their arguments.

package playground

import (
	"encoding/json"
	"net/http"
	"strings"

	"parley/internal/chat"
)

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
		at := spot{c: c, thread: q.Get("thread"), bot: q.Get("bot"), language: languageOf(r)}
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
		for _, w := range chat.Words() {
			if hasPrefixFold(w.Name, name) {
				out = append(out, suggestion{Label: "/" + w.Name, Detail: s.says(at, w.About), Insert: "/" + w.Name + " ", Back: units(name) + 1, More: w.Argument.Name != "" || len(w.Verbs) > 0})
			}
		}
		return out
	}
	word, _ := chat.WordOf(name)
	if word.Argument.Name != "" {
		return s.suggestArgument(r, at, name, "", word.Argument, strings.TrimLeft(rest, " "))
	}
	verb, argument, spaced := strings.Cut(strings.TrimLeft(rest, " "), " ")
	for _, v := range word.Verbs {
		takes := v.Argument.Name != ""
		switch {
		case !spaced && hasPrefixFold(v.Name, verb):
			out = append(out, suggestion{Label: v.Name, Detail: s.says(at, v.About), Insert: v.Name + more(takes), Back: units(verb), More: takes})
		case spaced && v.Name == verb && takes:
			return s.suggestArgument(r, at, name, verb, v.Argument, strings.TrimLeft(argument, " "))
		}
	}
	return out
}

func (s *server) suggestArgument(r *http.Request, at spot, name, verb string, a chat.Argument, typed string) []suggestion {
	out := []suggestion{}
	for _, c := range a.Choices {
		if hasPrefixFold(c.Value, typed) {
			out = append(out, suggestion{Label: c.Value, Detail: s.says(at, c.About), Insert: c.Value, Back: units(typed)})
		}
	}
	if len(a.Choices) > 0 {
		return out
	}
	args := typed
	if verb != "" {
		args = verb + " " + typed
	}
	options, err := s.desk.Complete(r.Context(), chat.Command{
		Name: name, Args: args, Scope: Scope, Bot: at.bot, Place: at.c.place(at.thread), Author: at.author(),
	})
	if err != nil {
		s.a.o.Log.DebugContext(r.Context(), "playground has no completion", "command", name, "error", err)
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
