// Records as people write them: JSON in the API, JSON or YAML in files.
// Reading is strict, and reports every unknown field and every bad value
// together.

package provider

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"parley/internal/chat"
	"parley/internal/secret"
	"parley/internal/suggest"
)

// MaxRecord is the most bytes one record may have.
const MaxRecord = 256 << 10

// Problem is one mistake in a record, described for the person who wrote it.
// It never contains the value of a secret.
type Problem struct {
	Field string `json:"field"`          // "endpoint", "models[2].id"; in a file "lab.endpoint"; empty: the whole
	Text  string `json:"text"`           // "must be an http or https URL"
	Line  int    `json:"line,omitempty"` // in a file, where known
	// Say is Text for a person in a chat, in whose language it can be written.
	Say chat.Line `json:"-"`
}

func (p Problem) String() string {
	s := p.Text
	if p.Field != "" {
		s = p.Field + ": " + s
	}
	if p.Line > 0 {
		s = fmt.Sprintf("line %d: %s", p.Line, s)
	}
	return s
}

// InvalidError lists all problems of a record.
type InvalidError struct{ Problems []Problem }

func (e *InvalidError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "; ")
}

// Decode reads one record, in the form of the API and the files, for the given
// id, fills in defaults and validates. An invalid record is an *InvalidError
// with all its problems; other errors come from r. It accepts the fields "id"
// and "source", which responses of the API have, if they match.
func Decode(id string, r io.Reader) (Provider, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxRecord+1))
	if err != nil {
		return Provider{}, fmt.Errorf("read provider record: %w", err)
	}
	if len(data) > MaxRecord {
		return Provider{}, &InvalidError{[]Problem{{Text: fmt.Sprintf("the record is larger than %d KiB", MaxRecord>>10)}}}
	}
	p, problems := decodeRecord(id, data)
	if len(problems) > 0 {
		return Provider{}, &InvalidError{problems}
	}
	return p, nil
}

// DecodeFile reads a map {id: provider} in YAML or JSON. One *InvalidError has
// the problems of all records, with lines.
func DecodeFile(data []byte) (map[string]Provider, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, &InvalidError{[]Problem{{Text: strings.TrimPrefix(err.Error(), "yaml: ")}}}
	}
	if len(doc.Content) == 0 {
		return map[string]Provider{}, nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, &InvalidError{[]Problem{{Line: root.Line, Text: "must be a map of provider ids to records"}}}
	}
	out := map[string]Provider{}
	var problems []Problem
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if _, twice := out[key.Value]; twice {
			problems = append(problems, Problem{Field: key.Value, Line: key.Line, Text: "this id is given twice"})
			continue
		}
		var plain any
		if err := value.Decode(&plain); err != nil {
			problems = append(problems, Problem{Field: key.Value, Line: key.Line, Text: strings.TrimPrefix(err.Error(), "yaml: ")})
			continue
		}
		record, err := json.Marshal(plain)
		if err != nil {
			problems = append(problems, Problem{Field: key.Value, Line: key.Line, Text: "contains a value that JSON cannot represent"})
			continue
		}
		p, bad := decodeRecord(key.Value, record)
		for _, b := range bad {
			b.Line = lineOf(key, value, b.Field)
			b.Field = strings.TrimSuffix(key.Value+"."+b.Field, ".")
			problems = append(problems, b)
		}
		out[key.Value] = p
	}
	if len(problems) > 0 {
		slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
		return nil, &InvalidError{problems}
	}
	return out, nil
}

// lineOf is the line of a record's field, or of its id.
func lineOf(key, record *yaml.Node, field string) int {
	name, _, _ := strings.Cut(field, "[")
	name, _, _ = strings.Cut(name, ".")
	for i := 0; i+1 < len(record.Content); i += 2 {
		if record.Content[i].Value == name {
			return record.Content[i].Line
		}
	}
	return key.Line
}

// decodeRecord reads, normalizes and validates one record.
func decodeRecord(id string, data []byte) (Provider, []Problem) {
	p := Provider{ID: id}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		if _, isType := errors.AsType[*json.UnmarshalTypeError](err); isType {
			return p, []Problem{{Text: "must be a JSON object"}}
		}
		return p, []Problem{{Text: "is not valid JSON: " + jsonTrouble(data, err)}}
	}
	if raw == nil {
		return p, []Problem{{Text: "must be a JSON object"}}
	}
	var problems []Problem
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		value := bytes.TrimSpace(raw[name])
		if string(value) == "null" {
			value = nil
		}
		problems = append(problems, p.setField(name, value)...)
	}
	p.Normalize()
	named := map[string]bool{}
	for _, b := range problems {
		named[b.Field] = true
	}
	for _, b := range p.Validate() {
		if !named[b.Field] { // report an unreadable value once
			problems = append(problems, b)
		}
	}
	return p, problems
}

