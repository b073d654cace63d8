// Starting and stopping: the command line and every environment variable.

package main

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/internal/fake/openai"
	"parley/internal/fake/slack"
	"parley/internal/secret"
)

// startRefused runs the server with settings that must keep it from starting, and
// returns what it said.
func startRefused(t *testing.T, dir string, env map[string]string, args ...string) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, append([]string{"serve"}, args...)...)
	cmd.Dir = dir
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() <= 0 {
		t.Fatalf("the server should refuse to start: %v\n%s", err, out)
	}
	return string(out)
}

// Everything wrong is told at once, one line each, and never a value that may
// be a secret.
func TestWrongSettingsAreToldAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "bots"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"bots/one.yaml":   "id: one\nname: One\nprovider: lab\nmodel: m1\ncolour: red\nparams: {temperature: hot}\n",
		"bots/two.yaml":   "id: two\nmodel: m1\n",
		"bots/three.yaml": "id: four\nname: Three\nprovider: lab\nmodel: m1\n",
		"providers.yaml":  "lab:\n  endpoint: ftp://lab\n  apiStyle: claude\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wrong := map[string]string{
		"REDIS_URL": "mongodb://u:hunter2@x", "REDIS_WAIT_REPLICAS": "-1", "MASTER_KEYS": "a:hunter2",
		"PROVIDER_NETWORKS": "moon", "PLAYGROUND": "maybe", "DISCOVER_LOCAL": "perhaps", "SLACK_API_URL": "slack.com",
		"DISCORD_API_URL": "discord", "SLACK_UPDATE_LIMIT": "many", "DISCORD_GLOBAL_LIMIT": "-5", "STREAM_MODE": "fast",
		"SHUTDOWN_GRACE": "long", "LOG_LEVEL": "loud", "LOG_FORMAT": "xml", "OTEL_EXPORTER_OTLP_ENDPOINT": "collector",
		"HTTP_ADDR": "nowhere", "BOTS_DIR": "bots", "PROVIDERS_FILE": "providers.yaml", "REDIS_PREFIX": "a{b}c",
	}
	said := startRefused(t, dir, wrong)
	for name := range wrong {
		if name != "BOTS_DIR" && !strings.Contains(said, name) {
			t.Errorf("%s=%s is not told of", name, wrong[name])
		}
	}
	for _, part := range []string{"one.yaml:5", "colour", "one.yaml:6", "temperature", "two.yaml", "name", "provider", "three.yaml", "endpoint", "apiStyle", "claude"} {
		if !strings.Contains(said, part) {
			t.Errorf("%q is not told of", part)
		}
	}
	if strings.Contains(said, "hunter2") || strings.Contains(said, "parley ready") {
		t.Errorf("a secret is shown, or the server started")
	}
	seen := map[string]bool{}
	for line := range strings.Lines(said) {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "parley: "), ":")
		if seen[name] && strings.ToUpper(name) == name && name != "PROVIDERS_FILE" && !strings.HasPrefix(name, "PROVIDERS_FILE ") {
			t.Errorf("%s is told of twice", name)
		}
		seen[name] = true
	}
	ftp := strings.Index(said, "providers.yaml: line 2: lab.endpoint")
	if style := strings.Index(said, "providers.yaml: line 3: lab.apiStyle"); ftp < 0 || style < ftp || !strings.Contains(said[ftp:style], "\n") {
		t.Errorf("the problems of PROVIDERS_FILE should stand in lines of their own, in order")
	}
	if t.Failed() {
		t.Log(said)
	}

	// What fits no other rule.
	for name, c := range map[string]struct {
		env  map[string]string
		args []string
		says string
	}{
		"Redis without keys":   {map[string]string{"REDIS_URL": "redis://127.0.0.1:1"}, nil, "MASTER_KEYS="},
		"public without token": {map[string]string{"HTTP_ADDR": "0.0.0.0:0"}, nil, "ADMIN_TOKEN"},
		"playground, no token": {map[string]string{"HTTP_ADDR": ":0", "PLAYGROUND": "on"}, nil, "ADMIN_TOKEN"},
		"an argument too many": {nil, []string{"fast"}, "fast"},
		"a signing secret": {map[string]string{"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "hunter2"}, nil,
			"ADMIN_TOKEN: is required because bot helper has a slack.signing_secret"},
		"a public key": {map[string]string{"DISCORD_TOKEN": "t", "DISCORD_PUBLIC_KEY": strings.Repeat("ab", 32)}, nil,
			"ADMIN_TOKEN: is required because bot helper has a discord.public_key"},
		"a short token":         {map[string]string{"ADMIN_TOKEN": "hunter2"}, nil, "at least 16 characters"},
		"a negative grace":      {map[string]string{"SHUTDOWN_GRACE": "-1s"}, nil, "SHUTDOWN_GRACE"},
		"the data folder is no": {map[string]string{"DATA_DIR": "providers.yaml"}, nil, "DATA_DIR"},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{"HTTP_ADDR": "127.0.0.1:0"}
			maps.Copy(env, c.env)
			if said := startRefused(t, dir, env, c.args...); !strings.Contains(said, c.says) {
				t.Errorf("%q is missing in:\n%s", c.says, said)
			}
		})
	}

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, args := range [][]string{nil, {"--free-port"}} { // a chosen address is never left for another
		if said := startRefused(t, dir, map[string]string{"HTTP_ADDR": taken.Addr().String()}, args...); !strings.Contains(said, "HTTP_ADDR") {
			t.Errorf("a busy port: %s", said)
		}
	}
}

