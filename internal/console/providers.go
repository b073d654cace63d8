// The registry over HTTP: list, read, put, remove, probe.

package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"parley/internal/provider"
	"parley/internal/registry"
	"parley/internal/suggest"
)

// listProviders answers GET /api/v1/providers.
func (c *console) listProviders(_ http.ResponseWriter, r *http.Request) (int, any, error) {
	source := r.URL.Query().Get("source")
	if known := []string{registry.Builtin, registry.File, registry.Custom}; source != "" && !slices.Contains(known, source) {
		return 0, nil, malformed(fmt.Sprintf("There is no source %q; the sources are %s.", shorten(source), strings.Join(known, ", ")))
	}
	views := []providerView{}
	for _, e := range c.Registry.Providers() {
		if source == "" || e.Source == source {
			views = append(views, view(e, c.Registry.Lessons(e.ID)))
		}
	}
	return http.StatusOK, map[string]any{"providers": views}, nil
}

// getProvider answers GET /api/v1/providers/{id}.
func (c *console) getProvider(_ http.ResponseWriter, r *http.Request) (int, any, error) {
	e, err := c.provider(r.PathValue("id"))
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, view(e, c.Registry.Lessons(e.ID)), nil
}

func (c *console) provider(id string) (registry.Entry, error) {
	e, ok := c.Registry.Provider(id)
	if !ok {
		return e, notFound(fmt.Sprintf("There is no provider %q.%s", shorten(id), didYouMean(suggest.Names(id, c.providerIDs(), 3))))
	}
	return e, nil
}

func (c *console) providerIDs() []string {
	var ids []string
	for _, e := range c.Registry.Providers() {
		ids = append(ids, e.ID)
	}
	return ids
}

func didYouMean(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return " Did you mean " + strings.Join(names, ", ") + "?"
}

// putProvider answers PUT /api/v1/providers/{id}.
func (c *console) putProvider(w http.ResponseWriter, r *http.Request) (int, any, error) {
	id := r.PathValue("id")
	fields, problem := readObject(w, r)
	if problem != nil {
		return 0, nil, problem
	}
	p, err := decodePut(id, fields)
	if err != nil {
		return 0, nil, err
	}
	_, created, err := c.Registry.Revise(r.Context(), c.actor(r), registry.Revision{Provider: p})
	if kept, ok := errors.AsType[*registry.KeepError](err); ok {
		return 0, nil, unkeepable(kept)
	}
	if err != nil {
		return 0, nil, err
	}
	e, err := c.provider(id)
	if err != nil { // someone else removed it
		return 0, nil, err
	}
	if created {
		w.Header().Set("Location", "/api/v1/providers/"+id)
		return http.StatusCreated, view(e, nil), nil
	}
	return http.StatusOK, view(e, nil), nil
}

// decodePut reads the provider of a PUT. Its secrets may be "set".
func decodePut(id string, fields map[string]json.RawMessage) (provider.Provider, error) {
	if fields == nil {
		return provider.Provider{}, invalid("The body must be a JSON object.")
	}
	for _, name := range readOnly {
		delete(fields, name)
	}
	keepProxy := string(bytes.TrimSpace(fields["proxy"])) == `"`+provider.Kept+`"`
	if keepProxy {
		delete(fields, "proxy") // it is not a URL
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return provider.Provider{}, err
	}
	if field, ok := repeatedHeader(fields["extraHeaders"]); ok {
		return provider.Provider{}, invalid("", FieldError{"extraHeaders." + shorten(field), "is given twice, in different case"})
	}
	p, err := provider.Decode(id, bytes.NewReader(body))
	if e, ok := errors.AsType[*provider.InvalidError](err); ok {
		return p, wrongRecord(e.Problems)
	}
	if err == nil && len(p.AddParams) > 0 {
		d := json.NewDecoder(bytes.NewReader(fields["addParams"]))
		d.UseNumber() // a large seed must not lose digits
		err = d.Decode(&p.AddParams)
	}
	if keepProxy {
		p.Proxy = provider.Kept
	}
	return p, err
}

