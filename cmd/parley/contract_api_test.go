// Sections 1, 4 and 5: the admin API and the operator's verbs.

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"parley/internal/fake/openai"
	"parley/internal/fake/slack"
)

const fullRecord = `{"name":"Corp","endpoint":%q,"apiKey":"sk-corp-secret","models":[{"id":"gpt-4o","name":"GPT-4o","maxInput":1000,
 "pricing":{"input":1.5,"output":2.5},"vision":true}],"apiStyle":"openai","extraHeaders":{"X-Corp-Token":"token-corp-secret"},
 "pricing":{"input":1,"output":2},"maxInput":8192,"addParams":{"seed":7},"dropParams":["temperature"]}`

func TestTheAdminAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env["OPENAI_API_KEY"] = "sk-openai-secret"
	corp := openai.NewWith(t, openai.Options{Key: "sk-corp-secret", Models: []string{"gpt-4o"}})
	s := w.start()
	record := fmt.Sprintf(fullRecord, corp.Endpoint())
	get := func(path string) map[string]any {
		t.Helper()
		var v map[string]any
		if err := json.Unmarshal([]byte(s.do(http.MethodGet, path, nil, http.StatusOK)), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}

	s.do(http.MethodPut, "/api/v1/providers/corp", record, http.StatusCreated)
	s.do(http.MethodPut, "/api/v1/providers/corp", record, http.StatusOK)
	shown := get("/api/v1/providers/corp")
	var sent map[string]any
	_ = json.Unmarshal([]byte(record), &sent)
	for name, want := range sent {
		if name == "apiKey" {
			want = "set"
		} else if name == "extraHeaders" {
			want = map[string]any{"X-Corp-Token": "set"}
		}
		if got, want := fmt.Sprint(shown[name]), fmt.Sprint(want); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if shown["id"] != "corp" || shown["source"] != "custom" {
		t.Errorf("id and source: %v", shown)
	}

	// What was read may be put back; "set" keeps the secret for its server only.
	back, _ := json.Marshal(shown)
	s.do(http.MethodPut, "/api/v1/providers/corp", string(back), http.StatusOK)
	works := func(want bool) {
		t.Helper()
		body := s.do(http.MethodPost, "/api/v1/providers/corp/test", nil, http.StatusOK)
		last, _ := corp.Last()
		if ok := last.Header.Get("Authorization") == "Bearer sk-corp-secret" && last.Header.Get("X-Corp-Token") == "token-corp-secret"; ok != want {
			t.Errorf("the secrets were sent: %v, want %v: %s", ok, want, body)
		}
	}
	works(true)
	shown["endpoint"] = corp.URL() + "/other/path"
	back, _ = json.Marshal(shown)
	s.do(http.MethodPut, "/api/v1/providers/corp", string(back), http.StatusOK) // the same server
	for _, elsewhere := range []string{"https://" + corp.Addr() + "/v1/chat/completions", "http://127.0.0.1:9/v1/chat/completions", "http://localhost" + corp.Addr()[strings.LastIndex(corp.Addr(), ":"):] + "/v1/chat/completions"} {
		shown["endpoint"] = elsewhere
		back, _ = json.Marshal(shown)
		s.do(http.MethodPut, "/api/v1/providers/corp", string(back), http.StatusUnprocessableEntity)
	}
	s.do(http.MethodPut, "/api/v1/providers/corp", fmt.Sprintf(`{"endpoint":%q,"models":"gpt-4o, mini"}`, corp.Endpoint()), http.StatusOK)
	shown = get("/api/v1/providers/corp")
	if _, there := shown["apiKey"]; there && shown["apiKey"] != "" || len(shown["extraHeaders"].(map[string]any)) != 0 {
		t.Errorf("absent should remove the secrets: %v", shown)
	}
	if got := fmt.Sprint(shown["models"]); !strings.Contains(got, "mini") || shown["name"] != "corp" {
		t.Errorf("a comma-separated list and the default name: %v", shown)
	}
	s.do(http.MethodPut, "/api/v1/providers/new-1", `{"endpoint":"https://h.example/v1/chat/completions","apiKey":"set"}`, http.StatusUnprocessableEntity)

	// Defaults, and every way to give models.
	for models, want := range map[string]string{``: "default", `,"models":["a","b"]`: "b", `,"models":"one"`: "one", `,"models":{"discover":true}`: "discover"} {
		s.do(http.MethodPut, "/api/v1/providers/plain", `{"endpoint":"https://h.example/v1/chat/completions"`+models+`}`, http.StatusCreated)
		if got := fmt.Sprint(get("/api/v1/providers/plain")["models"]); !strings.Contains(got, want) {
			t.Errorf("models %s became %s", models, got)
		}
		s.do(http.MethodDelete, "/api/v1/providers/plain", nil, http.StatusNoContent)
	}

	if list := s.do(http.MethodGet, "/api/v1/providers?source=custom", nil, http.StatusOK); strings.Contains(list, `"lab"`) || !strings.Contains(list, `"corp"`) {
		t.Errorf("?source=custom: %s", list)
	}
	list := s.do(http.MethodGet, "/api/v1/providers", nil, http.StatusOK)
	for _, id := range []string{"openai", "lab", "corp", "demo"} {
		if !strings.Contains(list, `"id": "`+id+`"`) {
			t.Errorf("%s is not listed", id)
		}
	}

	// Bad input is a problem, never more.
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/api/v1/providers/plain", "", 404, "plain"}, {"DELETE", "/api/v1/providers/plain", "", 404, "plain"},
		{"POST", "/api/v1/providers/plain/test", "", 404, "plain"}, {"GET", "/api/v1/bots/nobody", "", 404, "nobody"},
		{"GET", "/api/v1/nothing", "", 404, ""}, {"GET", "/api/", "", 404, ""}, {"GET", "/api", "", 404, ""}, {"GET", "/api/v2/providers", "", 404, ""},
		{"POST", "/api/v1/providers", "{}", 405, ""}, {"PATCH", "/api/v1/providers/corp", "{}", 405, ""}, {"DELETE", "/api/v1/bots/helper", "", 405, ""},
		{"GET", "/api/v1/providers/corp/test", "", 405, ""},
		{"PUT", "/api/v1/providers/Corp", record, 422, "id"}, {"PUT", "/api/v1/providers/a_b", record, 422, "id"},
		{"PUT", "/api/v1/providers/x", "", 400, ""}, {"PUT", "/api/v1/providers/x", "{", 400, ""}, {"PUT", "/api/v1/providers/x", "[]", 0, ""},
		{"PUT", "/api/v1/providers/x", `{}`, 422, "endpoint"}, {"PUT", "/api/v1/providers/x", `{"endpoint":"ftp://x/y"}`, 422, "endpoint"},
		{"PUT", "/api/v1/providers/x", `{"endpoint":"https://h.example/x","apiStyle":"claude"}`, 422, "claude"},
		{"PUT", "/api/v1/providers/x", `{"endpoint":"https://h.example/x","colour":"red"}`, 422, "colour"},
		{"PUT", "/api/v1/providers/x", `{"endpoint":"https://h.example/x","name":"` + strings.Repeat("x", 2<<20) + `"}`, 413, ""},
		{"PATCH", "/api/v1/bots/helper", `{"provider":"nothing"}`, 422, "nothing"}, {"PATCH", "/api/v1/bots/helper", `{"colour":"red"}`, 422, "colour"},
		{"PATCH", "/api/v1/bots/nobody", `{"provider":"lab"}`, 404, "nobody"}, {"PATCH", "/api/v1/bots/helper", `{`, 400, ""},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+s.addr+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+adminToken)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		var problem map[string]any
		err = json.NewDecoder(response.Body).Decode(&problem)
		_ = response.Body.Close()
		if c.status != 0 && response.StatusCode != c.status || response.StatusCode >= 500 || response.StatusCode < 400 {
			t.Errorf("%s %s %.60s: %d, want %d: %v", c.method, c.path, c.body, response.StatusCode, c.status, problem)
		}
		if kind := response.Header.Get("Content-Type"); err != nil || !strings.HasPrefix(kind, "application/problem+json") || problem["status"] != float64(response.StatusCode) {
			t.Errorf("%s %s: %s is no problem: %v %v", c.method, c.path, kind, problem, err)
		}
		if text := fmt.Sprint(problem); !strings.Contains(text, c.says) {
			t.Errorf("%s %s %.60s: %q is not said: %s", c.method, c.path, c.body, c.says, text)
		}
	}

	// Addresses where no model may live make no record, in whatever notation.
	for _, host := range []string{"169.254.169.254", "2852039166", "[fe80::1]", "[::ffff:169.254.169.254]", "100.100.100.200", "metadata.google.internal"} {
		body := s.do(http.MethodPut, "/api/v1/providers/inside", `{"endpoint":"http://`+host+`/v1/chat/completions"}`, http.StatusUnprocessableEntity)
		if !strings.Contains(body, "PROVIDER_NETWORKS") {
			t.Errorf("%s: %s", host, body)
		}
		s.do(http.MethodGet, "/api/v1/providers/inside", nil, http.StatusNotFound)
	}

	// The bot's default.
	s.do(http.MethodPatch, "/api/v1/bots/helper", `{"provider":"corp","model":"mini"}`, http.StatusOK)
	if b := get("/api/v1/bots/helper"); b["provider"] != "corp" || b["model"] != "mini" {
		t.Errorf("the bot uses %v", b)
	}
	s.stop()
	s = w.start()
	if b := get("/api/v1/bots/helper"); b["provider"] != "corp" || b["model"] != "mini" {
		t.Errorf("after a restart the bot uses %v", b)
	}
	s.do(http.MethodPatch, "/api/v1/bots/helper", `{"provider":null,"model":null}`, http.StatusOK)
	if b := get("/api/v1/bots/helper"); b["provider"] != "lab" || b["model"] != "m1" {
		t.Errorf("back to the file's default the bot uses %v", b)
	}
	w.noSecretsIn(t, s)
	for _, text := range []string{s.log.String(), list} {
		if strings.Contains(text, "sk-openai-secret") {
			t.Errorf("a built-in provider's key is shown")
		}
	}
}

