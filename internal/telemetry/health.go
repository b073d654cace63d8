// Health: liveness, and readiness with reasons.

package telemetry

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// checkLimit is how long a check may take before it counts as failed.
// Orchestrators' probes wait one or a few seconds.
const checkLimit = 2 * time.Second

// State is the result of a check.
type State struct {
	Name   string `json:"name"` // "store", "slack/helper"
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"` // for a person, when not OK; holds no secret
	// Group joins states of which one must be OK: one bot with a revoked token
	// must not take the others out of service. A state without a group must be OK
	// itself.
	Group string `json:"-"`
	// Public is set if anyone may see the state, without its reason.
	Public bool `json:"-"`
}

// Check checks one or more things. It should honor ctx.
type Check func(ctx context.Context) []State

// Health answers /healthz and /readyz. Its methods are safe for concurrent use.
type Health struct {
	checks   map[string]Check
	stopping atomic.Bool
}

// NewHealth takes the checks by name. If a check does not answer in time, its
// name is reported.
func NewHealth(checks map[string]Check) *Health { return &Health{checks: checks} }

// Report is the body of /readyz.
type Report struct {
	// Status is "ready", "degraded" if something is not OK but the server can take
	// work, or "unready".
	Status string  `json:"status"`
	Checks []State `json:"checks"`
}

// Stopping makes /readyz report that the server is stopping: it finishes
// running answers and takes no new work.
func (h *Health) Stopping() { h.stopping.Store(true) }

// Ready runs all checks at once. It takes at most a few seconds.
func (h *Health) Ready(ctx context.Context) Report {
	var mu sync.Mutex
	var wg sync.WaitGroup
	r := Report{Status: "ready", Checks: []State{}}
	for name, check := range h.checks {
		wg.Go(func() {
			states := run(ctx, name, check)
			mu.Lock()
			defer mu.Unlock()
			r.Checks = append(r.Checks, states...)
		})
	}
	wg.Wait()
	if h.stopping.Load() {
		r.Checks = append(r.Checks, State{Name: "server", Reason: "stopping: finishing running answers"})
	}
	slices.SortStableFunc(r.Checks, func(a, b State) int {
		switch {
		case a.Name < b.Name:
			return -1
		case a.Name > b.Name:
			return 1
		}
		return 0
	})
	r.Status = status(r.Checks)
	return r
}

// run does not wait for a check that ignores its context.
func run(ctx context.Context, name string, check Check) []State {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	done := make(chan []State, 1)
	go func() { done <- check(ctx) }()
	select {
	case states := <-done:
		return states
	case <-ctx.Done():
		return []State{{Name: name, Reason: fmt.Sprintf("no answer within %s", checkLimit)}}
	}
}

func status(checks []State) string {
	groups := map[string]bool{} // whether one of the group is OK
	result := "ready"
	for _, s := range checks {
		if !s.OK {
			result = "degraded"
		}
		if s.Group != "" {
			groups[s.Group] = groups[s.Group] || s.OK
		} else if !s.OK {
			return "unready"
		}
	}
	for _, ok := range groups {
		if !ok {
			return "unready"
		}
	}
	return result
}

// Alive serves /healthz: the process answers, nothing more.
func (h *Health) Alive(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]string{"status": "alive"})
}

// ServeReady serves /readyz: 200 if the server can take work, else 503. With
// all, the body has every check with its reason; otherwise only whether each
// public one is OK.
func (h *Health) ServeReady(w http.ResponseWriter, r *http.Request, all bool) {
	report := h.Ready(r.Context())
	if !all {
		report.Checks = public(report.Checks)
	}
	code := http.StatusOK
	if report.Status == "unready" {
		code = http.StatusServiceUnavailable
	}
	reply(w, code, report)
}

func public(checks []State) []State {
	out := []State{}
	for _, s := range checks {
		if s.Public {
			out = append(out, State{Name: s.Name, OK: s.OK})
		}
	}
	return out
}

func reply(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}
