// How each service behaves on the wire, as data: one row per service. Sources:
// the services' documentation and server code; what was seen on a running
// server says so.

package openai

import (
	"fmt"
	"slices"
	"strings"
)

// Profile is one service's behaviour.
type Profile struct {
	Name        string
	Path        string                // of chat completions
	KeyHeader   string                // header that carries the key; empty: Authorization: Bearer
	Opening     []string              // events before the first delta
	Comments    []string              // comment lines before the first event
	AfterFinish []string              // events after the finish reason
	Tight       bool                  // "data:" without a space
	CRLF        bool                  // lines end in CR LF
	RoleAlways  bool                  // every delta carries the role
	NoIndex     bool                  // choices without index and finish_reason
	NoFinish    bool                  // never a finish reason
	NoDone      bool                  // never [DONE]
	ASCII       bool                  // JSON strings are ASCII with escapes
	LateHeaders bool                  // no header before the first token
	Reasoning   string                // field of the reasoning; empty: reasoning_content
	Stop        string                // finish reason in place of "stop"
	Usage       string                // "": an event of its own on request; "inline": with the finish; "x_groq"; "none"
	StreamError string                // exact bytes of an error inside the stream; MESSAGE stands for the quoted text
	Errors      errorShape            // errors before the stream
	Refuses     map[string]string     // fields refused, and the one recommended instead
	RefuseText  map[string]string     // the exact message for a refused field
	Ranges      map[string][2]float64 // numbers outside are refused
	RangeText   string                // format of that refusal: field, low, high
	Waiting     string                // comment sent while one waits
	Lead        string                // bytes before a whole answer
	OwnedBy     string                // of the models listed
	AnyModel    bool                  // the model's name is ignored
	NoModels    bool                  // no list of models
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
	return fmt.Sprintf(p.rangeText(), field, r[0], r[1])
}

func (p *Profile) rangeText() string {
	if p.RangeText == "" {
		return "`%s` must be between %g and %g"
	}
	return p.RangeText
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

	nestedCodeError = `data: {"error":{"code":500,"message":MESSAGE,"type":"server_error"}}` + "\n\n"
)

func chunkOf(choice string) string {
	return `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[` + choice + "]}\n\n"
}

