// AISCouncil's custom providers, and parley's own export: records with
// section 4's fields.

package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"parley/internal/provider"
)

// storageKey is the browser storage entry that holds AISCouncil's providers.
const storageKey = "ais-custom-providers"

// aisCouncil reads a map {id: record} or a list of records with an id, bare or
// as the storage entry of that name, whose value may be JSON inside a string.
func (in *reader) aisCouncil(root any) error {
	if m, ok := root.(map[string]any); ok && m[storageKey] != nil {
		root = m[storageKey]
	}
	if s, ok := root.(string); ok {
		inner, err := decode([]byte(s))
		if err != nil {
			return fmt.Errorf("%s: %w", storageKey, err)
		}
		root = inner
	}
	switch entries := root.(type) {
	case map[string]any:
		for _, id := range sortedKeys(entries) {
			in.councilEntry(id, entries[id])
		}
	case []any:
		for i, e := range entries {
			m, _ := e.(map[string]any)
			name := text(m["id"])
			if name == "" {
				name = text(m["name"])
			}
			if name == "" {
				name = fmt.Sprintf("entry %d", i+1)
			}
			in.councilEntry(name, e)
		}
	default:
		return errors.New("the providers are neither a map nor a list")
	}
	return nil
}

// councilEntry reads a record leniently: what parley has no field for is left
// out and said.
func (in *reader) councilEntry(name string, entry any) {
	m, ok := entry.(map[string]any)
	if !ok {
		in.skip(name, "is no object")
		return
	}
	id := name
	var notes []string
	if !provider.ValidID(id) {
		id = in.id(name)
		notes = append(notes, fmt.Sprintf("id: %q became %q", name, id))
	}
	fields := map[string]any{}
	for _, field := range recordFields {
		if v, ok := m[field]; ok && field != "id" {
			fields[field] = v
		}
	}
	if id != name && text(fields["name"]) == "" {
		fields["name"] = name
	}
	if list, ok := m["models"].([]any); ok {
		fields["models"] = councilModels(list, &notes)
	}
	notes = append(notes, leftOut(m, append([]string{"isCustom"}, recordFields...)...)...)
	in.record(name, id, fields, notes)
}

// councilModels drops repeated models and what parley has no field for.
func councilModels(list []any, notes *[]string) []any {
	known := []string{"id", "name", "pricing", "maxInput", "vision"}
	seen := map[string]bool{}
	var out []any
	for _, e := range list {
		id := text(e)
		if m, ok := e.(map[string]any); ok {
			id = text(m["id"])
			for _, note := range leftOut(m, known...) {
				*notes = append(*notes, fmt.Sprintf("model %s: %s", id, note))
			}
			kept := map[string]any{}
			for _, field := range known {
				if v, ok := m[field]; ok {
					kept[field] = v
				}
			}
			e = kept
		}
		if !seen[id] {
			seen[id] = true
			out = append(out, e)
		}
	}
	return out
}

// record decodes fields as strictly as the API does.
func (in *reader) record(name, id string, fields any, notes []string) {
	body, err := json.Marshal(fields)
	if err != nil {
		in.skip(name, "holds a value JSON has no form for")
		return
	}
	p, err := provider.Decode(id, bytes.NewReader(body))
	if err != nil {
		in.skip(name, "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
		return
	}
	in.add(name, p, notes)
}

// own reads what provider export wrote: strictly, as the API would.
func (in *reader) own(root any) error {
	m, ok := root.(map[string]any)
	if !ok {
		return errors.New("the file is no map of provider ids to records")
	}
	for _, id := range sortedKeys(m) {
		in.record(id, id, m[id], nil)
	}
	return nil
}
