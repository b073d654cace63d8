// Quirks: what an endpoint's requests and answers do differently.

package provider

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Quirks is what requests to an endpoint must do differently, and what its
// answers are like. Presets have some; others are learned from what the
// endpoint refused or sent, and stored per provider and model until the record
// changes. The zero value changes nothing.
type Quirks struct {
	Drop   []string           `json:"drop,omitempty"`   // fields to leave out
	Rename map[string]string  `json:"rename,omitempty"` // fields under another name
	Min    map[string]float64 `json:"min,omitempty"`    // numbers are raised to this
	Max    map[string]float64 `json:"max,omitempty"`    // numbers are lowered to this

	Alternate bool   `json:"alternate,omitempty"` // roles must alternate, beginning with the user
	NoSystem  bool   `json:"noSystem,omitempty"`  // the system's text goes in front of the first question
	MaxInput  int    `json:"maxInput,omitempty"`  // context length in tokens, as an error told it
	Thinking  string `json:"thinking,omitempty"`  // ThinkingUnopened
	Deltas    string `json:"deltas,omitempty"`    // DeltasCumulative
}

// Learned properties of answers. Unlearned removes one.
const (
	ThinkingUnopened = "unopened"   // they begin with reasoning that only its closing mark shows
	DeltasCumulative = "cumulative" // each delta repeats the answer so far
	Unlearned        = "no"
)

// IsZero reports whether q changes nothing; encoding/json's omitzero uses it.
func (q Quirks) IsZero() bool {
	return len(q.Drop) == 0 && len(q.Rename) == 0 && len(q.Min) == 0 && len(q.Max) == 0 &&
		!q.Alternate && !q.NoSystem && q.MaxInput == 0 && q.Thinking == "" && q.Deltas == ""
}

// With merges q and more; more wins where they differ. It changes neither.
func (q Quirks) With(more Quirks) Quirks {
	out := Quirks{
		Drop: slices.Clone(q.Drop), Rename: merged(q.Rename, more.Rename), Min: merged(q.Min, more.Min), Max: merged(q.Max, more.Max),
		Alternate: q.Alternate || more.Alternate, NoSystem: q.NoSystem || more.NoSystem, MaxInput: cmp.Or(more.MaxInput, q.MaxInput),
		Thinking: later(q.Thinking, more.Thinking), Deltas: later(q.Deltas, more.Deltas),
	}
	for _, name := range more.Drop {
		if !slices.Contains(out.Drop, name) {
			out.Drop = append(out.Drop, name)
		}
	}
	return out
}

// later merges a property with a newer value.
func later(known, more string) string {
	if more == Unlearned {
		return ""
	}
	return cmp.Or(more, known)
}

func merged[V any](a, b map[string]V) map[string]V {
	if len(a)+len(b) == 0 {
		return nil
	}
	out := maps.Clone(a)
	if out == nil {
		out = map[string]V{}
	}
	maps.Copy(out, b)
	return out
}

// String describes the quirks: "without temperature; max_tokens as
// max_completion_tokens".
func (q Quirks) String() string {
	var parts []string
	for _, name := range q.Drop {
		parts = append(parts, "without "+name)
	}
	for _, from := range slices.Sorted(maps.Keys(q.Rename)) {
		parts = append(parts, from+" as "+q.Rename[from])
	}
	for _, name := range slices.Sorted(maps.Keys(q.Min)) {
		parts = append(parts, name+" at least "+number(q.Min[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(q.Max)) {
		parts = append(parts, name+" at most "+number(q.Max[name]))
	}
	for _, said := range []struct {
		is   bool
		text string
	}{
		{q.Alternate, "roles alternate"},
		{q.NoSystem, "system text in the first question"},
		{q.MaxInput > 0, fmt.Sprintf("context of %d tokens", q.MaxInput)},
		{q.Thinking == ThinkingUnopened, "answers begin with unmarked reasoning"},
		{q.Deltas == DeltasCumulative, "deltas repeat the answer so far"},
	} {
		if said.is {
			parts = append(parts, said.text)
		}
	}
	return strings.Join(parts, "; ")
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
