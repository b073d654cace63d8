// Sessions: random cookies, stored by their hash. A session is valid while the
// store has it, so logging out ends it on every replica.

package door

import (
	"crypto/rand"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	sessionLife = 12 * time.Hour
	cookieName  = "parley_session"
	hostPrefix  = "__Host-" // a browser takes such a cookie over TLS only, for this very host
	maxCookies  = 8         // checked per request
)

// begin creates a session and sets its cookie.
func (d *Door) begin(w http.ResponseWriter, r *http.Request) error {
	value, until := rand.Text(), time.Now().Add(sessionLife)
	if err := d.keep(r.Context(), "session", value, until); err != nil {
		return err
	}
	setCookie(w, r, value, int(sessionLife.Seconds()))
	return nil
}

// Session reports whether r has a valid session. The error is the store's.
func (d *Door) Session(r *http.Request) (bool, error) {
	for _, c := range sessionCookies(r) {
		data, err := d.memory.Load(r.Context(), d.name("session", c.Value))
		if err != nil {
			return false, err
		}
		if valid(data) {
			return true, nil
		}
	}
	return false, nil
}

// Leave ends r's sessions, on every replica.
func (d *Door) Leave(w http.ResponseWriter, r *http.Request) error {
	for _, c := range sessionCookies(r) {
		if _, err := d.memory.Take(r.Context(), d.name("session", c.Value)); err != nil {
			return err
		}
	}
	setCookie(w, r, "", -1)
	return nil
}

// sessionCookies are the cookies of r that may be sessions. Browsers send a
// host's cookies to all its ports, so some may belong to other servers on this
// machine.
func sessionCookies(r *http.Request) []*http.Cookie {
	var out []*http.Cookie
	for _, c := range r.Cookies() {
		if strings.HasPrefix(strings.TrimPrefix(c.Name, hostPrefix), cookieName) && c.Value != "" && len(c.Value) <= maxValue && len(out) < maxCookies {
			out = append(out, c)
		}
	}
	return out
}

func setCookie(w http.ResponseWriter, r *http.Request, value string, age int) {
	c := &http.Cookie{
		Name: cookieName, Value: value, Path: "/", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https"),
	}
	// One name per port: two servers on one machine must not log each other out.
	if _, port, err := net.SplitHostPort(r.Host); err == nil && port != "" && strings.Trim(port, "0123456789") == "" {
		c.Name += "_" + port
	}
	if c.Secure {
		c.Name = hostPrefix + c.Name
	}
	http.SetCookie(w, c)
}
