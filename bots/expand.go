// ${NAME} in platform values.

package bots

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

var reference = regexp.MustCompile(`\$\{([^}]*)\}`)

var variableGrammar = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// raw is a platform value after expansion, with where it came from. Its value
// never goes into an error.
type raw struct {
	value  string
	source string   // as written in the file
	names  []string // of the variables in it
}

// expanded reads a value of the slack or discord section.
func (r *reader) expanded(n *yaml.Node, path string) raw {
	out := raw{source: r.text(n, path)}
	value := reference.ReplaceAllStringFunc(out.source, func(s string) string {
		name := s[2 : len(s)-1]
		if !variableGrammar.MatchString(name) {
			r.fail(n, "%s: only ${NAME} is understood, with letters, digits and underscores", path)
			return ""
		}
		out.names = append(out.names, name)
		return r.getenv(name)
	})
	if strings.Contains(reference.ReplaceAllString(out.source, ""), "${") {
		r.fail(n, "%s: a ${ is not closed by }", path)
	}
	out.value = strings.TrimSpace(value)
	if strings.ContainsAny(out.value, " \t\r\n") && !strings.HasPrefix(out.value, "Bot ") {
		r.fail(n, "%s holds white space", path)
	}
	return out
}

// remedy says how to give a value that is missing.
func (v raw) remedy(example string) string {
	if len(v.names) > 0 {
		return "set " + strings.Join(v.names, ", ") + " (" + example + ")"
	}
	return "give it (" + example + ")"
}

func orName(v raw, field string) string {
	if len(v.names) > 0 {
		return strings.Join(v.names, ", ")
	}
	return field
}

func given(a string, av raw, b string, bv raw) string {
	if av.value != "" {
		return "slack." + a + via(av)
	}
	return "slack." + b + via(bv)
}

func via(v raw) string {
	if len(v.names) > 0 {
		return " (" + strings.Join(v.names, ", ") + ")"
	}
	return ""
}

// variables lists what would have to be set.
func variables(values ...raw) []string {
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
