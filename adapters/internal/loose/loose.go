// Package loose reads what platforms may extend at any time and other apps write
// in any form: JSON whose shape nobody promises. A field that is missing or of
// another kind than expected reads as absent and costs nothing else, and neither
// the number of parts nor the length of a text that is made of them can be made
// to grow without bound.
package loose

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

const (
	// MostParts is how many entries of one list are read.
	MostParts = 200
	// MostSaid bounds what one message says, in bytes.
	MostSaid = 40_000
	// Deepest is how far parts may lie within each other.
	Deepest = 8
)

// mostNumber is the largest whole number that JSON's numbers hold exactly.
const mostNumber = 1 << 53

// Object is a JSON object. All its methods may be called on nil.
type Object map[string]any

// Text gives a string, or "".
func (o Object) Text(name string) string { s, _ := o[name].(string); return s }

// Is reports whether a field is true.
func (o Object) Is(name string) bool { b, _ := o[name].(bool); return b }

// Number gives a number without its fraction, or 0.
func (o Object) Number(name string) int {
	n, _ := o[name].(float64)
	return int(max(-mostNumber, min(n, mostNumber)))
}

// Object gives an object, or nil.
func (o Object) Object(name string) Object { m, _ := o[name].(map[string]any); return m }

// List gives the objects of a list; what is none is passed over.
func (o Object) List(name string) []Object { return Objects(o[name]) }

// Values gives the first MostParts entries of v, if it is a list.
func Values(v any) []any {
	all, _ := v.([]any)
	return all[:min(len(all), MostParts)]
}

// Objects gives the objects among the values of v, if it is a list.
func Objects(v any) []Object {
	var out []Object
	for _, one := range Values(v) {
		if m, ok := one.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// Decode reads a list of objects; anything else gives none.
func Decode(raw json.RawMessage) []Object {
	var v any
	if len(raw) == 0 || json.Unmarshal(raw, &v) != nil {
		return nil
	}
	return Objects(v)
}

// Join puts the parts that are not empty together, without the white space
// around them. It takes no further part once it is twice as long as MostSaid:
// Bounded cuts what is longer, and a part of that length does not cost those
// behind it.
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

// Bounded cuts a text to MostSaid bytes, between characters, and marks the cut.
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
