// Errors of the API: RFC 9457 problem details, written for the person or
// script that caused them.

package console

import (
	"encoding/json"
	"net/http"
)

// Problem is an RFC 9457 problem. Its texts never contain a secret.
type Problem struct {
	Type   string       `json:"type"`
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Detail string       `json:"detail"`           // what went wrong and what to do
	Errors []FieldError `json:"errors,omitempty"` // the fields that are wrong
}

// FieldError is one invalid field of a request body.
type FieldError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

func (p *Problem) Error() string { return p.Detail }

// The types of problems: URNs, because there are no pages about them.
const (
	kindMalformed   = "urn:parley:problem:malformed"
	kindInvalid     = "urn:parley:problem:invalid"
	kindTooLarge    = "urn:parley:problem:too-large"
	kindMediaType   = "urn:parley:problem:media-type"
	kindNotFound    = "urn:parley:problem:not-found"
	kindMethod      = "urn:parley:problem:method"
	kindConflict    = "urn:parley:problem:conflict"
	kindToken       = "urn:parley:problem:token"
	kindTooMany     = "urn:parley:problem:too-many-tokens"
	kindForbidden   = "urn:parley:problem:forbidden"
	kindUnavailable = "urn:parley:problem:unavailable"
	kindInternal    = "urn:parley:problem:internal"
)

func notFound(detail string) *Problem {
	return &Problem{Type: kindNotFound, Title: "Not found", Status: http.StatusNotFound, Detail: detail}
}

func malformed(detail string) *Problem {
	return &Problem{Type: kindMalformed, Title: "Malformed request", Status: http.StatusBadRequest, Detail: detail}
}

// invalid is a request with invalid fields. If there is one error, it is the
// detail, so that a client that shows only the detail shows enough.
func invalid(detail string, errs ...FieldError) *Problem {
	if len(errs) == 1 {
		detail = errs[0].Field + ": " + errs[0].Detail
	}
	return &Problem{Type: kindInvalid, Title: "Invalid request", Status: http.StatusUnprocessableEntity, Detail: detail, Errors: errs}
}

// Write writes the problem as the response.
func (p *Problem) Write(w http.ResponseWriter) {
	h := w.Header()
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="parley"`)
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "2")
	}
	writeJSON(w, p.Status, "application/problem+json", p)
}

func writeJSON(w http.ResponseWriter, status int, contentType string, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil { // only if one of our own values cannot be marshaled
		status, contentType = http.StatusInternalServerError, "application/problem+json"
		body = []byte(`{"type":"` + kindInternal + `","title":"Internal error","status":500,"detail":"The response could not be encoded; the log has the reason."}`)
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
