// Errors: an endpoint's text, in any service's form, becomes one of a closed
// set of kinds.

package completion

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Kind is the closed set of what can go wrong. It is also a metric label.
type Kind string

// The kinds of provider errors.
const (
	KindConnect    Kind = "connect"     // name resolution, refused, reset before an answer
	KindProxy      Kind = "proxy"       // the outbound proxy refused
	KindTLS        Kind = "tls"         // certificate or handshake
	KindBlocked    Kind = "blocked"     // the address is not allowed by PROVIDER_NETWORKS
	KindAuth       Kind = "auth"        // 401, 403
	KindNotFound   Kind = "not_found"   // wrong path
	KindModel      Kind = "model"       // the model does not exist there
	KindBadRequest Kind = "bad_request" // a parameter was refused
	KindContext    Kind = "context"     // the prompt is longer than the model takes
	KindFilter     Kind = "filter"      // a content filter refused
	KindRateLimit  Kind = "rate_limit"  // 429
	KindQuota      Kind = "quota"       // out of credit: waiting does not help
	KindOverloaded Kind = "overloaded"  // 503, 529, loading
	KindServer     Kind = "server"      // other 5xx and errors inside the stream
	KindSilence    Kind = "silence"     // no byte for SilenceTimeout
	KindTruncated  Kind = "truncated"   // ended without [DONE] or finish reason
	KindProtocol   Kind = "protocol"    // not chat completions: HTML, garbage, a line over the cap
	KindCanceled   Kind = "canceled"    // the caller's context ended
	KindUnknown    Kind = "unknown"     // none of the above: the provider is not registered, …
)

// Error is every error of this package. Error() is for the log: the status and
// at most 300 characters of the endpoint's text, without keys and the
// request's own text. Sentence is for the person in the chat.
type Error struct {
	Kind       Kind
	Provider   string // provider id
	Model      string
	Status     int           // HTTP status, 0 if none
	RetryAfter time.Duration // requested by the endpoint, 0 if none
	Text       string        // the endpoint's own text, cleaned
	Field      string        // the request field a 400/422 names, if any
	Limit      int           // KindContext: the reported context length in tokens, 0 if none
	Size       int           // KindContext: the reported prompt tokens, 0 if none
	Err        error

	Page      bool     // the endpoint answered with a web page
	leftAlone bool     // the endpoint was skipped: kind and text are from before
	codes     []string // the endpoint's own codes
	raw       string   // the endpoint's text before cleaning, for learning; never shown
	endpoint  string   // the endpoint that the text is from
}