// The verbs against the real server, each with --json.
func TestOperatorVerbs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	w.env["DISCORD_TOKEN"] = ""
	s := w.start()
	record := fmt.Sprintf(`{"endpoint":%q,"models":["m1","m2"]}`, w.model.Endpoint())
	for _, c := range []struct {
		stdin string
		args  []string
		says  string
	}{
		{"", []string{"provider", "list"}, "lab"},
		{record, []string{"provider", "put", "mine"}, "mine"},
		{"", []string{"provider", "show", "mine"}, "mine"},
		{"", []string{"provider", "test", "mine"}, ""},
		{"", []string{"bot", "list"}, "helper"},
		{"", []string{"bot", "set", "helper", "mine/m2"}, "m2"},
		{"", []string{"bot", "show", "helper"}, "m2"},
		{"", []string{"provider", "export"}, "mine"},
		{"", []string{"provider", "remove", "mine"}, ""},
		{"", []string{"usage", "--by", "model"}, "usage"},
		{"", []string{"key", "generate"}, ""},
		{"", []string{"health"}, "alive"},
		{"", []string{"open"}, "/playground/open/"},
		{"", []string{"check"}, `"ok": true`},
		{"", []string{"version"}, "version"},
		{"", []string{"manifest", "slack", "--bot", "helper", "--url", "https://parley.example"}, "app_mention"},
		{"", []string{"manifest", "discord", "--bot", "helper"}, ""},
	} {
		code, out, errs := s.operatorVerb(c.stdin, append(c.args, "--json")...)
		if code != 0 || !json.Valid([]byte(out)) || !strings.Contains(out, c.says) {
			t.Errorf("parley %s --json: exit %d, %q, %s", strings.Join(c.args, " "), code, out, errs)
		}
	}
	w.model.Answer("Yes.")
	ts := ws.Mention("C1", "U1", "?") // its provider is gone
	answer := w.settled("C1", ts, "mine")
	if !strings.Contains(answer.Seen, "/provider add") {
		t.Errorf("it should be said what to do: %s", answer.Seen)
	}
}

