// Getting in and out.

package playground

import (
	"context"
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/door/doortest"
)

// outside is a stage whose requests carry nothing that lets them in.
func outside(t *testing.T) *stage {
	s := newStage(t)
	s.outside = true
	return s
}

func TestNothingIsShownBeforeTheLogin(t *testing.T) {
	s := outside(t)
	for _, path := range []string{"/", "/playground/c/general", "/playground/providers?add", "/playground/bots", "/playground/events", "/playground/complete?text=@&channel=C-general", "/playground/file/x"} {
		status, to := s.page(path)
		if status != http.StatusSeeOther || !strings.HasPrefix(to, "/playground/login") {
			t.Errorf("%s: %d %q", path, status, to)
		}
		loads := strings.HasPrefix(path, "/playground/events") || strings.HasPrefix(path, "/playground/complete")
		for accept, want := range map[string]int{"application/json": http.StatusUnauthorized, "text/event-stream": http.StatusUnauthorized, "*/*": http.StatusSeeOther} {
			if loads {
				want = http.StatusUnauthorized
			}
			if status, _ = s.request(http.MethodGet, path, nil, map[string]string{"Accept": accept}); status != want {
				t.Errorf("%s by %s: %d, want %d", path, accept, status, want)
			}
		}
	}
	for _, path := range []string{"/playground/post", "/playground/do", "/playground/submit", "/playground/connect"} {
		if status, _ := s.form(path, "channel", "C-general", "text", "@helper hi", "command", "reset"); status != http.StatusSeeOther {
			t.Errorf("%s: %d", path, status)
		}
	}
	if len(s.got())+len(s.did())+len(s.given) != 0 {
		t.Error("something was done before the login")
	}
	status, body := s.page("/playground/login")
	wants(t, body, "Admin token", `type="password"`)
	if status != http.StatusOK || strings.Contains(body, "reviewer") {
		t.Errorf("%d; the login page says what is behind it", status)
	}
}

// visitor is a browser with cookies that follows no redirect.
func (s *stage) visitor() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func TestLogin(t *testing.T) {
	s := outside(t)
	client := s.visitor()
	try := func(with, next string) *http.Response {
		t.Helper()
		answer, err := client.PostForm(s.server.URL+"/playground/login", url.Values{"token": {with}, "next": {next}})
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer
	}
	if a := try("wrong", ""); a.StatusCode != http.StatusUnauthorized || len(a.Cookies()) != 0 {
		t.Errorf("a wrong token: %d %v", a.StatusCode, a.Cookies())
	}
	a := try(token, "/playground/providers?add")
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/playground/providers?add" || len(a.Cookies()) != 1 {
		t.Fatalf("the right token: %d %v", a.StatusCode, a.Header)
	}
	cookie := a.Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || strings.Contains(cookie.Value, token) {
		t.Errorf("cookie %v", cookie)
	}
	with := func(value string) (int, string) {
		return s.request(http.MethodGet, "/", nil, map[string]string{"Cookie": cookie.Name + "=" + value})
	}
	if status, body := with(cookie.Value); status != http.StatusOK || !strings.Contains(body, "Log out") {
		t.Errorf("with the session: %d", status)
	}
	for _, forged := range []string{cookie.Value + "x", "9" + cookie.Value, "99999999999.x.y", "", ".", strings.Repeat(".", 5)} {
		if status, _ := with(forged); status != http.StatusSeeOther {
			t.Errorf("forged %q: %d", forged, status)
		}
	}
	for _, next := range []string{"https://evil.example/", "//evil.example/playground/", "/\\evil.example", "javascript:alert(1)", "/api/v1/providers"} {
		if a := try(token, next); a.Header.Get("Location") != "/" {
			t.Errorf("next %q leads to %q", next, a.Header.Get("Location"))
		}
	}
	other := newStage(t, func(o *Options) { o.Door = doortest.With(t, "another-admin-token", s.memory) })
	other.outside = true
	if status, _ := other.request(http.MethodGet, "/", nil, map[string]string{"Cookie": cookie.Name + "=" + cookie.Value}); status != http.StatusSeeOther {
		t.Errorf("the session of another token: %d", status)
	}
}

func TestLoggingOutEndsTheSessionOnTheServer(t *testing.T) {
	s := outside(t)
	session := doortest.Session(t, s.door)
	if status, _ := s.request(http.MethodPost, "/playground/logout", url.Values{}, map[string]string{"Cookie": session, "Sec-Fetch-Site": "cross-site"}); status != http.StatusForbidden {
		t.Errorf("another site logs people out: %d", status)
	}
	if status, _ := s.request(http.MethodGet, "/", nil, map[string]string{"Cookie": session}); status != http.StatusOK {
		t.Fatalf("%d", status)
	}
	if status, to := s.request(http.MethodPost, "/playground/logout", url.Values{}, map[string]string{"Cookie": session}); status != http.StatusSeeOther || to != "/playground/login" {
		t.Errorf("%d %s", status, to)
	}
	if status, _ := s.request(http.MethodGet, "/", nil, map[string]string{"Cookie": session}); status != http.StatusSeeOther {
		t.Errorf("whoever kept the cookie is still in: %d", status)
	}
}

