package completion

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley/internal/provider"
	"parley/internal/secret"
)

func TestErrorsOfEveryServiceGetTheirKind(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		kind   Kind
		field  string
		text   string
	}{
		{400, `{"error":{"message":"This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`, KindContext, "messages", "This model's maximum"},
		{400, `{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":4096}}`, KindContext, "", "the request exceeds"},
		{422, "{\"error\":\"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000\",\"error_type\":\"validation\"}", KindContext, "", "Input validation"},
		{400, `{"error":{"message":"prompt is too long: 210000 tokens > 200000 maximum","type":"invalid_request_error"}}`, KindContext, "", "prompt is too long"},
		{413, `{"error":{"message":"Request too large"}}`, KindContext, "", "Request too large"},
		{429, `{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}`, KindRateLimit, "", "Rate limit"},
		{429, `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}`, KindQuota, "", "You exceeded"},
		{402, `{"error":{"message":"Insufficient Balance"}}`, KindQuota, "", "Insufficient Balance"},
		{400, `{"error":{"message":"Your credit balance is too low to access the API."}}`, KindQuota, "", "Your credit"},
		{401, `{"error":{"message":"Authentication Fails","type":"authentication_error","code":"invalid_request_error"}}`, KindAuth, "", "Authentication Fails"},
		{403, `{"error":"no"}`, KindAuth, "", "no"},
		{400, `[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]`, KindAuth, "", "API key not valid"},
		{404, `{"error":{"message":"The model 'x' does not exist","code":"model_not_found"}}`, KindModel, "", "The model"},
		{404, `{"error":{"message":"model \"x\" not found, try pulling it first","type":"api_error"}}`, KindModel, "", "model \"x\""},
		{400, `{"error":{"message":"x is not a valid model ID","code":400}}`, KindModel, "", "x is not"},
		{404, `404 page not found`, KindNotFound, "", "404 page"},
		{404, `{"detail":"Not Found"}`, KindNotFound, "", "Not Found"},
		{405, `Method Not Allowed`, KindNotFound, "", "Method"},
		{503, `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`, KindOverloaded, "", "Loading model"},
		{529, `{"error":{"type":"overloaded_error","message":"Overloaded"}}`, KindOverloaded, "", "Overloaded"},
		{502, `<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>`, KindServer, "", "502 Bad Gateway"},
		{500, ``, KindServer, "", "Internal Server Error"},
		{504, `upstream timeout`, KindServer, "", "upstream timeout"},
		{422, `{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"msg":"Extra inputs are not permitted","input":{"include_usage":true}}]},"type":"invalid_request_error"}`, KindBadRequest, "stream_options", "stream_options: Extra inputs"},
		{422, `{"object":"error","message":"{\"detail\":[{\"type\":\"extra_forbidden\",\"loc\":[\"body\",\"frequency_penalty\"],\"msg\":\"Extra inputs are not permitted\"}]}"}`, KindBadRequest, "frequency_penalty", "frequency_penalty: Extra"},
		{422, `{"detail":[{"loc":["body","top_p"],"msg":"must be less than 1","type":"value_error"}]}`, KindBadRequest, "top_p", "top_p: must be"},
		{400, `{"error":{"message":"blocked","code":"content_filter"}}`, KindFilter, "", "blocked"},
		{400, `{"error":{"message":"bad","innererror":{"code":"ResponsibleAIPolicyViolation"}}}`, KindFilter, "", "bad"},
		{200, `{"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"upstream is rate-limited"}}}`, KindRateLimit, "", "Provider returned error: upstream"},
		{0, `{"error":{"message":"Overloaded","type":"overloaded_error"}}`, KindOverloaded, "", "Overloaded"},
		{0, `{"success":false,"errors":[{"code":1,"message":"a"},{"code":2,"message":"b"}]}`, KindUnknown, "", "a; b"},
	} {
		e := errorFromBody(c.status, []byte(c.body))
		if e.Kind != c.kind || e.Field != c.field || !strings.HasPrefix(e.Text, c.text) {
			t.Errorf("%d %s:\n got %s, field %q, %q\nwant %s, field %q, %q", c.status, c.body, e.Kind, e.Field, e.Text, c.kind, c.field, c.text)
		}
	}
}

