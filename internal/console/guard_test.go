package console_test

import (
	"strings"
	"testing"

	"parley/internal/door/doortest"
)

// Nothing in a request but the token or a session opens the API: a proxy on this
// machine sends all of these.
func TestNoHeaderProvesThatARequestIsLocal(t *testing.T) {
	for _, header := range [][]string{
		{"Host", "localhost:7070"}, {"Host", "127.0.0.1:7070"}, {"Host", "[::1]:7070"}, {"Host", "parley.example.com"},
		{"X-Forwarded-For", "127.0.0.1"}, {"X-Real-Ip", "127.0.0.1"}, {"Forwarded", "for=127.0.0.1"},
		{"Origin", "http://localhost:7070", "Sec-Fetch-Site", "same-origin"},
	} {
		b := newBench(t)
		for _, path := range []string{"/api/v1/providers", "/api/v1/nothing"} {
			got := b.want(b.do("GET", path, "", append(header, "Authorization", "")...), 401)
			if !strings.Contains(got.Body, "ADMIN_TOKEN") || !strings.Contains(got.Body, "admin-token") {
				t.Errorf("%v: the refusal does not say what to do: %s", header, got.Body)
			}
		}
		b.want(b.do("POST", "/api/v1/login-codes", "", append(header, "Authorization", "")...), 401)
	}
}

func TestOnlyTheTokensBearerIsAnswered(t *testing.T) {
	for _, c := range []struct {
		name, auth string
		status     int
	}{
		{"right", "Bearer " + token, 200},
		{"scheme in small letters", "bearer " + token, 200},
		{"none", "", 401},
		{"wrong", "Bearer wrong", 401},
		{"a beginning of it", "Bearer " + token[:4], 401},
		{"more than it", "Bearer " + token + "x", 401},
		{"empty", "Bearer ", 401},
		{"another scheme", "Basic " + token, 401},
		{"bare", token, 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			got := b.want(b.do("GET", "/api/v1/providers", "", "Authorization", c.auth, "Host", "localhost:7070"), c.status)
			if c.status == 401 && !strings.HasPrefix(got.Header.Get("WWW-Authenticate"), "Bearer") {
				t.Error("no WWW-Authenticate: Bearer")
			}
		})
	}
}

// A code becomes a session, which counts like the token from its own page only.
func TestASessionCountsLikeTheTokenFromItsOwnPageOnly(t *testing.T) {
	b := newBench(t)
	session := doortest.Session(t, b.options.Guard.Door)
	with := func(more ...string) []string {
		return append([]string{"Authorization", "", "Cookie", session}, more...)
	}
	b.want(b.do("GET", "/api/v1/providers", "", with()...), 200)
	b.want(b.do("GET", "/api/v1/providers", "", "Authorization", "", "Cookie", session+"x"), 401)
	b.want(b.do("GET", "/api/v1/providers", "", with("Authorization", "Bearer of-some-proxy")...), 200)
	for _, site := range []string{"cross-site", "same-site"} { // same-site: another port of localhost
		b.want(b.do("DELETE", "/api/v1/providers/x", "", with("Sec-Fetch-Site", site)...), 403)
		b.want(b.do("POST", "/api/v1/login-codes", "", with("Sec-Fetch-Site", site)...), 403)
	}
	b.want(b.do("POST", "/api/v1/login-codes", "", with("Origin", "https://evil.example")...), 403)
	b.want(b.do("POST", "/api/v1/providers/openai/test", "", with("Sec-Fetch-Site", "same-origin")...), 200)
	if len(b.probed) != 1 {
		t.Errorf("%d probes ran", len(b.probed))
	}
}

func TestLoginCodes(t *testing.T) {
	b := newBench(t)
	if got := b.want(b.do("POST", "/api/v1/login-codes", ""), 409); !strings.Contains(got.Body, "PLAYGROUND=on") {
		t.Error(got.Body)
	}
	b = newBench(t, withPages)
	got := b.want(b.do("POST", "/api/v1/login-codes", ""), 201)
	if !strings.Contains(got.Body, `"path": "/playground/open/`) || !strings.Contains(got.Body, `"expires": "`) || strings.Contains(got.Body, token) || got.Header.Get("Cache-Control") != "no-store" {
		t.Error(got.Body)
	}
	b.want(b.do("GET", "/api/v1/login-codes", ""), 405)
}

func TestWrongTokensAreSlowedAndTheRightOneIsNot(t *testing.T) {
	b := newBench(t)
	slowed := false
	for range 20 {
		got := b.do("GET", "/api/v1/providers", "", "Authorization", "Bearer guess")
		if got.StatusCode == 429 {
			slowed = true
			checkProblem(t, got)
			if got.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		} else if got.StatusCode != 401 || slowed {
			t.Fatalf("%d", got.StatusCode)
		}
	}
	if !slowed {
		t.Error("guessing goes on for ever")
	}
	b.want(b.do("GET", "/api/v1/providers", ""), 200)
}