// jsonTrouble describes a JSON error without quoting the data, which may
// contain a key.
func jsonTrouble(data []byte, err error) string {
	syntax, ok := errors.AsType[*json.SyntaxError](err)
	if !ok {
		return "it cannot be read"
	}
	line := 1 + bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n"))
	if int(syntax.Offset) >= len(data) {
		return "it ends too early"
	}
	return fmt.Sprintf("there is an error in line %d, at byte %d", line, syntax.Offset)
}

// setField sets one field of a record; value is nil for null.
func (p *Provider) setField(name string, value json.RawMessage) []Problem {
	target := p.field(name)
	switch {
	case name == "id":
		var id string
		if value != nil && (json.Unmarshal(value, &id) != nil || id != p.ID) {
			return []Problem{{Field: "id", Text: fmt.Sprintf("does not match the id of this record, %q", p.ID)}}
		}
		return nil
	case name == "source":
		return nil
	case target == nil:
		return []Problem{{Field: name, Text: "unknown field" + suggestField(name)}}
	case value == nil:
		return nil
	case name == "models":
		return p.Models.decode(value)
	case name == "pricing", name == "tls":
		if bad := unknownIn(name, value, subfields[name]); bad != nil {
			return bad
		}
	}
	if err := json.Unmarshal(value, target); err != nil {
		return []Problem{{Field: name, Text: "must be " + shapes[name]}}
	}
	return nil
}

// field points to the field for a name, nil if the name is unknown.
func (p *Provider) field(name string) any {
	switch name {
	case "name":
		return &p.Name
	case "endpoint":
		return &p.Endpoint
	case "apiKey":
		return (*textOnly)(&p.APIKey)
	case "models":
		return &p.Models
	case "apiStyle":
		return &p.APIStyle
	case "extraHeaders":
		return (*headersOnly)(&p.ExtraHeaders)
	case "pricing":
		return &p.Pricing
	case "maxInput":
		return &p.MaxInput
	case "addParams":
		return &p.AddParams
	case "dropParams":
		return &p.DropParams
	case "preset":
		return &p.Preset
	case "endpoints":
		return &p.Endpoints
	case "maxConcurrent":
		return &p.MaxConcurrent
	case "silenceTimeout":
		return &p.SilenceTimeout
	case "tls":
		return &p.TLS
	case "proxy":
		return &p.Proxy
	}
	return nil
}

// shapes describes each field's type, for errors.
var shapes = map[string]string{
	"name": "a string", "endpoint": "a string, the full URL of chat completions", "apiKey": "a string",
	"models":   "a list of {id, name}, a list of strings, a comma-separated string or {\"discover\": true}",
	"apiStyle": "a string", "extraHeaders": "an object of header names and string values",
	"pricing": "an object {input, output} of numbers, USD per million tokens", "maxInput": "a whole number of tokens",
	"addParams": "an object of request fields", "dropParams": "a list of request field names",
	"preset": "a string", "endpoints": "a list of URLs", "maxConcurrent": "a whole number", "silenceTimeout": "a whole number of seconds",
	"tls": "an object {caFile, certFile, keyFile} of file names", "proxy": "a string, the URL of an HTTP proxy",
}

var subfields = map[string][]string{
	"pricing": {"input", "output"},
	"tls":     {"caFile", "certFile", "keyFile"},
	"model":   {"id", "name", "maxInput", "pricing", "vision"},
}

// unknownIn reports the fields of an object that are not in known.
func unknownIn(where string, value json.RawMessage, known []string) []Problem {
	var raw map[string]json.RawMessage
	if json.Unmarshal(value, &raw) != nil {
		return nil
	}
	var problems []Problem
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		if !slices.Contains(known, name) {
			problems = append(problems, Problem{Field: where + "." + name, Text: "unknown field; known are " + strings.Join(known, ", ")})
		}
	}
	return problems
}

// fieldAliases are other programs' names for fields.
var fieldAliases = map[string]string{"key": "apiKey", "url": "endpoint", "baseurl": "endpoint", "headers": "extraHeaders", "model": "models", "contextlength": "maxInput"}

