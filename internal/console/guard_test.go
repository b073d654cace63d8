package console_test

import (
	"net/http"
	"strings"
	"testing"

	"parley/internal/console"
	"parley/internal/secret"
)

func local(o *console.Options) { o.Token, o.ListenerLoopback = secret.Text{}, true }

func TestWithoutATokenOnlyThisMachineIsAnswered(t *testing.T) {
	for _, c := range []struct {
		name   string
		header []string
		status int
	}{
		{"localhost", []string{"Host", "localhost:7070"}, 200},
		{"LOCALHOST without port", []string{"Host", "LOCALHOST"}, 200},
		{"127.0.0.1", []string{"Host", "127.0.0.1:7171"}, 200},
		{"[::1]", []string{"Host", "[::1]:7070"}, 200},
		{"[::1] without port", []string{"Host", "[::1]"}, 200},
		{"a tunnel's host", []string{"Host", "team.tunnel.example"}, 403},
		{"a rebound name", []string{"Host", "localhost.evil.example:7070"}, 403},
		{"a name that ends alike", []string{"Host", "evil-localhost:7070"}, 403},
		{"an address that begins alike", []string{"Host", "127.0.0.1.evil.example"}, 403},
		{"something behind the port", []string{"Host", "localhost:7070.evil.example"}, 403},
		{"no host", []string{"Host", ""}, 403},
		{"user part", []string{"Host", "localhost@evil.example"}, 403},
		{"Forwarded", []string{"Host", "localhost:7070", "Forwarded", "for=1.2.3.4"}, 403},
		{"X-Forwarded-For", []string{"Host", "localhost:7070", "X-Forwarded-For", "127.0.0.1"}, 403},
		{"X-Forwarded-Host", []string{"Host", "localhost:7070", "x-forwarded-host", "localhost"}, 403},
		{"X-Forwarded-Proto", []string{"Host", "localhost:7070", "X-Forwarded-Proto", "https"}, 403},
		{"X-Forwarded-Whatever", []string{"Host", "localhost:7070", "X-Forwarded-Whatever", "x"}, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, local)
			got := b.want(b.do("GET", "/api/v1/providers", "", append(c.header, "Authorization", "")...), c.status)
			if c.status == 403 && !strings.Contains(got.Body, "ADMIN_TOKEN") {
				t.Errorf("the refusal does not say what to do: %s", got.Body)
			}
		})
	}
}

func TestWithoutATokenAnotherListenerIsClosed(t *testing.T) {
	b := newBench(t, func(o *console.Options) { o.Token = secret.Text{} })
	b.want(b.do("GET", "/api/v1/providers", "", "Host", "localhost:7070"), 403)
}

func TestWithoutATokenAPageOfAnotherSiteIsRefused(t *testing.T) {
	b := newBench(t, local)
	b.want(b.do("POST", "/api/v1/providers/openai/test", "", "Host", "localhost:7070", "Sec-Fetch-Site", "cross-site"), 403)
	b.want(b.do("POST", "/api/v1/providers/openai/test", "", "Host", "localhost:7070", "Origin", "https://evil.example"), 403)
	b.want(b.do("DELETE", "/api/v1/providers/x", "", "Host", "localhost:7070", "Origin", "http://localhost:9999"), 403)
	b.want(b.do("POST", "/api/v1/providers/openai/test", "", "Host", "localhost:7070", "Sec-Fetch-Site", "same-origin", "Origin", "http://localhost:7070"), 200)
	if len(b.probed) != 1 {
		t.Errorf("%d probes ran", len(b.probed))
	}
}

func TestWithATokenOnlyItsBearerIsAnswered(t *testing.T) {
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
			for _, loopback := range []bool{true, false} {
				b := newBench(t, func(o *console.Options) { o.ListenerLoopback = loopback })
				got := b.want(b.do("GET", "/api/v1/providers", "", "Authorization", c.auth, "Host", "localhost:7070"), c.status)
				if c.status == 401 && !strings.HasPrefix(got.Header.Get("WWW-Authenticate"), "Bearer") {
					t.Error("no WWW-Authenticate: Bearer")
				}
			}
		})
	}
}

func TestASessionCountsLikeTheTokenFromItsOwnPageOnly(t *testing.T) {
	b := newBench(t, func(o *console.Options) {
		o.Session = func(r *http.Request) bool { return r.Header.Get("Cookie") == "session=good" }
	})
	b.want(b.do("GET", "/api/v1/providers", "", "Authorization", "", "Cookie", "session=good"), 200)
	b.want(b.do("GET", "/api/v1/providers", "", "Authorization", "", "Cookie", "session=bad"), 401)
	b.want(b.do("DELETE", "/api/v1/providers/x", "", "Authorization", "", "Cookie", "session=good", "Sec-Fetch-Site", "cross-site"), 403)
}
