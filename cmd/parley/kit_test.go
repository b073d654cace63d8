// What the end-to-end tests share: the real binary, started as an operator
// would, in front of platforms and model servers on the real wire.

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"parley/internal/fake/discord"
	"parley/internal/fake/openai"
	"parley/internal/fake/slack"
	"parley/internal/secret"
	"parley/internal/store/storetest"
)

// patience bounds every wait for something that must happen; nothing measures
// against it.
const patience = 60 * time.Second

// binary builds parley once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(binaryDir(), "parley")
	args := []string{"build", "-o", path}
	if raceDetector {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, ".")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// binaryDir is this test process's own.
func binaryDir() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("parley-e2e-%d", os.Getpid()))
}

func TestMain(m *testing.M) {
	if os.Getenv(hangs) != "" {
		hang()
	}
	code := m.Run()
	_ = os.RemoveAll(binaryDir())
	os.Exit(code)
}

// adminToken is what the tests administer with.
const adminToken = "kit-admin-token-0123456789"

// world is the outside of one server: platforms, a model, a store.
type world struct {
	t       *testing.T
	slack   *slack.Server
	discord *discord.Server
	model   *openai.Server
	env     map[string]string
	dir     string
}

// bot is a definition file.
const helperYAML = `id: helper
name: Helper
provider: lab
model: m1
system: Be brief.
params: {temperature: 0.3, max_tokens: 2048}
slack:
  bot_token: ${SLACK_BOT_TOKEN}
  app_token: ${SLACK_APP_TOKEN}
  signing_secret: ${SLACK_SIGNING_SECRET}
discord:
  token: ${DISCORD_TOKEN}
`

// storeKinds runs a test on the embedded store and on a real Redis.
func storeKinds(t *testing.T, test func(t *testing.T, w *world)) {
	t.Run("embedded", func(t *testing.T) { test(t, newWorld(t)) })
	t.Run("redis", func(t *testing.T) {
		w := newWorld(t)
		w.useRedis()
		test(t, w)
	})
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), model: openai.NewWith(t, openai.Options{Models: []string{"m1", "m2"}})}
	w.env = map[string]string{
		"ADMIN_TOKEN": adminToken,
		"HTTP_ADDR":   "127.0.0.1:0", "DATA_DIR": filepath.Join(w.dir, "data"),
		"BOTS_DIR": filepath.Join(w.dir, "bots"), "PROVIDERS_FILE": filepath.Join(w.dir, "providers.yaml"),
		"LOG_LEVEL": "debug", "DISCOVER_LOCAL": "off", "PATH": os.Getenv("PATH"), "GORACE": "halt_on_error=1",
	}
	w.write("bots/helper.yaml", helperYAML)
	w.write("providers.yaml", "lab:\n  endpoint: "+w.model.Endpoint()+"\n  apiKey: sk-lab-secret-key\n  models: [m1, m2]\n")
	return w
}

func (w *world) write(name, content string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o600)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) useRedis() {
	w.env["REDIS_URL"] = storetest.Redis(w.t)
	w.env["MASTER_KEYS"] = secret.GenerateKey("test")
}

// useSlack connects the bot to a workspace: by signed requests, or by Socket
// Mode.
func (w *world) useSlack(o slack.Options, socket bool) *slack.Server {
	w.t.Helper()
	if o.EventTimeout == 0 {
		o.EventTimeout = patience // a busy machine is not what these tests are about
	}
	o.TriggerLife = patience
	s, err := slack.Start(o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.Close)
	app := s.App("")
	w.env["SLACK_API_URL"], w.env["SLACK_BOT_TOKEN"] = s.APIURL(), app.BotToken
	if socket {
		w.env["SLACK_APP_TOKEN"] = app.AppToken
	} else {
		w.env["SLACK_SIGNING_SECRET"] = app.SigningSecret
	}
	w.slack = s
	return s
}

func (w *world) useDiscord(o discord.Options) *discord.Server {
	w.t.Helper()
	o.AnswerWithin = patience
	s, err := discord.Start(o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.Close)
	w.env["DISCORD_API_URL"], w.env["DISCORD_TOKEN"] = s.APIURL(), s.Token()
	w.discord = s
	return s
}

// server is one running process.
type server struct {
	w    *world
	cmd  *exec.Cmd
	addr string
	log  *lines
	done chan struct{}
	once sync.Once
}

// lines is a log that a test can look into while it grows.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) add(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.WriteString(s + "\n")
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

var readyLine = regexp.MustCompile(`msg="parley ready" addr=(\S+)`)

// start runs the server and returns once it takes work and its bots are
// connected.
func (w *world) start() *server {
	w.t.Helper()
	s := startProcess(w.t, w.dir, w.env)
	s.w = w
	w.t.Cleanup(func() {
		s.kill()
		if w.t.Failed() {
			w.t.Logf("log of the server:\n%s", tail(s.log.String(), 120))
		}
		if text := s.log.String(); strings.Contains(text, "DATA RACE") || strings.Contains(text, "panic:") {
			w.t.Errorf("the server raced or panicked:\n%s", text)
		}
	})
	if w.slack != nil && w.env["SLACK_SIGNING_SECRET"] != "" {
		w.slack.Serve("", "http://"+s.addr+"/slack/helper")
	}
	s.awaitReady(w.t)
	if w.discord != nil && w.env["DISCORD_TOKEN"] != "" {
		w.until("the application commands are registered", func() bool { return len(w.discord.Commands("")) > 0 })
	}
	return s
}