// suggestField suggests the field that an unknown name probably means.
func suggestField(name string) string {
	plain := strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
	known, ok := fieldAliases[plain]
	if !ok {
		known = strings.Join(suggest.Names(name, slices.Sorted(maps.Keys(shapes)), 1), "")
	}
	if known == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", known)
}

// textOnly decodes a secret from a JSON string only.
type textOnly secret.Text

func (t *textOnly) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return errors.New("not a string")
	}
	*t = textOnly(secret.New(strings.TrimSpace(s)))
	return nil
}

type headersOnly map[string]secret.Text

func (h *headersOnly) UnmarshalJSON(data []byte) error {
	var plain map[string]string
	if err := json.Unmarshal(data, &plain); err != nil {
		return errors.New("not an object of strings")
	}
	*h = make(headersOnly, len(plain))
	for name, value := range plain {
		(*h)[name] = secret.New(value)
	}
	return nil
}

// decode reads all forms of a models field.
func (m *Models) decode(data json.RawMessage) []Problem {
	wrong := []Problem{{Field: "models", Text: "must be " + shapes["models"]}}
	switch data[0] {
	case '"':
		var s string
		if json.Unmarshal(data, &s) != nil {
			return wrong
		}
		*m = ParseModels(s)
		return nil
	case '{':
		var o struct {
			Discover *bool           `json:"discover"`
			List     json.RawMessage `json:"list"`
		}
		if bad := unknownIn("models", data, []string{"discover", "list"}); bad != nil {
			return bad
		}
		if json.Unmarshal(data, &o) != nil || o.Discover == nil {
			return wrong
		}
		*m = Models{}
		if o.List != nil {
			if bad := m.decode(o.List); bad != nil {
				return bad
			}
		}
		m.Discover = *o.Discover
		return nil
	case '[':
		var entries []json.RawMessage
		if json.Unmarshal(data, &entries) != nil {
			return wrong
		}
		*m = Models{}
		var problems []Problem
		for i, e := range entries {
			where := fmt.Sprintf("models[%d]", i)
			model, bad := decodeModel(where, e)
			problems = append(problems, bad...)
			m.List = append(m.List, model)
		}
		return problems
	}
	return wrong
}

func decodeModel(where string, data json.RawMessage) (Model, []Problem) {
	var id string
	if json.Unmarshal(data, &id) == nil && data[0] == '"' {
		return Model{ID: strings.TrimSpace(id)}, nil
	}
	if bad := unknownIn(where, data, subfields["model"]); bad != nil {
		return Model{}, bad
	}
	var m Model
	if data[0] != '{' || json.Unmarshal(data, &m) != nil {
		return Model{ID: "?"}, []Problem{{Field: where, Text: "must be a string or {id, name, maxInput, pricing {input, output}, vision}"}}
	}
	var raw struct {
		Pricing json.RawMessage `json:"pricing"`
	}
	if json.Unmarshal(data, &raw) == nil && m.Pricing != nil {
		return m, unknownIn(where+".pricing", raw.Pricing, subfields["pricing"])
	}
	return m, nil
}

// ParseModels parses a comma-separated list of model ids, as in forms. Line
// breaks also separate. An empty list is an empty Models.
func ParseModels(s string) Models {
	var m Models
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' || r == ';' }) {
		if id := strings.TrimSpace(part); id != "" && m.Find(id) == nil {
			m.List = append(m.List, Model{ID: id})
		}
	}
	return m
}

// Find returns the model with the given id, or nil.
func (m Models) Find(id string) *Model {
	for i := range m.List {
		if m.List[i].ID == id {
			return &m.List[i]
		}
	}
	return nil
}

// UnmarshalJSON reads a list of objects or strings, a comma-separated string,
// or {"discover": true}.
func (m *Models) UnmarshalJSON(data []byte) error {
	data = bytes.TrimSpace(data)
	if string(data) == "null" {
		*m = Models{}
		return nil
	}
	if problems := m.decode(data); len(problems) > 0 {
		return &InvalidError{problems}
	}
	return nil
}

// MarshalJSON writes a list of objects, or {"discover": true} with the known
// models.
func (m Models) MarshalJSON() ([]byte, error) {
	if m.Discover {
		return json.Marshal(struct {
			Discover bool    `json:"discover"`
			List     []Model `json:"list,omitempty"`
		}{true, m.List})
	}
	if m.List == nil {
		return []byte("[]"), nil
	}
	return json.Marshal(m.List)
}
