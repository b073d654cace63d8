// Routes, and what protects them.

package playground

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"parley/internal/chat"
)

//go:embed assets/*
var assetFiles embed.FS

// policy lets a page load only what parley itself serves, whatever a model
// writes: no inline script or style, no frame, nothing from other sites.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// server is the adapter with what its handlers need.
type server struct {
	a      *Adapter
	in     chat.Inbox
	desk   chat.Desk
	assets string // path of the assets, with their digest, so they can be cached forever
}

// Handler serves "/" and everything below "/playground/".
func (a *Adapter) Handler() http.Handler {
	s := &server{a: a, in: a.o.Ports.Inbox, desk: a.o.Ports.Desk, assets: "/playground/assets/" + digest(assetFiles)}

	open := http.NewServeMux() // routes without a login
	open.HandleFunc("GET "+s.assets+"/{name}", s.asset)
	closed := http.NewServeMux()
	closed.HandleFunc("GET /{$}", s.home)
	closed.HandleFunc("GET /playground/{$}", s.home)
	closed.HandleFunc("GET /playground/c/{slug}", s.room)
	closed.HandleFunc("GET /playground/c/{slug}/t/{thread}", s.room)
	closed.HandleFunc("GET /playground/d/{slug}", s.room)
	closed.HandleFunc("GET /playground/d/{slug}/t/{thread}", s.room)
	closed.HandleFunc("GET /playground/events", s.events)
	closed.HandleFunc("GET /playground/complete", s.complete)
	closed.HandleFunc("GET /playground/file/{post}", s.file)
	closed.HandleFunc("GET /playground/providers", s.providers)
	closed.HandleFunc("GET /playground/bots", s.bots)
	closed.HandleFunc("POST /playground/post", s.speak)
	closed.HandleFunc("POST /playground/do", s.act)
	closed.HandleFunc("POST /playground/submit", s.submit)
	closed.HandleFunc("POST /playground/connect", s.connect)
	open.HandleFunc("GET /playground/login", s.loginPage)
	open.HandleFunc("POST /playground/login", s.login)
	open.HandleFunc("POST /playground/logout", s.logout)
	open.HandleFunc("GET /playground/open/{code}", s.openByCode)
	open.Handle("/", s.guarded(closed))
	return http.NewCrossOriginProtection().Handler(headers(open))
}

func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, bodyLimit)
		next.ServeHTTP(w, r)
	})
}

// bodyLimit is the most bytes of a form: a message of sizeLimit in the widest
// encoding, and the other fields.
const bodyLimit = 256 << 10

// digest identifies a version of the assets.
func digest(files fs.FS) string {
	sum := sha256.New()
	_ = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			data, _ := fs.ReadFile(files, name)
			_, _ = fmt.Fprintf(sum, "%s %d\n", name, len(data))
			_, _ = sum.Write(data)
		}
		return nil
	})
	return hex.EncodeToString(sum.Sum(nil))[:12]
}

func (s *server) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	types := map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
	data, err := assetFiles.ReadFile("assets/" + name)
	kind, known := types[path.Ext(name)]
	if err != nil || !known {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(data)
}

// show renders a whole page.
func (s *server) show(w http.ResponseWriter, status int, name string, data any) {
	var out strings.Builder
	if err := s.a.pages.set.ExecuteTemplate(&out, name, data); err != nil {
		s.a.o.Log.Error("playground page failed", "page", name, "error", err)
		http.Error(w, "This page cannot be shown; the log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(out.String()))
}

// byScript reports whether the page's script sent the request: it expects JSON
// and stays on the page.
func byScript(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Accept"), "application/json")
}