// idleStop is how long a server without work may take to end. It allows for a
// very busy machine; a wait for the usual grace of 25 s shows nevertheless.
const idleStop = 20 * time.Second

func TestAnIdleServerStopsAtOnce(t *testing.T) {
	storeKinds(t, func(t *testing.T, w *world) {
		ws := w.useSlack(slack.Options{}, true)
		d := w.useDiscordQuickly()
		s := w.start()
		w.model.Answer("Yes.")
		w.onSlack("C1", ws.Mention("C1", "U1", "there?"), "Yes.")
		w.onDiscord(d.Mention("general", "ann", "there?"), "Yes.")
		// Neither a page that listens, nor a connection opened in advance, nor a
		// request that never ends may hold the server up.
		listen, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.addr+"/playground/events", nil)
		listen.Header.Set("Authorization", "Bearer "+adminToken)
		feed, err := http.DefaultClient.Do(listen)
		if err != nil || feed.StatusCode != http.StatusOK {
			t.Fatal(feed, err)
		}
		defer feed.Body.Close()
		for _, sent := range []string{"", "POST /slack/helper/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc"} {
			c, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, sent); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		if code := s.stop(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		took := time.Since(began)
		t.Logf("an idle stop took %s", took.Round(time.Millisecond))
		if took > idleStop {
			t.Errorf("an idle stop took %s", took)
		}

		s = w.start() // SIGINT is the same
		s.once.Do(func() { _ = s.cmd.Process.Signal(os.Interrupt) })
		<-s.done
		if code := s.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("exit code %d after SIGINT", code)
		}
	})
}

// Within the grace a running answer finishes; after it the next process does.
func TestShutdownGrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.useSlack(slack.Options{}, false)
	s := w.start()
	step := make(chan struct{})
	text := "One two three four five six seven eight nine ten eleven twelve."
	begin := func(question string) string {
		w.model.Next(openai.Reply{Text: text, Step: step})
		ts := ws.Mention("C1", "U1", question)
		for range 8 {
			step <- struct{}{}
		}
		w.until("the answer has begun", func() bool { return len(ws.Answers("C1", ts)) == 1 })
		return ts
	}

	ts := begin("finish this")
	s.once.Do(func() { _ = s.cmd.Process.Signal(syscall.SIGTERM) })
	w.until("the server is stopping", func() bool { return strings.Contains(s.log.String(), "stopping") })
	go func() {
		for range 4 {
			step <- struct{}{}
		}
	}()
	<-s.done
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	w.onSlack("C1", ts, text)

	w.env["SHUTDOWN_GRACE"] = "200ms"
	s = w.start()
	ts = begin("hand this over")
	before := ws.Answers("C1", ts)[0]
	began := time.Now()
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(began); took > idleStop {
		t.Errorf("a stop with a grace of 200 ms took %s", took)
	}
	w.model.Answer(text)
	w.start()
	after := w.onSlack("C1", ts, text)
	if n := len(ws.Answers("C1", ts)); n != 1 || after.TS != before.TS {
		t.Errorf("the answer should go on in its message: there are %d", n)
	}
	w.clean()
}

func TestTheNextFreePortIsTaken(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	// 7070 is busy, whoever holds it; only what this test holds stays busy.
	held := false
	if l, err := net.Listen("tcp", "127.0.0.1:7070"); err == nil {
		defer l.Close()
		held = true
	}
	cmd := exec.CommandContext(t.Context(), path, "serve", "--free-port")
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"DISCOVER_LOCAL=off", "LOG_LEVEL=error"}
	out := &lines{}
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := pipe.Read(buf)
			out.add(string(buf[:n]))
			if err != nil {
				return
			}
		}
	}()
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	until(t, "it listens elsewhere", func() bool {
		m := readyLine.FindStringSubmatch(out.String())
		return m != nil && (m[1] != "127.0.0.1:7070" || !held)
	})
}

