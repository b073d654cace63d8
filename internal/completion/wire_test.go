package completion

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"parley/internal/provider"
)

// result is what one response came to.
type result struct {
	Text, Reasoning, Finish string
	Usage                   Usage
	Kind                    Kind // empty: a complete answer
	Status                  int
	Error                   string // the endpoint's words
	Deltas                  int
	Retracted               bool
}

// readAll decodes a response as the client does.
func readAll(status int, contentType string, body io.Reader) result {
	var r result
	fail := func(err error) result {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			e = &Error{Kind: "not an *Error: " + Kind(err.Error())}
		}
		r.Kind, r.Status, r.Error = e.Kind, e.Status, newCleaner(provider.Provider{}, Request{}).text(e.Text)
		return r
	}
	if status != 200 {
		raw, _ := io.ReadAll(body)
		return fail(errorFromBody(status, raw))
	}
	d := newDecoder(body, contentType)
	for {
		delta, err := d.next()
		if errors.Is(err, io.EOF) {
			return r
		}
		if err != nil {
			return fail(err)
		}
		if delta == (Delta{}) {
			r.Error = "an empty delta"
			return r
		}
		if delta.Finish != "" && r.Finish == delta.Finish {
			r.Error = "the same finish again"
		}
		r.Deltas++
		if delta.Retract {
			r.Text, r.Retracted = "", true
		}
		r.Text += delta.Text
		r.Reasoning += delta.Reasoning
		if delta.Finish != "" {
			r.Finish = delta.Finish
		}
		if delta.Usage != nil {
			r.Usage = *delta.Usage
		}
	}
}

var usage52 = Usage{PromptTokens: 5, CompletionTokens: 2}

// samples is what every sample of a service's wire means.
var samples = map[string]result{
	"azure_err_404.json":              {Kind: KindModel, Status: 404, Error: "The API deployment for this resource does not exist."},
	"azure_err_content_filter.json":   {Kind: KindFilter, Status: 400, Error: "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."},
	"azure_prompt_filter.sse":         {Text: "Hi", Finish: "stop", Deltas: 2},
	"cloudflare_err.json":             {Kind: KindServer, Status: 500, Error: "Upstream service unavailable"},
	"cloudflare_noindex.sse":          {Text: "Hi!", Deltas: 2},
	"deepseek_keepalive.sse":          {Text: "Hi", Reasoning: "think", Finish: "stop", Usage: usage52, Deltas: 4},
	"fastapi_detail_str.json":         {Kind: KindAuth, Status: 401, Error: "Not authenticated"},
	"groq_xgroq_usage.sse":            {Text: "Hi", Finish: "stop", Usage: usage52, Deltas: 3},
	"html_502.html":                   {Kind: KindServer, Status: 502, Error: "502 Bad Gateway"},
	"litellm_err.json":                {Kind: KindModel, Status: 400, Error: "litellm.BadRequestError: LLM Provider NOT provided"},
	"lmstudio_err_string.json":        {Kind: KindModel, Status: 404, Error: "No models loaded. Please load a model in the developer page or use the `lms load` command."},
	"localai_err_500.json":            {Kind: KindServer, Status: 500, Error: "could not load model"},
	"localai_midstream_error.sse":     {Kind: KindServer, Error: "rpc error"},
	"no_trailing_blank_line.sse":      {Text: "Hi!", Finish: "stop", Deltas: 2},
	"nonstream_answer_to_stream.json": {Text: "Hi", Finish: "stop", Usage: usage52, Deltas: 2},
	"openai_usage.sse":                {Text: "Hi", Finish: "stop", Usage: usage52, Deltas: 3},
	"openrouter_comments_crlf.sse":    {Text: "Hi", Reasoning: "hm", Finish: "stop", Usage: usage52, Deltas: 3},
	"openrouter_err_200_json.json":    {Kind: KindServer, Status: 502, Error: "Provider returned error"},
	"tgi_err_422.json":                {Kind: KindBadRequest, Status: 422, Error: "Input validation error: `top_p` must be > 0.0 and < 1.0"},
	"tgi_nospace_keepalive.sse":       {Text: "Hi!", Finish: "stop", Usage: usage52, Deltas: 3},
	"think_tags.sse":                  {Text: "Hi", Reasoning: "x", Finish: "stop", Deltas: 3},
	"vllm_err_404.json":               {Kind: KindModel, Status: 404, Error: "The model `x` does not exist."},
	"vllm_midstream_error.sse":        {Text: "Hi", Kind: KindServer, Status: 500, Error: "EngineCore died", Deltas: 1},
	"vllm_reasoning.sse":              {Text: "Hi", Reasoning: "think old field", Finish: "stop", Deltas: 4},
}

