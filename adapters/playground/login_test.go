// The login of PLAYGROUND=on.

package playground

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/secret"
)

const token = "the-admin-token"

func withLogin(o *Options) { o.Password = secret.New(token) }

func TestNothingIsShownBeforeTheLogin(t *testing.T) {
	s := newStage(t, withLogin)
	for _, path := range []string{"/", "/playground/c/general", "/playground/providers?add", "/playground/bots", "/playground/events", "/playground/complete?text=@&channel=C-general", "/playground/file/x"} {
		status, to := s.page(path)
		if status != http.StatusSeeOther || !strings.HasPrefix(to, "/playground/login") {
			t.Errorf("%s: %d %q", path, status, to)
		}
		if status, _ = s.request(http.MethodGet, path, nil, map[string]string{"Accept": "application/json"}); status != http.StatusUnauthorized {
			t.Errorf("%s by script: %d", path, status)
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

func TestLogin(t *testing.T) {
	s := newStage(t, withLogin)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	var cookie *http.Cookie
	client := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	try := func(with, next string) *http.Response {
		t.Helper()
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.server.URL+"/playground/login", strings.NewReader(url.Values{"token": {with}, "next": {next}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer, err := client.Do(r)
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
	cookie = a.Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || strings.Contains(cookie.Value, token) {
		t.Errorf("cookie %v", cookie)
	}
	status, body := s.request(http.MethodGet, "/", nil, map[string]string{"Cookie": cookie.String()})
	if status != http.StatusOK || !strings.Contains(body, "Log out") {
		t.Errorf("with the session: %d", status)
	}
	for _, forged := range []string{cookie.Value + "x", "9" + cookie.Value, "99999999999.x.y", "", ".", strings.Repeat(".", 5)} {
		if status, _ := s.request(http.MethodGet, "/", nil, map[string]string{"Cookie": sessionCookie + "=" + forged}); status != http.StatusSeeOther {
			t.Errorf("forged %q: %d", forged, status)
		}
	}
	for _, next := range []string{"https://evil.example/", "//evil.example/playground/", "/\\evil.example", "javascript:alert(1)", "/api/v1/providers"} {
		if a := try(token, next); a.Header.Get("Location") != "/" {
			t.Errorf("next %q leads to %q", next, a.Header.Get("Location"))
		}
	}
	out, err := client.PostForm(s.server.URL+"/playground/logout", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = out.Body.Close()
	if c := out.Cookies(); len(c) != 1 || c[0].MaxAge >= 0 {
		t.Errorf("logging out sets %v", c)
	}
	other := newStage(t, func(o *Options) { o.Password = secret.New("another") })
	if status, _ := other.request(http.MethodGet, "/", nil, map[string]string{"Cookie": cookie.String()}); status != http.StatusSeeOther {
		t.Errorf("the session of another token: %d", status)
	}
}

func TestTriesAreLimitedAndSessionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSessions(secret.New(token))
		for range triesPerHost {
			if !s.allow("1.2.3.4") {
				t.Fatal("refused too early")
			}
		}
		if s.allow("1.2.3.4") {
			t.Error("one try too many")
		}
		if !s.allow("5.6.7.8") {
			t.Error("another address is refused too")
		}
		time.Sleep(tryWindow)
		if !s.allow("1.2.3.4") {
			t.Error("still refused after the window")
		}
		s.passed("1.2.3.4")
		for i := range triesInAll {
			if !s.allow(string(rune('a' + i))) {
				t.Fatal("refused too early")
			}
		}
		if s.allow("one more") {
			t.Error("the sum of all addresses is not limited")
		}
		value := s.issue()
		if !s.valid(value) {
			t.Error("a fresh session is not valid")
		}
		time.Sleep(sessionLength)
		if s.valid(value) {
			t.Error("a session does not end")
		}
	})
}

func TestTooManyTriesAreToldToWait(t *testing.T) {
	s := newStage(t, withLogin)
	for range triesPerHost {
		s.form("/playground/login", "token", "guess")
	}
	status, body := s.form("/playground/login", "token", token)
	if status != http.StatusTooManyRequests || !strings.Contains(body, "Wait a minute") {
		t.Errorf("%d", status)
	}
}
