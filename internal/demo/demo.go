// Package demo is the built-in model server behind the provider "demo". It
// streams canned text over the chat-completions API, so that people can try
// parley before they connect a model. It says that it is a demo, and never
// repeats its input.
package demo

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Model is the id of its only model.
const Model = "demo"

// maxBody is the most bytes of a request to read.
const maxBody = 4 << 20

//go:embed first.md
var first string

//go:embed next.md
var next string

// Pace is how fast answers come.
type Pace struct {
	First time.Duration // before the first word
	Word  time.Duration // between words, on average
}

// Handler answers POST /v1/chat/completions, GET /v1/models and GET
// /v1/models/{id}.
type Handler struct {
	mux  *http.ServeMux
	pace Pace
}

// New makes a handler that is as fast as a medium-sized model: the first word
// after 0.4 s, then about thirty words a second.
func New() *Handler {
	return NewPaced(Pace{First: 400 * time.Millisecond, Word: 33 * time.Millisecond})
}

// NewPaced is New with another pace; the zero Pace answers immediately.
func NewPaced(p Pace) *Handler {
	h := &Handler{mux: http.NewServeMux(), pace: p}
	h.mux.HandleFunc("POST /v1/chat/completions", h.complete)
	h.mux.HandleFunc("GET /v1/models", h.models)
	h.mux.HandleFunc("GET /v1/models/{id...}", h.model)
	h.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusNotFound, "The demo model answers POST /v1/chat/completions and GET /v1/models.")
	})
	return h
}

// ServeHTTP serves one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

func (h *Handler) models(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]any{"object": "list", "data": []any{described()}})
}

func (h *Handler) model(w http.ResponseWriter, r *http.Request) {
	if id := r.PathValue("id"); id != Model {
		unknown(w, id)
		return
	}
	reply(w, http.StatusOK, described())
}

// made is when the demo's text was written.
var made = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC).Unix()

func described() map[string]any {
	return map[string]any{"id": Model, "object": "model", "created": made, "owned_by": "parley", "max_model_len": 8192}
}

func unknown(w http.ResponseWriter, id string) {
	reply(w, http.StatusNotFound, map[string]any{"error": map[string]any{
		"message": fmt.Sprintf("The model %q does not exist here; the only one is %q.", id[:min(len(id), 100)], Model),
		"type":    "invalid_request_error", "param": "model", "code": "model_not_found",
	}})
}

// request is the part of a chat completion request that the demo uses.
type request struct {
	Model    *string `json:"model"`
	Messages []struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	} `json:"messages"`
	Stream        bool `json:"stream"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	MaxTokens           int `json:"max_tokens"`
	MaxCompletionTokens int `json:"max_completion_tokens"`
}

func (h *Handler) complete(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		fail(w, http.StatusRequestEntityTooLarge, "The request is too large for the demo model.")
		return
	}
	var req request
	if err := json.Unmarshal(body, &req); err != nil || len(req.Messages) == 0 {
		fail(w, http.StatusBadRequest, "This is no chat-completions request.")
		return
	}
	if req.Model != nil && *req.Model != Model {
		unknown(w, *req.Model)
		return
	}
	a := req.answer()
	if req.Stream {
		h.stream(w, r, a, req.StreamOptions.IncludeUsage)
		return
	}
	if !wait(r.Context(), h.pace.First) {
		return
	}
	reply(w, http.StatusOK, map[string]any{
		"id": "demo", "object": "chat.completion", "created": time.Now().Unix(), "model": Model,
		"choices": []any{map[string]any{"index": 0, "message": map[string]any{"role": "assistant", "content": strings.Join(a.words, "")}, "finish_reason": a.finish}},
		"usage":   a.usage(),
	})
}

// answer is the answer to one request.
type answer struct {
	words  []string
	finish string
	prompt int // tokens, by rule of thumb
}

// answer chooses the text: the tour for a first question, something short for
// later ones.
func (r request) answer() answer {
	questions, size := 0, 0
	for _, m := range r.Messages {
		size += len(m.Content)
		if m.Role == "user" {
			questions++
		}
	}
	text := first
	if questions > 1 {
		text = strings.ReplaceAll(next, "COUNT", strconv.Itoa(questions))
	}
	a := answer{words: split(strings.TrimSpace(text)), finish: "stop", prompt: 1 + size/4}
	if limit := max(r.MaxTokens, r.MaxCompletionTokens); limit > 0 && limit < len(a.words) {
		a.words, a.finish = a.words[:limit], "length"
	}
	return a
}

func (a answer) usage() map[string]any {
	return map[string]any{"prompt_tokens": a.prompt, "completion_tokens": len(a.words), "total_tokens": a.prompt + len(a.words)}
}

func (h *Handler) stream(w http.ResponseWriter, r *http.Request, a answer, usage bool) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w).Flush
	created := time.Now().Unix()
	send := func(chunk map[string]any) bool {
		chunk["id"], chunk["object"], chunk["created"], chunk["model"] = "demo", "chat.completion.chunk", created, Model
		data, err := json.Marshal(chunk)
		if err != nil {
			return false
		}
		_, err = w.Write([]byte("data: " + string(data) + "\n\n"))
		return err == nil && flush() == nil
	}
	choice := func(delta map[string]any, finish any) map[string]any {
		return map[string]any{"choices": []any{map[string]any{"index": 0, "delta": delta, "finish_reason": finish}}}
	}
	if flush() != nil || !wait(r.Context(), h.pace.First) || !send(choice(map[string]any{"role": "assistant", "content": ""}, nil)) {
		return
	}
	for i, word := range a.words {
		if i > 0 && !wait(r.Context(), h.beat()) {
			return
		}
		if !send(choice(map[string]any{"content": word}, nil)) {
			return
		}
	}
	if !send(choice(map[string]any{}, a.finish)) {
		return
	}
	if usage && !send(map[string]any{"choices": []any{}, "usage": a.usage()}) {
		return
	}
	_, _ = w.Write([]byte("data: [DONE]\n\n"))
}

// beat is the time to the next word, with some variation.
func (h *Handler) beat() time.Duration {
	if h.pace.Word <= 0 {
		return 0
	}
	return h.pace.Word/2 + rand.N(h.pace.Word)
}

func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// split cuts text into words, each with its trailing white space.
func split(text string) []string {
	var out []string
	start, inSpace := 0, false
	for i, r := range text {
		space := unicode.IsSpace(r)
		if inSpace && !space {
			out = append(out, text[start:i])
			start = i
		}
		inSpace = space
	}
	return append(out, text[start:])
}

func fail(w http.ResponseWriter, status int, message string) {
	reply(w, status, map[string]any{"error": map[string]any{"message": message, "type": "invalid_request_error", "param": nil, "code": nil}})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
