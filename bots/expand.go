// ${NAME} in platform values.

package bots

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"parley/internal/chat"
)

var reference = regexp.MustCompile(`\$\{([^}]*)\}`)

var variableGrammar = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// raw is the expanded value of a platform's setting, and where it came from.
// It must not appear in errors.
type raw struct {
	at     string // "section.setting", "section.list[2]"
	line   int
	value  string
	source string   // as written in the file
	names  []string // of the variables it uses
	bad    bool     // a problem with it has been reported
}

// expanded reads and expands a value of a platform's section.
func (r *reader) expanded(n *yaml.Node, path string) raw {
	before := len(r.problems)
	out := raw{at: path, line: n.Line, source: r.text(n, path)}
	value := reference.ReplaceAllStringFunc(out.source, func(s string) string {
		name := s[2 : len(s)-1]
		if !variableGrammar.MatchString(name) {
			r.fail(n, "%s: only ${NAME} is supported, with letters, digits and underscores", path)
			return ""
		}
		out.names = append(out.names, name)
		return r.getenv(name)
	})
	if strings.Contains(reference.ReplaceAllString(out.source, ""), "${") {
		r.fail(n, "%s: a ${ is not closed by }", path)
	}
	out.value = strings.TrimSpace(value)
	out.bad = len(r.problems) > before
	return out
}

// expandedElsewhere reports a reference in a field that is not expanded.
func (r *reader) expandedElsewhere(n *yaml.Node, path string) {
	var names []string
	for _, p := range r.sections() {
		names = append(names, p.Name)
	}
	r.fail(n, "%s: ${NAME} is expanded in %s values only", path, chat.Listed(names, "and"))
}

// remedy says how to set a missing value.
func (v raw) remedy(example string) string {
	if len(v.names) > 0 {
		return "set " + strings.Join(v.names, ", ") + " (" + example + ")"
	}
	return "give it (" + example + ")"
}

// name is what an operator sets: the variables in the value, else the field.
func (v raw) name() string {
	if len(v.names) > 0 {
		return strings.Join(v.names, ", ")
	}
	return v.at
}

// variables lists the variables to set.
func variables(values []raw) []string {
	var out []string
	for _, v := range values {
		for _, n := range v.names {
			if !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	return out
}