func TestEveryKindHasItsSentence(t *testing.T) {
	for _, k := range []Kind{KindConnect, KindTLS, KindBlocked, KindAuth, KindNotFound, KindModel, KindBadRequest, KindContext, KindFilter, KindRateLimit, KindQuota,
		KindOverloaded, KindServer, KindSilence, KindTruncated, KindProtocol, KindCanceled, KindUnknown} {
		for _, text := range []string{"", "it broke!", "Some text."} {
			e := &Error{Kind: k, Provider: "corp", Model: "gpt-4o", Status: 500, Text: text, RetryAfter: 90 * time.Second, Err: io.ErrUnexpectedEOF}
			s := e.Sentence()
			checkSentence(t, s)
			if !strings.Contains(s, "corp/gpt-4o") {
				t.Errorf("%s does not name the model: %s", k, s)
			}
			if !errors.Is(e, io.ErrUnexpectedEOF) || !strings.Contains(e.Error(), string(k)) {
				t.Errorf("log text: %s", e.Error())
			}
		}
	}
	never := &Error{Kind: KindBlocked, Provider: "x", Err: &provider.BlockedError{Class: "link-local", Never: true}}
	if s := never.Sentence(); !strings.Contains(s, "PROVIDER_NETWORKS") || !strings.Contains(s, "x was not asked") {
		t.Error(s)
	}
	if s := (&Error{Kind: KindUnknown}).Sentence(); !strings.HasPrefix(s, "The model could not") {
		t.Error(s)
	}
}

func TestWhatHelpsByWaiting(t *testing.T) {
	for kind, want := range map[Kind]bool{ // the same endpoint again
		KindConnect: true, KindRateLimit: true, KindOverloaded: true, KindServer: true, KindTruncated: true,
		KindAuth: false, KindModel: false, KindNotFound: false, KindQuota: false, KindBlocked: false, KindTLS: false,
		KindProtocol: false, KindProxy: false, KindSilence: false, KindBadRequest: false, KindUnknown: false,
		KindContext: false, KindFilter: false, KindCanceled: false,
	} {
		if e := (&Error{Kind: kind}); e.again() != want {
			t.Errorf("%s: again %v, want %v", kind, e.again(), want)
		}
	}
}

func TestRetryAfterInEveryForm(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"7": 7 * time.Second, "0": 0, "1.5": 1500 * time.Millisecond, " 3 ": 3 * time.Second, "-4": 0, "soon": 0, "": 0, "1e99": 0,
		"Sat, 21 Nov 2026 12:00:30 GMT": 30 * time.Second, "Sat, 21 Nov 2026 11:00:00 GMT": 0,
	} {
		h := http.Header{}
		h.Set("Retry-After", value)
		if got := retryAfter(h, now); got != want {
			t.Errorf("Retry-After: %s gave %s, want %s", value, got, want)
		}
	}
	if got := retryAfter(http.Header{"Retry-After-Ms": {"250"}, "Retry-After": {"9"}}, now); got != 250*time.Millisecond {
		t.Errorf("milliseconds: %s", got)
	}
}

