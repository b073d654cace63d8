// The login of PLAYGROUND=on: one password (ADMIN_TOKEN), a signed cookie, and
// a limit on tries.

package playground

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"parley/internal/secret"
)

const (
	sessionCookie = "parley_session"
	sessionLength = 12 * time.Hour
	triesPerHost  = 5  // in tryWindow, from one address
	triesInAll    = 30 // in tryWindow
	tryWindow     = time.Minute
)

// sessions issues and checks session cookies. Their key comes from the
// password, so every replica knows it and a new password ends all sessions.
type sessions struct {
	password secret.Text
	key      []byte
	now      func() time.Time

	mu    sync.Mutex
	began time.Time
	tries map[string]int
	all   int
}

func newSessions(password secret.Text) *sessions {
	key, err := hkdf.Key(sha256.New, []byte(password.Reveal()), nil, "parley playground session v1", 32)
	if err != nil { // 32 bytes of SHA-256 always fit
		key = []byte(rand.Text())
	}
	return &sessions{password: password, key: key, now: time.Now, tries: map[string]int{}}
}

func (s *sessions) sign(body string) string {
	mac := hmac.New(sha256.New, s.key)
	_, _ = mac.Write([]byte(body))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// issue makes a cookie value: when it ends, a nonce, and the signature of both.
func (s *sessions) issue() string {
	body := strconv.FormatInt(s.now().Add(sessionLength).Unix(), 10) + "." + rand.Text()
	return body + "." + s.sign(body)
}

func (s *sessions) valid(value string) bool {
	i := strings.LastIndexByte(value, '.')
	if i < 0 || !hmac.Equal([]byte(s.sign(value[:i])), []byte(value[i+1:])) {
		return false
	}
	end, _, _ := strings.Cut(value, ".")
	unix, err := strconv.ParseInt(end, 10, 64)
	return err == nil && s.now().Unix() < unix
}

// allow counts a try and reports whether it may be made.
func (s *sessions) allow(host string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.now(); now.Sub(s.began) >= tryWindow {
		s.began, s.all, s.tries = now, 0, map[string]int{}
	}
	if s.all >= triesInAll || s.tries[host] >= triesPerHost {
		return false
	}
	s.all++
	s.tries[host]++
	return true
}

// passed forgets the tries of a host that knew the password.
func (s *sessions) passed(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all -= s.tries[host]
	delete(s.tries, host)
}

func (s *sessions) right(given string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(s.password.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

type loginPage struct {
	frame
	Problem string
	Next    string
}

// LoggedIn reports whether r carries a session of the login page; never where
// no login is asked for.
func (a *Adapter) LoggedIn(r *http.Request) bool {
	c, err := r.Cookie(sessionCookie)
	return err == nil && a.session != nil && a.session.valid(c.Value)
}

// loggedIn lets through who has a session and sends others to the login page.
func (s *server) loggedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.a.LoggedIn(r) {
			next.ServeHTTP(w, r)
			return
		}
		page := r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html")
		if !page && r.Method != http.MethodPost || byScript(r) {
			http.Error(w, "Please log in.", http.StatusUnauthorized)
			return
		}
		to := "/playground/login"
		if r.Method == http.MethodGet && r.URL.Path != "/" {
			to += "?next=" + url.QueryEscape(r.URL.RequestURI())
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
	})
}

func (s *server) loginPage(w http.ResponseWriter, r *http.Request) {
	s.showLogin(w, http.StatusOK, "", r.URL.Query().Get("next"))
}

func (s *server) showLogin(w http.ResponseWriter, status int, problem, next string) {
	s.show(w, status, "login.html", loginPage{frame: s.frame("Log in", "login", ""), Problem: problem, Next: local(next)})
}

func (s *server) login(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	next := r.PostFormValue("next")
	if !s.a.session.allow(host) {
		w.Header().Set("Retry-After", strconv.Itoa(int(tryWindow.Seconds())))
		s.showLogin(w, http.StatusTooManyRequests, "Too many tries. Wait a minute, then try again.", next)
		return
	}
	if !s.a.session.right(r.PostFormValue("token")) {
		s.a.o.Log.WarnContext(r.Context(), "playground login refused", "from", host)
		s.showLogin(w, http.StatusUnauthorized, "That is not the token this server was started with (ADMIN_TOKEN).", next)
		return
	}
	s.a.session.passed(host)
	s.setCookie(w, r, s.a.session.issue(), int(sessionLength.Seconds()))
	http.Redirect(w, r, local(next), http.StatusSeeOther)
}

func (s *server) logout(w http.ResponseWriter, r *http.Request) {
	s.setCookie(w, r, "", -1)
	http.Redirect(w, r, "/playground/login", http.StatusSeeOther)
}

func (s *server) setCookie(w http.ResponseWriter, r *http.Request, value string, age int) {
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: value, Path: "/", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https"),
	})
}

// local keeps a redirect on this server.
func local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(u.Path, "/playground/") || strings.Contains(next, "\\") {
		return "/"
	}
	return u.RequestURI()
}

// attachment is a Content-Disposition that saves under name.
func attachment(name string) string {
	if v := mime.FormatMediaType("attachment", map[string]string{"filename": name}); v != "" {
		return v
	}
	return "attachment"
}