func TestEverySampleOfTheWireIsUnderstood(t *testing.T) {
	raw, err := os.ReadFile("testdata/wire/index.json")
	if err != nil {
		t.Fatal(err)
	}
	var index []struct {
		File        string `json:"file"`
		Status      int    `json:"status"`
		ContentType string `json:"contentType"`
	}
	if err := json.Unmarshal(raw, &index); err != nil {
		t.Fatal(err)
	}
	if len(index) != len(samples) {
		t.Errorf("%d samples, %d expectations", len(index), len(samples))
	}
	for _, s := range index {
		t.Run(s.File, func(t *testing.T) {
			body, err := os.ReadFile(filepath.Join("testdata/wire", s.File))
			if err != nil {
				t.Fatal(err)
			}
			want, ok := samples[s.File]
			if !ok {
				t.Fatal("no expectation")
			}
			for name, r := range cuts(body) {
				if got := readAll(s.Status, s.ContentType, r); got != want {
					t.Errorf("%s:\n got %+v\nwant %+v", name, got, want)
				}
			}
		})
	}
}

// cuts are readers of the same bytes in different pieces.
func cuts(b []byte) map[string]io.Reader {
	return map[string]io.Reader{
		"whole":    bytes.NewReader(b),
		"one byte": iotest.OneByteReader(bytes.NewReader(b)),
		"halves":   iotest.HalfReader(bytes.NewReader(b)),
		"eof":      iotest.DataErrReader(bytes.NewReader(b)),
		"sevens":   &pieces{b: b, n: 7},
	}
}

type pieces struct {
	b []byte
	n int
}

func (p *pieces) Read(dst []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(dst[:min(len(dst), p.n)], p.b)
	p.b = p.b[n:]
	return n, nil
}

func chunk(delta string) string {
	return `data: {"choices":[{"index":0,"delta":` + delta + `}]}` + "\n\n"
}

const (
	stopChunk = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	done      = "data: [DONE]\n\n"
)

