// The doors, against the real binary: what a stranger gets who reaches a loopback
// listener through a proxy or a tunnel, and how the operator gets in.

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
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
	"parley/internal/fake/slack"
)

// folderWorld is a world whose server is given no token, as "make run" starts
// it.
func folderWorld(t *testing.T) *world {
	w := newWorld(t)
	delete(w.env, "ADMIN_TOKEN")
	return w
}

// keptToken is the token that a server made.
func (w *world) keptToken() string {
	w.t.Helper()
	token, err := os.ReadFile(filepath.Join(w.env["DATA_DIR"], "admin-token"))
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.TrimSpace(string(token))
}

// verb runs the binary in a folder, as a person does.
func (w *world) verb(dir string, env map[string]string, args ...string) (code int, stdout, stderr string) {
	w.t.Helper()
	path, err := binary()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.CommandContext(w.t.Context(), path, args...)
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH")}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// tunnel passes TCP connections on and adds nothing, as ssh -R or a tunnel
// service does.
func tunnel(t *testing.T, to string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); http.DefaultClient.CloseIdleConnections(); open.Wait() })
	open.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				_ = from.Close()
				continue
			}
			both := func() { _ = from.Close(); _ = server.Close() }
			open.Go(func() { _, _ = io.Copy(server, from); both() })
			open.Go(func() { _, _ = io.Copy(from, server); both() })
		}
	})
	return l.Addr().String()
}

// nginx is a real one with nothing but proxy_pass in front of a server.
func nginx(t *testing.T, to string) string {
	t.Helper()
	return nginxWith(t, "location / { proxy_pass http://"+to+"; }")
}

// nginxWith is a real one with a server of these directives, and its address.
func nginxWith(t *testing.T, directives string) string {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		path = "/usr/sbin/nginx"
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal("this test needs nginx: make test installs it on Debian and Ubuntu (apt-get install nginx-light)")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	_ = free.Close()
	dir := t.TempDir()
	config := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/log;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
	server { listen %[2]s; %[3]s }
}`, dir, addr, directives)
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-p", dir, "-e", filepath.Join(dir, "log"), "-c", filepath.Join(dir, "conf"))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); <-ended })
	until(t, "nginx answers", func() bool {
		select {
		case <-ended:
			t.Fatalf("nginx ended: %s", said.String())
		default:
		}
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return addr
}

// With the lines of the README, nginx passes events on as they come and what a
// page sends as its own, and still compresses the rest.
func TestTheReadmesNginxHoldsNoEventBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.start()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```nginx\n")
	lines, _, found := strings.Cut(rest, "```")
	if !found || !strings.Contains(lines, "127.0.0.1:7070") {
		t.Fatalf("the README has no lines for nginx: %q", lines)
	}
	front := nginxWith(t, "gzip on; gzip_min_length 1; "+strings.ReplaceAll(lines, "127.0.0.1:7070", s.addr))
	through := &server{w: w, addr: front}
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json", "Authorization": "Bearer " + adminToken, "Origin": "http://" + front}

	if status, body, _ := through.ask(t, http.MethodPost, "/playground/post", form, "channel=C-general&text=first+light"); status != http.StatusOK {
		t.Errorf("posting: %d %.200s", status, body)
	}
	ask, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+front+"/playground/events?channel=C-general&since=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	ask.Header.Set("Authorization", "Bearer "+adminToken)
	ask.Header.Set("Accept-Encoding", "gzip")
	feed, err := http.DefaultTransport.RoundTrip(ask)
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Body.Close()
	if got := feed.Header.Get("Content-Encoding"); got != "" {
		t.Errorf("the events are compressed: %s", got)
	}
	late := time.AfterFunc(patience, func() { _ = feed.Body.Close() })
	defer late.Stop()
	for scan := bufio.NewScanner(feed.Body); ; {
		if !scan.Scan() {
			t.Fatalf("no event came through: %v", scan.Err())
		}
		if strings.Contains(scan.Text(), "first light") {
			break
		}
	}
	_, page, header := through.ask(t, http.MethodGet, "/playground/c/general", map[string]string{"Accept": "text/html", "Accept-Encoding": "gzip", "Authorization": "Bearer " + adminToken}, "")
	if header.Get("Content-Encoding") != "gzip" {
		t.Errorf("pages are not compressed: %v %.100q", header, page)
	}
}

