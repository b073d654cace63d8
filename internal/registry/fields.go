// Which fields differ between two providers, by their names in the API.

package registry

import (
	"encoding/json"
	"maps"
	"slices"

	"parley/internal/provider"
)

// changedFields names the fields that differ between old and next, sorted. It
// compares secrets too, and returns only their fields' names.
func changedFields(old, next provider.Provider) ([]string, error) {
	before, err := openFields(old)
	if err != nil {
		return nil, err
	}
	after, err := openFields(next)
	if err != nil {
		return nil, err
	}
	var names []string
	for name := range after {
		if before[name] != after[name] {
			names = append(names, name)
		}
	}
	for name := range before {
		if _, still := after[name]; !still {
			names = append(names, name)
		}
	}
	for name, same := range map[string]bool{
		"apiKey":       old.APIKey.Reveal() == next.APIKey.Reveal(),
		"extraHeaders": maps.Equal(old.ExtraHeaders, next.ExtraHeaders),
		"proxy":        old.Proxy == next.Proxy,
		"endpoint":     old.Endpoint == next.Endpoint, // with the keys that ShownURL hides
		"endpoints":    slices.Equal(old.Endpoints, next.Endpoints),
	} {
		if !same {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// openFields are the fields of a provider that are not secret, as JSON.
func openFields(p provider.Provider) (map[string]string, error) {
	open, err := plainOf(p)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(open)
	if err != nil {
		return nil, err
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		value := string(raw[name])
		if name == "discover" { // a part of models in the API
			name = "models"
		}
		out[name] += value
	}
	return out, nil
}
