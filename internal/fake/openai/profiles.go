// How each service behaves on the wire, as data: one row per service. Sources:
// the services' documentation and server code; what was seen on a running
// server says so.

package openai

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Profile is one service's behaviour.
type Profile struct {
	Name        string
	Path        string            // of chat completions
	KeyHeader   string            // header that carries the key; empty: Authorization: Bearer
	Opening     []string          // events before the first delta
	Comments    []string          // comment lines before the first event
	AfterFinish []string          // events after the finish reason
	Tight       bool              // "data:" without a space
	CRLF        bool              // lines end in CR LF
	RoleAlways  bool              // every delta carries the role
	NoIndex     bool              // choices without index and finish_reason
	NoFinish    bool              // never a finish reason
	NoDone      bool              // never [DONE]
	ASCII       bool              // JSON strings are ASCII with escapes
	LateHeaders bool              // no header before the first token
	Reasoning   string            // field of the reasoning; empty: reasoning_content
	Stop        string            // finish reason in place of "stop"
	Usage       string            // "": an event of its own on request; "inline": with the finish; "x_groq"; "none"
	StreamError string            // exact bytes of an error inside the stream; MESSAGE stands for the quoted text
	Errors      errorShape        // errors before the stream
	Refuses     map[string]string // fields refused, and the one recommended instead
	Ranges      map[string][2]float64
	AnyModel    bool // the model's name is ignored
	NoModels    bool // no list of models
	ModelFields map[string]any
}

func (p *Profile) modelsPath() string {
	return strings.TrimSuffix(p.Path, "/chat/completions") + "/models"
}

func (p *Profile) dataPrefix() string {
	if p.Tight {
		return "data:"
	}
	return "data: "
}

func (p *Profile) newline() string {
	if p.CRLF {
		return "\r\n"
	}
	return "\n"
}

func (p *Profile) reasoningField() string {
	if p.Reasoning == "" {
		return "reasoning_content"
	}
	return p.Reasoning
}

// check says why value is out of the range the service takes for field.
func (p *Profile) check(field string, value any) string {
	r, bounded := p.Ranges[field]
	n, number := value.(float64)
	if !bounded || !number || (n >= r[0] && n <= r[1]) {
		return ""
	}
	return fmt.Sprintf("`%s` must be between %g and %g", field, r[0], r[1])
}

// ProfileNamed returns the profile of a service.
func ProfileNamed(name string) (Profile, bool) {
	all := Profiles()
	i := slices.IndexFunc(all, func(p Profile) bool { return p.Name == name })
	if i < 0 {
		return Profile{}, false
	}
	return all[i], true
}

const (
	roleEmpty = `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}`
	roleNull  = `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":null},"finish_reason":null}]}`
	roleOnly  = `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}`

	plainError = `data: {"error":{"message":MESSAGE,"type":"server_error","param":null,"code":500}}` + "\n\n"
	doneLine   = "data: [DONE]\n\n"
)

// Profiles returns every service's row.
func Profiles() []Profile {
	return []Profile{
		{Name: "openai", Path: "/v1/chat/completions", Opening: []string{roleEmpty}, StreamError: plainError, Errors: nestedError},
	}
}

// errorShape writes an error in a service's form. Status, code and message are
// what it is about; param names the request field, if any.
type errorShape func(w http.ResponseWriter, status int, code, message, param string)

func (e errorShape) status(w http.ResponseWriter, status int, code, message string) {
	if message == "" {
		message = http.StatusText(status)
	}
	e(w, status, code, message, "")
}

func (e errorShape) auth(w http.ResponseWriter) {
	e(w, http.StatusUnauthorized, "invalid_api_key", "Incorrect API key provided.", "")
}

func (e errorShape) model(w http.ResponseWriter, model string) {
	e(w, http.StatusNotFound, "model_not_found", fmt.Sprintf("The model `%s` does not exist or you do not have access to it.", model), "model")
}

func (e errorShape) path(w http.ResponseWriter, r *http.Request) {
	e(w, http.StatusNotFound, "", "Invalid URL ("+r.Method+" "+r.URL.Path+")", "")
}

func (e errorShape) param(w http.ResponseWriter, field, instead string, _ any) {
	message := fmt.Sprintf("Unsupported parameter: '%s' is not supported with this model.", field)
	if instead != "" {
		message += fmt.Sprintf(" Use '%s' instead.", instead)
	}
	e(w, http.StatusBadRequest, "unsupported_parameter", message, field)
}

func (e errorShape) value(w http.ResponseWriter, field, why string) {
	e(w, http.StatusBadRequest, "unsupported_value", "Unsupported value: "+why, field)
}

// nestedError is OpenAI's own shape.
func nestedError(w http.ResponseWriter, status int, code, message, param string) {
	writeJSON(w, status, map[string]any{"error": map[string]any{
		"message": message, "type": "invalid_request_error", "param": orNull(param), "code": orNull(code),
	}})
}

func orNull(s string) any {
	if s == "" {
		return json.RawMessage("null")
	}
	return s
}
