// The models an endpoint says it has.

package completion

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"parley/internal/provider"
)

const (
	modelsTimeout = 15 * time.Second
	maxModelsBody = 8 << 20
)

// Models asks p's endpoint which models it has: GET …/models beside the
// chat-completions path. MaxInput is filled in where the server tells it. The
// order is the endpoint's. The error is an *Error; KindNotFound says that the
// endpoint lists none.
func (c *Client) Models(ctx context.Context, p provider.Provider) ([]provider.Model, error) {
	ctx, cancel := context.WithTimeout(ctx, modelsTimeout)
	defer cancel()
	list, err := c.models(ctx, p)
	if err != nil {
		call := &call{c: c, p: p, clean: newCleaner(p, Request{})}
		return nil, call.complete(ctx, err)
	}
	return list, nil
}

func (c *Client) models(ctx context.Context, p provider.Provider) ([]provider.Model, error) {
	raw, err := c.get(ctx, p, modelsURL(p.Endpoint))
	if err != nil {
		return nil, err
	}
	list, ok := readModels(raw)
	if !ok {
		return nil, &Error{Kind: KindProtocol, Text: string(raw[:min(len(raw), 2000)]), Err: errors.New("the list of models cannot be read")}
	}
	return list, nil
}

// modelsURL is the URL of the model list that belongs to a chat-completions
// endpoint; its query stays, as Azure needs it.
func modelsURL(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	path := strings.TrimSuffix(u.Path, "/")
	path, isChat := strings.CutSuffix(path, "/chat/completions")
	if !isChat {
		path = strings.TrimSuffix(path, "/completions")
	}
	if i := strings.Index(path, "/openai/deployments/"); i >= 0 { // Azure: the list is the resource's
		path = path[:i] + "/openai"
	}
	u.Path, u.RawPath = path+"/models", ""
	return u.String()
}

// get fetches a small document beside the endpoint with its key and headers.
func (c *Client) get(ctx context.Context, p provider.Provider, target string) ([]byte, error) {
	raw, _, err := c.getWithHeader(ctx, p, target)
	return raw, err
}

func (c *Client) getWithHeader(ctx context.Context, p provider.Provider, target string) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, nil, &Error{Kind: KindConnect, Err: errors.New("the endpoint is no valid URL")}
	}
	req.Header.Set("Accept", "application/json")
	setHeaders(req, p)
	client, err := c.transports.client(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, timedOut(ctx, connectError(ctx, err))
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, nil, errorFromResponse(resp, resp.Body)
	}
	plain, err := unpacked(resp.Body, resp.Header.Get("Content-Encoding"))
	if err != nil {
		return nil, nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(plain, maxModelsBody))
	if err != nil {
		return nil, nil, timedOut(ctx, becauseOf(ctx, &Error{Kind: KindTruncated, Err: err}))
	}
	if page := strings.TrimSpace(string(raw[:min(len(raw), 200)])); strings.HasPrefix(page, "<") {
		return nil, nil, &Error{Kind: KindProtocol, Text: pageText(raw), Page: true, Err: errors.New("the answer is a web page")}
	}
	return raw, resp.Header, nil
}

// timedOut tells a time limit of parley's own from a caller who left.
func timedOut(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &Error{Kind: KindSilence, Err: errSilence}
	}
	return err
}

// listed is one model as any service lists it.
type listed struct {
	ID            string `json:"id"`
	Name          string `json:"name"`
	Type          string `json:"type"`
	MaxModelLen   int    `json:"max_model_len"`      // vLLM
	ContextLength int    `json:"context_length"`     // OpenRouter, Together
	ContextWindow int    `json:"context_window"`     // Groq
	MaxContext    int    `json:"max_context_length"` // LM Studio, Mistral
	InputLimit    int    `json:"inputTokenLimit"`    // Gemini's own list
	MaxInput      int    `json:"max_input_tokens"`   // LiteLLM, Anthropic
	Meta          struct {
		Context int `json:"n_ctx"` // llama.cpp
		Trained int `json:"n_ctx_train"`
	} `json:"meta"`
	Architecture struct {
		Input []string `json:"input_modalities"` // OpenRouter
	} `json:"architecture"`
	Pricing struct {
		Prompt     json.Number `json:"prompt"` // OpenRouter: USD per token
		Completion json.Number `json:"completion"`
	} `json:"pricing"`
}

// readModels reads a list of models in any of its forms: {"data": […]},
// {"models": […]}, a bare list; objects or strings.
func readModels(raw []byte) ([]provider.Model, bool) {
	var entries []json.RawMessage
	if json.Unmarshal(raw, &entries) != nil {
		var wrapped map[string]json.RawMessage
		if json.Unmarshal(raw, &wrapped) != nil {
			return nil, false
		}
		found := false
		for _, key := range []string{"data", "models", "result"} {
			if value, ok := wrapped[key]; ok && (string(value) == "null" || json.Unmarshal(value, &entries) == nil) {
				found = true
				break
			}
		}
		if !found {
			return nil, false
		}
	}
	var out []provider.Model
	for _, e := range entries {
		if m, ok := readModel(e); ok && len(out) < provider.MaxModels && !slices.ContainsFunc(out, func(o provider.Model) bool { return o.ID == m.ID }) {
			out = append(out, m)
		}
	}
	return out, true
}

func readModel(raw json.RawMessage) (provider.Model, bool) {
	var id string
	if json.Unmarshal(raw, &id) == nil {
		return provider.Model{ID: id, Name: id}, id != ""
	}
	l := lenient(raw)
	if l.ID == "" {
		l.ID = strings.TrimPrefix(l.Name, "models/")
	}
	l.ID = strings.TrimPrefix(l.ID, "models/") // Gemini lists what it does not take
	if l.ID == "" || l.Type == "embedding" || l.Type == "embeddings" {
		return provider.Model{}, false
	}
	m := provider.Model{ID: l.ID, Name: l.Name, Vision: slices.Contains(l.Architecture.Input, "image")}
	if m.Name == "" || strings.HasPrefix(m.Name, "models/") {
		m.Name = m.ID
	}
	for _, n := range []int{l.MaxModelLen, l.Meta.Context, l.ContextLength, l.ContextWindow, l.MaxContext, l.MaxInput, l.InputLimit, l.Meta.Trained} {
		if n > 0 && m.MaxInput == 0 {
			m.MaxInput = n
		}
	}
	in, errIn := l.Pricing.Prompt.Float64()
	out, errOut := l.Pricing.Completion.Float64()
	if errIn == nil && errOut == nil && in >= 0 && out >= 0 && in+out > 0 {
		m.Pricing = &provider.Pricing{Input: in * 1e6, Output: out * 1e6}
	}
	return m, true
}

// lenient decodes what of an entry has the expected types: one odd field must
// not hide a model.
func lenient(raw json.RawMessage) listed {
	var l listed
	if json.Unmarshal(raw, &l) == nil {
		return l
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return listed{}
	}
	l = listed{}
	for name, value := range fields {
		one, err := json.Marshal(map[string]json.RawMessage{name: value})
		if err != nil {
			continue
		}
		before := l
		if json.Unmarshal(one, &l) != nil {
			l = before
		}
	}
	return l
}