// Error is for the log: kind, status and the endpoint's cleaned text.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Kind))
	if e.Provider != "" {
		b.WriteString(" from " + e.Name())
	}
	if e.Status != 0 {
		b.WriteString(": HTTP " + strconv.Itoa(e.Status))
	}
	if e.Text != "" {
		b.WriteString(": " + e.Text)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause: a *provider.BlockedError, io.ErrUnexpectedEOF, the
// context's cause, …
func (e *Error) Unwrap() error { return e.Err }

// Name is provider/model, or the provider alone.
func (e *Error) Name() string {
	if e.Model == "" {
		return e.Provider
	}
	return e.Provider + "/" + e.Model
}

// Mentions reports whether the endpoint's full text, in lower case, contains
// words.
func (e *Error) Mentions(words string) bool { return strings.Contains(strings.ToLower(e.raw), words) }

// again reports whether the same request to the same endpoint may be retried.
func (e *Error) again() bool {
	if e.leftAlone {
		return true // it may have recovered by then
	}
	switch e.Kind {
	case KindConnect, KindRateLimit, KindOverloaded, KindTruncated:
		return true
	case KindServer:
		return e.Status == 0 || slices.Contains([]int{500, 502, 503, 504}, e.Status) || e.Status > 504
	}
	return false
}

// errorBody is the content of an error response, whatever its form.
type errorBody struct {
	text  string
	codes []string // codes and types, in lower case
	param string
	code  int  // a status inside the body
	typed bool // OpenAI's shape: an object "error" with a "message"
}

// errorFromBody makes an error from an error response or event. Status 0 means
// that it came inside a stream.
func errorFromBody(status int, raw []byte) *Error {
	raw = bytes.TrimSpace(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")))
	e := &Error{Status: status}
	var body errorBody
	if len(raw) > 0 && raw[0] == '<' {
		e.Page = true
		body.text = pageText(raw)
	} else {
		body = readErrorBody(raw)
	}
	e.Text, e.raw = body.text, body.text
	e.Field = body.param
	e.codes = body.codes
	if status < 300 && body.code >= 400 && body.code < 600 {
		status = body.code
		e.Status = status
	}
	e.Kind = classify(status, body)
	switch e.Kind {
	case KindProxy:
		e.Err = &ProxyError{Status: status, Words: http.StatusText(status)}
	case KindTLS:
		e.Err = certificateRefusal(status, body.text)
	case KindContext:
		e.Limit, e.Size = tooLong(raw, body.text)
	}
	if e.Text == "" && status != 0 {
		e.Text = http.StatusText(status)
	}
	return e
}

// readErrorBody reads an error response in any of the known forms.
func readErrorBody(raw []byte) errorBody {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return errorBody{text: string(raw[:min(len(raw), 2000)])}
	}
	var b errorBody
	if list, ok := v.([]any); ok && len(list) > 0 {
		v = list[0]
	}
	if object, ok := v.(map[string]any); ok {
		inner, _ := object["error"].(map[string]any)
		_, b.typed = inner["message"].(string)
	}
	b.text = words(v, 0)
	if b.text == "" {
		b.text = string(raw[:min(len(raw), 2000)])
	}
	b.collect(v, 0)
	return b
}

// words finds the human-readable text of an error value.
func words(v any, depth int) string {
	if depth > 6 {
		return ""
	}
	switch v := v.(type) {
	case string:
		return nested(strings.TrimSpace(v), depth)
	case []any:
		var parts []string
		for _, one := range v[:min(len(v), 3)] {
			if s := words(one, depth+1); s != "" {
				parts = append(parts, s)
			}
		}
		return strings.Join(parts, "; ")
	case map[string]any:
		for _, key := range []string{"error", "message", "detail", "msg", "errors", "error_message", "description", "title", "reason"} {
			text := words(v[key], depth+1)
			if text == "" {
				continue
			}
			if key == "msg" && v["loc"] != nil { // FastAPI: which field
				return location(v["loc"]) + ": " + text
			}
			if key == "message" {
				if meta, ok := v["metadata"].(map[string]any); ok { // OpenRouter: what is behind it said
					if raw := words(meta["raw"], depth+1); raw != "" {
						return text + ": " + raw
					}
				}
			}
			return text
		}
	}
	return ""
}

// nested reads a text that is itself a JSON error, as gateways forward them.
func nested(s string, depth int) string {
	if !strings.HasPrefix(s, "{") {
		return s
	}
	var inner map[string]any
	if json.Unmarshal([]byte(s), &inner) != nil {
		return s
	}
	if text := words(inner, depth+1); text != "" {
		return text
	}
	return s
}

func location(v any) string {
	list, _ := v.([]any)
	var parts []string
	for _, one := range list {
		if s := fmt.Sprint(one); s != "body" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ".")
}

// collect gathers codes, types and the field named.
func (b *errorBody) collect(v any, depth int) {
	if depth > 6 {
		return
	}
	switch v := v.(type) {
	case []any:
		for _, one := range v[:min(len(v), 3)] {
			b.collect(one, depth+1)
		}
	case map[string]any:
		for _, key := range []string{"code", "type", "status", "error_type", "http_status_code", "status_code", "statusCode", "object", "reason"} {
			switch c := v[key].(type) {
			case string:
				b.codes = append(b.codes, strings.ToLower(c))
				if n, err := strconv.Atoi(c); err == nil && b.code == 0 {
					b.code = n
				}
			case float64:
				if b.code == 0 {
					b.code = int(c)
				}
			}
		}
		if p, ok := v["param"].(string); ok && b.param == "" {
			b.param = p
		}
		if loc := location(v["loc"]); loc != "" && b.param == "" {
			b.param = loc
		}
		for _, key := range []string{"error", "message", "detail", "errors", "innererror"} {
			b.collect(v[key], depth+1)
		}
	case string: // a JSON error forwarded as a string
		var inner map[string]any
		if strings.HasPrefix(v, "{") && json.Unmarshal([]byte(v), &inner) == nil {
			b.collect(inner, depth+1)
		}
	}
}

// rule is the kind for an error response with one of these codes or texts. The
// first matching rule decides.
type rule struct {
	kind     Kind
	statuses []int    // only for these; empty: any
	codes    []string // parts of a code or type
	texts    []string // parts of the text, in lower case
}

var rules = []rule{
	{kind: KindQuota, statuses: []int{402}},
	{kind: KindQuota, codes: []string{"insufficient_quota", "billing", "insufficient_balance", "payment_required", "credit"}, texts: []string{"insufficient balance", "credit balance is too low", "out of credit", "more credits", "insufficient credit", "billing hard limit"}},
	{kind: KindContext, codes: []string{"context_length", "exceed_context_size", "string_above_max_length", "max_tokens_exceeded"},
		texts: []string{"context length", "context window", "context limit", "contextwindowexceeded", "exceed_context_size", "model length", "prompt length", "maximum length", "too large for model", "inputs` must have less", "context size", "maximum context", "prompt is too long", "input is too long", "prompt too long", "too many tokens", "`max_new_tokens` must be <=", "input token count", "reduce the length of the messages", "exceeds the model's maximum"}},
	{kind: KindFilter, codes: []string{"content_filter", "content_policy", "responsibleai", "data_inspection_failed", "moderation"}, texts: []string{"content management policy", "content filter", "flagged by moderation"}},
	{kind: KindRateLimit, statuses: []int{429}},
	{kind: KindModel, codes: []string{"model_not_found", "deploymentnotfound", "model_not_available", "model_decommissioned", "invalid_model", "modelnotfound", "unknown_model", "no_such_model"},
		texts: []string{"no available channel", "no channel for model", "无可用渠道", "no healthy deployments for this model", "no models loaded", "llm provider not provided", "is not a valid model"}},
	{kind: KindAuth, statuses: []int{401, 403}},
	{kind: KindAuth, statuses: []int{0, 400}, codes: []string{"invalid_api_key", "authentication", "unauthorized", "api_key_invalid"}, texts: []string{"api key not valid", "incorrect api key", "invalid api key", "missing api key"}},
	{kind: KindRateLimit, codes: []string{"rate_limit", "too_many_requests", "throttl"}, texts: []string{"rate limit", "too many requests"}},
	{kind: KindOverloaded, codes: []string{"overloaded", "unavailable_error"}, texts: []string{"overloaded", "loading model", "model is loading", "currently loading"}},
	{kind: KindOverloaded, statuses: []int{503, 529}},
	{kind: KindContext, statuses: []int{413}},
	{kind: KindNotFound, statuses: []int{404, 405, 410}},
	{kind: KindServer, statuses: []int{408, 424}}, // 424: TGI's "the generation failed"
}

// classify names the kind of an error answer.
func classify(status int, b errorBody) Kind {
	switch {
	case status >= 300 && status < 400:
		return KindProtocol
	case status == http.StatusProxyAuthRequired:
		return KindProxy
	case certificateRefusal(status, b.text) != nil:
		return KindTLS
	}
	text := strings.ToLower(b.text)
	if aboutModel(status, b, text) {
		return KindModel
	}
	for _, r := range rules {
		if r.fits(status, b.codes, text) {
			return r.kind
		}
	}
	switch {
	case status >= 500:
		return KindServer
	case status >= 400:
		return KindBadRequest
	case slices.ContainsFunc(b.codes, func(c string) bool { return strings.Contains(c, "invalid_request") }):
		return KindBadRequest
	}
	return KindUnknown
}

func (r rule) fits(status int, codes []string, text string) bool {
	if len(r.statuses) > 0 && !slices.Contains(r.statuses, status) {
		return false
	}
	if len(r.codes) == 0 && len(r.texts) == 0 {
		return true
	}
	for _, part := range r.codes {
		if slices.ContainsFunc(codes, func(c string) bool { return strings.Contains(c, part) }) {
			return true
		}
	}
	return slices.ContainsFunc(r.texts, func(part string) bool { return strings.Contains(text, part) })
}

// modelWord matches the word itself, but not in a path such as /v1/models.
var modelWord = regexp.MustCompile(`(?:^|[^/\w])models?\b`)

// aboutModel reports whether a 4xx means that the model does not exist.
func aboutModel(status int, b errorBody, text string) bool {
	if status != 0 && (status < 400 || status >= 500 || status == 429 || status == 401) {
		return false
	}
	if b.param == "model" && (status == 404 || status == 400 || status == 422) {
		return true
	}
	if status == 404 && b.typed && modelWord.MatchString(text) {
		return true
	}
	at := strings.Index(text, "model")
	if at < 0 || strings.Contains(text, "does not support") {
		return false
	}
	for _, phrase := range []string{"not found", "does not exist", "no such model", "unknown model", "invalid model", "not exist", "is not available", "not a valid model", "could not find", "no available", "not have access to"} {
		if i := strings.Index(text, phrase); i >= 0 && i < at+200 {
			return true
		}
	}
	return false
}

// pageText is the text of a web page, without tags, scripts and styles: its
// title, or else its start.
func pageText(raw []byte) string {
	page := string(raw[:min(len(raw), 16<<10)])
	lower := strings.ToLower(page)
	if i := strings.Index(lower, "<title"); i >= 0 && len(lower) == len(page) {
		if open := strings.IndexByte(page[i:], '>'); open >= 0 {
			title, _, closed := strings.Cut(page[i+open+1:], "<")
			if title = strings.TrimSpace(title); closed && title != "" {
				return title
			}
		}
	}
	var b strings.Builder
	depth := 0
	for _, r := range page {
		switch {
		case r == '<':
			depth = 1
		case r == '>' && depth > 0:
			depth = 0
			b.WriteByte(' ')
		case depth == 0:
			b.WriteRune(r)
		}
		if b.Len() > 600 {
			break
		}
	}
	return strings.Join(strings.FieldsFunc(b.String(), unicode.IsSpace), " ")
}