// repeatedHeader finds a header that is given twice. Names that differ only in
// case are the same header, and it would be random which value is sent.
func repeatedHeader(raw json.RawMessage) (string, bool) {
	var headers map[string]json.RawMessage
	if json.Unmarshal(raw, &headers) != nil {
		return "", false // absent, or provider.Decode reports it
	}
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if seen[http.CanonicalHeaderKey(name)] {
			return name, true
		}
		seen[http.CanonicalHeaderKey(name)] = true
	}
	return "", false
}

func wrongRecord(problems []provider.Problem) *Problem {
	errs := make([]FieldError, len(problems))
	for i, p := range problems {
		errs[i] = FieldError{Field: shorten(p.Field), Detail: p.Text}
	}
	if len(errs) == 1 && errs[0].Field == "" {
		return invalid("The record " + errs[0].Detail + ".")
	}
	return invalid(fmt.Sprintf("The provider has %d invalid fields, listed in errors.", len(errs)), errs...)
}

// unkeepable says which secrets cannot be kept, and what to do.
func unkeepable(e *registry.KeepError) *Problem {
	var errs []FieldError
	for _, f := range e.Faults {
		detail := `says "set", but no value is stored: give the value, or leave the field out`
		switch {
		case len(f.Params) > 0:
			detail = fmt.Sprintf(`says "set" for %s in its query, but no value is stored for that server: give the value`, shorten(strings.Join(f.Params, ", ")))
		case f.Query:
			detail = `says "set" in its query, but ` + f.Moved + `: give the value again`
		case f.Moved != "":
			detail = `says "set", but ` + f.Moved + `: give the value again`
		}
		errs = append(errs, FieldError{f.Field, detail})
	}
	return invalid("Some secrets cannot be kept; they are listed in errors.", errs...)
}

// removeProvider answers DELETE /api/v1/providers/{id}.
func (c *console) removeProvider(_ http.ResponseWriter, r *http.Request) (int, any, error) {
	id := r.PathValue("id")
	removed, err := c.Registry.Remove(r.Context(), c.actor(r), id)
	if e, ok := errors.AsType[*registry.BuiltinError](err); ok {
		return 0, nil, &Problem{Type: kindConflict, Title: "Conflict", Status: http.StatusConflict, Detail: sentence(e.Error())}
	}
	if err != nil {
		return 0, nil, err
	}
	if !removed {
		_, err := c.provider(id)
		return 0, nil, err
	}
	return http.StatusNoContent, nil, nil
}

// testProvider answers POST /api/v1/providers/{id}/test. The model is "model"
// in the body or the query; by default, the provider's first.
func (c *console) testProvider(w http.ResponseWriter, r *http.Request) (int, any, error) {
	e, err := c.provider(r.PathValue("id"))
	if err != nil {
		return 0, nil, err
	}
	model, err := testedModel(w, r)
	if err != nil {
		return 0, nil, err
	}
	if e.Problem != "" {
		return 0, nil, &Problem{Type: kindConflict, Title: "Conflict", Status: http.StatusConflict,
			Detail: fmt.Sprintf("Provider %q cannot be used: %s.", e.ID, e.Problem)}
	}
	return http.StatusOK, c.Probe(r.Context(), e.Provider, model), nil
}

func testedModel(w http.ResponseWriter, r *http.Request) (string, error) {
	model := r.URL.Query().Get("model")
	body, problem := readBody(w, r)
	if problem != nil {
		return "", problem
	}
	if len(body) == 0 {
		return model, nil
	}
	fields, problem := object(body)
	if problem != nil {
		return "", problem
	}
	var errs []FieldError
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name != "model" {
			errs = append(errs, FieldError{shorten(name), "unknown field; only model is supported"})
		} else if json.Unmarshal(fields[name], &model) != nil {
			errs = append(errs, FieldError{"model", "must be a string"})
		}
	}
	if len(errs) > 0 {
		return "", invalid("The request has invalid fields, listed in errors.", errs...)
	}
	return model, nil
}

// sentence turns an error's text into a sentence.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