// A proxy or a tunnel in front of a loopback listener lets nobody in: what it
// passes on looks as if it came from this machine.
func TestNothingIsOpenBehindAProxyOrATunnel(t *testing.T) {
	t.Parallel()
	w := folderWorld(t)
	w.useDiscord(discord.Options{Limits: discord.Limits{Off: true}})
	s := w.start()
	token := w.keptToken()
	for name, addr := range map[string]string{"direct": s.addr, "nginx": nginx(t, s.addr), "tunnel": tunnel(t, s.addr)} {
		t.Run(name, func(t *testing.T) {
			through := &server{w: w, addr: addr}
			ask := func(method, path, accept, auth string, body any) (int, string, http.Header) {
				t.Helper()
				return through.ask(t, method, path, map[string]string{"Accept": accept, "Authorization": auth}, body)
			}
			record := `{"endpoint":"https://evil.example/v1/chat/completions"}`
			for _, c := range []struct{ method, path, body string }{
				{"GET", "/api/v1/providers", ""}, {"PUT", "/api/v1/providers/evil", record}, {"POST", "/api/v1/login-codes", ""}, {"GET", "/api/v1/nothing", ""},
				{"GET", "/metrics", ""}, {"GET", "/demo/v1/models", ""}, {"POST", "/demo/v1/chat/completions", `{"messages":[{"role":"user","content":"hi"}]}`},
				{"GET", "/playground/events", ""},
			} {
				if status, body, header := ask(c.method, c.path, "*/*", "", c.body); status != http.StatusUnauthorized || header.Get("WWW-Authenticate") == "" {
					t.Errorf("%s %s: %d %.200s", c.method, c.path, status, body)
				}
			}
			for path, accept := range map[string]string{"/": "*/*", "/playground/c/general": "", "/playground/providers": "text/html"} {
				if status, _, header := ask("GET", path, accept, "", ""); status != http.StatusSeeOther || !strings.Contains(header.Get("Location"), "/playground/login") {
					t.Errorf("a browser at %s: %d %v", path, status, header)
				}
			}
			if status, body, _ := ask("POST", "/playground/post", "text/html", "", "channel=C-general&text=@helper+hi"); status != http.StatusSeeOther || strings.Contains(body, "helper") {
				t.Errorf("posting: %d %s", status, body)
			}
			if status, body, _ := ask("GET", "/healthz", "*/*", "", ""); status != http.StatusOK || strings.TrimSpace(body) != `{"status":"alive"}` {
				t.Errorf("/healthz: %d %s", status, body)
			}
			status, body, _ := ask("GET", "/readyz", "*/*", "", "")
			if status != http.StatusOK || !strings.Contains(body, `{"name":"discord/helper","ok":true}`) || strings.Contains(body, "reason") || strings.Contains(body, "store") {
				t.Errorf("/readyz: %d %s", status, body)
			}
			if status, body, _ = ask("GET", "/readyz", "*/*", "Bearer "+token, ""); status != http.StatusOK || !strings.Contains(body, `"store"`) {
				t.Errorf("/readyz with the token: %d %s", status, body)
			}
			if status, _, _ := ask("GET", "/readyz", "*/*", "Bearer guess", ""); status != http.StatusUnauthorized {
				t.Errorf("/readyz tells whether a guess is right: %d", status)
			}
			for _, path := range []string{"/api/v1/providers", "/metrics", "/demo/v1/models", "/playground/bots"} {
				if status, body, _ := ask("GET", path, "*/*", "Bearer "+token, ""); status != http.StatusOK {
					t.Errorf("%s with the token: %d %.200s", path, status, body)
				}
			}
		})
	}
}

