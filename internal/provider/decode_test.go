package provider

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

func mustDecode(t *testing.T, id, body string) Provider {
	t.Helper()
	p, err := Decode(id, strings.NewReader(body))
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	return p
}

func TestDecodeFillsInTheDefaults(t *testing.T) {
	p := mustDecode(t, "corp", `{"endpoint":"https://gw.example/v1/chat/completions"}`)
	if p.Name != "corp" || p.APIStyle != "openai" || p.MaxInput != 0 || p.Pricing != nil {
		t.Errorf("defaults: %+v", p)
	}
	if len(p.Models.List) != 1 || p.Models.List[0].ID != "default" || p.Models.List[0].Name != "corp" {
		t.Errorf("absent models must be one model default named after the provider, got %+v", p.Models)
	}
}

func TestDecodeTakesEveryFormOfModels(t *testing.T) {
	for form, want := range map[string][]string{
		`["a","b"]`:                      {"a", "b"},
		`[{"id":"a","name":"Ä"},"b"]`:    {"a", "b"},
		`"a, b,,a"`:                      {"a", "b"},
		`"only"`:                         {"only"},
		`{"discover":true}`:              nil,
		`{"discover":true,"list":["a"]}`: {"a"},
		`[]`:                             {"default"},
		`null`:                           {"default"},
		`""`:                             {"default"},
	} {
		p := mustDecode(t, "x", `{"endpoint":"http://h/v1/chat/completions","models":`+form+`}`)
		var got []string
		for _, m := range p.Models.List {
			got = append(got, m.ID)
			if m.Name == "" {
				t.Errorf("%s: model %q has no name", form, m.ID)
			}
		}
		if !slices.Equal(got, want) || p.Models.Discover != strings.Contains(form, "discover") {
			t.Errorf("models %s gave %v (discover %v), want %v", form, got, p.Models.Discover, want)
		}
		back, err := json.Marshal(p.Models)
		if err != nil {
			t.Fatal(err)
		}
		var again Models
		if err := json.Unmarshal(back, &again); err != nil || len(again.List) != len(p.Models.List) || again.Discover != p.Models.Discover {
			t.Errorf("models %s do not survive JSON: %s, %v", form, back, err)
		}
	}
}

func TestDecodeNamesEveryProblemAtOnce(t *testing.T) {
	_, err := Decode("Bad Id", strings.NewReader(`{"endpoint":"ftp://h/x","apikey":"sk-secret-1","apiStyle":"anthropic","maxInput":"many",
		"models":[{"id":""},{"id":"a","context":1},{"id":"b","pricing":{"in":1}}],"extraHeaders":{"Bad Name":"v","X-Ok":"line\nbreak"},"pricing":{"in":1},"preset":"nope","colour":1,"endpiont":1,"url":1}`))
	invalid, ok := errors.AsType[*InvalidError](err)
	if !ok {
		t.Fatalf("error is %T: %v", err, err)
	}
	for _, want := range []string{"id: ", "endpoint: must be an http or https URL", `apikey: unknown field; did you mean "apiKey"?`, `apiStyle: "anthropic" is not supported`,
		"maxInput: must be a whole number", "models[0].id: is required", "models[1].context: unknown field", "models[2].pricing.in: unknown field", "extraHeaders.Bad Name", "extraHeaders.X-Ok",
		"pricing.in: unknown field", "preset: ", "colour: unknown field", `endpiont: unknown field; did you mean "endpoint"?`, `url: unknown field; did you mean "endpoint"?`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "sk-secret") {
		t.Error("the error shows a key")
	}
	if len(invalid.Problems) < 11 {
		t.Errorf("%d problems: %v", len(invalid.Problems), err)
	}
}

func TestDecodeRefusesBadURLs(t *testing.T) {
	for _, u := range []string{"", "h/v1", "http://", "https:///v1", "file:///etc/passwd", "http://u:p@h/v1", "http://h/v1#x", "http://h/a b", "http://h:port/", "javascript:alert(1)", "http://[::1", "gopher://h/"} {
		body, _ := json.Marshal(map[string]string{"endpoint": u})
		_, err := Decode("x", strings.NewReader(string(body)))
		if err == nil || !strings.Contains(err.Error(), "endpoint") {
			t.Errorf("endpoint %q: %v", u, err)
		}
	}
	for _, u := range []string{"http://h", "https://h:8443/v1/chat/completions?api-version=1", "http://[::1]:8000/v1/chat/completions"} {
		mustDecode(t, "x", `{"endpoint":"`+u+`"}`)
	}
}