// The manifest is that of the server's bots, as every operator verb speaks of
// the server.
func TestTheManifestIsThatOfTheServersBots(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("bots/aide.yaml", "id: aide\nname: Aide of Corp\nprovider: lab\nmodel: m1\n")
	w.write("bots/zed.yaml", "id: zed\nname: Zed of Corp\ndefault: true\nprovider: lab\nmodel: m1\n")
	s := w.start()
	delete(w.env, "BOTS_DIR")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"slack"}, 0, "Zed of Corp"},
		{[]string{"slack", "--bot", "aide"}, 0, "Aide of Corp"},
		{[]string{"slack", "--bot", "aide", "--url", "https://parley.example"}, 0, "https://parley.example/slack/aide/events"},
		{[]string{"discord", "--bot", "zed"}, 0, "Message Content"},
		{[]string{"slack", "--bot", "nobody"}, exitFailed, "aide, helper, zed"},
		{[]string{"teams"}, exitFailed, "slack or discord"},
	} {
		code, out, errs := s.operatorVerb("", append([]string{"manifest"}, c.args...)...)
		if code != c.code || !strings.Contains(out+errs, c.says) {
			t.Errorf("manifest %v: exit %d, %s%s", c.args, code, out, errs)
		}
	}
	s.stop()
	if code, _, errs := s.operatorVerb("", "manifest", "slack"); code != exitUnreachable {
		t.Errorf("without the server that PARLEY_URL names: exit %d, %s", code, errs)
	}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"manifest", "slack"}, process{stdout: &out, stderr: &errs}); code != 0 || !strings.Contains(out.String(), "app_mention") {
		t.Errorf("before there is a server: exit %d, %s%s", code, out.String(), errs.String())
	}
}