func TestTheWire(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	tooLong := strings.Repeat("x", MaxLine)
	for _, c := range []struct {
		name, body, contentType string
		want                    result
	}{
		// Framing.
		{name: "data without a space", body: `data:{"choices":[{"delta":{"content":"a"}}]}` + "\n\ndata:[DONE]\n\n", want: result{Text: "a", Deltas: 1}},
		{name: "byte-order mark", body: "\ufeff" + chunk(`{"content":"a"}`) + done, want: result{Text: "a", Deltas: 1}},
		{name: "CR LF", body: strings.ReplaceAll(chunk(`{"content":"a"}`)+done, "\n", "\r\n"), want: result{Text: "a", Deltas: 1}},
		{name: "CR alone", body: strings.ReplaceAll(chunk(`{"content":"a"}`)+done, "\n", "\r"), want: result{Text: "a", Deltas: 1}},
		{name: "one newline between events", body: strings.ReplaceAll(chunk(`{"content":"a"}`)+chunk(`{"content":"b"}`)+done, "\n\n", "\n"), want: result{Text: "ab", Deltas: 2}},
		{name: "no newline at the end", body: chunk(`{"content":"a"}`) + "data: [DONE]", want: result{Text: "a", Deltas: 1}},
		{name: "comments, ids and unknown fields", body: ": hi\n\nid: 1\nretry: 10\nfoo: bar\n" + chunk(`{"content":"a"}`) + ":\n\n" + done, want: result{Text: "a", Deltas: 1}},
		{name: "a line of 100 kB", body: chunk(`{"content":"`+long+`"}`) + chunk(`{"content":"b"}`) + done, want: result{Text: long + "b", Deltas: 2}},
		{name: "a line over the cap", body: chunk(`{"content":"a"}`) + chunk(`{"content":"`+tooLong+`"}`) + done, want: result{Text: "a", Deltas: 1, Kind: KindProtocol}},
		{name: "a line at the cap", body: "data: " + strings.Repeat(" ", MaxLine-6-len("[DONE]")) + "[DONE]\n\n"},
		{name: "JSON over several data lines", body: "data: {\"choices\":[{\"delta\":\ndata: {\"content\":\"a\"}}]}\n\n" + done, want: result{Text: "a", Deltas: 1}},
		{name: "two JSON texts in one data line", body: `data: {"choices":[{"delta":{"content":"a"}}]} {"choices":[{"delta":{"content":"b"}}]}` + "\n\n" + done, want: result{Text: "ab", Deltas: 2}},
		{name: "empty data", body: "data:\n\ndata: \n\n" + chunk(`{"content":"a"}`) + done, want: result{Text: "a", Deltas: 1}},
		{name: "what follows [DONE] is ignored", body: chunk(`{"content":"a"}`) + done + chunk(`{"content":"b"}`), want: result{Text: "a", Deltas: 1}},

		// What kind of answer it is.
		{name: "blank lines before JSON", body: "\n\n  \n" + `{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}`, want: result{Text: "a", Finish: "stop", Deltas: 1}},
		{name: "JSON that says event-stream", contentType: "text/event-stream", body: `{"choices":[{"message":{"content":"a"}}]}`, want: result{Text: "a", Deltas: 1}},
		{name: "events that say JSON", contentType: "application/json", body: chunk(`{"content":"a"}`) + done, want: result{Text: "a", Deltas: 1}},
		{name: "JSON over several lines", body: "{\n \"choices\": [\n  {\"message\": {\"content\": \"a\"},\n \"finish_reason\": \"length\"}]\n}\n", want: result{Text: "a", Finish: "length", Deltas: 1}},
		{name: "one JSON text per line", body: `{"choices":[{"delta":{"content":"a"}}]}` + "\n" + `{"choices":[{"delta":{"content":"b"},"finish_reason":"stop"}]}` + "\n", want: result{Text: "ab", Finish: "stop", Deltas: 2}},
		{name: "a web page", contentType: "text/html", body: "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please log in</body></html>", want: result{Kind: KindProtocol, Error: "Sign in"}},
		{name: "a web page after blank lines", body: "\n\n <html><body><p>Hello</p></body></html>", want: result{Kind: KindProtocol, Error: "Hello"}},
		{name: "plain text", contentType: "text/plain", body: "Ollama is running", want: result{Kind: KindProtocol, Error: "Ollama is running"}},
		{name: "JSON of something else", contentType: "application/json", body: `{"hello":"world"}`, want: result{Kind: KindProtocol}},
		{name: "garbage in data", body: "data: hello\n\n", want: result{Kind: KindProtocol, Error: "hello"}},
		{name: "broken JSON in data", body: `data: {"choices":]}` + "\n\n" + done, want: result{Kind: KindProtocol, Error: `{"choices":]}`}},
		{name: "nothing at all", body: "", want: result{Kind: KindTruncated}},

		// Errors.
		{name: "error object", body: chunk(`{"content":"a"}`) + `data: {"error":{"message":"boom","type":"server_error"}}` + "\n\n", want: result{Text: "a", Deltas: 1, Kind: KindServer, Error: "boom"}},
		{name: "error string", body: `data: {"error":"boom"}` + "\n\n", want: result{Kind: KindServer, Error: "boom"}},
		{name: "flat error of old vLLM", body: `data: {"object":"error","message":"boom","code":400}` + "\n\n" + done, want: result{Kind: KindBadRequest, Status: 400, Error: "boom"}},
		{name: "event: error", body: "event: error\ndata: {\"message\":\"boom\"}\n\n", want: result{Kind: KindServer, Error: "boom"}},
		{name: "event: error without data", body: "event: error\n\n" + done, want: result{Kind: KindServer}},
		{name: "event: error at the end", body: chunk(`{"content":"a"}`) + "event: error", want: result{Text: "a", Deltas: 1, Kind: KindServer}},
		{name: "error: line", body: chunk(`{"content":"a"}`) + `error: {"code":500,"message":"boom","type":"server_error"}` + "\n\n", want: result{Text: "a", Deltas: 1, Kind: KindServer, Status: 500, Error: "boom"}},
		{name: "error: line first", body: `error: {"code":500,"message":"boom"}` + "\n", want: result{Kind: KindServer, Status: 500, Error: "boom"}},
		{name: "error object without a field name", body: chunk(`{"content":"a"}`) + `{"error":{"message":"boom"}}` + "\n", want: result{Text: "a", Deltas: 1, Kind: KindServer, Error: "boom"}},
		{name: "finish error", body: chunk(`{"content":"a"}`) + `data: {"choices":[{"delta":{"content":""},"finish_reason":"error"}]}` + "\n\n" + done, want: result{Text: "a", Deltas: 1, Kind: KindServer, Error: `{"choices":[{"delta":{"content":""},"finish_reason":"error"}]}`}},
		{name: "OpenRouter's error and finish", body: `data: {"error":{"code":"rate_limit_exceeded","message":"slow down"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}` + "\n\n" + done, want: result{Kind: KindRateLimit, Error: "slow down"}},
		{name: "Cloudflare's list of errors", body: `{"result":null,"success":false,"errors":[{"code":5007,"message":"No such model"}]}`, want: result{Kind: KindModel, Error: "No such model"}},
		{name: "Gemini's list with an error", body: `[{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED"}}]`, want: result{Kind: KindRateLimit, Status: 429, Error: "quota"}},
		{name: "TGI's status", body: `data:{"error":{"message":"Request failed","http_status_code":424}}` + "\n\n", want: result{Kind: KindServer, Status: 424, Error: "Request failed"}},
		{name: "a null error is none", body: `data: {"error":null,"choices":[{"delta":{"content":"a"}}]}` + "\n\n" + done, want: result{Text: "a", Deltas: 1}},

		// The end.
		{name: "neither finish nor [DONE]", body: chunk(`{"content":"a"}`), want: result{Text: "a", Deltas: 1, Kind: KindTruncated}},
		{name: "cut inside a chunk", body: chunk(`{"content":"a"}`) + `data: {"choices":[{"del`, want: result{Text: "a", Deltas: 1, Kind: KindTruncated}},
		{name: "Ollama swallows an error", body: chunk(`{"role":"assistant","content":""}`), want: result{Kind: KindTruncated}},
		{name: "a finish is enough", body: chunk(`{"content":"a"}`) + stopChunk, want: result{Text: "a", Finish: "stop", Deltas: 2}},
		{name: "[DONE] is enough", body: chunk(`{"content":"a"}`) + done, want: result{Text: "a", Deltas: 1}},
		{name: "a null finish changes nothing", body: chunk(`{"content":"a"}`) + stopChunk + `data: {"choices":[{"index":0,"finish_reason":null,"content_filter_offsets":{}}]}` + "\n\n", want: result{Text: "a", Finish: "stop", Deltas: 2}},
		{name: "a second finish changes nothing", body: chunk(`{"content":"a"}`) + strings.Replace(stopChunk, "stop", "length", 1) + stopChunk, want: result{Text: "a", Finish: "length", Deltas: 2}},
		{name: "JSON cut off", contentType: "application/json", body: `{"choices":[{"message":{"content":"a`, want: result{Kind: KindTruncated}},

		// Shapes of a chunk.
		{name: "no choices", body: `data: {"choices":[]}` + "\n\n" + `data: {"choices":null}` + "\n\n" + `data: {}` + "\n\n" + done},
		{name: "a choice without delta", body: `data: {"choices":[{"index":0}]}` + "\n\n" + `data: {"choices":[{"index":0,"delta":null}]}` + "\n\n" + done},
		{name: "content as parts", body: chunk(`{"content":[{"type":"text","text":"a"},{"type":"image_url","text":"no"},{"text":"b","type":"text"}]}`) + done, want: result{Text: "ab", Deltas: 1}},
		{name: "Mistral's thinking parts", body: chunk(`{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"a"}]}`) + done, want: result{Text: "a", Reasoning: "hm", Deltas: 1}},
		{name: "other choices are not the answer", body: `data: {"choices":[{"delta":{"content":"no"},"finish_reason":"length","index":1},{"index":0,"delta":{"content":"a"}}]}` + "\n\n" + done, want: result{Text: "a", Deltas: 1}},
		{name: "both reasoning fields", body: chunk(`{"reasoning":"hm","reasoning_content":"hm"}`) + done, want: result{Reasoning: "hm", Deltas: 1}},
		{name: "old values do not come again", body: chunk(`{"content":"a"}`) + chunk(`{}`) + chunk(`{"role":"assistant"}`) + `data: {"choices":[{}]}` + "\n\n" + done, want: result{Text: "a", Deltas: 1}},
		{name: "Cloudflare's older answer", body: `data: {"response":"a"}` + "\n\n" + `data: {"response":"b","usage":{"prompt_tokens":5,"completion_tokens":2}}` + "\n\n" + done, want: result{Text: "ab", Usage: usage52, Deltas: 3}},
		{name: "Cloudflare's envelope", body: `{"result":{"response":"a"},"success":true,"errors":[],"messages":[]}`, want: result{Text: "a", Deltas: 1}},
		{name: "usage with cached tokens", body: chunk(`{"content":"a"}`) + `data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4}}}` + "\n\n" + done, want: result{Text: "a", Deltas: 2, Usage: Usage{9, 2, 4}}},
		{name: "usage in every chunk: the last counts", body: `data: {"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":9,"completion_tokens":1}}` + "\n\n" + `data: {"choices":[{"delta":{"content":"b"}}],"usage":{"prompt_tokens":9,"completion_tokens":2}}` + "\n\n" + done, want: result{Text: "ab", Deltas: 3, Usage: Usage{9, 2, 0}}},
		{name: "TGI's finish reasons", body: chunk(`{"content":"a"}`) + strings.Replace(stopChunk, "stop", "eos_token", 1), want: result{Text: "a", Finish: "stop", Deltas: 2}},

		// Characters cut in two.
		{name: "an emoji in two deltas", body: chunk(`{"content":"a\ud83d"}`) + chunk(`{"content":"\ude00b"}`) + done, want: result{Text: "a😀b", Deltas: 2}},
		{name: "an emoji around an empty delta", body: chunk(`{"content":"\ud83d"}`) + chunk(`{"content":""}`) + chunk(`{"content":"\ude00"}`) + done, want: result{Text: "😀", Deltas: 1}},
		{name: "an emoji in one delta", body: chunk(`{"content":"\ud83d\ude00"}`) + done, want: result{Text: "😀", Deltas: 1}},
		{name: "a high surrogate alone", body: chunk(`{"content":"\ud83d"}`) + chunk(`{"content":"b"}`) + done, want: result{Text: "\ufffdb", Deltas: 1}},
		{name: "a high surrogate at the end", body: chunk(`{"content":"a\ud83d"}`) + stopChunk + done, want: result{Text: "a\ufffd", Finish: "stop", Deltas: 3}},
		{name: "a low surrogate alone", body: chunk(`{"content":"\ude00b"}`) + done, want: result{Text: "\ufffdb", Deltas: 1}},
		{name: "raw bytes of a character in two deltas", body: chunk("{\"content\":\"a\xf0\x9f\"}") + chunk("{\"content\":\"\x98\x80b\"}") + done, want: result{Text: "a😀b", Deltas: 2}},
		{name: "an emoji in two deltas of reasoning", body: chunk(`{"reasoning":"\ud83d"}`) + chunk(`{"reasoning":"\ude00"}`) + done, want: result{Reasoning: "😀", Deltas: 1}},
		{name: "escapes", body: chunk(`{"content":"\"\\\/\b\f\n\r\t\u00e9\u0041"}`) + done, want: result{Text: "\"\\/\b\f\n\r\téA", Deltas: 1}},
		{name: "escaped keys and deep values are skipped", body: `data: {"x":` + strings.Repeat("[", 150) + strings.Repeat("]", 150) + `,"choices":[{"delta":{"content":"a"}}]}` + "\n\n" + done, want: result{Text: "a", Deltas: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.contentType == "" {
				c.contentType = "text/event-stream"
				if strings.HasPrefix(strings.TrimSpace(c.body), "{") {
					c.contentType = "application/json"
				}
			}
			for name, r := range cuts([]byte(c.body)) {
				if name == "one byte" && len(c.body) > 1<<20 {
					continue
				}
				if got := readAll(200, c.contentType, r); got != c.want {
					t.Fatalf("%s:\n got %s\nwant %s", name, Clip(fmt.Sprintf("%+v", got), 600), Clip(fmt.Sprintf("%+v", c.want), 600))
				}
			}
		})
	}
}

