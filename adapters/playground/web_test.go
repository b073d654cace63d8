// The pages and forms as a browser without script uses them, and as the page's
// script does.

package playground

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"parley/internal/chat"
)

// page gets an address and gives status and body.
func (s *stage) page(path string) (int, string) {
	s.t.Helper()
	return s.request(http.MethodGet, path, nil, nil)
}

// form posts as a browser without script.
func (s *stage) form(path string, pairs ...string) (int, string) {
	s.t.Helper()
	return s.request(http.MethodPost, path, values(pairs), map[string]string{"Accept": "text/html"})
}

// script posts as the page's script and decodes the answer.
func (s *stage) script(path string, pairs ...string) (int, told) {
	s.t.Helper()
	status, body := s.request(http.MethodPost, path, values(pairs), map[string]string{"Accept": "application/json"})
	var out told
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		s.t.Fatalf("%s answered %d %q: %v", path, status, body, err)
	}
	return status, out
}

func values(pairs []string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

func (s *stage) request(method, path string, form url.Values, headers map[string]string) (int, string) {
	s.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.server.URL+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Accept", "text/html")
	s.authorize(r)
	for k, v := range headers {
		r.Header.Set(k, v)
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	out, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if answer.StatusCode == http.StatusSeeOther {
		return answer.StatusCode, answer.Header.Get("Location")
	}
	return answer.StatusCode, string(out)
}

// authorize lets a request in, unless the stage is for those outside.
func (s *stage) authorize(r *http.Request) {
	if !s.outside {
		r.Header.Set("Authorization", "Bearer "+token)
	}
}

func wants(t *testing.T, body string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(body, p) {
			t.Errorf("it lacks %q", p)
		}
	}
}

func TestPagesAnswer(t *testing.T) {
	s := newStage(t)
	for path, parts := range map[string][]string{
		"/":                      {"<title>#general", `href="/playground/c/random"`, `href="/playground/d/reviewer"`, "No model is connected yet", "Ask Helper something"},
		"/playground/c/general":  {`<h1><span class="hash"`, `name="text"`, `<option value="helper" selected>Helper</option>`},
		"/playground/d/reviewer": {"<title>Code Reviewer", "Message Code Reviewer", "lab/qwen3-8b"},
		"/playground/providers":  {`data-provider="demo"`, "Add provider", "chat/completions"},
		"/playground/bots":       {"Code Reviewer", "@helper", "lab/qwen3-8b", "Falls back to"},
	} {
		status, body := s.page(path)
		if status != http.StatusOK {
			t.Errorf("%s: %d", path, status)
		}
		t.Run(path, func(t *testing.T) { wants(t, body, parts...) })
	}
	for _, path := range []string{"/playground/c/nowhere", "/playground/d/general", "/playground/c/general/t/aaaaaaaaaaaaaaaaaaaaaaaa", "/playground/c/general/t/..%2f", "/elsewhere", "/playground/file/x", "/playground/assets/old/app.js"} {
		if status, _ := s.page(path); status != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", path, status)
		}
	}
}