// PROVIDERS_FILE is applied when its content has changed, and undoes nothing
// else.
func TestProvidersFileIsAppliedWhenItChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.start()
	record := func(models string) string {
		return fmt.Sprintf(`{"endpoint":%q,"models":[%s]}`, w.model.Endpoint(), models)
	}
	s.do(http.MethodPut, "/api/v1/providers/lab", record(`"m2"`), http.StatusOK)
	s.do(http.MethodPut, "/api/v1/providers/mine", record(`"m1"`), http.StatusCreated)
	s.stop()

	s = w.start()
	if body := s.do(http.MethodGet, "/api/v1/providers/lab", nil, http.StatusOK); !strings.Contains(body, `"m2"`) || strings.Contains(body, `"m1"`) {
		t.Errorf("an unchanged file undid a change: %s", body)
	}
	// Without the record that stood in front of it, the file's is there again.
	s.do(http.MethodDelete, "/api/v1/providers/lab", nil, http.StatusNoContent)
	if body := s.do(http.MethodGet, "/api/v1/providers/lab", nil, http.StatusOK); !strings.Contains(body, `"m1"`) || !strings.Contains(body, `"file"`) {
		t.Errorf("the file's record is not back: %s", body)
	}
	s.do(http.MethodDelete, "/api/v1/providers/lab", nil, http.StatusNoContent)
	s.stop()

	s = w.start()
	s.do(http.MethodGet, "/api/v1/providers/lab", nil, http.StatusNotFound)
	s.stop()

	w.write("providers.yaml", `{"lab": `+record(`"m9"`)+`}`) // JSON, under any name
	s = w.start()
	if body := s.do(http.MethodGet, "/api/v1/providers/lab", nil, http.StatusOK); !strings.Contains(body, `"m9"`) || !strings.Contains(body, `"source": "file"`) {
		t.Errorf("a changed file was not applied: %s", body)
	}
	s.do(http.MethodGet, "/api/v1/providers/mine", nil, http.StatusOK)
}

// Two servers with prefixes of their own share a Redis and nothing else.
func TestRedisPrefix(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.useRedis()
	w.env["REDIS_PREFIX"] = "first"
	s := w.start()
	s.do(http.MethodPut, "/api/v1/providers/mine", `{"endpoint":"http://127.0.0.1:1/v1/chat/completions"}`, http.StatusCreated)
	w.env["REDIS_PREFIX"] = "second"
	other := w.start()
	other.do(http.MethodGet, "/api/v1/providers/mine", nil, http.StatusNotFound)

	// Keys that were sealed by another ring are told of, not lost.
	s.stop()
	other.stop()
	w.env["MASTER_KEYS"] = secret.GenerateKey("new") + "," + w.env["MASTER_KEYS"]
	w.env["REDIS_PREFIX"] = "first"
	s = w.start()
	s.do(http.MethodGet, "/api/v1/providers/mine", nil, http.StatusOK)
}

func TestPlaygroundSettings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := func(s *server) (int, string) {
		client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.addr+"/", nil)
		request.Header.Set("Accept", "text/html")
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return response.StatusCode, response.Header.Get("Location")
	}
	s := w.start()
	if status, to := page(s); status != http.StatusSeeOther || to != "/playground/login" {
		t.Errorf("auto on a loopback listener: %d %s", status, to)
	}
	s.stop()

	w.env["PLAYGROUND"] = "off"
	s = w.start()
	if status, _ := page(s); status != http.StatusNotFound {
		t.Errorf("off: %d", status)
	}
	s.stop()

	w.env["HTTP_ADDR"], w.env["PLAYGROUND"] = "0.0.0.0:0", "auto"
	w.env["PROVIDER_NETWORKS"] = "loopback"
	s = w.start()
	if status, _ := page(s); status != http.StatusNotFound {
		t.Errorf("auto on an open listener: %d", status)
	}
	if status, body := s.stranger("/api/v1/providers"); status != http.StatusUnauthorized || !strings.Contains(body, "status") {
		t.Errorf("401 without a problem: %d %s", status, body)
	}
	s.stop()

	w.env["PLAYGROUND"] = "on"
	s = w.start()
	status, to := page(s)
	if status != http.StatusSeeOther || to != "/playground/login" {
		t.Errorf("on, without a login: %d %s", status, to)
	}
	for _, path := range []string{"/playground/providers", "/playground/feed", "/playground/state"} {
		// What follows the redirect sees the login page and nothing else.
		status, body := s.stranger(path)
		if status == http.StatusOK && !strings.Contains(body, `<body class="login">`) || strings.Contains(body, w.model.Endpoint()) || strings.Contains(body, `data-provider=`) {
			t.Errorf("GET %s shows something without a login: %d %s", path, status, body)
		}
	}
}

// Only where DISCORD_API_URL and the like point is anything sent; the other
// limits are settings too.
func TestLimitsAndFormats(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env["SLACK_UPDATE_LIMIT"], w.env["DISCORD_GLOBAL_LIMIT"] = "off", "off"
	w.env["LOG_LEVEL"] = "error"
	s := w.start()
	if text := s.log.String(); strings.Count(text, "\n") != 1 {
		t.Errorf("at level error only the ready line is expected:\n%s", text)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, body := s.status(path); status != http.StatusOK || !strings.HasPrefix(body, "{") {
			t.Errorf("GET %s: %d %s", path, status, body)
		}
	}
	if status, body := s.stranger("/metrics"); status != http.StatusUnauthorized || strings.Contains(body, "parley_") {
		t.Errorf("GET /metrics without the token: %d", status)
	}
	if status, body := s.status("/metrics"); status != http.StatusOK || !strings.Contains(body, "# TYPE parley_") {
		t.Errorf("GET /metrics: %d", status)
	}
}
