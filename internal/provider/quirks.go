// What an endpoint's requests need beyond the plain format.

package provider

// Quirks is what requests to an endpoint must do differently. A preset brings
// some; others are learned from what the endpoint refused and remembered per
// provider and model until the record changes. The zero value changes nothing.
type Quirks struct {
	Drop   []string           `json:"drop,omitempty"`   // fields to leave out
	Rename map[string]string  `json:"rename,omitempty"` // fields under another name
	Min    map[string]float64 `json:"min,omitempty"`    // numbers are raised to this
	Max    map[string]float64 `json:"max,omitempty"`    // numbers are lowered to this
}

// IsZero reports whether q changes nothing; encoding/json's omitzero uses it.
func (q Quirks) IsZero() bool {
	return len(q.Drop) == 0 && len(q.Rename) == 0 && len(q.Min) == 0 && len(q.Max) == 0
}