// ask sends a request and follows no redirect. A body of a form is one.
func (s *server) ask(t *testing.T, method, path string, header map[string]string, body any) (int, string, http.Header) {
	t.Helper()
	text, _ := body.(string)
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.addr+path, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if text != "" && text[0] != '{' {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range header {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(said), answer.Header
}

var (
	playgroundLine = regexp.MustCompile(`msg=playground url=(http://\S+)`)
	codeInPath     = regexp.MustCompile(`/playground/open/([A-Z0-9]{26,})$`)
)

// The address that the start prints opens the pages once, "parley open" prints a
// fresh one, and neither holds the token.
func TestThePrintedAddressOpensThePagesOnce(t *testing.T) {
	t.Parallel()
	w := folderWorld(t)
	s := w.start()
	token := w.keptToken()
	if strings.Contains(s.log.String(), token) {
		t.Error("the log holds the token")
	}
	printed := playgroundLine.FindStringSubmatch(s.log.String())
	if printed == nil || !codeInPath.MatchString(printed[1]) {
		t.Fatalf("no address with a code:\n%s", tail(s.log.String(), 20))
	}
	code, fresh, errs := w.verb(w.dir, w.env, "open")
	if code != 0 || !codeInPath.MatchString(strings.TrimSpace(fresh)) || errs != "" {
		t.Fatalf("parley open: %d %q %q", code, fresh, errs)
	}
	var asJSON struct{ URL, Expires string }
	if code, out, errs := w.verb(w.dir, w.env, "open", "--json"); code != 0 || json.Unmarshal([]byte(out), &asJSON) != nil || !codeInPath.MatchString(asJSON.URL) || asJSON.Expires == "" {
		t.Errorf("parley open --json: %d %q %q", code, out, errs)
	}
	for _, address := range []string{printed[1], strings.TrimSpace(fresh)} {
		jar, _ := cookiejar.New(nil)
		client := &http.Client{Jar: jar}
		head, err := client.Head(address)
		if err != nil || head.Body.Close() != nil {
			t.Fatal(err)
		}
		page, err := client.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(page.Body)
		_ = page.Body.Close()
		if err != nil || page.StatusCode != http.StatusOK || page.Request.URL.Path != "/" || !strings.Contains(string(text), "#general") && !strings.Contains(string(text), "C-general") {
			t.Errorf("%s: %d at %s", address, page.StatusCode, page.Request.URL)
		}
		// A session of the pages may use the API from its own pages.
		api, err := client.Get("http://" + s.addr + "/api/v1/bots")
		if err != nil || api.Body.Close() != nil || api.StatusCode != http.StatusOK {
			t.Errorf("the API with the session: %v %v", api, err)
		}
		other, err := http.Get(address)
		if err != nil || other.Body.Close() != nil || other.StatusCode != http.StatusUnauthorized {
			t.Errorf("a second use: %v %v", other, err)
		}
		out, err := client.Post("http://"+s.addr+"/playground/logout", "application/x-www-form-urlencoded", nil)
		if err != nil || out.Body.Close() != nil || !strings.HasPrefix(out.Request.URL.Path, "/playground/login") {
			t.Errorf("logging out: %v %v", out, err)
		}
	}

	// The token outlives the server; a session that was ended stays so.
	s.stop()
	s = w.start()
	if again := w.keptToken(); again != token {
		t.Error("a restart makes a new token")
	}
	info, err := os.Stat(filepath.Join(w.env["DATA_DIR"], "admin-token"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

// Over replicas that share Redis and ADMIN_TOKEN, a code of one opens another,
// and a session ended on one is ended on all.
func TestSessionsHoldOnEveryReplica(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.useRedis()
	one := w.start()
	w.env["DATA_DIR"] = filepath.Join(w.dir, "data-2")
	two := w.start()
	var made struct{ Path string }
	if err := json.Unmarshal([]byte(one.do(http.MethodPost, "/api/v1/login-codes", nil, http.StatusCreated)), &made); err != nil {
		t.Fatal(err)
	}
	status, _, header := two.ask(t, "GET", made.Path, nil, "")
	if status != http.StatusSeeOther || header.Get("Set-Cookie") == "" {
		t.Fatalf("%d %v", status, header)
	}
	pair, _, _ := strings.Cut(header.Get("Set-Cookie"), ";")
	session := map[string]string{"Cookie": pair}
	for _, s := range []*server{one, two} {
		if status, _, _ := s.ask(t, "GET", "/api/v1/bots", session, ""); status != http.StatusOK {
			t.Errorf("%d", status)
		}
	}
	if status, _, _ := one.ask(t, "POST", "/playground/logout", session, ""); status != http.StatusSeeOther {
		t.Errorf("logging out: %d", status)
	}
	two.stop()
	two = w.start()
	for _, s := range []*server{one, two} {
		if status, _, _ := s.ask(t, "GET", "/api/v1/bots", session, ""); status != http.StatusUnauthorized {
			t.Errorf("the session goes on: %d", status)
		}
	}
}

// The demo answers in chat and in a test, and its key goes nowhere else: not to
// a record somebody made with its URL, and into no read.
func TestTheDemoIsForParleyItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("bots/helper.yaml", strings.ReplaceAll(strings.ReplaceAll(helperYAML, "provider: lab", "provider: demo"), "model: m1", "model: demo"))
	ws := w.useSlack(slack.Options{}, true)
	s := w.start()
	w.settled("C1", ws.Mention("C1", "U1", "hello"), "model")
	if report := s.do(http.MethodPost, "/api/v1/providers/demo/test", nil, http.StatusOK); !strings.Contains(report, `"ok": true`) {
		t.Errorf("%s", report)
	}
	shown := s.do(http.MethodGet, "/api/v1/providers/demo", nil, http.StatusOK)
	if strings.Contains(shown, "apiKey") || strings.Contains(shown, "uthorization") || strings.Contains(shown, `"own"`) {
		t.Errorf("a read tells of the demo's key: %s", shown)
	}

	var mu sync.Mutex
	var got []string
	other := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.Header.Get("Authorization")+r.Header.Get("Proxy-Authorization"))
		rw.WriteHeader(http.StatusNotFound)
	}))
	defer other.Close()
	// The same URL in a record of somebody's own, also over the built-in one, also by a proxy.
	endpoint := "http://" + s.addr + "/demo/v1/chat/completions"
	for id, record := range map[string]string{
		"mine": fmt.Sprintf(`{"endpoint":%q,"models":"demo"}`, endpoint),
		"tap":  fmt.Sprintf(`{"endpoint":%q,"models":"demo","proxy":%q}`, endpoint, other.URL),
		"demo": fmt.Sprintf(`{"endpoint":"%s/demo/v1/chat/completions","models":"demo"}`, other.URL),
	} {
		want := http.StatusCreated
		s.do(http.MethodPut, "/api/v1/providers/"+id, record, want)
		if report := s.do(http.MethodPost, "/api/v1/providers/"+id+"/test", nil, http.StatusOK); !strings.Contains(report, `"ok": false`) {
			t.Errorf("%s works: %s", id, report)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(got) == 0 {
		t.Error("the other server was never asked")
	}
	for _, header := range got {
		if header != "" {
			t.Error("a credential reached another server")
		}
	}
}

// The right token gets in at once, whatever strangers tried before it from the
// same address.
func TestGuessingLocksNobodyOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.start()
	slowed := 0
	for range 15 {
		status, _, header := s.ask(t, "GET", "/api/v1/bots", map[string]string{"Authorization": "Bearer guess"}, "")
		if status == http.StatusTooManyRequests && header.Get("Retry-After") != "" {
			slowed++
		} else if status != http.StatusUnauthorized {
			t.Errorf("%d", status)
		}
	}
	if slowed == 0 {
		t.Error("guessing is never slowed")
	}
	if status, _, _ := s.ask(t, "POST", "/playground/login", nil, "token=guess"); status != http.StatusTooManyRequests {
		t.Errorf("the login form counts by itself: %d", status)
	}
	if status, _, _ := s.ask(t, "GET", "/playground/open/GUESS", map[string]string{"Accept": "text/html"}, ""); status != http.StatusTooManyRequests {
		t.Errorf("codes count by themselves: %d", status)
	}
	s.do(http.MethodGet, "/api/v1/bots", nil, http.StatusOK)
	if status, _, header := s.ask(t, "POST", "/playground/login", nil, "token="+adminToken); status != http.StatusSeeOther || header.Get("Set-Cookie") == "" {
		t.Errorf("the login is locked: %d", status)
	}
}

func TestMetricsMayBeOpened(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env["METRICS"] = "open"
	s := w.start()
	if status, body := s.stranger("/metrics"); status != http.StatusOK || !strings.Contains(body, "parley_build_info") {
		t.Errorf("%d", status)
	}
	if status, _ := s.stranger("/api/v1/bots"); status != http.StatusUnauthorized {
		t.Errorf("METRICS=open opens more: %d", status)
	}
}

// listener answers as a server would that somebody wants the token of another
// for, and keeps what it was sent.
type listener struct {
	*httptest.Server
	mu   sync.Mutex
	sent []string
}

func newListener(t *testing.T) *listener {
	l := &listener{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.sent = append(l.sent, r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *listener) got() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := strings.Join(l.sent, ",")
	l.sent = nil
	return all
}

// A token that lies in a folder goes to the server of that folder only.
func TestAFoldersTokenGoesToItsOwnServerOnly(t *testing.T) {
	t.Parallel()
	w := folderWorld(t)
	s := w.start()
	kept, other := w.keptToken(), newListener(t)
	otherAddr := strings.TrimPrefix(other.URL, "http://")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	dotenv := func(lines ...string) string {
		dir := filepath.Join(w.dir, fmt.Sprintf("folder-%d", len(lines))+strings.NewReplacer("=", "", "/", "", ":", "").Replace(strings.Join(lines, "")))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	data := w.env["DATA_DIR"]
	const inFile, inEnv = "ADMIN_TOKEN=token-of-the-file-0123", "token-of-the-environment"
	for _, c := range []struct {
		name string
		dir  string
		env  map[string]string
		code int
		sent string // what the other server got
		says string
	}{
		{"the server of DATA_DIR", w.dir, map[string]string{"DATA_DIR": data}, 0, "", "helper"},
		{"the same by HTTP_ADDR", w.dir, map[string]string{"DATA_DIR": data, "HTTP_ADDR": s.addr}, 0, "", "helper"},
		{"the same by another name", w.dir, map[string]string{"DATA_DIR": data, "HTTP_ADDR": strings.Replace(s.addr, "127.0.0.1", "localhost", 1)}, 0, "", "helper"},
		{"by every interface's address", w.dir, map[string]string{"DATA_DIR": data, "HTTP_ADDR": strings.Replace(s.addr, "127.0.0.1", "", 1)}, 0, "", "helper"},
		{"HTTP_ADDR of another server", w.dir, map[string]string{"DATA_DIR": data, "HTTP_ADDR": otherAddr}, 1, "", "HTTP_ADDR comes from the environment"},
		{"PARLEY_URL of another server", w.dir, map[string]string{"DATA_DIR": data, "PARLEY_URL": other.URL}, 1, "", "PARLEY_URL is set"},
		{"PARLEY_URL with the environment's token", w.dir, map[string]string{"DATA_DIR": data, "PARLEY_URL": other.URL, "ADMIN_TOKEN": inEnv}, 1, "Bearer " + inEnv, "refuses the admin token from ADMIN_TOKEN"},
		{"PARLEY_URL with the file's token", dotenv(inFile), map[string]string{"PARLEY_URL": other.URL}, 1, "", "PARLEY_URL is set"},
		{"PARLEY_URL and a token in the file", dotenv(inFile, "PARLEY_URL="+other.URL), nil, 1, "", "PARLEY_URL is set"},
		{"the file's server", dotenv(inFile, "HTTP_ADDR="+otherAddr), nil, 1, "Bearer token-of-the-file-0123", "ADMIN_TOKEN in .env"},
		{"the file's server by the file's PARLEY_URL", dotenv(inFile, "HTTP_ADDR="+otherAddr, "PARLEY_URL="+other.URL), nil, 1, "Bearer token-of-the-file-0123", "ADMIN_TOKEN in .env"},
		{"the file's token, HTTP_ADDR from elsewhere", dotenv(inFile, "HTTP_ADDR=127.0.0.1:1"), map[string]string{"HTTP_ADDR": otherAddr}, 1, "", "set ADMIN_TOKEN in the environment"},
		{"no token at all", dotenv("HTTP_ADDR=" + otherAddr), nil, 1, "", "neither ADMIN_TOKEN in .env nor data/admin-token"},
	} {
		code, out, errs := w.verb(c.dir, c.env, "bot", "list")
		if code != c.code || !strings.Contains(out+errs, c.says) {
			t.Errorf("%s: exit %d, %s%s", c.name, code, out, errs)
		}
		if got := other.got(); got != c.sent {
			t.Errorf("%s: the other server got %q, want %q", c.name, got, c.sent)
		}
		if strings.Contains(out+errs, kept) || strings.Contains(out+errs, "of-the-file") {
			t.Errorf("%s: a token is shown", c.name)
		}
	}

	// A server that was killed left its address: whoever listens there now is not it.
	s.kill()
	if err := os.WriteFile(filepath.Join(data, "address"), []byte(other.URL+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := w.verb(w.dir, map[string]string{"DATA_DIR": data, "HTTP_ADDR": "127.0.0.1:0"}, "bot", "list"); code == 0 || other.got() != "" {
		t.Errorf("a stale address is believed: %d %s", code, errs)
	}
}

// A second start in the same folder says where the first one is; in another
// folder the next free port is taken, and verbs run there find that server.
func TestASecondStart(t *testing.T) {
	t.Parallel()
	w := folderWorld(t)
	delete(w.env, "HTTP_ADDR") // as make run: the first port that is free
	delete(w.env, "DATA_DIR")
	first := startFree(t, w, w.dir)
	said := startRefused(t, w.dir, w.env, "--free-port")
	if !strings.Contains(said, "parley is already running in this directory, at http://"+first.addr+": `parley open`") || strings.Count(said, "parley: ") != 1 {
		t.Errorf("%s", said)
	}
	elsewhere := t.TempDir()
	second := startFree(t, w, elsewhere)
	if second.addr == first.addr {
		t.Fatal("both listen on one port")
	}
	for dir, s := range map[string]*server{w.dir: first, elsewhere: second} {
		if code, out, errs := w.verb(dir, nil, "open"); code != 0 || !strings.HasPrefix(out, "http://"+s.addr+"/playground/open/") {
			t.Errorf("parley open: %d %s%s, want %s", code, out, errs, s.addr)
		}
		if code, out, errs := w.verb(dir, nil, "health"); code != 0 || !strings.Contains(out, s.addr) {
			t.Errorf("parley health: %d %s%s", code, out, errs)
		}
	}
	first.stop()
	if code, _, errs := w.verb(w.dir, map[string]string{"HTTP_ADDR": "127.0.0.1:1"}, "open"); code != exitUnreachable || !strings.Contains(errs, "no server answers") {
		t.Errorf("after its end: %d %s", code, errs)
	}
}

// startFree is make run: the server in a folder, on a free port.
func startFree(t *testing.T, w *world, dir string) *server {
	t.Helper()
	s := startProcess(t, dir, w.env, "--free-port")
	s.w = w
	t.Cleanup(s.kill)
	return s
}

// parley check finds what a start would, and starts nothing.
func TestCheckStartsNothing(t *testing.T) {
	t.Parallel()
	w := folderWorld(t)
	if code, out, errs := w.verb(w.dir, w.env, "check"); code != 0 || out != "The settings are valid: 1 bot, 1 provider in PROVIDERS_FILE.\n" || errs != "" {
		t.Errorf("%d %q %q", code, out, errs)
	}
	if _, err := os.Stat(w.env["DATA_DIR"]); err == nil {
		t.Error("it made DATA_DIR")
	}
	w.write("data/admin-token", "short\n")
	w.env["SLACK_SIGNING_SECRET"], w.env["SLACK_BOT_TOKEN"] = "s", "xoxb-1"
	w.env["LOG_LEVEL"] = "loud"
	code, _, errs := w.verb(w.dir, w.env, "check")
	if code != 1 || !strings.Contains(errs, "parley: LOG_LEVEL:") || !strings.Contains(errs, "parley: ADMIN_TOKEN: is required because bot helper") {
		t.Errorf("%d %s", code, errs)
	}
	var report struct {
		OK       bool
		Problems []string
	}
	if code, out, _ := w.verb(w.dir, w.env, "check", "--json"); code != 1 || json.Unmarshal([]byte(out), &report) != nil || report.OK || len(report.Problems) != 2 {
		t.Errorf("%d %s", code, out)
	}
	delete(w.env, "SLACK_BOT_TOKEN")
	delete(w.env, "SLACK_SIGNING_SECRET")
	w.env["LOG_LEVEL"] = "info"
	if code, _, errs := w.verb(w.dir, w.env, "check"); code != 1 || !strings.Contains(errs, "has no token of at least 16 characters") {
		t.Errorf("%d %s", code, errs)
	}
}

// Every verb explains itself, by any of the customary words, and does nothing.
func TestEveryVerbHasHelp(t *testing.T) {
	t.Parallel()
	verbs := [][]string{{"serve"}}
	for noun, all := range operatorVerbs(process{}.platforms()) {
		verbs = append(verbs, []string{noun})
		for _, v := range all {
			if v.name != "" {
				verbs = append(verbs, []string{noun, v.name})
			}
		}
	}
	for _, verb := range verbs {
		ways := [][]string{append(append([]string{}, verb...), "--help"), append(append([]string{}, verb...), "-h"), append([]string{"help"}, verb...)}
		if len(verb) == 1 {
			ways = append(ways, []string{verb[0], "help"})
		}
		for _, args := range ways {
			var out, errs bytes.Buffer
			code := run(context.WithoutCancel(t.Context()), args, process{stdin: strings.NewReader(""), stdout: &out, stderr: &errs, environ: []string{"DATA_DIR=" + t.TempDir()}})
			if code != 0 || !strings.Contains(out.String(), "parley "+strings.Join(verb, " ")) || errs.Len() > 0 {
				t.Errorf("parley %s: %d %q %q", strings.Join(args, " "), code, out.String(), errs.String())
			}
		}
	}
}