// A page that is open when the session ends gets nothing more.
func TestAFeedEndsWithItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doortest.New(t, token)
		a, err := New(Options{Bots: testBots(), Board: newMemory(), Door: d})
		if err != nil {
			t.Fatal(err)
		}
		h := a.Handler()
		session := doortest.Session(t, d)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, "/playground/events", nil)
		r.Header.Set("Cookie", session)
		w := &feedWriter{header: http.Header{}}
		done := make(chan struct{})
		go func() { defer close(done); h.ServeHTTP(w, r) }()
		time.Sleep(time.Minute)
		select {
		case <-done:
			t.Fatal("the feed ended while the session lasts")
		default:
		}
		if err := d.Leave(&feedWriter{header: http.Header{}}, r); err != nil {
			t.Fatal(err)
		}
		<-done
		if ctx.Err() != nil {
			t.Error("the feed goes on after the session's end")
		}
	})
}

// feedWriter takes an answer that is flushed.
type feedWriter struct{ header http.Header }

func (w *feedWriter) Header() http.Header         { return w.header }
func (w *feedWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *feedWriter) WriteHeader(int)             {}
func (w *feedWriter) FlushError() error           { return nil }

func TestACodeOpensThePageOnce(t *testing.T) {
	s := outside(t)
	client := s.visitor()
	open := func(c *http.Client, method, code string, header ...string) *http.Response {
		t.Helper()
		r, _ := http.NewRequestWithContext(t.Context(), method, s.server.URL+"/playground/open/"+code, nil)
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		answer, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer
	}
	fresh := func() string {
		t.Helper()
		code, _, err := s.door.NewCode(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	code := fresh()
	for _, looks := range [][]string{
		{"User-Agent", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"}, {"User-Agent", "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)"},
		{"Sec-Purpose", "prefetch;prerender"}, {"Purpose", "prefetch"}, {"X-Moz", "prefetch"}, {"Sec-Fetch-Dest", "image"}, {"Sec-Fetch-Dest", "empty"},
	} {
		if a := open(client, http.MethodGet, code, looks...); len(a.Cookies()) != 0 || a.StatusCode != http.StatusOK {
			t.Errorf("%v gets in: %d", looks, a.StatusCode)
		}
	}
	if a := open(client, http.MethodHead, code); len(a.Cookies()) != 0 {
		t.Error("a HEAD gets in")
	}
	if a := open(client, http.MethodPost, code); a.StatusCode != http.StatusSeeOther || len(a.Cookies()) != 0 {
		t.Errorf("POST: %d", a.StatusCode)
	}
	a := open(client, http.MethodGet, code, "User-Agent", "Mozilla/5.0 (Linux; Android 9; CUBOT X18 Plus)", "Sec-Fetch-Site", "none", "Sec-Fetch-Dest", "document")
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/" || len(a.Cookies()) != 1 || a.Header.Get("Referrer-Policy") != "no-referrer" || a.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", a.StatusCode, a.Header)
	}
	if home, err := client.Get(s.server.URL + "/"); err != nil || home.Body.Close() != nil || home.StatusCode != http.StatusOK {
		t.Errorf("the session does not open the page: %v", err)
	}
	if a := open(client, http.MethodGet, code); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/" {
		t.Errorf("going back: %d", a.StatusCode)
	}
	if a := open(s.visitor(), http.MethodGet, code); a.StatusCode != http.StatusUnauthorized || len(a.Cookies()) != 0 {
		t.Errorf("a used code: %d", a.StatusCode)
	}
	// From a page of another site the browser sends no strict cookie along a redirect.
	if a := open(s.visitor(), http.MethodGet, fresh(), "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Dest", "document"); a.StatusCode != http.StatusOK || len(a.Cookies()) != 1 {
		t.Errorf("by a link elsewhere: %d", a.StatusCode)
	}
}

func TestWrongTokensAndCodesAreSlowedTogether(t *testing.T) {
	s := outside(t)
	last := 0
	for i := range 12 {
		if i%2 == 0 {
			last, _ = s.form("/playground/login", "token", "guess")
		} else {
			last, _ = s.page("/playground/open/guess")
		}
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("%d", last)
	}
	status, body := s.form("/playground/login", "token", "guess")
	wants(t, body, "not the admin token", "the right one is taken at any time")
	if status != http.StatusTooManyRequests {
		t.Errorf("%d", status)
	}
	if status, to := s.form("/playground/login", "token", token); status != http.StatusSeeOther || to != "/" {
		t.Errorf("the right token: %d %s", status, to)
	}
}

func TestALoginWhileTheStoreIsAwaySaysSo(t *testing.T) {
	s := outside(t)
	session := doortest.Session(t, s.door)
	s.memory.Broken = errors.New("away")
	for _, header := range []string{session, ""} {
		want := map[bool]int{true: http.StatusServiceUnavailable, false: http.StatusSeeOther}[header != ""]
		if status, _ := s.request(http.MethodGet, "/", nil, map[string]string{"Cookie": header}); status != want {
			t.Errorf("%q: %d", header, status)
		}
	}
	if status, body := s.form("/playground/login", "token", token); status != http.StatusServiceUnavailable || !strings.Contains(body, "store") {
		t.Errorf("%d %s", status, body)
	}
}