func TestDecodeRefusesWhatIsNoRecord(t *testing.T) {
	for _, body := range []string{``, `null`, `[]`, `"x"`, `{`, `{"endpoint":"http://h","apiKey":"sk-secret-2",}`, `{"endpoint":1}`, `{"endpoint":"http://h","apiKey":{"a":"sk-secret-2"}}`, strings.Repeat(" ", MaxRecord+1)} {
		_, err := Decode("x", strings.NewReader(body))
		if _, ok := errors.AsType[*InvalidError](err); !ok || strings.Contains(err.Error(), "sk-secret") {
			t.Errorf("%.40q: %v", body, err)
		}
	}
}

func TestDecodeFileReadsYAMLAndJSONWithLines(t *testing.T) {
	got, err := DecodeFile([]byte("lab:\n  endpoint: http://lab:8000/v1/chat/completions\n  apiKey: k1\n  models: qwen3-8b, qwen3-32b\n  pricing: {input: 1, output: 2.5}\ncorp:\n  endpoint: https://corp/v1/chat/completions\n  models: [{id: gpt-4o, vision: true}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if lab := got["lab"]; lab.ID != "lab" || lab.APIKey.Reveal() != "k1" || len(lab.Models.List) != 2 || lab.Pricing.Output != 2.5 || !got["corp"].Models.List[0].Vision {
		t.Errorf("got %+v", got)
	}
	if got, err := DecodeFile([]byte(`{"a":{"endpoint":"http://a/v1/chat/completions"}}`)); err != nil || got["a"].Name != "a" {
		t.Errorf("JSON: %+v, %v", got, err)
	}
	_, err = DecodeFile([]byte("lab:\n  endpoint: http://lab/v1\n  color: red\nOther:\n  name: x\n"))
	if err == nil || !strings.Contains(err.Error(), "line 3: lab.color") || !strings.Contains(err.Error(), "line 4: Other.id") || !strings.Contains(err.Error(), "Other.endpoint: is required") {
		t.Errorf("problems lack field or line: %v", err)
	}
	if _, err := DecodeFile([]byte("- a\n- b\n")); err == nil {
		t.Error("a list is no map of providers")
	}
	if got, err := DecodeFile(nil); err != nil || len(got) != 0 {
		t.Errorf("empty file: %v, %v", got, err)
	}
}

func TestBuiltinsAppearWhenTheirVariableIsSet(t *testing.T) {
	env := map[string]string{"OPENAI_API_KEY": "k", "CLOUDFLARE_API_TOKEN": "t"}
	get := func(k string) string { return env[k] }
	ids := func() (out []string) {
		for _, p := range Builtins(get) {
			out = append(out, p.ID)
			if problems := p.Validate(); problems != nil {
				t.Errorf("%s: %v", p.ID, problems)
			}
			if len(p.Models.List) != 1 || p.Models.List[0].ID == "" || p.APIKey.IsZero() {
				t.Errorf("%s has no model or key", p.ID)
			}
		}
		return out
	}
	if got := ids(); !slices.Equal(got, []string{"openai"}) {
		t.Errorf("got %v: cloudflare needs its account as well", got)
	}
	for _, k := range []string{"ANTHROPIC_API_KEY", "GEMINI_API_KEY", "XAI_API_KEY", "OPENROUTER_API_KEY", "DEEPSEEK_API_KEY", "GROQ_API_KEY", "MISTRAL_API_KEY"} {
		env[k] = "k"
	}
	env["CLOUDFLARE_ACCOUNT_ID"] = "acc"
	if got := ids(); !slices.Equal(got, []string{"openai", "anthropic", "gemini", "xai", "openrouter", "deepseek", "groq", "mistral", "cloudflare"}) {
		t.Errorf("got %v", got)
	}
}
