package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"parley/bots"
	"parley/internal/console"
	"parley/internal/door/doortest"
	"parley/internal/provider"
	"parley/internal/registry"
	"parley/internal/secret"
)

const operatorToken = "operator-token-0123456789"

// desk is an operator in front of a running admin API.
type desk struct {
	t        *testing.T
	registry *registry.Registry
	env      map[string]string
	usage    []console.UsageRow
}

// Usage is what the admin API reports: d.usage.
func (d *desk) Usage(context.Context, console.UsageQuery) ([]console.UsageRow, error) {
	return d.usage, nil
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { _ = client.Close() })
	ring, err := secret.ParseRing(secret.GenerateKey("a"))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	r, err := registry.Open(t.Context(), registry.Options{Client: client, Prefix: "test", Ring: ring, Log: log,
		Builtins: []provider.Provider{{ID: "openai", Name: "OpenAI", Endpoint: "https://api.openai.com/v1/chat/completions",
			APIKey: secret.New("sk-env"), Models: provider.Models{List: []provider.Model{{ID: "gpt-4o-mini", Name: "gpt-4o-mini"}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, registry: r}
	server := httptest.NewServer(console.New(console.Options{
		Usage: d, Registry: r, Guard: console.Guard{Door: doortest.New(t, operatorToken), Log: log}, Log: log,
		Bots:  []bots.Bot{{ID: "helper", Name: "Helper", Provider: "openai", Model: "gpt-4o-mini"}},
		Probe: probed,
	}))
	t.Cleanup(server.Close)
	d.env = map[string]string{"PARLEY_URL": server.URL, "ADMIN_TOKEN": operatorToken}
	return d
}

// said is what a verb printed, and its exit code.
type said struct {
	code     int
	out, err string
}

func (d *desk) run(stdin string, args ...string) said {
	d.t.Helper()
	var out, err bytes.Buffer
	var environ []string
	for name, value := range d.env {
		environ = append(environ, name+"="+value)
	}
	code := run(d.t.Context(), args, process{stdin: strings.NewReader(stdin), stdout: &out, stderr: &err, environ: environ})
	return said{code, out.String(), err.String()}
}

// ok runs a verb that must succeed.
func (d *desk) ok(stdin string, args ...string) string {
	d.t.Helper()
	s := d.run(stdin, args...)
	if s.code != exitOK {
		d.t.Fatalf("%v: exit %d: %s", args, s.code, s.err)
	}
	return s.out
}

func (d *desk) file(name, text string) string {
	d.t.Helper()
	path := filepath.Join(d.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return path
}

func holds(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is missing in:\n%s", p, text)
		}
	}
}

const corpRecord = `{"name":"Corp","endpoint":"https://llm.corp.example/v1/chat/completions","apiKey":"sk-secret",
 "models":["gpt-4o","mini","more"],"extraHeaders":{"X-Corp":"h-secret"},"pricing":{"input":2.5,"output":10},"maxInput":64000}`

func TestProviderVerbs(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	holds(t, d.ok(corpRecord, "provider", "put", "corp-gateway"), "corp-gateway", "custom", "X-Corp (set)", "$2.5 in, $10 out per million tokens", "64000 tokens")
	if e, _ := d.registry.Provider("corp-gateway"); e.APIKey.Reveal() != "sk-secret" {
		t.Error("the key did not arrive")
	}
	holds(t, d.ok("", "provider", "list"),
		"ID            SOURCE   KEY  MODELS           ENDPOINT\n",
		"corp-gateway  custom   set  gpt-4o, mini +1  https://llm.corp.example/v1/chat/completions\n",
		"openai        builtin  set  gpt-4o-mini      https://api.openai.com/v1/chat/completions\n")
	if out := d.ok("", "provider", "list", "--source", "custom"); strings.Contains(out, "openai") {
		t.Error(out)
	}
	var list struct{ Providers []map[string]any }
	if err := json.Unmarshal([]byte(d.ok("", "--json", "provider", "list")), &list); err != nil || len(list.Providers) != 2 {
		t.Error(list, err)
	}
	var one map[string]any
	if err := json.Unmarshal([]byte(d.ok("", "provider", "--json", "show", "corp-gateway")), &one); err != nil || one["apiKey"] != "set" {
		t.Error(one, err)
	}
	d.ok("", "provider", "put", "lab", d.file("lab.json", `{"endpoint":"http://lab:8000/v1/chat/completions"}`))
	d.ok("", "provider", "put", "--file", d.file("lab.json", `{"endpoint":"http://lab:8000/v1/chat/completions"}`), "lab")
	d.ok("", "provider", "put", d.file("two.json", `{"id":"lab-2","endpoint":"http://lab:8000/v1/chat/completions"}`))
	d.ok(`{"endpoint":"http://lab:8000/v1/chat/completions"}`, "provider", "put", "lab-3", "-")
	if d.ok("", "provider", "remove", "lab") != "removed lab\n" {
		t.Error("remove says nothing")
	}
	if _, ok := d.registry.Provider("lab"); ok {
		t.Error("lab is still there")
	}
}

func TestVerbsExplainFailures(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ok(corpRecord, "provider", "put", "corp-gateway")
	for _, c := range []struct {
		name, stdin string
		args        []string
		code        int
		says        string
	}{
		{"unknown id", "", []string{"provider", "show", "corp-gatway"}, exitFailed, `There is no provider "corp-gatway". Did you mean corp-gateway?`},
		{"bad record", `{"endpoint":"ftp://x","maxInput":-1}`, []string{"provider", "put", "x"}, exitFailed, "endpoint: must be an http or https URL"},
		{"every problem has a line", `{"endpoint":"ftp://x","maxInput":-1}`, []string{"provider", "put", "x"}, exitFailed, "\nparley: maxInput: must not be negative"},
		{"no JSON", `{`, []string{"provider", "put", "x"}, exitFailed, "line 1"},
		{"empty record", ``, []string{"provider", "put", "x"}, exitUsage, "empty"},
		{"bad id", `{}`, []string{"provider", "put", "Bad", "-"}, exitFailed, "lowercase"},
		{"neither an id nor a file", `{}`, []string{"provider", "put", "Bad Id"}, exitUsage, `"Bad Id" is neither a provider id (lowercase letters, digits and hyphens, for example corp-gateway) nor a file`},
		{"a file without an id", ``, []string{"provider", "put", d.file("Lab.json", `{"endpoint":"http://lab/v1/chat/completions"}`)}, exitUsage, "parley provider put ID"},
		{"no such file", ``, []string{"provider", "put", "x", "/does/not/exist"}, exitUsage, "no such file"},
		{"built-in", ``, []string{"provider", "remove", "openai"}, exitFailed, "built in"},
		{"unknown noun", ``, []string{"providers"}, exitUsage, `unknown verb "providers"`},
		{"no verb", ``, []string{"provider"}, exitUsage, "list, show, put, remove, test, import, export"},
		{"unknown verb", ``, []string{"provider", "delete", "x"}, exitUsage, `not "delete"`},
		{"too little", ``, []string{"provider", "show"}, exitUsage, "usage: parley provider show ID"},
		{"too much", ``, []string{"provider", "show", "a", "b"}, exitUsage, `unexpected argument "b"`},
		{"unknown flag", ``, []string{"provider", "list", "--colour"}, exitUsage, "colour"},
		{"bad source", ``, []string{"provider", "list", "--source", "x"}, exitFailed, "builtin, file, custom"},
		{"bad model", ``, []string{"bot", "set", "helper", "corp-gateway/gpt-4"}, exitFailed, "Did you mean gpt-4o?"},
		{"nothing to set", ``, []string{"bot", "set", "helper"}, exitUsage, "PROVIDER/MODEL"},
		{"reset and set", ``, []string{"bot", "set", "helper", "openai", "--reset"}, exitUsage, "--reset"},
		{"unknown bot", ``, []string{"bot", "show", "helpr"}, exitFailed, "Did you mean helper?"},
		{"export of an unknown id", ``, []string{"provider", "export", "nope"}, exitFailed, `no provider "nope"`},
		{"bad day", ``, []string{"usage", "--since", "x"}, exitFailed, "since must be a date"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := d.run(c.stdin, c.args...)
			if s.code != c.code || !strings.Contains(s.err, c.says) {
				t.Errorf("exit %d, %q; want %d, %q", s.code, s.err, c.code, c.says)
			}
			if !strings.HasPrefix(s.err, "parley: ") || s.out != "" {
				t.Errorf("stdout %q, stderr %q", s.out, s.err)
			}
		})
	}
	s := d.run(`{"endpoint":"ftp://x"}`, "provider", "put", "x", "--json")
	var p console.Problem
	if err := json.Unmarshal([]byte(s.err), &p); err != nil || p.Status != 422 || s.code != exitFailed {
		t.Errorf("--json: %v %s", err, s.err)
	}
}

func TestTheServerIsNotThere(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := "http://" + l.Addr().String()
	_ = l.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	moved := httptest.NewServer(http.RedirectHandler("https://elsewhere.example/", http.StatusMovedPermanently))
	defer moved.Close()
	d := newDesk(t)
	token := d.env["ADMIN_TOKEN"]
	for _, c := range []struct {
		name, url, token string
		code             int
		says             []string
	}{
		{"nothing listens", free, token, exitUnreachable, []string{free, "make run", "PARLEY_URL"}},
		{"another server", other.URL, token, exitFailed, []string{other.URL, "404", "PARLEY_URL"}},
		{"moved", moved.URL, token, exitFailed, []string{"https://elsewhere.example/"}},
		{"no URL", "localhost:7070", token, exitUsage, []string{"PARLEY_URL"}},
		{"no token", d.env["PARLEY_URL"], "", exitFailed, []string{"ADMIN_TOKEN"}},
		{"wrong token", d.env["PARLEY_URL"], "x", exitFailed, []string{"ADMIN_TOKEN"}},
		{"a path and a slash behind it", d.env["PARLEY_URL"] + "/", token, exitOK, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			d.env["PARLEY_URL"], d.env["ADMIN_TOKEN"] = c.url, c.token
			s := d.run("", "provider", "list")
			if s.code != c.code || strings.Count(s.err, "\n") > 1 {
				t.Errorf("exit %d, %q", s.code, s.err)
			}
			holds(t, s.err, c.says...)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stderr bytes.Buffer
	if code := run(ctx, []string{"bot", "list"}, process{stdout: &stderr, stderr: &stderr}); code != exitUnreachable {
		t.Error(code, stderr.String())
	}
}

func TestBotVerbs(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ok(corpRecord, "provider", "put", "corp-gateway")
	holds(t, d.ok("", "bot", "list"), "helper", "openai/gpt-4o-mini")
	for _, args := range [][]string{
		{"bot", "set", "helper", "corp-gateway/mini"}, {"bot", "set", "helper", "corp-gateway", "mini"},
		{"bot", "set", "helper", "--provider", "corp-gateway", "--model", "mini"}, {"bot", "set", "--model=mini", "helper"},
	} {
		holds(t, d.ok("", args...), "corp-gateway/mini", "openai/gpt-4o-mini")
	}
	holds(t, d.ok("", "bot", "list"), "its file says openai/gpt-4o-mini")
	d.ok("", "bot", "set", "helper", "--reset")
	if out := d.ok("", "bot", "show", "helper"); strings.Contains(out, "corp-gateway") {
		t.Error(out)
	}
	d.ok("", "bot", "set", "helper", "corp-gateway")
	d.ok("", "bot", "set", "helper", "reset")
	var bot map[string]any
	if err := json.Unmarshal([]byte(d.ok("", "bot", "show", "helper", "--json")), &bot); err != nil || bot["provider"] != "openai" {
		t.Error(bot, err)
	}
}

func TestExportComesBackByImport(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ok(corpRecord, "provider", "put", "corp-gateway")
	d.ok(`{"endpoint":"http://lab:8000/v1/chat/completions","models":{"discover":true}}`, "provider", "put", "lab")
	s := d.run("", "provider", "export")
	if s.code != exitOK || strings.Contains(s.out, "set") || strings.Contains(s.out, "secret") || strings.Contains(s.out, "openai/") {
		t.Errorf("export: %+v", s)
	}
	holds(t, s.err, "corp-gateway: its API key, its header X-Corp are left out")

	before := d.ok("", "provider", "list", "--json")
	holds(t, d.ok(s.out, "provider", "import", "--dry-run"), "corp-gateway  replace", "Nothing was stored")
	holds(t, d.ok(s.out, "provider", "import"), "corp-gateway  replace  3", "the stored secrets are kept")
	if after := d.ok("", "provider", "list", "--json"); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if e, _ := d.registry.Provider("corp-gateway"); e.APIKey.Reveal() != "sk-secret" || e.ExtraHeaders["X-Corp"].Reveal() != "h-secret" {
		t.Error("import lost the secrets")
	}

	fresh := newDesk(t)
	holds(t, fresh.ok(s.out, "provider", "import"), "corp-gateway  add", "lab           add")
	out := filepath.Join(t.TempDir(), "providers.json")
	fresh.ok("", "provider", "export", "lab", "--output", out)
	text, err := os.ReadFile(out)
	if err != nil || strings.Contains(string(text), "corp") {
		t.Error(string(text), err)
	}
	if file, err := provider.DecodeFile(text); err != nil || !file["lab"].Models.Discover {
		t.Errorf("the export is no PROVIDERS_FILE: %v %v", file, err)
	}
}

func TestImportSaysWhatItCouldNotTake(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.env["LAB_KEY"] = "sk-lab"
	file := d.file("config.yaml", `
model_list:
  - {model_name: a, litellm_params: {model: openai/a, api_base: "http://lab:8000/v1", api_key: os.environ/LAB_KEY}}
  - {model_name: t, litellm_params: {model: bedrock/t}}
`)
	out := d.ok("", "provider", "import", file, "--dry-run")
	holds(t, out, "lab-8000", "add", "skipped: t:", "Nothing was stored")
	if _, ok := d.registry.Provider("lab-8000"); ok {
		t.Fatal("a dry run stored something")
	}
	var report importReport
	if err := json.Unmarshal([]byte(d.ok("", "provider", "import", file, "--json")), &report); err != nil ||
		report.Format != "litellm" || len(report.Records) != 1 || report.Records[0].Action != "add" || len(report.Skipped) != 1 {
		t.Errorf("%+v %v", report, err)
	}
	if e, _ := d.registry.Provider("lab-8000"); e.APIKey.Reveal() != "sk-lab" {
		t.Error("the key did not arrive")
	}
	if s := d.run("services: {}", "provider", "import"); s.code != exitUsage || !strings.Contains(s.err, "--format") {
		t.Errorf("%+v", s)
	}
}

func TestImportGivesIDsThatArePicked(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	file := d.file("config.yaml", `
model_list:
  - {model_name: gold, litellm_params: {model: openai/a, api_base: "http://lab:8000/v1", api_key: x, extra_headers: {X-Tier: gold}}}
  - {model_name: silver, litellm_params: {model: openai/b, api_base: "http://lab:8000/v1", api_key: x, extra_headers: {X-Tier: silver}}}
  - {model_name: other, litellm_params: {model: openai/c, api_base: "http://other:8000/v1", api_key: x}}
`)
	holds(t, d.ok("", "provider", "import", file, "--dry-run"), "lab-8000", "lab-8000-2", "--id lab-8000-2=NEW")
	out := d.ok("", "provider", "import", file, "--id", "lab-8000=gold", "--id", "lab-8000-2=silver", "--only", "gold,lab-8000-2")
	holds(t, out, "gold", "silver", "skipped: other-8000: left out by --only")
	for id, tier := range map[string]string{"gold": "gold", "silver": "silver"} {
		if e, ok := d.registry.Provider(id); !ok || e.ExtraHeaders["X-Tier"].Reveal() != tier {
			t.Errorf("%s: %v %v", id, e.ExtraHeaders, ok)
		}
	}
	if _, ok := d.registry.Provider("other-8000"); ok {
		t.Error("what --only leaves out was stored")
	}
	for want, args := range map[string][]string{
		`no provider "x"; it brings lab-8000, lab-8000-2, other-8000`: {"--id", "x=y"},
		`"No Id" is no id`:                          {"--id", "lab-8000=No Id"},
		`two providers would be "gold"`:             {"--id", "lab-8000=gold", "--id", "other-8000=gold"},
		`--id takes OLD=NEW, not "gold"`:            {"--id", "gold"},
		`--only: the file brings no provider "lab"`: {"--only", "lab"},
	} {
		if s := d.run("", append([]string{"provider", "import", file}, args...)...); s.code != exitUsage || !strings.Contains(s.err, want) {
			t.Errorf("%v: %+v", args, s)
		}
	}
}

func TestKeyGenerateMakesAFreshRingEntry(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	a, b := d.ok("", "key", "generate"), d.ok("", "key", "generate")
	if a == b {
		t.Error("twice the same key")
	}
	if _, err := secret.ParseRing(strings.TrimSpace(a) + "," + strings.TrimSpace(b)); err != nil {
		t.Error(err)
	}
	var got struct{ Key string }
	if err := json.Unmarshal([]byte(d.ok("", "key", "generate", "--json")), &got); err != nil || got.Key == "" {
		t.Error(got, err)
	}
}

func TestProbeVerb(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ok(corpRecord, "provider", "put", "corp-gateway")
	holds(t, d.ok("", "provider", "test", "corp-gateway", "mini"),
		"corp-gateway/mini works. It answers in pieces.\n", "connection  ok  0.01 s\n", "answer      ok          5 tokens\n", "first token  0.25 s", "40 tokens per second")
	if s := d.run("", "provider", "test", "corp-gateway", "--model", "broken"); s.code != exitFailed || s.err != "" {
		t.Errorf("%+v", s)
	} else {
		holds(t, s.out, "corp-gateway/broken does not work. The model broken does not exist.", "answer      failed")
	}
	if s := d.run("", "provider", "test", "corp-gateway", "broken", "--json"); s.code != exitFailed || !json.Valid([]byte(s.out)) {
		t.Errorf("%+v", s)
	}
}

func TestHelpNamesEveryVerb(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	holds(t, d.ok("", "provider", "help"), "list", "show", "put", "remove", "test", "import", "export")
	holds(t, d.ok("", "bot", "--help"), "parley bot set ID")
	holds(t, d.ok("", "provider", "import", "--help"), "--dry-run")
}

func TestTablesAreAlignedAndHarmless(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	writeTable(&b, [][]string{{"日本", "x"}, {"abc\x1b[31m", "y"}})
	if want := "日本      x\nabc [31m  y\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

// What an import prints shows no key, not even one in an address, and says what
// it puts a record in front of.
func TestImportShowsNoKey(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.env["GATE_KEY"] = "gate-secret-1"
	file := d.file("litellm.yaml", "model_list:\n- {model_name: a, litellm_params: {model: openai/gpt-4o, api_base: 'https://gate.example/v1?api-key=${GATE_KEY}', api_key: os.environ/GATE_KEY}}\n"+
		"- {model_name: b, litellm_params: {model: openai/gpt-4o, api_key: k}}\n")
	for _, args := range [][]string{{"--dry-run"}, {"--json"}} {
		out := d.ok("", append([]string{"provider", "import", file}, args...)...)
		if strings.Contains(out, "gate-secret") {
			t.Errorf("%v shows the key:\n%s", args, out)
		}
		holds(t, out, "gate.example/v1/chat/completions?api-key=set", "it overrides the built-in provider")
	}
	if e, _ := d.registry.Provider("gate-example"); !strings.HasSuffix(e.Endpoint, "?api-key=gate-secret-1") {
		t.Errorf("stored is %s", e.Endpoint)
	}
}

// A price that nobody knows is not shown as one of nothing, nor the other way
// around.
func TestUsageShowsNoPriceWhereNoneIsKnown(t *testing.T) {
	d := newDesk(t)
	d.usage = []console.UsageRow{{Key: "corp/gpt-4o", Answers: 1, In: 53, Out: 185}, {Key: "openai/gpt-4o-mini", Answers: 2, In: 9, Out: 9, Cost: new(0.0123)},
		{Key: "own/llama", Answers: 1, In: 5, Out: 5, Cost: new(0.0)}, {Key: "some/m", Answers: 3, In: 5, Out: 5, Cost: new(0.5), Unpriced: 2}}
	out := d.ok("", "usage", "--by", "model")
	for _, line := range strings.Split(out, "\n") {
		key, _, _ := strings.Cut(line, " ")
		want, known := map[string]string{"corp/gpt-4o": " –", "openai/gpt-4o-mini": " $0.0123", "own/llama": " $0", "some/m": " $0.5000  2 without a price"}[key]
		if known && !strings.HasSuffix(strings.TrimSpace(line), want) {
			t.Errorf("the table says %q, want %q at its end", line, want)
		}
	}
	if strings.Count(out, "/") != len(d.usage) {
		t.Errorf("the table is %s", out)
	}
}