// startProcess runs the binary and returns once it says "parley ready".
func startProcess(t testing.TB, dir string, env map[string]string, args ...string) *server {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{cmd: exec.Command(path, append([]string{"serve"}, args...)...), log: &lines{}, done: make(chan struct{})}
	s.cmd.Dir = dir
	for name, value := range env {
		s.cmd.Env = append(s.cmd.Env, name+"="+value)
	}
	out, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan string, 1)
	go func() {
		defer close(s.done)
		scan := bufio.NewScanner(out)
		scan.Buffer(nil, 1<<20)
		for scan.Scan() {
			s.log.add(scan.Text())
			if m := readyLine.FindStringSubmatch(scan.Text()); m != nil {
				ready <- m[1]
			}
		}
		_, _ = io.Copy(io.Discard, out)
		_ = s.cmd.Wait()
	}()
	select {
	case s.addr = <-ready:
	case <-s.done:
		t.Fatalf("the server did not start:\n%s", s.log)
	case <-time.After(patience):
		s.kill()
		t.Fatalf("the server is not ready:\n%s", s.log)
	}
	return s
}

// awaitReady waits until every bot is connected.
func (s *server) awaitReady(t testing.TB) {
	t.Helper()
	until(t, "the bots are connected", func() bool {
		response, err := http.Get("http://" + s.addr + "/readyz")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		return response.StatusCode == http.StatusOK && strings.Contains(string(body), `"status":"ready"`)
	})
}

func tail(text string, n int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-n):], "\n")
}

// kill is kill -9.
func (s *server) kill() {
	s.once.Do(func() { _ = s.cmd.Process.Kill() })
	<-s.done
}

// stop is a graceful stop; it returns the exit code.
func (s *server) stop() int {
	s.once.Do(func() { _ = s.cmd.Process.Signal(syscall.SIGTERM) })
	<-s.done
	return s.cmd.ProcessState.ExitCode()
}

func (s *server) get(path string) (int, string) {
	status, body, err := s.call(http.MethodGet, path, nil, nil)
	if err != nil {
		return 0, err.Error()
	}
	return status, body
}

// call sends a request with the admin token, unless header has its own
// Authorization; an empty one sends none.
func (s *server) call(method, path string, header map[string]string, body any) (int, string, error) {
	var data io.Reader
	if text, ok := body.(string); ok {
		data = strings.NewReader(text)
	} else if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return 0, "", err
		}
		data = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(s.w.t.Context(), method, "http://"+s.addr+path, data)
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+adminToken)
	for name, value := range header {
		if name == "Host" {
			request.Host = value
		}
		if request.Header.Set(name, value); value == "" {
			request.Header.Del(name)
		}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// do calls the admin API and wants a status.
func (s *server) do(method, path string, body any, want int) string {
	s.w.t.Helper()
	status, text, err := s.call(method, path, nil, body)
	if err != nil {
		s.w.t.Fatal(err)
	}
	if status != want {
		s.w.t.Fatalf("%s %s: status %d, want %d: %s", method, path, status, want, text)
	}
	return text
}

// pause lets a little time pass between two looks.
func (w *world) pause() { <-time.After(50 * time.Millisecond) }

// until waits for a condition that holds sooner or later.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	until(w.t, what, holds)
}

func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(15 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
		<-tick.C
	}
}

// onSlack waits for the one answer in a thread and for its end, which is when
// no Stop button is left.
func (w *world) onSlack(channel, ts, want string) slack.Message {
	w.t.Helper()
	var answer slack.Message
	w.until(fmt.Sprintf("the answer to %s is %.60q", ts, want), func() bool {
		answers := w.slack.Answers(channel, ts)
		if len(answers) == 0 {
			return false
		}
		answer = answers[len(answers)-1]
		return answer.Seen == want && len(answer.Controls) == 0
	})
	return answer
}

// onDiscord is the same for a reply on Discord.
func (w *world) onDiscord(message, want string) discord.Message {
	w.t.Helper()
	var answer discord.Message
	w.until(fmt.Sprintf("the reply to %s is %.60q", message, want), func() bool {
		replies := w.discord.Replies(message)
		if len(replies) == 0 {
			return false
		}
		answer = replies[len(replies)-1]
		return answer.Content == want && len(answer.Buttons()) == 0
	})
	return answer
}

// clean fails the test where a request broke a platform's rules or would have
// pinged somebody.
func (w *world) clean() {
	w.t.Helper()
	if w.slack != nil {
		if v := w.slack.Violations(); len(v) > 0 {
			w.t.Errorf("Slack would not allow: %s", strings.Join(v, "\n"))
		}
		if p := w.slack.Pings(); len(p) > 0 {
			w.t.Errorf("somebody was pinged on Slack: %s", p)
		}
		if n := w.slack.Limited(); n > 0 {
			w.t.Errorf("%d calls were rate limited with a known budget", n)
		}
	}
	if w.discord != nil {
		if p := w.discord.Problems(); len(p) > 0 {
			w.t.Errorf("Discord would not allow: %s", strings.Join(p, "\n"))
		}
	}
}
