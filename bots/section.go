// A platform's section of a definition, read according to the platform's
// description.

package bots

import (
	"cmp"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"parley/internal/chat"
	"parley/internal/secret"
)

// section is a platform's section being read.
type section struct {
	platform chat.Platform
	line     int
	lines    map[string]int // of its settings
	values   map[string]raw // of every setting except lists, also of absent ones
	lists    map[string][]raw
}

// section reads one section and checks it.
func (r *reader) section(n *yaml.Node, p chat.Platform, d *definition) {
	s := section{platform: p, line: n.Line, values: map[string]raw{}, lists: map[string][]raw{}}
	known := fields{}
	for _, f := range p.Settings {
		path := p.Name + "." + f.Name
		if f.List {
			known[f.Name] = func(n *yaml.Node) {
				r.list(n, path, func(n *yaml.Node, at string) { s.lists[f.Name] = append(s.lists[f.Name], r.expanded(n, at)) })
			}
			continue
		}
		s.values[f.Name] = raw{at: path}
		known[f.Name] = func(n *yaml.Node) { s.values[f.Name] = r.expanded(n, path) }
	}
	s.lines = r.mapping(n, p.Name, known)
	used := r.complete(s)
	if !used {
		d.Skipped = append(d.Skipped, Skipped{Platform: p.Name, Variables: variables(s.secrets())})
	}
	for _, f := range p.Settings {
		if used || !f.App && !needsApp(f) {
			r.checkSetting(s, f)
		}
	}
	d.sections[p.Name], d.Sections[p.Name] = s, s.section()
}

// app is the value that names the app.
func (s section) app() raw { return s.values[s.platform.App().Name] }

// at is the line of a setting, or of the section if the setting is absent.
func (s section) at(setting string) int { return max(s.lines[setting], s.line) }

func (s section) secrets() []raw {
	var out []raw
	for _, f := range s.platform.Settings {
		if f.Secret {
			out = append(out, s.values[f.Name])
		}
	}
	return out
}

// needsApp reports whether a setting is meaningless without the app.
func needsApp(f chat.Setting) bool { return f.Receives != "" || f.Signed }

// complete reports missing settings. It returns false if the section has no
// tokens, so that the platform is skipped.
func (r *reader) complete(s section) bool {
	if !s.platform.HasApps() {
		return true
	}
	app, setting := s.app(), s.platform.App()
	if app.value == "" {
		stray, found := s.stray()
		if found {
			r.failAt(s.at(setting.Name), "%s is empty while %s is not: %s", app.at, stray, app.remedy(setting.Example))
		}
		return found
	}
	var empty, ways []string
	for _, f := range s.platform.Settings {
		if f.Receives == "" {
			continue
		}
		v := s.values[f.Name]
		if v.value != "" {
			return true
		}
		empty, ways = append(empty, v.at), append(ways, v.name()+" for "+f.Receives)
	}
	if len(empty) > 0 {
		are := map[int]string{1: "is", 2: "are both"}[len(empty)]
		if are == "" {
			are = "are all"
		}
		r.failAt(s.at(setting.Name), "%s %s empty, so no event would arrive: set %s", chat.Listed(empty, "and"), are, chat.Listed(ways, "or"))
	}
	return true
}

// stray finds a value that is set although the app's token is missing. A
// public value may stay in the file when the secrets are removed, but one from
// the environment is a mistake.
func (s section) stray() (string, bool) {
	for _, f := range s.platform.Settings {
		v := s.values[f.Name]
		if !needsApp(f) || v.value == "" {
			continue
		}
		if f.Secret && len(v.names) > 0 {
			return v.at + " (" + v.name() + ")", true
		}
		if f.Secret || len(v.names) > 0 {
			return v.at, true
		}
	}
	return "", false
}

// checkSetting checks the values of one setting.
func (r *reader) checkSetting(s section, f chat.Setting) {
	if v := s.values[f.Name]; v.value != "" {
		r.checkValue(v, f, s.at(f.Name))
	}
	for _, v := range s.lists[f.Name] {
		switch {
		case v.value != "" || len(v.names) == 0:
			r.checkValue(v, f, v.line)
		case s.app().value != "" && !v.bad:
			// If an unset variable makes a list empty, the list may have been
			// meant differently.
			r.failAt(v.line, "%s is empty: %s", v.at, v.remedy(f.Example))
		}
	}
}

func (r *reader) checkValue(v raw, f chat.Setting, line int) {
	wrong := ""
	if f.Check != nil {
		wrong = f.Check(v.value)
	}
	switch {
	case v.bad:
	case wrong != "":
		r.failAt(line, "%s %s", v.name(), wrong)
	case strings.ContainsAny(v.value, " \t\r\n"):
		r.failAt(v.line, "%s contains white space", v.at)
	}
}

// section is the section for the rest of the program.
func (s section) section() chat.Section {
	out := chat.Section{Values: map[string]secret.Text{}, Lists: map[string][]secret.Text{}}
	for _, f := range s.platform.Settings {
		switch v := s.values[f.Name]; {
		case f.App:
			out.App = secret.New(v.value)
		case f.List:
			out.Lists[f.Name] = distinct(s.lists[f.Name])
		default:
			out.Values[f.Name] = secret.New(v.value)
		}
	}
	return out
}

// distinct are the non-empty values, each once.
func distinct(values []raw) []secret.Text {
	var out []secret.Text
	seen := map[string]bool{"": true}
	for _, v := range values {
		if !seen[v.value] {
			out = append(out, secret.New(v.value))
		}
		seen[v.value] = true
	}
	return out
}

// disagreement lists where b differs from a in settings that bots of one app
// share, with the lines in b's file.
func (b section) disagreement(a section, file string) []Problem {
	var out []Problem
	app := b.platform.App().Name
	for _, f := range b.platform.Settings {
		v := b.values[f.Name]
		if !f.Shared || a.values[f.Name].value == v.value {
			continue
		}
		p := Problem{Line: b.lines[app], Text: fmt.Sprintf("%s is the same as in %s, but %s is not: bots of one app must have the same tokens", b.app().at, file, v.at)}
		if !f.Secret {
			p.Line = cmp.Or(b.lines[f.Name], p.Line)
			p.Text = fmt.Sprintf("%s differs from the one in %s, and both share one app", v.at, file)
		}
		out = append(out, p)
	}
	return out
}
