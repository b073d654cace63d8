package console_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"parley/adapters/discord"
	"parley/adapters/playground"
	"parley/adapters/slack"
	"parley/bots"
	"parley/internal/audit/audittest"
	"parley/internal/chat"
	"parley/internal/console"
	"parley/internal/door/doortest"
	"parley/internal/provider"
	"parley/internal/registry"
	"parley/internal/secret"
)

const (
	token     = "admin-token-0123456789"
	apiKey    = "sk-very-secret-value"
	headerKey = "corp-header-secret"
)

// bench is an API over a real registry.
type bench struct {
	t        *testing.T
	redis    *miniredis.Miniredis
	client   *redis.Client
	registry *registry.Registry
	options  console.Options
	handler  http.Handler
	log      *bytes.Buffer
	probed   []provider.Provider
}

func newBench(t *testing.T, change ...func(*console.Options)) *bench {
	t.Helper()
	b := &bench{t: t, redis: miniredis.RunT(t), log: &bytes.Buffer{}}
	client := redis.NewClient(&redis.Options{Addr: b.redis.Addr(), MaxRetries: -1})
	b.client = client
	t.Cleanup(func() { _ = client.Close() })
	ring, err := secret.ParseRing(secret.GenerateKey("a"))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b.registry, err = registry.Open(t.Context(), registry.Options{
		Client: client, Prefix: "test", Ring: ring, Log: log,
		Builtins: []provider.Provider{{ID: "openai", Name: "OpenAI", Endpoint: "https://api.openai.com/v1/chat/completions", APIStyle: "openai",
			APIKey: secret.New("sk-of-the-environment"), Models: provider.Models{List: []provider.Model{{ID: "gpt-4o-mini", Name: "gpt-4o-mini"}}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.options = console.Options{
		Registry: b.registry, Guard: console.Guard{Door: doortest.New(t, token), Log: log}, Log: log,
		Platforms: []chat.Platform{slack.Platform(), discord.Platform()},
		Bots: []bots.Bot{
			{ID: "coder", Name: "Coder", Provider: "openai", Model: "gpt-4o-mini"},
			{ID: "helper", Name: "Helper", Description: "Answers.", Provider: "openai", Model: "gpt-4o-mini", Sections: map[string]chat.Section{"slack": {App: secret.New("xoxb-secret")}}},
		},
		Probe: func(_ context.Context, p provider.Provider, model string) any {
			b.probed = append(b.probed, p)
			return map[string]any{"ok": true, "model": model}
		},
	}
	for _, c := range change {
		c(&b.options)
	}
	b.handler = console.New(b.options)
	return b
}

// withPages is a server that shows the playground.
func withPages(o *console.Options) { o.Platforms = append(o.Platforms, playground.Platform()) }

// reply is what came back.
type reply struct {
	*http.Response
	Body string
}

func (b *bench) do(method, path, body string, header ...string) reply {
	b.t.Helper()
	r := httptest.NewRequestWithContext(b.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Del(header[i])
		if header[i+1] != "" {
			r.Header.Set(header[i], header[i+1])
		}
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	resp := w.Result()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, s := range []string{apiKey, headerKey, "sk-of-the-environment", "xoxb-secret"} {
		if strings.Contains(string(text), s) {
			b.t.Errorf("%s %s shows the secret %q: %s", method, path, s, text)
		}
		if strings.Contains(b.log.String(), s) {
			b.t.Errorf("the log holds the secret %q", s)
		}
	}
	return reply{resp, string(text)}
}

func (b *bench) want(got reply, status int) reply {
	b.t.Helper()
	if got.StatusCode != status {
		b.t.Fatalf("status %d, want %d: %s", got.StatusCode, status, got.Body)
	}
	if status >= 400 {
		checkProblem(b.t, got)
	}
	return got
}

func checkProblem(t *testing.T, got reply) {
	t.Helper()
	if kind := got.Header.Get("Content-Type"); kind != "application/problem+json" {
		t.Errorf("Content-Type %q is not a problem's", kind)
	}
	var p console.Problem
	if err := json.Unmarshal([]byte(got.Body), &p); err != nil {
		t.Fatalf("%v: %s", err, got.Body)
	}
	if p.Type == "" || p.Title == "" || p.Detail == "" || p.Status != got.StatusCode {
		t.Errorf("incomplete problem: %s", got.Body)
	}
}

func decode[T any](t *testing.T, r reply) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(r.Body), &v); err != nil {
		t.Fatalf("%v: %s", err, r.Body)
	}
	return v
}

const full = `{
  "name": "Corp", "endpoint": "https://llm.corp.example/v1/chat/completions", "apiKey": "` + apiKey + `",
  "models": [{"id": "gpt-4o", "name": "GPT-4o", "maxInput": 128000, "pricing": {"input": 1, "output": 2}, "vision": true}, "mini"],
  "apiStyle": "openai", "extraHeaders": {"X-Corp-Token": "` + headerKey + `"},
  "pricing": {"input": 2.5, "output": 10}, "maxInput": 64000,
  "addParams": {"seed": 9007199254740993}, "dropParams": ["stop"]
}`

func TestEveryFieldOfAProviderComesBack(t *testing.T) {
	b := newBench(t)
	put := b.want(b.do("PUT", "/api/v1/providers/corp-gateway", full), http.StatusCreated)
	if put.Header.Get("Location") != "/api/v1/providers/corp-gateway" {
		t.Error("no Location")
	}
	got := b.want(b.do("GET", "/api/v1/providers/corp-gateway", ""), http.StatusOK)
	if got.Body != put.Body {
		t.Errorf("PUT and GET show different things:\n%s\n%s", put.Body, got.Body)
	}
	v := decode[map[string]any](t, got)
	for field, want := range map[string]any{
		"id": "corp-gateway", "source": "custom", "name": "Corp", "endpoint": "https://llm.corp.example/v1/chat/completions",
		"apiKey": "set", "apiStyle": "openai", "maxInput": 64000.0,
		"extraHeaders": map[string]any{"X-Corp-Token": "set"}, "pricing": map[string]any{"input": 2.5, "output": 10.0},
		"dropParams": []any{"stop"},
		"models": []any{
			map[string]any{"id": "gpt-4o", "name": "GPT-4o", "maxInput": 128000.0, "pricing": map[string]any{"input": 1.0, "output": 2.0}, "vision": true},
			map[string]any{"id": "mini", "name": "mini"},
		},
	} {
		if fmt.Sprint(v[field]) != fmt.Sprint(want) {
			t.Errorf("%s = %v, want %v", field, v[field], want)
		}
	}
	if !strings.Contains(got.Body, `"seed": 9007199254740993`) {
		t.Errorf("a number of addParams was changed: %s", got.Body)
	}
	if e, _ := b.registry.Provider("corp-gateway"); e.APIKey.Reveal() != apiKey || e.ExtraHeaders["X-Corp-Token"].Reveal() != headerKey {
		t.Error("the secrets did not arrive")
	}
	b.want(b.do("PUT", "/api/v1/providers/corp-gateway", full), http.StatusOK)
}

func TestDefaultsOfAProvider(t *testing.T) {
	b := newBench(t)
	v := decode[map[string]any](t, b.want(b.do("PUT", "/api/v1/providers/lab-1", `{"endpoint":"http://lab:8000/v1/chat/completions"}`), http.StatusCreated))
	if v["name"] != "lab-1" || v["apiStyle"] != "openai" || v["maxInput"] != 0.0 || v["pricing"] != nil {
		t.Errorf("defaults: %v", v)
	}
	if fmt.Sprint(v["models"]) != "[map[id:default name:lab-1]]" || fmt.Sprint(v["extraHeaders"]) != "map[]" {
		t.Errorf("defaults: %v", v)
	}
	if _, there := v["apiKey"]; there {
		t.Error("apiKey shows though none is stored")
	}
}

func TestTheListShowsSources(t *testing.T) {
	b := newBench(t)
	b.want(b.do("PUT", "/api/v1/providers/corp-gateway", full), http.StatusCreated)
	type list struct {
		Providers []struct{ ID, Source, APIKey string }
	}
	all := decode[list](t, b.want(b.do("GET", "/api/v1/providers", ""), 200)).Providers
	if len(all) != 2 || all[0].ID != "corp-gateway" || all[0].Source != "custom" || all[1].ID != "openai" || all[1].Source != "builtin" || all[1].APIKey != "set" {
		t.Errorf("list: %+v", all)
	}
	custom := decode[list](t, b.want(b.do("GET", "/api/v1/providers?source=custom", ""), 200)).Providers
	if len(custom) != 1 || custom[0].ID != "corp-gateway" {
		t.Errorf("?source=custom: %+v", custom)
	}
	if got := b.want(b.do("GET", "/api/v1/providers?source=file", ""), 200); !strings.Contains(got.Body, `"providers": []`) {
		t.Errorf("an empty list is no list: %s", got.Body)
	}
	b.want(b.do("GET", "/api/v1/providers?source=else", ""), http.StatusBadRequest)
}

func TestSetKeepsASecretForItsServerOnly(t *testing.T) {
	with := func(endpoint, more string) string {
		return `{"endpoint":"` + endpoint + `"` + more + `}`
	}
	const keepBoth = `,"apiKey":"set","extraHeaders":{"x-corp-token":"set"}`
	for _, c := range []struct {
		name, body string
		status     int
		fields     []string
		key        string
	}{
		{"same server, other path", with("https://llm.corp.example/v2/chat/completions", keepBoth), 200, nil, apiKey},
		{"same server, its port named", with("https://LLM.corp.example:443/v1/chat/completions", keepBoth), 200, nil, apiKey},
		{"other host", with("https://evil.example/v1/chat/completions", keepBoth), 422, []string{"apiKey", "extraHeaders.x-corp-token"}, apiKey},
		{"other port", with("https://llm.corp.example:8443/v1/chat/completions", keepBoth), 422, []string{"apiKey", "extraHeaders.x-corp-token"}, apiKey},
		{"other scheme", with("http://llm.corp.example:443/v1/chat/completions", keepBoth), 422, []string{"apiKey", "extraHeaders.x-corp-token"}, apiKey},
		{"a further endpoint elsewhere", with("https://llm.corp.example/v1/chat/completions", keepBoth+`,"endpoints":["https://evil.example/v1/chat/completions"]`), 422, []string{"apiKey", "extraHeaders.x-corp-token"}, apiKey},
		{"a proxy in between", with("https://llm.corp.example/v1/chat/completions", `,"apiKey":"set","proxy":"http://evil.example:3128"`), 422, []string{"apiKey"}, apiKey},
		{"another certificate authority", with("https://llm.corp.example/v1/chat/completions", keepBoth+`,"tls":{"caFile":"/tmp/mine.pem"}`), 422, []string{"apiKey", "extraHeaders.x-corp-token"}, apiKey},
		{"a header that was not there", with("https://llm.corp.example/v1/chat/completions", `,"extraHeaders":{"X-Other":"set"}`), 422, []string{"extraHeaders.X-Other"}, apiKey},
		{"a proxy that was not there", with("https://llm.corp.example/v1/chat/completions", `,"proxy":"set"`), 422, []string{"proxy"}, apiKey},
		{"absent removes", with("https://llm.corp.example/v1/chat/completions", ""), 200, nil, ""},
		{"null removes", with("https://llm.corp.example/v1/chat/completions", `,"apiKey":null`), 200, nil, ""},
		{"a new key with another host", with("https://other.example/v1/chat/completions", `,"apiKey":"new"`), 200, nil, "new"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.want(b.do("PUT", "/api/v1/providers/corp-gateway", full), http.StatusCreated)
			got := b.want(b.do("PUT", "/api/v1/providers/corp-gateway", c.body), c.status)
			if c.status == 422 {
				p := decode[console.Problem](t, got)
				var fields []string
				for _, e := range p.Errors {
					fields = append(fields, e.Field)
				}
				if fmt.Sprint(fields) != fmt.Sprint(c.fields) {
					t.Errorf("errors at %v, want %v", fields, c.fields)
				}
			}
			if e, _ := b.registry.Provider("corp-gateway"); e.APIKey.Reveal() != c.key {
				t.Errorf("the key is now %q, want %q", e.APIKey.Reveal(), c.key)
			}
		})
	}
	b := newBench(t)
	b.want(b.do("PUT", "/api/v1/providers/fresh", with("https://x.example/v1", `,"apiKey":"set"`)), 422)
}

func TestWhatWasReadCanBePutBack(t *testing.T) {
	b := newBench(t)
	b.want(b.do("PUT", "/api/v1/providers/corp-gateway", full), http.StatusCreated)
	if err := b.registry.Learn(t.Context(), "corp-gateway", "gpt-4o", provider.Quirks{Drop: []string{"stop"}}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"corp-gateway", "openai"} {
		read := b.want(b.do("GET", "/api/v1/providers/"+id, ""), 200)
		b.do("PUT", "/api/v1/providers/"+id, read.Body)
	}
	if e, _ := b.registry.Provider("corp-gateway"); e.APIKey.Reveal() != apiKey || e.ExtraHeaders["X-Corp-Token"].Reveal() != headerKey {
		t.Error("the secrets were lost")
	}
	if e, _ := b.registry.Provider("openai"); e.APIKey.Reveal() != "sk-of-the-environment" || e.Source != registry.Custom {
		t.Error("a built-in provider that is edited loses its key")
	}
}

func TestAKeyInTheEndpointIsASecret(t *testing.T) {
	b := newBench(t)
	put := func(endpoint string, status int) reply {
		return b.want(b.do("PUT", "/api/v1/providers/p", `{"endpoint":"`+endpoint+`"}`), status)
	}
	stored := func() string { e, _ := b.registry.Provider("p"); return e.Endpoint }
	const whole = "https://llm.corp.example/v1?api-version=1&key=" + apiKey
	got := put(whole, 201)
	if strings.Contains(got.Body, apiKey) || decode[map[string]any](t, got)["endpoint"] != "https://llm.corp.example/v1?api-version=1&key=set" {
		t.Error(got.Body)
	}
	put("https://llm.corp.example/v1?api-version=2&key=set", 200)
	if stored() != "https://llm.corp.example/v1?api-version=2&key="+apiKey {
		t.Error("the key was not kept:", stored())
	}
	put("https://evil.example/v1?api-version=2&key=set", 422)
	b.want(b.do("PUT", "/api/v1/providers/p", `{"endpoint":"https://llm.corp.example/v1?key=set","proxy":"http://evil.example:3128"}`), 422)
	put("http://169.254.169.254/v1", 422)
	if strings.Contains(b.do("GET", "/api/v1/providers", "").Body, apiKey) {
		t.Error("the list shows the key")
	}
}

func TestProxyPasswordIsASecret(t *testing.T) {
	b := newBench(t)
	const endpoint = `"endpoint":"https://llm.corp.example/v1/chat/completions"`
	got := b.want(b.do("PUT", "/api/v1/providers/p", `{`+endpoint+`,"proxy":"http://u:`+apiKey+`@proxy:3128"}`), 201)
	if decode[map[string]any](t, got)["proxy"] != "set" {
		t.Error(got.Body)
	}
	b.want(b.do("PUT", "/api/v1/providers/p", `{`+endpoint+`,"proxy":"set"}`), 200)
	if e, _ := b.registry.Provider("p"); !strings.Contains(e.Proxy, apiKey) {
		t.Error("the proxy was lost")
	}
}

func TestBadInputIsExplainedAndLosesNothing(t *testing.T) {
	endpoint := `"endpoint":"https://x.example/v1/chat/completions"`
	for _, c := range []struct {
		name, id, body string
		status         int
		says           string
	}{
		{"empty body", "a", "", 400, "empty"},
		{"no JSON", "a", "name: Corp", 400, "line 1"},
		{"cut JSON", "a", "{\"name\":\n \"x\"", 400, "line 2"},
		{"two values", "a", `{` + endpoint + `}{}`, 400, "line 1"},
		{"an array", "a", `[]`, 422, "object"},
		{"a string", "a", `"x"`, 422, "object"},
		{"null", "a", `null`, 422, "object"},
		{"no UTF-8", "a", "{\"name\":\"\xff\"}", 400, "UTF-8"},
		{"a key twice", "a", `{` + endpoint + `,` + endpoint + `}`, 400, "twice"},
		{"deep", "a", `{` + endpoint + `,"addParams":` + strings.Repeat(`{"a":`, 100) + `1` + strings.Repeat(`}`, 100) + `}`, 400, "deeper"},
		{"very deep", "a", strings.Repeat(`[`, 60000), 400, ""},
		{"large", "a", `{` + endpoint + `,"name":"` + strings.Repeat("x", 270000) + `"}`, 413, "256 KiB"},
		{"many models", "a", `{` + endpoint + `,"models":[` + strings.Repeat(`"",`, 15000) + `"a"]}`, 422, "models"},
		{"unknown field", "a", `{` + endpoint + `,"colour":"red"}`, 422, "colour"},
		{"endpoint missing", "a", `{}`, 422, "endpoint"},
		{"endpoint no URL", "a", `{"endpoint":"::"}`, 422, "endpoint"},
		{"endpoint without host", "a", `{"endpoint":"https:///v1"}`, 422, "host"},
		{"endpoint of another scheme", "a", `{"endpoint":"ftp://x/v1"}`, 422, "http"},
		{"endpoint with password", "a", `{"endpoint":"https://u:p@x.example/v1"}`, 422, "password"},
		{"endpoint a number", "a", `{"endpoint":5}`, 422, "endpoint"},
		{"apiStyle", "a", `{` + endpoint + `,"apiStyle":"anthropic"}`, 422, "anthropic"},
		{"models twice", "a", `{` + endpoint + `,"models":["x","x"]}`, 422, "twice"},
		{"negative maxInput", "a", `{` + endpoint + `,"maxInput":-1}`, 422, "maxInput"},
		{"huge maxInput", "a", `{` + endpoint + `,"maxInput":1e400}`, 422, "maxInput"},
		{"negative price", "a", `{` + endpoint + `,"pricing":{"input":-1,"output":1}}`, 422, "pricing"},
		{"header name", "a", `{` + endpoint + `,"extraHeaders":{"X Y":"v"}}`, 422, "X Y"},
		{"header value", "a", `{` + endpoint + `,"extraHeaders":{"X-Y":"a\r\nHost: evil"}}`, 422, "X-Y"},
		{"header twice", "a", `{` + endpoint + `,"extraHeaders":{"api-key":"a","Api-Key":"b"}}`, 422, "twice"},
		{"header a number", "a", `{` + endpoint + `,"extraHeaders":{"X-Y":1}}`, 422, "extraHeaders"},
		{"key with a line break", "a", `{` + endpoint + `,"apiKey":"a\nb"}`, 422, "apiKey"},
		{"key a number", "a", `{` + endpoint + `,"apiKey":5}`, 422, "apiKey"},
		{"id with capitals", "Corp", `{` + endpoint + `}`, 422, "id"},
		{"id with a space", "a%20b", `{` + endpoint + `}`, 422, "id"},
		{"id with a slash", "a%2Fb", `{` + endpoint + `}`, 422, "id"},
		{"id with a null", "a%00b", `{` + endpoint + `}`, 422, "id"},
		{"id too long", strings.Repeat("a", 300), `{` + endpoint + `}`, 422, "id"},
		{"another id inside", "a", `{` + endpoint + `,"id":"b"}`, 422, "id"},
		{"all wrong at once", "a", `{"endpoint":"x","maxInput":-1,"apiStyle":"grpc"}`, 422, "apiStyle"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.want(b.do("PUT", "/api/v1/providers/a", full), 201)
			before := b.do("GET", "/api/v1/providers", "").Body
			got := b.want(b.do("PUT", "/api/v1/providers/"+c.id, c.body), c.status)
			if !strings.Contains(got.Body, c.says) {
				t.Errorf("%q is not named: %s", c.says, got.Body)
			}
			if c.status == 422 && c.name != "an array" && c.name != "a string" && c.name != "null" && len(decode[console.Problem](t, got).Errors) == 0 {
				t.Errorf("no field is named: %s", got.Body)
			}
			if after := b.do("GET", "/api/v1/providers", "").Body; after != before {
				t.Errorf("something changed:\n%s\n%s", before, after)
			}
		})
	}
}

func TestRemoving(t *testing.T) {
	b := newBench(t)
	b.want(b.do("PUT", "/api/v1/providers/openai", full), 201)
	b.want(b.do("DELETE", "/api/v1/providers/openai", ""), 204)
	if e, ok := b.registry.Provider("openai"); !ok || e.Source != registry.Builtin {
		t.Error("the built-in provider is not back")
	}
	b.want(b.do("DELETE", "/api/v1/providers/openai", ""), 409)
	if got := b.want(b.do("DELETE", "/api/v1/providers/opnai", ""), 404); !strings.Contains(got.Body, "Did you mean openai?") {
		t.Error(got.Body)
	}
	b.want(b.do("GET", "/api/v1/providers/none", ""), 404)
}

func TestPathsAndMethods(t *testing.T) {
	b := newBench(t)
	for path, allow := range map[string]string{
		"/api/v1/providers":             "GET, HEAD",
		"/api/v1/providers/openai":      "DELETE, GET, HEAD, PUT",
		"/api/v1/providers/openai/test": "POST",
		"/api/v1/bots":                  "GET, HEAD",
		"/api/v1/bots/helper":           "GET, HEAD, PATCH",
		"/api/v1/usage":                 "GET, HEAD",
	} {
		got := b.want(b.do("TRACE", path, ""), 405)
		if got.Header.Get("Allow") != allow {
			t.Errorf("%s: Allow %q, want %q", path, got.Header.Get("Allow"), allow)
		}
	}
	b.want(b.do("GET", "/api/v1/else", ""), 404)
	b.want(b.do("GET", "/api/", ""), 404)
	b.want(b.do("HEAD", "/api/v1/providers", ""), 200)
	b.want(b.do("PUT", "/api/v1/providers/a", `<a/>`, "Content-Type", "application/xml"), 415)
	b.want(b.do("PUT", "/api/v1/providers/a", full, "Content-Type", "application/json; charset=utf-8"), 201)
	b.want(b.do("PUT", "/api/v1/providers/a", full, "Content-Type", "application/x-www-form-urlencoded"), 200)
}

func TestProbe(t *testing.T) {
	b := newBench(t)
	b.want(b.do("PUT", "/api/v1/providers/corp", full), 201)
	for _, c := range []struct{ path, body, model string }{
		{"/api/v1/providers/corp/test", "", ""},
		{"/api/v1/providers/corp/test", `{"model":"mini"}`, "mini"},
		{"/api/v1/providers/corp/test?model=mini", "", "mini"},
		{"/api/v1/providers/corp/test", `{}`, ""},
	} {
		if got := decode[map[string]any](t, b.want(b.do("POST", c.path, c.body), 200)); got["model"] != c.model {
			t.Errorf("%+v: %v", c, got)
		}
	}
	if b.probed[0].APIKey.Reveal() != apiKey {
		t.Error("the probe has no key")
	}
	b.want(b.do("POST", "/api/v1/providers/corp/test", `{"modell":"x"}`), 422)
	b.want(b.do("POST", "/api/v1/providers/corp/test", `{"model":5}`), 422)
	b.want(b.do("POST", "/api/v1/providers/none/test", ""), 404)
}

func TestARecordThatCannotBeUsedSaysSo(t *testing.T) {
	b := newBench(t)
	read := b.want(b.do("GET", "/api/v1/providers/openai", ""), 200)
	b.want(b.do("PUT", "/api/v1/providers/openai", read.Body), 201)
	b.registry.SetBuiltins(nil) // as when OPENAI_API_KEY is gone after a restart
	got := decode[map[string]any](t, b.want(b.do("GET", "/api/v1/providers/openai", ""), 200))
	if problem, _ := got["problem"].(string); !strings.Contains(problem, "variable") {
		t.Errorf("%v", got)
	}
	b.want(b.do("POST", "/api/v1/providers/openai/test", ""), 409)
	b.want(b.do("PUT", "/api/v1/providers/openai", read.Body), 422) // "set", and nothing there
	if bot := decode[botReply](t, b.do("GET", "/api/v1/bots/helper", "")); !strings.Contains(bot.Problem, "openai") {
		t.Errorf("%+v", bot)
	}
	b.want(b.do("PUT", "/api/v1/providers/openai", strings.Replace(read.Body, `"set"`, `"sk-new"`, 1)), 200)
	b.want(b.do("POST", "/api/v1/providers/openai/test", ""), 200)
}

// Whatever is sent, the answer is never an internal error and nothing changes
// unless it succeeds.
func FuzzPut(f *testing.F) {
	for _, seed := range []string{full, `{}`, `null`, `[]`, `{"endpoint":"http://h/v1","apiKey":"set","proxy":"set"}`,
		`{"endpoint":"http://h/v1","models":{"discover":true,"list":["a"]},"tls":{"caFile":"x"}}`, `{"models":"a,b","extraHeaders":{"A":"set"}}`} {
		f.Add("corp", seed)
	}
	f.Fuzz(func(t *testing.T, id, body string) {
		b := newBench(t)
		before := b.do("GET", "/api/v1/providers", "").Body
		r := httptest.NewRequestWithContext(t.Context(), "PUT", "/api/v1/providers/x", strings.NewReader(body))
		r.URL.Path = "/api/v1/providers/" + strings.ReplaceAll(id, "/", "-")
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
		switch w.Code {
		case 200, 201:
			if again := b.do("PUT", r.URL.EscapedPath(), w.Body.String()); again.StatusCode != 200 {
				t.Errorf("what was stored cannot be put back: %d %s", again.StatusCode, again.Body)
			}
		case 307, 400, 404, 405, 413, 422:
			if after := b.do("GET", "/api/v1/providers", "").Body; after != before {
				t.Errorf("status %d, and yet something changed", w.Code)
			}
		default:
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
	})
}

func TestAStoreThatIsGoneIsNoInternalError(t *testing.T) {
	b := newBench(t)
	b.want(b.do("PUT", "/api/v1/providers/corp", full), 201)
	b.redis.Close()
	b.want(b.do("PUT", "/api/v1/providers/corp", full), 503)
	b.want(b.do("DELETE", "/api/v1/providers/corp", ""), 503)
	b.want(b.do("PATCH", "/api/v1/bots/helper", `{"provider":"corp"}`), 503)
	b.want(b.do("GET", "/api/v1/providers/corp", ""), 200) // what was known stays
}

func TestADefectIsAProblemToo(t *testing.T) {
	b := newBench(t, func(o *console.Options) { o.Usage = broken{} })
	b.want(b.do("GET", "/api/v1/usage", ""), 500)
}

type broken struct{}

func (broken) Usage(context.Context, console.UsageQuery) ([]console.UsageRow, error) { panic("defect") }

func TestUsage(t *testing.T) {
	b := newBench(t, func(o *console.Options) { o.Usage = rows{} })
	got := decode[struct {
		By, Since, Until string
		Usage            []console.UsageRow
	}](t, b.want(b.do("GET", "/api/v1/usage?by=user&since=2026-11-01&until=2026-11-21", ""), 200))
	if got.By != "user" || got.Since != "2026-11-01" || got.Until != "2026-11-21" || len(got.Usage) != 1 || got.Usage[0].Key != "by user since 2026-11-01" {
		t.Errorf("%+v", got)
	}
	if got := b.do("GET", "/api/v1/usage?by=user", ""); !strings.Contains(got.Body, `"costUSD": null`) {
		t.Errorf("a cost that nobody knows is %s", got.Body)
	}
	for _, query := range []string{"by=colour", "since=yesterday", "until=1", "since=2026-11-21&until=2026-11-01", "since=1900-01-01"} {
		b.want(b.do("GET", "/api/v1/usage?"+query, ""), 400)
	}
	if got := newBench(t).do("GET", "/api/v1/usage", ""); !strings.Contains(got.Body, `"usage": []`) {
		t.Error(got.Body)
	}
}

type rows struct{}

func (rows) Usage(_ context.Context, q console.UsageQuery) ([]console.UsageRow, error) {
	return []console.UsageRow{{Key: "by " + q.By + " since " + q.Since.Format("2006-01-02"), Answers: 1}}, nil
}

func TestEveryChangeOverTheAPIHasAnAuthor(t *testing.T) {
	b := newBench(t)
	session := doortest.Session(t, b.options.Guard.Door)
	b.want(b.do("PUT", "/api/v1/providers/corp", full), 201)
	b.want(b.do("PATCH", "/api/v1/bots/helper", `{"provider":"corp","model":"mini"}`, "Authorization", "", "Cookie", session), 200)
	b.want(b.do("DELETE", "/api/v1/providers/corp", "", "Authorization", "Bearer of-some-proxy", "Cookie", session), 204)
	var got []string
	for _, e := range audittest.Read(t, b.client, "test:{registry}:") {
		got = append(got, fmt.Sprint(e.Kind, " ", e.Via, e.User, " ", e.Action, " ", e.Target))
	}
	want := []string{"token api provider.put corp", "session api bot.default helper", "session api provider.remove corp"}
	if !slices.Equal(got, want) {
		t.Errorf("the trail is %q, want %q", got, want)
	}
}
