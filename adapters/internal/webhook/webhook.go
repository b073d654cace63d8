// Package webhook reads and answers signed requests from platforms.
package webhook

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
)

// Largest is the most bytes of a request body.
const Largest = 1 << 20

// Read returns a request's raw body, which the signature covers. If it fails,
// it has answered 413 or 400 and returns false.
func Read(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, Largest))
	if err == nil {
		return body, true
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		http.Error(w, "the request is larger than 1 MiB", http.StatusRequestEntityTooLarge)
	} else {
		http.Error(w, "the request could not be read", http.StatusBadRequest)
	}
	return nil, false
}

// Answer answers with v as JSON.
func Answer(w http.ResponseWriter, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "the answer could not be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data)
}
