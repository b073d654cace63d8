// The login page, the address with a single-use code, and logging out. The
// door decides who gets in.

package playground

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"parley/internal/door"
)

type loginPage struct {
	frame
	Problem string
	Next    string
}

// openPage continues to the pages by itself; see openByCode.
type openPage struct{ frame }

// guarded serves requests that the door admits, and sends others to the login
// page.
func (s *server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := s.a.o.Door.Admit(r)
		slow, tooMany := errors.AsType[*door.SlowError](err)
		switch {
		case err == nil:
			next.ServeHTTP(w, r)
		case tooMany:
			retryAfter(w, slow)
			http.Error(w, "Too many wrong tokens from this address. The right one is taken at any time.", http.StatusTooManyRequests)
		case errors.Is(err, door.ErrWrong), errors.Is(err, door.ErrMissing):
			s.toLogin(w, r)
		case errors.Is(err, door.ErrElsewhere):
			http.Error(w, "The request comes from a page of another site.", http.StatusForbidden)
		default:
			s.noSessions(w, r, err)
		}
	})
}

func retryAfter(w http.ResponseWriter, slow *door.SlowError) {
	w.Header().Set("Retry-After", strconv.Itoa(int(slow.After.Seconds())))
}

func (s *server) noSessions(w http.ResponseWriter, r *http.Request, err error) {
	s.a.o.Log.ErrorContext(r.Context(), "a session could not be looked up or kept", "error", err)
	w.Header().Set("Retry-After", "2")
	http.Error(w, "Nobody can be logged in while the store cannot be reached. Try again; the log says more.", http.StatusServiceUnavailable)
}

// toLogin sends a person to the login page, and answers a script with the
// address.
func (s *server) toLogin(w http.ResponseWriter, r *http.Request) {
	page := r.Method == http.MethodGet || r.Method == http.MethodHead
	if byScript(r) || page && !wantsPage(r) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="parley"`)
		http.Error(w, "Please log in.", http.StatusUnauthorized)
		return
	}
	to := "/playground/login"
	if page && r.URL.Path != "/" {
		to += "?next=" + url.QueryEscape(r.URL.RequestURI())
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// wantsPage reports whether r can show a page: a request of a script or the
// feed cannot.
func wantsPage(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	switch r.URL.Path {
	case "/playground/events", "/playground/complete":
		return strings.Contains(accept, "text/html")
	}
	return accept == "" || strings.Contains(accept, "text/html") || strings.Contains(accept, "*/*")
}

func (s *server) loginPage(w http.ResponseWriter, r *http.Request) {
	s.showLogin(w, http.StatusOK, "", r.URL.Query().Get("next"))
}

func (s *server) showLogin(w http.ResponseWriter, status int, problem, next string) {
	s.show(w, status, "login.html", loginPage{frame: s.frame("Log in", "login", ""), Problem: problem, Next: local(next)})
}

// login handles the login form. Other sites' pages cannot send it, because
// CrossOriginProtection checks it first.
func (s *server) login(w http.ResponseWriter, r *http.Request) {
	next := r.PostFormValue("next")
	err := s.a.o.Door.Enter(w, r, r.PostFormValue("token"))
	slow, tooMany := errors.AsType[*door.SlowError](err)
	switch {
	case err == nil:
		http.Redirect(w, r, local(next), http.StatusSeeOther)
	case tooMany:
		retryAfter(w, slow)
		s.showLogin(w, http.StatusTooManyRequests, "That is not the admin token, and neither were many before it. Check it; the right one is taken at any time.", next)
	case errors.Is(err, door.ErrWrong):
		s.showLogin(w, http.StatusUnauthorized, "That is not the admin token of this server.", next)
	default:
		s.noSessions(w, r, err)
	}
}

// openByCode starts a session for a single-use code. A HEAD, a prefetch, or a
// link preview must not use the code up. People who follow a link from another
// page get a page that continues by itself: the browser would not send the
// cookie along a redirect that another site started.
func (s *server) openByCode(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("X-Robots-Tag", "noindex")
	if looksOnly(r) {
		s.showLogin(w, http.StatusOK, "", "")
		return
	}
	err := s.a.o.Door.Exchange(w, r, r.PathValue("code"))
	slow, tooMany := errors.AsType[*door.SlowError](err)
	site := r.Header.Get("Sec-Fetch-Site")
	switch {
	case err == nil && (site == "cross-site" || site == "same-site"):
		s.show(w, http.StatusOK, "open.html", openPage{frame: s.frame("Opening", "login", "")})
	case err == nil:
		http.Redirect(w, r, "/", http.StatusSeeOther)
	case tooMany:
		retryAfter(w, slow)
		s.showLogin(w, http.StatusTooManyRequests, usedCode, "")
	case errors.Is(err, door.ErrWrong):
		s.showUsed(w, r)
	default:
		s.noSessions(w, r, err)
	}
}

const usedCode = "This address was good once, for 10 minutes. “parley open” prints a fresh one; or log in with the admin token."

// showUsed answers a used code. Someone who is logged in only wants to open
// the pages, by going back or by a bookmark.
func (s *server) showUsed(w http.ResponseWriter, r *http.Request) {
	if session, err := s.a.o.Door.Session(r); err == nil && session {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	s.showLogin(w, http.StatusUnauthorized, usedCode, "")
}

// looksOnly reports whether r is not from a person who opens the page.
func looksOnly(r *http.Request) bool {
	h := r.Header
	purpose := strings.ToLower(h.Get("Sec-Purpose") + h.Get("Purpose") + h.Get("X-Moz"))
	dest := h.Get("Sec-Fetch-Dest")
	if r.Method == http.MethodHead || strings.Contains(purpose, "prefetch") || strings.Contains(purpose, "preview") || dest != "" && dest != "document" {
		return true
	}
	agent := strings.ToLower(h.Get("User-Agent"))
	for _, word := range []string{"bot/", "bot-", "bot (", "preview", "crawler", "externalhit", "embedly"} {
		if strings.Contains(agent, word) {
			return true
		}
	}
	return false
}

func (s *server) logout(w http.ResponseWriter, r *http.Request) {
	if err := s.a.o.Door.Leave(w, r); err != nil {
		s.noSessions(w, r, err)
		return
	}
	http.Redirect(w, r, "/playground/login", http.StatusSeeOther)
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
