// Who may use the admin API and the pages that act like it.

package console

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"

	"parley/internal/secret"
)

// Guard admits those who may administer. With a Token that is whoever sends it
// as a bearer token. Without one it is whoever sits at this machine: on a
// loopback listener, to a Host of localhost, 127.0.0.1 or [::1], not forwarded
// by anything, and not sent by a page of another site.
type Guard struct {
	Token            secret.Text // ADMIN_TOKEN
	ListenerLoopback bool
	// Session, when set, is another proof beside the bearer token: a page's
	// login. It is asked only when there is a Token. Requests that it admits
	// must come from the same origin.
	Session func(*http.Request) bool
}

// Wrap serves next to those the guard admits and a problem to others.
func (g Guard) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := g.Check(r); p != nil {
			p.Write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Check says why r is not admitted; nil when it is.
func (g Guard) Check(r *http.Request) *Problem {
	if g.Token.IsZero() {
		return g.local(r)
	}
	if g.Bearer(r) {
		return nil
	}
	if g.Session != nil && g.Session(r) {
		return sameOrigin(r)
	}
	detail := "Send the server's ADMIN_TOKEN as \"Authorization: Bearer …\"."
	if r.Header.Get("Authorization") != "" {
		detail = "The token is not the server's ADMIN_TOKEN."
	}
	return &Problem{Type: kindToken, Title: "Token needed", Status: http.StatusUnauthorized, Detail: detail}
}

// Bearer reports whether r carries the token; never without one to carry.
func (g Guard) Bearer(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") && g.Matches(strings.TrimSpace(token))
}

// Matches compares a token, as from a login form, in constant time. Nothing
// matches an empty Token.
func (g Guard) Matches(token string) bool {
	if g.Token.IsZero() {
		return false
	}
	// Hashes have one length, so the comparison tells nothing of the token's.
	got, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(g.Token.Reveal()))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

func (g Guard) local(r *http.Request) *Problem {
	switch {
	case !g.ListenerLoopback:
		return forbidden("The admin API is closed because this server listens beyond loopback without a token: set ADMIN_TOKEN.")
	case !loopbackHost(r.Host):
		return forbidden("Without a token the admin API answers only to localhost, 127.0.0.1 or [::1]: use one of these, or set ADMIN_TOKEN.")
	case forwarded(r.Header):
		return forbidden("Without a token the admin API answers nothing that came through a proxy or tunnel: set ADMIN_TOKEN.")
	}
	return sameOrigin(r)
}

// sameOrigin refuses what a page of another site makes a browser send.
func sameOrigin(r *http.Request) *Problem {
	if http.NewCrossOriginProtection().Check(r) != nil {
		return forbidden("The request comes from a page of another site. Scripts send ADMIN_TOKEN as a bearer token: set ADMIN_TOKEN.")
	}
	return nil
}

func forbidden(detail string) *Problem {
	return &Problem{Type: kindForbidden, Title: "Forbidden", Status: http.StatusForbidden, Detail: detail}
}

// loopbackHost reports whether a Host header names this machine.
func loopbackHost(host string) bool {
	name := host
	if h, port, err := net.SplitHostPort(host); err == nil {
		if strings.Trim(port, "0123456789") != "" {
			return false
		}
		name = h
		if strings.Contains(h, ":") {
			name = "[" + h + "]"
		}
	}
	switch strings.ToLower(name) {
	case "localhost", "127.0.0.1", "[::1]":
		return true
	}
	return false
}

// forwarded reports whether something passed the request on.
func forwarded(h http.Header) bool {
	for name := range h {
		if name == "Forwarded" || name == "X-Real-Ip" || name == "Cf-Connecting-Ip" || strings.HasPrefix(name, "X-Forwarded") {
			return true
		}
	}
	return false
}