// Profiles returns every service's row.
func Profiles() []Profile {
	const v1 = "/v1/chat/completions"
	return []Profile{
		// Servers teams run themselves.
		{Name: "llamacpp", Path: v1, Opening: []string{roleNull}, LateHeaders: true, AnyModel: true, OwnedBy: "llamacpp",
			ModelFields: map[string]any{"meta": map[string]any{"n_ctx": 8192, "n_ctx_train": 131072}},
			StreamError: nestedCodeError, Errors: codedError},
		{Name: "ollama", Path: v1, RoleAlways: true, Reasoning: "reasoning", OwnedBy: "library",
			Refuses: map[string]string{"reasoning_effort": ""}, RefuseText: map[string]string{"reasoning_effort": `"m" does not support thinking`},
			StreamError: chunkOf(`{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}`), Errors: ollamaError},
		{Name: "vllm", Path: v1, Opening: []string{roleEmpty}, Reasoning: "reasoning", OwnedBy: "vllm", ModelFields: map[string]any{"max_model_len": 32768},
			StreamError: nestedCodeError + doneLine, Errors: codedError},
		{Name: "vllm-old", Path: v1, Opening: []string{roleEmpty}, OwnedBy: "vllm", ModelFields: map[string]any{"max_model_len": 32768},
			StreamError: `data: {"object":"error","message":MESSAGE,"type":"InternalServerError","param":null,"code":500}` + "\n\n" + doneLine, Errors: flatError},
		{Name: "tgi", Path: v1, Tight: true, RoleAlways: true, Comments: []string{":"}, Waiting: ":\n\n", Stop: "stop_sequence",
			Ranges: map[string][2]float64{"top_p": {0.001, 0.999}, "temperature": {0.001, 100}}, RangeText: "Input validation error: `%s` must be > %.1f and < %.1f",
			StreamError: `data:{"error":{"message":MESSAGE,"http_status_code":500}}` + "\n\n", Errors: tgiError},
		{Name: "localai", Path: v1, Opening: []string{roleOnly}, StreamError: `data: {"error":{"code":"server_error","message":MESSAGE,"type":"server_error"}}` + "\n\n" + doneLine, Errors: codedError},
		{Name: "litellm", Path: v1, Opening: []string{roleEmpty},
			Refuses: map[string]string{"presence_penalty": ""}, RefuseText: map[string]string{"presence_penalty": "litellm.UnsupportedParamsError: o1 does not support parameters: ['presence_penalty'], for model=m. To drop these, set `litellm.drop_params=True`."},
			StreamError: `data: {"error":{"message":MESSAGE,"type":"None","param":"None","code":"500"}}` + "\n\n", Errors: stringCodeError},
		{Name: "jan", Path: v1, Opening: []string{roleNull}, LateHeaders: true, OwnedBy: "cortex", StreamError: "error: {\"code\":500,\"message\":MESSAGE,\"type\":\"server_error\"}\n\n", Errors: codedError},
		{Name: "lmstudio", Path: v1, Opening: []string{roleEmpty}, OwnedBy: "organization_owner", StreamError: "event: error\ndata: {\"error\":{\"message\":MESSAGE},\"message\":MESSAGE}\n\n", Errors: plainStringError},

		// Hosted services.
		{Name: "cloudflare", Path: "/client/v4/accounts/A/ai/v1/chat/completions", NoIndex: true, NoFinish: true, NoModels: true, Usage: "none",
			StreamError: `data: {"success":false,"errors":[{"code":3040,"message":MESSAGE}]}` + "\n\n", Errors: cloudflareError},
		{Name: "azure", Path: "/openai/deployments/D/chat/completions", KeyHeader: "api-key", NoModels: true, AnyModel: true,
			Opening:     []string{`{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{}}]}`, roleEmpty},
			AfterFinish: []string{`{"id":"","object":"","created":0,"model":"","choices":[{"index":0,"finish_reason":null,"content_filter_results":{},"content_filter_offsets":{"check_offset":44,"start_offset":44,"end_offset":198}}]}`},
			StreamError: plainError, Errors: azureError},
		{Name: "openrouter", Path: "/api/v1/chat/completions", CRLF: true, Comments: []string{": OPENROUTER PROCESSING"}, Waiting: ": OPENROUTER PROCESSING\r\n\r\n", RoleAlways: true, Reasoning: "reasoning",
			ModelFields: map[string]any{"context_length": 128000, "pricing": map[string]any{"prompt": "0.0000025", "completion": "0.00001"}, "architecture": map[string]any{"input_modalities": []string{"text", "image"}}},
			StreamError: `data: {"id":"g","object":"chat.completion.chunk","error":{"code":502,"message":MESSAGE},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}` + "\r\n\r\n", Errors: openrouterError},
		{Name: "deepseek", Path: v1, Opening: []string{roleNull}, Comments: []string{": keep-alive"}, Waiting: ": keep-alive\n\n", Lead: "\n\n\n", Usage: "inline", StreamError: plainError, Errors: nestedError},
		{Name: "groq", Path: "/openai/v1/chat/completions", Opening: []string{roleEmpty}, Usage: "x_groq", Reasoning: "reasoning", ModelFields: map[string]any{"context_window": 131072, "active": true},
			StreamError: "event: error\ndata: {\"error\":{\"message\":MESSAGE,\"type\":\"internal_server_error\",\"status_code\":500}}\n\n", Errors: nestedError},
		{Name: "xai", Path: v1, RoleAlways: true, Refuses: map[string]string{"presence_penalty": "", "frequency_penalty": "", "stop": "", "reasoning_effort": ""},
			RefuseText: map[string]string{"presence_penalty": "Argument not supported on this model: presencePenalty", "frequency_penalty": "Argument not supported on this model: frequencyPenalty",
				"stop": "Argument not supported on this model: stop", "reasoning_effort": "Model m does not support parameter reasoningEffort."},
			StreamError: plainError, Errors: xaiError},
		{Name: "openai", Path: v1, Opening: []string{roleEmpty}, ASCII: true, StreamError: plainError, Errors: nestedError},
		{Name: "openai-reasoning", Path: v1, Opening: []string{roleEmpty}, ASCII: true, StreamError: plainError, Errors: nestedError,
			Refuses: map[string]string{"max_tokens": "max_completion_tokens", "temperature": "", "top_p": "", "presence_penalty": "", "frequency_penalty": "", "stop": ""}},
		{Name: "anthropic", Path: v1, RoleAlways: true, Ranges: map[string][2]float64{"temperature": {0, 1}}, RangeText: "%s: range: %g..%g", StreamError: `data: {"error":{"type":"overloaded_error","message":MESSAGE}}` + "\n\n", Errors: anthropicError},
		{Name: "gemini", Path: "/v1beta/openai/chat/completions", RoleAlways: true, Usage: "inline", Refuses: map[string]string{"frequency_penalty": "", "presence_penalty": ""},
			RefuseText:  map[string]string{"frequency_penalty": `Invalid JSON payload received. Unknown name "frequency_penalty": Cannot find field.`, "presence_penalty": `Invalid JSON payload received. Unknown name "presence_penalty": Cannot find field.`},
			StreamError: `data: [{"error":{"code":500,"message":MESSAGE,"status":"INTERNAL"}}]` + "\n\n", Errors: geminiError},
		{Name: "mistral", Path: v1, Opening: []string{roleEmpty}, Usage: "inline", Refuses: map[string]string{"stream_options": "", "max_completion_tokens": "", "reasoning_effort": ""},
			ModelFields: map[string]any{"max_context_length": 131072, "capabilities": map[string]any{"completion_chat": true}},
			StreamError: plainError, Errors: mistralError},
	}
}
