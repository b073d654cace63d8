// What was learned about an endpoint, such as the parameters it refuses. It is
// kept until the record changes.

package registry

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"parley/internal/chat"
	"parley/internal/provider"
)

// lesson is what is stored for one model of one record.
type lesson struct {
	provider.Quirks
	Record string `json:"record"` // fingerprint of the record it applies to
}

func lessonField(id, model string) string { return id + "/" + model }

// Learned is what is known about a provider's model; zero if nothing is, or if the
// record has changed since.
func (r *Registry) Learned(id, model string) provider.Quirks {
	s := r.now.Load()
	l, ok := s.learned[lessonField(id, model)]
	if !ok {
		return provider.Quirks{}
	}
	e, ok := s.find(id)
	if !ok || fingerprint(e.Provider) != l.Record {
		return provider.Quirks{}
	}
	return l.Quirks
}

// Learn adds q to what is known about a provider's model. It does nothing for a
// provider that is not registered. There is no audit entry: nobody changed
// anything.
func (r *Registry) Learn(ctx context.Context, id, model string, q provider.Quirks) error {
	return r.update(ctx, chat.Actor{Kind: chat.BySystem}, func(s *snapshot, c *change) error {
		e, ok := s.find(id)
		if !ok {
			return nil
		}
		known := s.learned[lessonField(id, model)]
		if known.Record != fingerprint(e.Provider) {
			known = lesson{}
		}
		next := lesson{Quirks: known.With(q), Record: fingerprint(e.Provider)}
		if reflect.DeepEqual(next, known) {
			return nil
		}
		text, err := json.Marshal(next)
		if err != nil {
			return err
		}
		c.set(r.keys.learned, lessonField(id, model), string(text))
		return nil
	})
}

// Lessons lists what is known about each model of a provider, to show it.
func (r *Registry) Lessons(id string) map[string]provider.Quirks {
	s := r.now.Load()
	out := map[string]provider.Quirks{}
	for _, field := range slices.Sorted(maps.Keys(s.learned)) {
		if model, ok := strings.CutPrefix(field, id+"/"); ok {
			if q := r.Learned(id, model); !q.IsZero() {
				out[model] = q
			}
		}
	}
	return out
}