// Everything a page loads comes from this server, is there, and is allowed by
// its own policy.
func TestAPageIsSelfContained(t *testing.T) {
	s := newStage(t)
	status, body := s.page("/")
	if status != http.StatusOK {
		t.Fatal(status)
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(body, -1) {
		if !strings.HasPrefix(m[1], "/") && !strings.HasPrefix(m[1], "#") {
			t.Errorf("the page points to %q", m[1])
		}
		if strings.Contains(m[1], "/assets/") {
			if status, _ := s.page(m[1]); status != http.StatusOK {
				t.Errorf("%s: %d", m[1], status)
			}
		}
	}
	for _, inline := range []string{"<style", " style=", " onclick=", " onload=", "javascript:"} {
		if strings.Contains(body, inline) {
			t.Errorf("the page holds %q", inline)
		}
	}
	if scripts := strings.Count(body, "<script"); scripts != 1 || !strings.Contains(body, `<script type="module" src="/playground/assets/`) {
		t.Errorf("%d scripts", scripts)
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server.URL+"/", nil)
	s.authorize(r)
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	csp := answer.Header.Get("Content-Security-Policy")
	wants(t, csp, "default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'")
	for _, bad := range []string{"unsafe", "http:", "*", "data:"} {
		if strings.Contains(csp, bad) {
			t.Errorf("the policy holds %q", bad)
		}
	}
	for header, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "same-origin"} {
		if got := answer.Header.Get(header); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
}

// Reading and posting work by forms alone.
func TestWithoutScript(t *testing.T) {
	s := newStage(t)
	s.answer = "An answer in **bold**."
	status, to := s.form("/playground/post", "channel", "C-general", "text", "@helper what is up?", "nonce", "n1")
	if status != http.StatusSeeOther || !strings.HasPrefix(to, "/playground/c/general/t/") {
		t.Fatalf("%d to %q, want the thread", status, to)
	}
	s.until("the answer is on the thread's page", func() bool {
		_, body := s.page(to)
		return strings.Contains(body, "An answer in <strong>bold</strong>.") && !strings.Contains(body, "growing")
	})
	_, body := s.page("/playground/c/general")
	wants(t, body, "1 reply", `href="`+to+`"`, "what is up?")
	thread := strings.TrimPrefix(to, "/playground/c/general/t/")

	if status, to = s.form("/playground/post", "channel", "C-general", "thread", thread, "text", "and then?"); status != http.StatusSeeOther {
		t.Fatalf("%d %s", status, to)
	}
	if status, body = s.form("/playground/post", "channel", "C-random", "bot", "helper", "text", "/model"); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	wants(t, body, "Only visible to you", "demo/demo", `name="value" value="lab/qwen3-8b"`, `name="command" value="model"`)
	if status, to = s.form("/playground/do", "channel", "C-random", "bot", "helper", "command", "model", "value", "lab/qwen3-8b"); status != http.StatusSeeOther {
		t.Fatalf("%d %s", status, to)
	}
	_, body = s.page(to)
	wants(t, body, "This channel now uses <code dir=\"ltr\">lab/qwen3-8b</code>.")
	if status, body = s.form("/playground/do", "channel", "D-helper", "command", "provider add"); status != http.StatusOK {
		t.Fatalf("%d", status)
	}
	wants(t, body, `name="f-endpoint"`, `name="form" value="provider-add"`, `type="password"`)
}

func TestWhatIsLackingIsSaid(t *testing.T) {
	s := newStage(t)
	for _, c := range []struct {
		list         []Provider
		chat, manage string
	}{
		{s.list, "it streams canned text", "until you add one"},
		{nil, "no bot can answer", "No bot can answer"},
		{[]Provider{{ID: "x", Hint: "Set X_KEY."}}, "no bot can answer", "Set X_KEY."},
		{[]Provider{{ID: "x", Usable: true}}, "", ""},
	} {
		s.mu.Lock()
		s.list = c.list
		s.mu.Unlock()
		_, room := s.page("/")
		_, manage := s.page(providersPath)
		wants(t, room, c.chat)
		wants(t, manage, c.manage)
		if is := strings.Contains(room, "No model is connected yet"); is != (c.chat != "") {
			t.Errorf("%v: the hint is there: %v", c.list, is)
		}
	}
}

func TestSayingNothingToNobodyIsExplained(t *testing.T) {
	s := newStage(t)
	_, out := s.script("/playground/post", "channel", "C-general", "text", "hello?")
	if len(out.Notes) != 1 || !strings.Contains(out.Notes[0], "mention a bot") || len(out.Posts) != 1 {
		t.Errorf("got %+v, want the message and a hint", out)
	}
	if len(s.got()) != 0 {
		t.Error("a message nobody was mentioned in went to a bot")
	}
}

// A message that was not taken is not lost: the text stays in the box, and the
// next try with the same nonce makes no second message.
func TestAMessageThatCannotBeTakenIsKept(t *testing.T) {
	s := newStage(t)
	s.refuse = errors.New("store: connection refused by 10.0.0.7")
	pairs := []string{"channel", "C-general", "text", "@helper keep me", "nonce", "same"}
	status, out := s.script("/playground/post", pairs...)
	if status != http.StatusServiceUnavailable || !strings.Contains(out.Problem, "Not sent") || !strings.Contains(out.Problem, "ref-") {
		t.Fatalf("%d %+v", status, out)
	}
	if strings.Contains(out.Problem, "10.0.0.7") {
		t.Error("the person is shown the store's words")
	}
	_, body := s.form("/playground/post", pairs...)
	wants(t, body, ">@helper keep me</textarea>", "Not sent")
	s.refuse = nil
	if status, _ = s.script("/playground/post", pairs...); status != http.StatusOK {
		t.Fatal(status)
	}
	s.script("/playground/post", pairs...)
	if n := len(s.got()); n != 1 {
		t.Errorf("%d messages for one nonce", n)
	}
	if ids, _, _ := s.board.List(t.Context(), "C-general", noTime, 10); len(ids) != 1 {
		t.Errorf("%d posts for one nonce", len(ids))
	}
}

func TestCommandsGoToTheDesk(t *testing.T) {
	s := newStage(t)
	s.answer = ""
	_, out := s.script("/playground/post", "channel", "C-general", "text", "@reviewer hm")
	thread := strings.TrimPrefix(out.Thread, "/playground/c/general/t/")
	for _, c := range []struct {
		pairs []string
		want  chat.Command
	}{
		{[]string{"channel", "C-general", "bot", "reviewer", "text", "/model  lab/qwen3-8b "}, chat.Command{Name: "model", Args: "lab/qwen3-8b", Bot: "reviewer", Place: chat.Place{Channel: "C-general"}}},
		{[]string{"channel", "C-general", "text", "/RESET"}, chat.Command{Name: "reset", Bot: "helper", Place: chat.Place{Channel: "C-general"}}},
		{[]string{"channel", "C-general", "bot", "nobody", "text", "/help"}, chat.Command{Name: "help", Bot: "helper", Place: chat.Place{Channel: "C-general"}}},
		{[]string{"channel", "D-reviewer", "bot", "helper", "text", "/help me"}, chat.Command{Name: "help", Args: "me", Bot: "reviewer", Place: chat.Place{Channel: "D-reviewer", Direct: true}}},
		{[]string{"channel", "C-general", "thread", thread, "text", "/help"}, chat.Command{Name: "help", Bot: "reviewer", Place: chat.Place{Channel: "C-general", Thread: thread}}},
		{[]string{"channel", "C-general", "text", "/frobnicate it"}, chat.Command{Name: "frobnicate", Args: "it", Bot: "helper", Place: chat.Place{Channel: "C-general"}}},
	} {
		c.want.Scope, c.want.Place.Platform, c.want.Author = Scope, Scope, you()
		s.script("/playground/post", c.pairs...)
		did := s.did()
		if got := did[len(did)-1]; got != c.want {
			t.Errorf("%v\n got %+v\nwant %+v", c.pairs, got, c.want)
		}
	}
	if n := len(s.got()); n != 1 {
		t.Errorf("%d messages went to the inbox, want the mention alone", n)
	}
	_, out = s.script("/playground/post", "channel", "C-general", "text", "/frobnicate")
	if len(out.Notes) != 1 || !strings.Contains(out.Notes[0], "I do not know frobnicate") || !strings.Contains(out.Notes[0], "problem") {
		t.Errorf("a refused command shows %q", out.Notes)
	}
	_, out = s.script("/playground/post", "channel", "C-random", "text", "/reset")
	if len(out.Posts) != 1 || len(out.Notes) != 0 || out.Room != "C-random" {
		t.Errorf("what changed something for all is shown as %+v, want a message", out)
	}
}

func TestTheProviderForm(t *testing.T) {
	s := newStage(t)
	const key = "sk-very-secret-0001"
	fill := func(id, endpoint string) []string {
		return []string{"channel", "D-helper", "form", "provider-add", "f-id", id, "f-name", "Corp", "f-endpoint", endpoint, "f-apiKey", key, "f-models", "m1, m2"}
	}
	status, out := s.script("/playground/submit", fill("Not An Id", "example.com")...)
	if status != http.StatusUnprocessableEntity {
		t.Errorf("%d, want 422", status)
	}
	wants(t, out.Form, "Use lowercase letters", "Give the full address", `value="Not An Id"`, `value="example.com"`, `aria-invalid="true"`, `aria-describedby="h-id e-id"`)
	if strings.Contains(out.Form, key) {
		t.Error("the form sends the key back")
	}
	status, body := s.form("/playground/submit", append(fill("Not An Id", "example.com"), "view", "providers")...)
	if status != http.StatusUnprocessableEntity || strings.Contains(body, key) {
		t.Errorf("without script: %d", status)
	}
	wants(t, body, "<title>Providers", "Use lowercase letters", `value="providers"`)

	status, out = s.script("/playground/submit", fill("corp", "https://example.com/v1/chat/completions")...)
	if status != http.StatusOK || !strings.Contains(out.Done, "first token after 38 ms") {
		t.Fatalf("%d %+v", status, out)
	}
	if got := s.given[len(s.given)-1]; got["apiKey"] != key || got["models"] != "m1, m2" || got["id"] != "corp" {
		t.Errorf("the desk got %v", got)
	}
	for _, path := range []string{"/playground/providers", "/playground/providers?edit=corp", "/"} {
		_, body := s.page(path)
		if strings.Contains(body, key) {
			t.Errorf("%s shows the key", path)
		}
	}
	s.mu.Lock()
	s.list = append(s.list, Provider{ID: "openai", Source: "builtin"})
	s.mu.Unlock()
	_, body = s.page("/playground/providers")
	wants(t, body, `aria-label="Edit corp"`, `aria-label="Test openai"`)
	if strings.Contains(body, "Edit openai") {
		t.Error("a built-in provider, which cannot be edited, has a button for it")
	}
	_, body = s.page("/playground/providers?edit=corp")
	wants(t, body, "Edit corp", `value="https://example.com/v1/chat/completions"`, `value="m1, m2"`, "Leave empty to keep it")
	_, body = s.page("/")
	if strings.Contains(body, "No model is connected yet") {
		t.Error("the welcome hint stays after a provider was added")
	}
	_, out = s.script("/playground/do", "channel", "D-helper", "view", "providers", "command", "provider remove corp")
	if len(out.Notes) != 1 || len(out.Posts) != 0 {
		t.Errorf("removing on the providers page gives %+v, want a note there and no message in a room", out)
	}
}

// However wrong an edit is, the form that comes back is the one that was sent:
// its fields in order, with their labels, hints and what was typed.
func TestAWrongEditKeepsItsForm(t *testing.T) {
	for name, id := range map[string]string{"its own id": "corp", "no id": "Corp X", "an id nobody has": "corpx", "an empty id": "", "another's id": "demo"} {
		for _, gone := range []bool{false, true} {
			s := newStage(t)
			if !gone {
				s.list = append(s.list, Provider{ID: "corp", Name: "Corp", Endpoint: "https://example.com/v1/chat/completions", Usable: true})
			}
			s.list = append(s.list, Provider{ID: "lab", Name: "Lab", Endpoint: "https://lab.example.com/", Usable: true})
			status, out := s.script("/playground/submit", "channel", "D-helper", "form", "provider-edit:corp", "f-id", id, "f-name", "Typed",
				"f-endpoint", "nonsense", "f-apiKey", "sk-typed-0001", "f-models", "m1, m2")
			if status != http.StatusUnprocessableEntity {
				t.Errorf("%s: %d", name, status)
			}
			wants(t, out.Form, `name="form" value="provider-edit:corp"`, `value="`+id+`"`, `value="Typed"`, `value="nonsense"`, `value="m1, m2"`, "Provider ID", "Give the full address")
			if !gone {
				wants(t, out.Form, "Edit corp", "Leave empty to keep it")
			}
			last := -1
			for _, field := range []string{"f-id", "f-name", "f-endpoint", "f-apiKey", "f-models"} {
				at := strings.Index(out.Form, `name="`+field+`"`)
				if at <= last {
					t.Errorf("%s: the fields are out of order at %s", name, field)
				}
				last = at
			}
			if strings.Contains(out.Form, "sk-typed") || strings.Contains(out.Form, "Lab") {
				t.Errorf("%s: the form shows a key, or another provider", name)
			}
		}
	}
}

// The browser names a server that was found; where it is comes from the server.
func TestAFoundServerIsConnectedWithOneClick(t *testing.T) {
	s := newStage(t)
	s.found = []Server{{ID: "ollama", Name: "Ollama", Endpoint: "http://127.0.0.1:11434/v1/chat/completions", Models: []string{"qwen3:8b", "llama3"}}}
	_, body := s.page("/")
	wants(t, body, "Ollama is running on this machine", "Connect Ollama", "2 models")
	status, out := s.script("/playground/connect", "channel", "D-helper", "server", "ollama", "endpoint", "http://evil.example/")
	if status != http.StatusOK || !strings.Contains(out.Done, "ollama") {
		t.Fatalf("%d %+v", status, out)
	}
	got := s.given[0]
	if got["endpoint"] != s.found[0].Endpoint || got["id"] != "ollama" || got["models"] != "qwen3:8b, llama3" || got["name"] != "Ollama" {
		t.Errorf("the desk got %v", got)
	}
	// Known by now: it is chosen, not registered again.
	_, body = s.page("/playground/c/random")
	wants(t, body, "Use Ollama")
	s.script("/playground/connect", "channel", "C-random", "server", "ollama")
	if did := s.did(); len(s.given) != 1 || did[len(did)-1].Args != "use ollama" || did[len(did)-1].Place.Channel != "C-random" {
		t.Errorf("the desk got %v and %+v", s.given, did[len(did)-1])
	}
	if _, out = s.script("/playground/connect", "channel", "D-helper", "view", "providers", "server", "ollama"); len(out.Notes) != 1 || !strings.Contains(out.Notes[0], "is ready") {
		t.Errorf("on the providers page: %+v", out)
	}
	if _, out = s.script("/playground/connect", "channel", "D-helper", "server", "other"); len(out.Notes) != 1 || !strings.Contains(out.Notes[0], "no longer answers") {
		t.Errorf("an unknown server: %+v", out)
	}
}

func TestCompletion(t *testing.T) {
	s := newStage(t)
	ask := func(text string) []suggestion {
		_, body := s.page("/playground/complete?" + url.Values{"text": {text}, "channel": {"C-general"}, "bot": {"helper"}}.Encode())
		var out []suggestion
		if err := json.Unmarshal([]byte(body), &out); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		return out
	}
	for _, c := range []struct{ text, first, result string }{
		{"@", "Helper", "@helper "},
		{"hello @rev", "Code Reviewer", "hello @reviewer "},
		{"@code r", "Code Reviewer", "@reviewer "},
		{"/", "/model", "/model "},
		{"/pro", "/provider", "/provider "},
		{"/provider u", "use", "/provider use "},
		{"/provider ", "list", "/provider list"},
		{"/provider e", "edit", "/provider edit "},
		{"/bot u", "use", "/bot use "},
		{"/usage c", "channel", "/usage channel"},
		{"/model ", "demo/demo", "/model demo/demo"},
		{"/model lab", "lab/qwen3-8b", "/model lab/qwen3-8b"},
		{"@reviewer /mo", "/model", "@reviewer /model "},
		{"@reviewer /model l", "lab/qwen3-8b", "@reviewer /model lab/qwen3-8b"},
		{"mail@rev", "", ""},
		{"no", "", ""},
		{"`@hel", "", ""},
		{"/nothing", "", ""},
	} {
		got := ask(c.text)
		if c.first == "" {
			if len(got) != 0 {
				t.Errorf("%q offers %v", c.text, got)
			}
			continue
		}
		if len(got) == 0 || got[0].Label != c.first {
			t.Errorf("%q offers %v, want %s first", c.text, got, c.first)
			continue
		}
		if result := c.text[:len(c.text)-got[0].Back] + got[0].Insert; result != c.result {
			t.Errorf("%q becomes %q, want %q", c.text, result, c.result)
		}
	}
	s.commands = nil
	ask("@reviewer /model x")
	s.page("/playground/complete?text=%2Fprovider+use+x&channel=D-reviewer")
	if got := s.did(); len(got) != 0 {
		t.Errorf("completion ran %v", got)
	}
}

func TestARequestOfAnotherSiteIsRefused(t *testing.T) {
	s := newStage(t)
	for _, headers := range []map[string]string{
		{"Sec-Fetch-Site": "cross-site"},
		{"Origin": "https://evil.example"},
	} {
		status, _ := s.request(http.MethodPost, "/playground/post", values([]string{"channel", "C-general", "text", "@helper hi"}), headers)
		if status != http.StatusForbidden {
			t.Errorf("%v: %d, want 403", headers, status)
		}
	}
	if len(s.got()) != 0 {
		t.Error("a message of another site was taken")
	}
}

func TestBadFormsAreToldPlainly(t *testing.T) {
	s := newStage(t)
	for _, pairs := range [][]string{
		{"channel", "C-nowhere", "text", "hi"},
		{"text", "hi"},
		{"channel", "C-general", "thread", "../x", "text", "hi"},
	} {
		if status, _ := s.form("/playground/post", pairs...); status != http.StatusBadRequest {
			t.Errorf("%v: %d, want 400", pairs, status)
		}
	}
	if status, out := s.script("/playground/post", "channel", "C-general", "text", strings.Repeat("ü", sizeLimit+1)); status != http.StatusUnprocessableEntity || !strings.Contains(out.Problem, "12000") {
		t.Errorf("%d %+v", status, out)
	}
	for _, path := range []string{"/playground/post", "/playground/submit", "/playground/do", "/playground/connect"} {
		status, body := s.form(path, "channel", "C-general", "text", strings.Repeat("x", bodyLimit))
		if status != http.StatusRequestEntityTooLarge || !strings.Contains(body, "256 KiB") || strings.Contains(body, "http:") {
			t.Errorf("%s with a huge form: %d %s", path, status, body)
		}
	}
	if status, out := s.script("/playground/post", "channel", "C-general", "thread", strings.Repeat("a", 24), "text", "hi"); status != http.StatusUnprocessableEntity || out.Problem == "" {
		t.Errorf("a thread that is gone: %d %+v", status, out)
	}
	if status, _ := s.form("/playground/post", "channel", "C-general", "text", "  "); status != http.StatusSeeOther {
		t.Errorf("nothing typed: %d", status)
	}
}

func TestAnUnreachableStoreIsSaid(t *testing.T) {
	s := newStage(t)
	s.board.mu.Lock()
	s.board.broken = errors.New("dial tcp 10.1.2.3:6379: refused")
	s.board.mu.Unlock()
	status, body := s.page("/")
	if status != http.StatusServiceUnavailable || strings.Contains(body, "10.1.2.3") {
		t.Errorf("%d %q", status, body)
	}
	wants(t, body, "store reachable")
}
