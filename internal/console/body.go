// Reading a request body: bounded, well-formed JSON without repeated keys.

package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"parley/internal/provider"
)

const (
	maxBody  = provider.MaxRecord // bytes
	maxDepth = 32                 // nested objects and arrays
)

// readObject reads a JSON object with raw fields. A body of JSON null is a nil
// map.
func readObject(w http.ResponseWriter, r *http.Request) (map[string]json.RawMessage, *Problem) {
	body, p := readBody(w, r)
	if p != nil {
		return nil, p
	}
	if len(body) == 0 {
		return nil, malformed("The body is empty; a JSON object is expected.")
	}
	return object(body)
}

func object(body []byte) (map[string]json.RawMessage, *Problem) {
	if p := wellFormed(body); p != nil {
		return nil, p
	}
	if string(body) == "null" {
		return nil, nil
	}
	var out map[string]json.RawMessage
	if err := json.Unmarshal(body, &out); err != nil {
		return nil, invalid("The body must be a JSON object.")
	}
	return out, nil
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *Problem) {
	if kind := r.Header.Get("Content-Type"); !acceptable(kind) {
		return nil, &Problem{Type: kindMediaType, Title: "Unsupported media type", Status: http.StatusUnsupportedMediaType,
			Detail: fmt.Sprintf("The body must be JSON (Content-Type: application/json), not %q.", shorten(kind))}
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, &Problem{Type: kindMediaType, Title: "Unsupported media type", Status: http.StatusUnsupportedMediaType,
			Detail: fmt.Sprintf("The body must not be compressed (Content-Encoding %q).", shorten(coding))}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &Problem{Type: kindTooLarge, Title: "Too large", Status: http.StatusRequestEntityTooLarge,
			Detail: fmt.Sprintf("The body is larger than %d KiB.", maxBody>>10)}
	}
	if err != nil {
		return nil, malformed("The body is incomplete.")
	}
	return bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))), nil
}

// acceptable is lenient: clients that set no type, or curl's default type for
// -d, also send JSON.
func acceptable(contentType string) bool {
	if contentType == "" {
		return true
	}
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	switch kind {
	case "application/json", "text/json", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded":
		return true
	}
	return strings.HasSuffix(kind, "+json")
}

// wellFormed checks syntax, depth and repeated keys, and reports the position
// of each problem.
func wellFormed(body []byte) *Problem {
	if !utf8.Valid(body) {
		return malformed("The body is not UTF-8.")
	}
	var raw json.RawMessage
	if err := json.Unmarshal(body, &raw); err != nil {
		if e, ok := errors.AsType[*json.SyntaxError](err); ok {
			return malformed(fmt.Sprintf("The body is not JSON: %s at %s.", e, position(body, e.Offset)))
		}
		return malformed("The body is not JSON.")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	type level struct {
		keys map[string]bool // nil in an array
		key  bool            // the next token is a key
	}
	var open []level
	for {
		token, err := d.Token()
		if err != nil {
			return nil // the end; the syntax was checked above
		}
		top := len(open) - 1
		if text, ok := token.(string); ok && top >= 0 && open[top].keys != nil && open[top].key {
			if open[top].keys[text] {
				return malformed(fmt.Sprintf("The key %q appears twice, at %s.", shorten(text), position(body, d.InputOffset())))
			}
			open[top].keys[text] = true
			open[top].key = false
			continue
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			if len(open) == maxDepth {
				return malformed(fmt.Sprintf("The body is nested deeper than %d levels at %s.", maxDepth, position(body, d.InputOffset())))
			}
			l := level{}
			if token == json.Delim('{') {
				l = level{keys: map[string]bool{}, key: true}
			}
			open = append(open, l)
			continue
		case json.Delim('}'), json.Delim(']'):
			open = open[:top]
			top--
		}
		if top >= 0 {
			open[top].key = open[top].keys != nil
		}
	}
}

// position is the line and column of an offset.
func position(body []byte, offset int64) string {
	before := body[:min(max(offset-1, 0), int64(len(body)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return fmt.Sprintf("line %d, column %d", line, column)
}

// shorten limits what is echoed to a caller.
func shorten(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
