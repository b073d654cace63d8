// Strict reading of YAML: every node is checked against its expected type, and
// every problem is kept with its line. A plain decode would stop at the first
// type error, lose the line of an unknown field and quote secrets.

package bots

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"parley/internal/chat"
)

// reader walks one file.
type reader struct {
	file      string
	platforms []chat.Platform
	getenv    func(string) string
	problems  []Problem
}

// sections are the platforms that have a section in a definition.
func (r *reader) sections() []chat.Platform {
	return slices.DeleteFunc(slices.Clone(r.platforms), func(p chat.Platform) bool { return len(p.Settings) == 0 })
}

func (r *reader) failAt(line int, format string, args ...any) {
	r.problems = append(r.problems, Problem{File: r.file, Line: line, Text: fmt.Sprintf(format, args...)})
}

func (r *reader) fail(n *yaml.Node, format string, args ...any) {
	r.failAt(n.Line, format, args...)
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(?s:(.*))$`)

// document parses data into its single document. It returns nil if there is
// nothing to read, after reporting that.
func (r *reader) document(data []byte) *yaml.Node {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) {
		r.failAt(1, "the file is empty; a bot needs at least id, provider and model")
		return nil
	}
	if err != nil {
		r.syntax(err)
		return nil
	}
	var second yaml.Node
	switch err := decoder.Decode(&second); {
	case err == nil:
		r.fail(&second, "a second YAML document begins here; one file holds one bot")
	case !errors.Is(err, io.EOF):
		r.syntax(err)
	}
	root := resolve(doc.Content[0])
	if isNull(root) {
		r.failAt(1, "the file is empty; a bot needs at least id, provider and model")
		return nil
	}
	return root
}

func (r *reader) syntax(err error) {
	line, text := 0, "not valid YAML"
	if m := yamlLine.FindStringSubmatch(strings.TrimSpace(err.Error())); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = m[2]
	}
	if strings.Contains(text, "anchor") {
		text = "a reference (*name) to an anchor that does not exist; quote the value if it begins with *"
	}
	r.failAt(line, "not valid YAML: %s", text)
}

// resolve follows aliases.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// kind names the type of n, for an error.
func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!bool":
		return "true or false"
	case "!!int", "!!float":
		return "a number"
	case "!!null":
		return "nothing"
	}
	return "text"
}

// fields maps the fields of a mapping to their readers.
type fields map[string]func(n *yaml.Node)

// mapping reads a mapping. Null values count as absent. It returns the line of
// every field that is present.
func (r *reader) mapping(n *yaml.Node, path string, known fields) map[string]int {
	seen := map[string]int{}
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		r.fail(n, "%s must be a mapping (name: value lines), not %s", orFile(path), kind(n))
		return seen
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolve(n.Content[i+1])
		name := key.Value
		if key.Kind != yaml.ScalarNode {
			r.fail(key, "%s has a field whose name is %s", orFile(path), kind(resolve(key)))
			continue
		}
		if first, twice := seen[name]; twice {
			r.fail(key, "field %q is given twice (first on line %d)", join(path, name), first)
			continue
		}
		read, ok := known[name]
		if !ok {
			seen[name] = key.Line
			r.fail(key, "unknown field %s%s", r.printable(path, name), r.hint(path, name, known))
			continue
		}
		if isNull(value) {
			continue
		}
		seen[name] = key.Line
		read(value)
	}
	return seen
}

func orFile(path string) string {
	if path == "" {
		return "the definition"
	}
	return path
}

func join(path, name string) string {
	if path == "" {
		return clip(name)
	}
	return path + "." + clip(name)
}

var fieldGrammar = regexp.MustCompile(`^[A-Za-z_-]{1,30}$`)

// printable quotes an unknown field's name, unless it may be a secret.
func (r *reader) printable(path, name string) string {
	section := slices.ContainsFunc(r.platforms, func(p chat.Platform) bool { return p.Name == path })
	if section && !fieldGrammar.MatchString(name) {
		return "under " + path
	}
	return strconv.Quote(join(path, name))
}

func clip(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}

// home is the section that each field belongs in, to find misplaced ones.
func (r *reader) home() map[string]string {
	out := map[string]string{}
	for _, p := range slices.Backward(r.platforms) { // the first platform wins
		for _, s := range p.Settings {
			out[s.Name] = p.Name
		}
	}
	for section, names := range map[string]string{
		"params": "temperature top_p frequency_penalty presence_penalty max_tokens stop response_format reasoning_effort",
		"access": "users groups channels models switch admins external guests deny",
	} {
		for name := range strings.FieldsSeq(names) {
			out[name] = section
		}
	}
	return out
}

func (r *reader) hint(path, name string, known fields) string {
	if name == "<<" {
		return " (merge keys are not supported)"
	}
	home := r.home()
	if h := home[name]; h != "" && h != path {
		return fmt.Sprintf(" (it belongs under %q)", h)
	}
	names := slices.Sorted(maps.Keys(known))
	if n := nearest(name, names); n != "" {
		return fmt.Sprintf(" (did you mean %q?)", n)
	}
	if n := nearest(name, slices.Sorted(maps.Keys(home))); n != "" && home[n] != path {
		return fmt.Sprintf(" (did you mean %q, under %q?)", n, home[n])
	}
	return fmt.Sprintf(" (known here: %s)", strings.Join(names, ", "))
}

// text reads a scalar as written: YAML parses an unquoted id of digits as a
// number.
func (r *reader) text(n *yaml.Node, path string) string {
	switch {
	case n.Kind != yaml.ScalarNode:
		r.fail(n, "%s must be text, not %s", path, kind(n))
	case n.ShortTag() == "!!bool":
		r.fail(n, "%s must be text, not true or false; put it in quotes", path)
	case n.ShortTag() == "!!binary":
		r.fail(n, "%s must be plain text, not !!binary", path)
	case strings.ContainsRune(n.Value, 0):
		r.fail(n, "%s must not contain a NUL character", path)
	default:
		return n.Value
	}
	return ""
}

func (r *reader) list(n *yaml.Node, path string, each func(n *yaml.Node, path string)) {
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "%s must be a list like [a, b], not %s", path, kind(n))
		return
	}
	for i, item := range n.Content {
		item, at := resolve(item), fmt.Sprintf("%s[%d]", path, i)
		if isNull(item) {
			r.fail(item, "%s is empty", at)
			continue
		}
		each(item, at)
	}
}

func (r *reader) boolean(n *yaml.Node, path string) bool {
	var v bool
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || n.Decode(&v) != nil {
		r.fail(n, "%s must be true or false", path)
	}
	return v
}

func (r *reader) integer(n *yaml.Node, path string, low int) *int {
	var v int
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || n.Decode(&v) != nil {
		r.fail(n, "%s must be a whole number%s", path, got(n))
		return nil
	}
	if v < low {
		r.fail(n, "%s must be at least %d, not %d", path, low, v)
		return nil
	}
	return &v
}

func (r *reader) number(n *yaml.Node, path string, low, high float64) *float64 {
	var v float64
	if n.Kind != yaml.ScalarNode || (n.ShortTag() != "!!int" && n.ShortTag() != "!!float") || n.Decode(&v) != nil {
		r.fail(n, "%s must be a number%s", path, got(n))
		return nil
	}
	if math.IsNaN(v) || v < low || v > high {
		r.fail(n, "%s must be from %g to %g, not %s", path, low, high, clip(n.Value))
		return nil
	}
	return &v
}

func got(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode {
		return ", not " + kind(n)
	}
	return fmt.Sprintf(", not %q", clip(n.Value))
}

// object reads a free-form mapping that is sent as JSON.
func (r *reader) object(n *yaml.Node, path string) map[string]any {
	if n.Kind != yaml.MappingNode {
		r.fail(n, "%s must be a mapping like {type: text}, not %s", path, kind(n))
		return nil
	}
	var v map[string]any
	if err := n.Decode(&v); err != nil {
		r.fail(n, "%s cannot be read: a field is given twice or refers to itself", path)
		return nil
	}
	if _, err := json.Marshal(v); err != nil {
		r.fail(n, "%s cannot be written as JSON: its field names must be text and its numbers finite", path)
		return nil
	}
	return v
}