func TestAWaitInWordsIsRead(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"Rate limit reached. Please try again in 7.66s. Visit …": 7660 * time.Millisecond, "Please retry in 250ms": 250 * time.Millisecond,
		"try again in 2 minutes": 2 * time.Minute, "Try again in 30 seconds.": 30 * time.Second, "try again later": 0, "retry after 20 s": 20 * time.Second, "try again in 1m": time.Minute,
	} {
		if got := retryIn(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestTheWaitBeforeARetryIsBounded(t *testing.T) {
	for _, c := range []struct {
		retry    Retry
		e        *Error
		tries    int
		again    bool
		min, max time.Duration
	}{
		{Retry{}, &Error{Kind: KindServer, Status: 500}, 0, true, 250 * time.Millisecond, 500 * time.Millisecond},
		{Retry{}, &Error{Kind: KindServer, Status: 500}, 3, true, 2 * time.Second, 4 * time.Second},
		{Retry{}, &Error{Kind: KindServer, Status: 500}, 4, false, 0, 0},
		{Retry{Max: 99}, &Error{Kind: KindServer, Status: 500}, 60, true, defaultWait, defaultWait},
		{Retry{}, &Error{Kind: KindRateLimit, RetryAfter: 7 * time.Second}, 0, true, 7 * time.Second, 7 * time.Second},
		{Retry{}, &Error{Kind: KindRateLimit, RetryAfter: time.Minute}, 0, false, 0, 0},
		{BeforeFallback(), &Error{Kind: KindServer, Status: 500}, 0, true, 250 * time.Millisecond, 2 * time.Second},
		{BeforeFallback(), &Error{Kind: KindServer, Status: 500}, 1, false, 0, 0},
		{BeforeFallback(), &Error{Kind: KindRateLimit, RetryAfter: 3 * time.Second}, 0, false, 0, 0},
		{Retry{Max: -1}, &Error{Kind: KindServer, Status: 500}, 0, false, 0, 0},
		{Retry{}, &Error{Kind: KindServer, Status: 501}, 0, false, 0, 0},
		{Retry{}, &Error{Kind: KindServer}, 0, true, 250 * time.Millisecond, 500 * time.Millisecond},
	} {
		one := &call{r: Request{Retry: c.retry}}
		wait, again := one.backoff(c.e, c.tries)
		if again != c.again || wait < c.min || wait > c.max {
			t.Errorf("%+v, %+v after %d: %s, %v", c.retry, c.e, c.tries, wait, again)
		}
	}
}

func TestEndpointTextLosesKeysAndEchoes(t *testing.T) {
	p := provider.Provider{APIKey: secret.New("corp-key-31415"), ExtraHeaders: map[string]secret.Text{"X-A": secret.New("Basic dXNlcjpwYXNz")}}
	c := newCleaner(p, Request{Messages: []Message{
		Text("system", "You are the oracle of Initech."),
		Text("user", "Is \"Project Zebra\" delayed?\nAsk för Märta 🎉 about ticket4711."),
		Text("user", "hunter"),
	}})
	for in, want := range map[string]string{
		"plain words stay":                                       "plain words stay",
		"bad key corp-key-31415":                                 "bad key [redacted]",
		"header dXNlcjpwYXNz refused":                            "header [redacted] refused",
		"Incorrect API key provided: sk-proj-********abcd.":      "Incorrect API key provided: [redacted]",
		"got Bearer abcdef123456":                                "got [redacted]",
		"no field api_version or key-value":                      "no field api_version or key-value",
		`cannot parse 'Is "Project Zebra" delayed?'`:             "cannot parse '[…]'",
		`echo: "Is \"Project Zebra\" delayed?\nAsk för Märta 🎉"`: `echo: "[…]"`,
		"…he oracle of Init":                                     "…[…]",
		"unknown token ticket4711 in input":                      "unknown token[…] in input",
		"token hunter is not hunters":                            "token […] is not hunters",
		"Ask för Märta 🎉 about ticke":                            "[…]",
		"a\nb\tc\x00d":                                           "a b c d",
		"invalid \xff byte":                                      "invalid \ufffd byte",
	} {
		if got := c.text(in); got != want {
			t.Errorf("%q:\n got %q\nwant %q", in, got, want)
		}
	}
	if got := c.text(strings.Repeat("é ", 5000)); len([]rune(got)) > 300 {
		t.Errorf("%d characters", len([]rune(got)))
	}
	long := newCleaner(provider.Provider{}, Request{Messages: []Message{Text("user", strings.Repeat("a", 1<<20))}})
	start := time.Now()
	if got := long.text(strings.Repeat("a", 4000)); got != "[…]" || time.Since(start) > time.Minute {
		t.Errorf("%q after %s", got, time.Since(start))
	}
}

func TestLessonsFromRefusals(t *testing.T) {
	sent := map[string]any{"model": "m", "messages": nil, "stream": true, "stream_options": map[string]any{}, "temperature": 1.5, "top_p": 1.0, "max_tokens": 5000,
		"presence_penalty": 0.5, "frequency_penalty": 0.5, "stop": []string{"x"}, "reasoning_effort": "low", "response_format": map[string]any{}, "seed": 7}
	for text, want := range map[string]string{
		"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.": "max_tokens as max_completion_tokens",
		"'max_tokens' is not supported": "max_tokens as max_completion_tokens",
		"Unsupported value: 'temperature' does not support 1.5 with this model. Only the default (1) value is supported.": "without temperature",
		"temperature: range: 0..1": "temperature at most 1",
		"Invalid 'temperature': decimal above maximum value. Expected a value <= 1, but got 1.5 instead.": "temperature at most 1",
		"Input validation error: `top_p` must be > 0.0 and < 1.0":                                         "top_p at most 0.99",
		"max_tokens must be less than or equal to 4096":                                                   "max_tokens at most 4096",
		"temperature is deprecated for this model.":                                                       "without temperature",
		"Argument not supported on this model: presencePenalty":                                           "without presence_penalty",
		"Model grok-4 does not support parameter reasoningEffort.":                                        "without reasoning_effort",
		`"llama3.2" does not support thinking`:                                                            "without reasoning_effort",
		`Unknown name "frequency_penalty": Cannot find field.`:                                            "without frequency_penalty",
		"o1 does not support parameters: ['presence_penalty', 'frequency_penalty']":                       "without frequency_penalty; without presence_penalty",
		"stream_options is only allowed when stream is enabled":                                           "without stream_options",
		"'response_format' does not support streaming":                                                    "without response_format",
		"Streaming is not supported for this model":                                                       "without stream",
		"Unrecognized request argument supplied: seed":                                                    "without seed",
		"Argument not supported on this model: stop":                                                      "without stop",
		"please stop sending nonsense":                                                                    "",
		"the request is bad":                                                                              "",
		"model is required":                                                                               "",
		"messages: too many":                                                                              "",
	} {
		e := &Error{Kind: KindBadRequest, Status: 400, raw: text}
		got := learn(e, sent, func(string) bool { return false })
		parts := strings.SplitSeq(want, "; ")
		for p := range parts {
			if !strings.Contains(got.String(), p) {
				t.Errorf("%s\n got %q\nwant %q", text, got, want)
			}
		}
		if (want == "") != got.IsZero() || len(got.String()) != len(want) {
			t.Errorf("%s\n got %q\nwant %q", text, got, want)
		}
	}
	byParam := &Error{Kind: KindBadRequest, Status: 422, Field: "stop.0", raw: "Extra inputs are not permitted: max_tokens"}
	if got := learn(byParam, sent, func(string) bool { return false }).String(); got != "without stop" {
		t.Errorf("the field in param decides: %q", got)
	}
	for _, e := range []*Error{{Kind: KindBadRequest, Status: 500, raw: "temperature"}, {Kind: KindContext, Status: 400, raw: "max_tokens"}, {Kind: KindAuth, Status: 401, raw: "stop"}} {
		if got := learn(e, sent, func(string) bool { return false }); !got.IsZero() {
			t.Errorf("%+v taught %q", e, got)
		}
	}
	if got := learn(&Error{Kind: KindBadRequest, Status: 400, raw: "'seed' is unknown"}, sent, func(f string) bool { return f == "seed" }); !got.IsZero() {
		t.Errorf("a field of addParams must stay: %q", got)
	}
}

// Only a header value that is long enough to be a key is cut out of sentences.
func TestShortHeaderValuesAreWords(t *testing.T) {
	c := newCleaner(provider.Provider{ExtraHeaders: map[string]secret.Text{"X-Team": secret.New("openai"), "X-Key": secret.New("abcdefgh")}}, Request{})
	if got := c.text("openai says abcdefgh"); got != "openai says [redacted]" {
		t.Errorf("got %q", got)
	}
}

// A 404 of OpenAI's shape that speaks of a model is about the model; one of a
// path is not.
func TestA404OfAModel(t *testing.T) {
	for body, want := range map[string]Kind{
		`{"error":{"message":"The requested model 'x' could not be served","type":"invalid_request_error"}}`: KindModel,
		`{"error":{"message":"model \"x\" unavailable","code":404}}`:                                         KindModel,
		`{"error":{"message":"Invalid URL (POST /v1/models)","type":"invalid_request_error"}}`:               KindNotFound,
		`{"error":{"message":"Not Found"}}`:                                                                  KindNotFound,
		`{"detail":"Not Found"}`:                                                                             KindNotFound,
		`<title>models</title>`:                                                                              KindNotFound,
	} {
		if e := errorFromBody(404, []byte(body)); e.Kind != want {
			t.Errorf("%s is %s, want %s", body, e.Kind, want)
		}
	}
	if e := errorFromBody(503, []byte(`{"error":{"message":"No available channel for model x under group default"}}`)); e.Kind != KindModel {
		t.Errorf("a gateway's 503 is %s", e.Kind)
	}
}