func TestThinkTagsCutAnywhere(t *testing.T) {
	for _, c := range []struct{ content, text, reasoning string }{
		{"<think>hm</think>\n\nHi", "Hi", "hm"},
		{"\n <think>hm</think>Hi", "Hi", "hm"},
		{"<think></think>Hi", "Hi", ""},
		{"<think>never closed", "", "never closed"},
		{"<think>a</think><think>b</think> Hi", "Hi", "ab"},
		{"  Hi", "  Hi", ""},
		{"\n\n", "\n\n", ""},
		{"a < b <thin> c", "a < b <thin> c", ""},
		{"Hi <think>hm</think> there", "Hi  there", "hm"},
		{"Hi <think>is a tag", "Hi <think>is a tag", ""},
		{"The `<think>` tag, and `</think>`.", "The `<think>` tag, and `</think>`.", ""},
		{"```\n<think>x</think>\n```\nHi", "```\n<think>x</think>\n```\nHi", ""},
		{"``a ` b`` <think>hm</think>Hi", "``a ` b`` Hi", "hm"},
		{"a ` stray\n\n<think>hm</think>Hi", "a ` stray\n\nHi", "hm"},
		{"`x`<think>hm</think>Hi", "`x`Hi", "hm"},
		{"<", "<", ""},
		{"<think", "<think", ""},
		{"<think>a</thin", "", "a</thin"},
		{"é<think>ü</think>ß", "éß", "ü"},
	} {
		for n := 1; n <= len(c.content); n++ {
			var b strings.Builder
			for i := 0; i < len(c.content); i += n {
				piece, _ := json.Marshal(c.content[i:min(i+n, len(c.content))])
				if !json.Valid(piece) || strings.Contains(string(piece), `\ufffd`) {
					piece = []byte(`"` + strings.ReplaceAll(c.content[i:min(i+n, len(c.content))], "\n", `\n`) + `"`)
				}
				b.WriteString(chunk(`{"content":` + string(piece) + `}`))
			}
			got := readAll(200, "text/event-stream", strings.NewReader(b.String()+done))
			if got.Text != c.text || got.Reasoning != c.reasoning {
				t.Errorf("%q in pieces of %d: text %q, reasoning %q", c.content, n, got.Text, got.Reasoning)
				break
			}
		}
	}
}

func TestATruncatedStreamIsUnexpectedEOF(t *testing.T) {
	d := newDecoder(io.MultiReader(strings.NewReader(chunk(`{"content":"a"}`)), iotest.ErrReader(errors.New("connection reset"))), "text/event-stream")
	var err error
	for err == nil {
		_, err = d.next()
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != KindTruncated || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}
