// Package console is the admin API: the registry, the bots and the usage over
// HTTP, for the operator verbs, scripts and the pages. Its paths and replies
// are a public interface.
package console

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/provider"
	"parley/internal/registry"
)

// Options is what New needs. Registry, Probe, Guard and Log are required.
type Options struct {
	Registry  *registry.Registry
	Bots      []bots.Bot
	Platforms []chat.Platform // the enabled ones
	// Probe sends an endpoint a real request; an empty model is the provider's
	// first.
	Probe func(ctx context.Context, p provider.Provider, model string) any
	// Models asks an endpoint for its models; nil never asks.
	Models func(ctx context.Context, p provider.Provider) ([]provider.Model, error)
	Usage  Usage        // nil: no usage
	Guilds chat.Truster // nil: no platform has trusted guilds
	// Manifest says how to set up a bot on a platform. An empty bot is the default
	// one; base is the server's public address, or empty. Its error is for the
	// operator.
	Manifest func(platform, bot, base string) (any, error)

	Guard Guard // who may use the API
	Log   *slog.Logger
}

type console struct{ Options }

// operation handles one method of one path. It returns a status and a body, or
// an error. The caller sees only errors that are a *Problem.
type operation func(w http.ResponseWriter, r *http.Request) (status int, body any, err error)

// New serves everything under /api/. It only admits requests that Guard
// admits.
func New(o Options) http.Handler {
	c := &console{Options: o}
	mux := http.NewServeMux()
	for path, methods := range map[string]map[string]operation{
		"/api/v1/providers":                {"GET": c.listProviders},
		"/api/v1/providers/{id}":           {"GET": c.getProvider, "PUT": c.putProvider, "DELETE": c.removeProvider},
		"/api/v1/providers/{id}/test":      {"POST": c.testProvider},
		"/api/v1/bots":                     {"GET": c.listBots},
		"/api/v1/bots/{id}":                {"GET": c.getBot, "PATCH": c.patchBot},
		"/api/v1/bots/{id}/guilds":         {"GET": c.listGuilds},
		"/api/v1/bots/{id}/guilds/{guild}": {"GET": c.getGuild, "PUT": c.putGuild, "DELETE": c.removeGuild},
		"/api/v1/manifest/{platform}":      {"GET": c.getManifest},
		"/api/v1/usage":                    {"GET": c.getUsage},
		"/api/v1/login-codes":              {"POST": c.makeCode},
	} {
		limit := callTime
		if strings.HasSuffix(path, "/test") {
			limit = probeTime
		}
		mux.Handle(path, c.serve(methods, limit))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		notFound("Unknown path; the API has /api/v1/providers, /api/v1/bots, /api/v1/manifest, /api/v1/usage and /api/v1/login-codes.").Write(w)
	})
	return c.recovered(o.Guard.Wrap(mux))
}

const (
	callTime  = 20 * time.Second // so that a store that hangs does not hang the operator
	probeTime = 3 * time.Minute  // the model may have to be loaded first
)

// serve handles one path, with a time limit for each request.
func (c *console) serve(methods map[string]operation, limit time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet // the server omits the body
		}
		op, ok := methods[method]
		if !ok {
			w.Header().Set("Allow", allowed(methods))
			(&Problem{Type: kindMethod, Title: "Method not allowed", Status: http.StatusMethodNotAllowed,
				Detail: "This path takes " + allowed(methods) + "."}).Write(w)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), limit)
		defer cancel()
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(limit + time.Minute))
		status, body, err := op(w, r.WithContext(ctx))
		switch {
		case err != nil:
			c.problem(r, err).Write(w)
		case body == nil:
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(status)
		default:
			writeJSON(w, status, "application/json", body)
		}
	})
}

func allowed(methods map[string]operation) string {
	var names []string
	for name := range methods {
		names = append(names, name)
		if name == http.MethodGet {
			names = append(names, http.MethodHead)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// problem turns err into what the caller may see. It logs other errors.
func (c *console) problem(r *http.Request, err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	c.Log.ErrorContext(r.Context(), "admin request failed", "method", r.Method, "path", r.Pattern, "error", err)
	detail := "The store is unavailable; only confirmed changes were made. Try again."
	if errors.Is(err, registry.ErrBusy) {
		detail = "Others are changing the registry; try again."
	}
	return &Problem{Type: kindUnavailable, Title: "Unavailable", Status: http.StatusServiceUnavailable, Detail: detail}
}

// recovered turns a panic into a response and a log line.
func (c *console) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			value := recover()
			if value == http.ErrAbortHandler {
				panic(value)
			}
			err := fault.Recovered(value)
			if err == nil {
				return
			}
			c.Log.ErrorContext(r.Context(), "admin request panicked", "method", r.Method, "path", r.Pattern, "error", err)
			(&Problem{Type: kindInternal, Title: "Internal error", Status: http.StatusInternalServerError,
				Detail: "Internal error; the log has the details."}).Write(w)
		}()
		next.ServeHTTP(w, r)
	})
}
