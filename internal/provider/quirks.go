// What an endpoint taught about its parameters.

package provider

import (
	"maps"
	"slices"
)

// Quirks are the request fields that one model of an endpoint refuses or wants
// under another name, as learned from its errors. The registry keeps them.
type Quirks struct {
	DropParams []string          `json:"dropParams,omitempty"` // fields to leave out, sorted
	Rename     map[string]string `json:"rename,omitempty"`     // field → the name it wants
}

// IsZero reports whether nothing was learned.
func (q Quirks) IsZero() bool { return len(q.DropParams) == 0 && len(q.Rename) == 0 }

// With is q and what more was learned; neither is changed. A field that more
// drops is no longer renamed.
func (q Quirks) With(more Quirks) Quirks {
	out := Quirks{DropParams: slices.Concat(q.DropParams, more.DropParams), Rename: maps.Clone(q.Rename)}
	slices.Sort(out.DropParams)
	out.DropParams = slices.Compact(out.DropParams)
	for _, name := range more.DropParams {
		delete(out.Rename, name)
	}
	for from, to := range more.Rename {
		if out.Rename == nil {
			out.Rename = map[string]string{}
		}
		out.Rename[from] = to
	}
	if len(out.DropParams) == 0 {
		out.DropParams = nil
	}
	if len(out.Rename) == 0 {
		out.Rename = nil
	}
	return out
}
