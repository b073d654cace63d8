// Package loose reads JSON with no fixed shape, which platforms may extend at
// any time and other apps write in any form. A field that is missing or has an
// unexpected type reads as absent and affects nothing else. The number of
// parts and the length of the resulting text are bounded.
package loose

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

const (
	// MostParts is how many entries of a list are read.
	MostParts = 200
	// MostSaid is the most bytes of text from one message.
	MostSaid = 40_000
	// Deepest is how deeply parts may be nested.
	Deepest = 8
)

// mostNumber is the largest whole number that a JSON number holds exactly.
const mostNumber = 1 << 53

// Object is a JSON object. All its methods work on nil.
type Object map[string]any

// Text returns a string, or "".
func (o Object) Text(name string) string { s, _ := o[name].(string); return s }

// Is reports whether a field is true.
func (o Object) Is(name string) bool { b, _ := o[name].(bool); return b }

// Number returns a number without its fraction, or 0.
func (o Object) Number(name string) int {
	n, _ := o[name].(float64)
	return int(max(-mostNumber, min(n, mostNumber)))
}

// Object returns an object, or nil.
func (o Object) Object(name string) Object { m, _ := o[name].(map[string]any); return m }

// List returns the objects in a list and skips other values.
func (o Object) List(name string) []Object { return Objects(o[name]) }

// Values returns the first MostParts entries of v, if it is a list.
func Values(v any) []any {
	all, _ := v.([]any)
	return all[:min(len(all), MostParts)]
}

// Objects returns the objects among the values of v, if it is a list.
func Objects(v any) []Object {
	var out []Object
	for _, one := range Values(v) {
		if m, ok := one.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// Decode reads a list of objects; other input gives none.
func Decode(raw json.RawMessage) []Object {
	var v any
	if len(raw) == 0 || json.Unmarshal(raw, &v) != nil {
		return nil
	}
	return Objects(v)
}

// Join joins the non-empty parts, trimmed. It stops after a part that makes
// the text twice as long as MostSaid: Bounded cuts the text later, and one
// long part does not cost the parts after it.
func Join(between string, parts ...string) string {
	var out strings.Builder
	for _, p := range parts {
		p = strings.TrimSpace(p)
		if p == "" || out.Len() > 2*MostSaid {
			continue
		}
		if out.Len() > 0 {
			out.WriteString(between)
		}
		out.WriteString(p)
	}
	return out.String()
}

// Bounded cuts a text to MostSaid bytes, between characters, and marks the
// cut.
func Bounded(s string) string {
	if len(s) <= MostSaid {
		return s
	}
	end := MostSaid
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
