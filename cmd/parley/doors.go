// Admin access: the token, the address that operator verbs find, and the handlers
// that require the token.

package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"

	"parley/bots"
	"parley/internal/config"
	"parley/internal/console"
	"parley/internal/demo"
	"parley/internal/door"
	"parley/internal/folder"
	"parley/internal/secret"
	"parley/internal/telemetry"
)

// tokenNeeded returns an error if the server may not generate its own token: a
// proxy that forwards signed requests to its listener forwards any request, so the
// operator must choose the token.
func (s settings) tokenNeeded() error {
	if !s.config.AdminToken.IsZero() || !s.config.Loopback() { // config.Load checks other listeners
		return nil
	}
	for _, b := range s.bots {
		if field := s.signed(b); field != "" {
			return fmt.Errorf("ADMIN_TOKEN: is required because bot %s has a %s: the proxy or tunnel that brings signed requests to this server can bring any request; %s", b.ID, field, config.FreshToken())
		}
	}
	return nil
}

// signed is the setting that makes a platform send the bot signed requests, empty
// if none does.
func (s settings) signed(b bots.Bot) string {
	for _, p := range s.platforms {
		for _, f := range p.Settings {
			if f.Signed && b.On(p.Platform) && b.Sections[p.Name].Value(f.Name) != "" {
				return p.Name + "." + f.Name
			}
		}
	}
	return ""
}

// claimFolder claims DATA_DIR for this server. With the embedded store, a second
// server is an error; with Redis, operator verbs find the first, and the claim of
// the others is nil.
func (s settings) claimFolder(ctx context.Context) (*folder.Claim, error) {
	embedded := s.config.Embedded()
	if _, err := os.Stat(s.config.DataDir); errors.Is(err, fs.ErrNotExist) && (embedded || s.config.AdminToken.IsZero()) {
		if err := os.MkdirAll(s.config.DataDir, 0o700); err != nil {
			return nil, fmt.Errorf("DATA_DIR: %w; make %s a directory that this user can write to", err, s.config.DataDir)
		}
	}
	claim, err := folder.NewClaim(s.config.DataDir)
	running, taken := errors.AsType[*folder.RunningError](err)
	switch {
	case err == nil:
		return claim, nil
	case taken && embedded && running.URL == "":
		return nil, fmt.Errorf("parley is already starting in this directory (DATA_DIR %s); a second server needs its own DATA_DIR", s.config.DataDir)
	case taken && embedded:
		return nil, fmt.Errorf("parley is already running in this directory, at %s: `parley open` prints an address for your browser; a second server needs its own DATA_DIR", running.URL)
	}
	s.log.DebugContext(ctx, "data directory not claimed: operator verbs cannot find this server", "data_dir", s.config.DataDir, "reason", err)
	return nil, nil
}

// adminToken is ADMIN_TOKEN, or the generated token in DATA_DIR.
func (s settings) adminToken(ctx context.Context) (secret.Text, error) {
	if !s.config.AdminToken.IsZero() {
		return s.config.AdminToken, nil
	}
	token, tightened, err := folder.KeepToken(s.config.DataDir)
	if err != nil {
		return token, fmt.Errorf("%w; %s", err, config.FreshToken())
	}
	path := folder.TokenPath(s.config.DataDir)
	if tightened {
		s.log.WarnContext(ctx, "admin token file was readable by others: permissions fixed; if someone may have read it, delete it and restart parley", "file", path)
	}
	s.log.InfoContext(ctx, "admin token: ADMIN_TOKEN is not set, using the generated one in DATA_DIR; operator verbs in this directory find it", "file", path)
	return token, nil
}

// announce logs the playground's address. On a loopback listener the address
// contains a login code, which works once.
func (s settings) announce(ctx context.Context, l net.Listener, d *door.Door) {
	i := slices.IndexFunc(s.platforms, func(p platform) bool { return p.Pages })
	if i < 0 || !s.config.PlaygroundServed() {
		return
	}
	address := "http://" + reachable(l.Addr().String())
	if !s.config.Loopback() {
		s.log.InfoContext(ctx, "playground", "url", address, "note", "log in with ADMIN_TOKEN, or open the address that parley open prints")
		return
	}
	code, _, err := d.NewCode(ctx)
	if err != nil {
		s.log.WarnContext(ctx, "login code not stored: use parley open later", "error", err)
		s.log.InfoContext(ctx, "playground", "url", address)
		return
	}
	s.log.InfoContext(ctx, "playground", "url", address+console.CodePath(s.platforms[i].Platform, code), "note", "works once, for 10 minutes; parley open prints a fresh one")
}

// serveDemo serves the demo's model to parley itself, which sends key, and to
// administrators.
func serveDemo(guard console.Guard, key secret.Text) http.Handler {
	model := http.StripPrefix("/demo", demo.New())
	others := guard.Wrap(model)
	want := sha256.Sum256([]byte("Bearer " + key.Reveal()))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		if subtle.ConstantTimeCompare(got[:], want[:]) == 1 {
			model.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
}

// serveReady shows everyone whether the server is ready, and administrators the
// reasons. It refuses a wrong token, so that nobody can use it to test guesses.
func serveReady(h *telemetry.Health, guard console.Guard) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := guard.Door.Admit(r)
		if errors.Is(err, door.ErrWrong) {
			guard.Refuse(w, r, err)
			return
		}
		h.ServeReady(w, r, err == nil)
	}
}

// serveMetrics requires the token unless METRICS=open.
func (s settings) serveMetrics(metrics http.Handler, guard console.Guard) http.Handler {
	if strings.EqualFold(s.config.Metrics, "open") {
		return metrics
	}
	return guard.Wrap(metrics)
}
