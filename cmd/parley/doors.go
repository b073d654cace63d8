// Who gets in: the admin token, the folder's address for the operator verbs, and
// what the door stands before.

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

// tokenNeeded says why a server may not make a token for itself: what forwards
// signed requests to its listener forwards all others too, and people beyond
// this machine then need to know the token.
func (s settings) tokenNeeded() error {
	if !s.config.AdminToken.IsZero() || !s.config.Loopback() { // config tells of other listeners
		return nil
	}
	for _, b := range s.bots {
		if field := s.signed(b); field != "" {
			return fmt.Errorf("ADMIN_TOKEN: is required because bot %s has a %s: the proxy or tunnel that brings signed requests to this server can bring any request; %s", b.ID, field, config.FreshToken())
		}
	}
	return nil
}

// signed is the field by which a platform sends the bot signed requests; empty
// where none does.
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

// claimFolder marks DATA_DIR as this server's. The embedded store has one server
// at a time; with a Redis the first is the one that verbs find. The claim is nil
// where there is none.
func (s settings) claimFolder(ctx context.Context) (*folder.Claim, error) {
	embedded := s.config.Embedded()
	if _, err := os.Stat(s.config.DataDir); errors.Is(err, fs.ErrNotExist) && (embedded || s.config.AdminToken.IsZero()) {
		if err := os.MkdirAll(s.config.DataDir, 0o700); err != nil {
			return nil, fmt.Errorf("DATA_DIR: %w; make %s a folder this user may write to", err, s.config.DataDir)
		}
	}
	claim, err := folder.NewClaim(s.config.DataDir)
	running, taken := errors.AsType[*folder.RunningError](err)
	switch {
	case err == nil:
		return claim, nil
	case taken && embedded && running.URL == "":
		return nil, fmt.Errorf("parley is already starting in this folder (DATA_DIR %s); a second one needs a DATA_DIR of its own", s.config.DataDir)
	case taken && embedded:
		return nil, fmt.Errorf("parley already runs in this folder, at %s: `parley open` prints an address for your browser; a second one needs a DATA_DIR of its own", running.URL)
	}
	s.log.DebugContext(ctx, "the operator verbs do not find this server by its folder", "data_dir", s.config.DataDir, "reason", err)
	return nil, nil
}

// adminToken is ADMIN_TOKEN, or the one kept in DATA_DIR.
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
		s.log.WarnContext(ctx, "others could read the admin token; its file is closed to them now: if somebody may have read it, remove it and start again", "file", path)
	}
	s.log.InfoContext(ctx, "ADMIN_TOKEN is not set: the admin API, the pages and the metrics ask for the token kept in DATA_DIR, which operator verbs run here send", "file", path)
	return token, nil
}

// announce prints where the playground is. On a loopback listener the address
// opens it: its code is good once.
func (s settings) announce(ctx context.Context, l net.Listener, d *door.Door) {
	i := slices.IndexFunc(s.platforms, func(p platform) bool { return p.Pages })
	if i < 0 || !s.config.PlaygroundServed() {
		return
	}
	address := "http://" + reachable(l.Addr().String())
	if !s.config.Loopback() {
		s.log.InfoContext(ctx, "playground", "url", address, "note", "log in with ADMIN_TOKEN, or by the address that parley open prints")
		return
	}
	code, _, err := d.NewCode(ctx)
	if err != nil {
		s.log.WarnContext(ctx, "no code for the playground could be kept: parley open makes one later", "error", err)
		s.log.InfoContext(ctx, "playground", "url", address)
		return
	}
	s.log.InfoContext(ctx, "playground", "url", address+console.CodePath(s.platforms[i].Platform, code), "note", "good once, for 10 minutes; parley open prints a fresh one")
}

// serveDemo serves the demo's model to parley itself, which shows key, and to
// whoever may administer.
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

// serveReady tells everybody whether the server is ready, and the reasons only
// to whoever may administer. A wrong token is refused: it would otherwise be a
// way to guess.
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

// serveMetrics asks for the token unless METRICS=open.
func (s settings) serveMetrics(metrics http.Handler, guard console.Guard) http.Handler {
	if strings.EqualFold(s.config.Metrics, "open") {
		return metrics
	}
	return guard.Wrap(metrics)
}
