// Starting and stopping the server, in the order in which its parts start.

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/bots"
	"parley/internal/audit"
	"parley/internal/config"
	"parley/internal/inbox"
	"parley/internal/provider"
	"parley/internal/regular"
	"parley/internal/secret"
	"parley/internal/store"
	"parley/internal/telemetry"
)

// heapGrowth is the GC percentage. Answers allocate much and keep little: with 75
// instead of Go's default 100, the server uses a tenth less memory and no more
// processor time (make bench, row Answers). GOGC overrides it.
const heapGrowth = 75

// maxProvidersFile is the most bytes PROVIDERS_FILE may have.
const maxProvidersFile = 16 << 20

// serve runs the server until ctx ends. It returns 0 after a graceful stop.
func serve(ctx context.Context, args []string, p process) int {
	freePort := slices.Contains(args, "--free-port")
	if rest := slices.DeleteFunc(slices.Clone(args), func(a string) bool { return a == "--free-port" }); len(rest) > 0 {
		return complain(p.stderr, fmt.Errorf("serve does not take %q; its settings are environment variables", rest[0]))
	}
	s, problems := read(p)
	if len(problems) > 0 {
		return complain(p.stderr, problems...)
	}
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(heapGrowth)
	}
	s.log = telemetry.NewLogger(p.stderr, s.config.Level(), s.config.LogFormat)
	s.ready = telemetry.NewLogger(p.stderr, min(s.config.Level(), slog.LevelInfo), s.config.LogFormat)
	s.freePort = freePort && !s.config.HTTPAddrGiven
	defer ignoreHangup(ctx, s.log)()
	if p.exit != nil {
		s.deadline = &deadline{after: s.config.ShutdownGrace + overtime, log: s.log, exit: p.exit}
		defer s.deadline.met()
		defer context.AfterFunc(ctx, s.deadline.begin)()
	}
	if err := s.run(ctx); err != nil {
		return complain(p.stderr, err)
	}
	s.log.InfoContext(ctx, "parley stopped")
	return 0
}

// settings is everything that is read before anything starts.
type settings struct {
	platforms []platform
	config    config.Config
	env       config.Environment
	bots      []bots.Bot
	file      map[string]provider.Provider
	digest    string
	networks  provider.Networks
	freePort  bool
	deadline  *deadline // of the stop; nil in tests that run the server in their own process
	log       *slog.Logger
	ready     *slog.Logger // logs "parley ready" at any LOG_LEVEL, because scripts wait for that line
}

// read reads the configuration and returns every problem with it, one error each.
func read(p process) (settings, []error) {
	s := settings{platforms: p.platforms()}
	var problems []error
	keep := func(err error) {
		if err == nil {
			return
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if line = strings.TrimSpace(line); line != "" {
				problems = append(problems, errors.New(line))
			}
		}
	}
	var err error
	s.env, err = config.ReadEnvironment(p.environ, ".env")
	keep(err)
	s.config, err = config.Load(s.env, descriptions(s.platforms)...)
	keep(err)
	if s.config.BotsDir != "" {
		s.bots, err = bots.LoadDir(s.config.BotsDir, descriptions(s.platforms), s.env.Get)
	} else {
		s.bots, err = bots.Load(bots.Builtin(), descriptions(s.platforms), s.env.Get)
	}
	keep(err)
	keep(s.tokenNeeded())
	if len(problems) == 0 { // config.Load has reported invalid networks already
		s.networks, err = provider.ParseNetworks(s.config.ProviderNetworks, s.config.Loopback())
		keep(err)
	}
	if path := s.config.ProvidersFile; path != "" {
		data, err := regular.ReadFile(path, maxProvidersFile)
		if err != nil {
			keep(fmt.Errorf("PROVIDERS_FILE: %w", err))
		} else if s.file, err = provider.DecodeFile(data); err != nil {
			for line := range strings.SplitSeq(problemsOf(err), "\n") {
				keep(fmt.Errorf("PROVIDERS_FILE %s: %s", path, line))
			}
		}
		sum := sha256.Sum256(data)
		s.digest = hex.EncodeToString(sum[:])
	}
	return s, problems
}

// problemsOf lists the problems of a record, one per line.
func problemsOf(err error) string {
	invalid, ok := errors.AsType[*provider.InvalidError](err)
	if !ok {
		return err.Error()
	}
	lines := make([]string, len(invalid.Problems))
	for i, p := range invalid.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// run starts the parts, serves until ctx ends, and stops them in reverse order.
func (s settings) run(ctx context.Context) (err error) {
	var cleanup stack
	// By then ctx has ended, but closing still needs a live context.
	defer func() { cleanup.unwind(context.WithoutCancel(ctx), s.log) }()

	for _, b := range s.bots {
		for _, skipped := range b.Skipped {
			s.log.InfoContext(ctx, "platform skipped: its tokens are empty", "bot", b.ID, "platform", skipped.Platform, "set", strings.Join(skipped.Variables, " "))
		}
	}
	headers, err := config.Headers(s.config.OTLPHeaders)
	if err != nil {
		return err
	}
	traces, err := telemetry.StartTraces(ctx, telemetry.TraceOptions{
		Endpoint: s.config.OTLPEndpoint, Headers: headers, Service: s.config.ServiceName, Version: version(), Log: s.log,
	})
	if err != nil {
		return err
	}
	cleanup.add("traces", traces.Close)

	listener, token, err := s.listen(ctx, &cleanup)
	if err != nil {
		return err
	}
	base := "http://" + listener.Addr().String()

	store.RouteClientLog(s.log)
	ring, err := store.Ring(s.config.DataDir, s.config.MasterKeys.Reveal(), s.config.Embedded())
	if err != nil {
		return err
	}
	st, err := store.Open(ctx, store.Options{URL: s.config.RedisURL.Reveal(), DataDir: s.config.DataDir, Prefix: s.config.RedisPrefix, Log: s.log})
	if err != nil {
		return err
	}
	cleanup.add("store", func(context.Context) error { return st.Close() })
	if err := st.CheckSchema(ctx, version()); err != nil {
		return err
	}

	metricsRegistry := telemetry.NewRegistry(version())
	metrics := telemetry.NewMetrics(metricsRegistry)

	built, err := s.build(ctx, parts{store: st, ring: ring, metrics: metrics, traces: traces, base: base, token: token})
	if err != nil {
		return err
	}
	cleanup.add("relay", func(context.Context) error { built.relay.Close(); return nil })

	health := built.health(st)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", health.Alive)
	mux.HandleFunc("GET /readyz", serveReady(health, built.guard))
	mux.Handle("GET /metrics", s.serveMetrics(telemetry.MetricsHandler(metricsRegistry, s.log), built.guard))
	built.mount(mux)
	return s.live(ctx, listener, mux, health, built)
}

// listen claims the data directory, finds the admin token and opens the listener.
func (s settings) listen(ctx context.Context, cleanup *stack) (net.Listener, secret.Text, error) {
	claim, err := s.claimFolder(ctx)
	if err != nil {
		return nil, secret.Text{}, err
	}
	cleanup.add("address", func(context.Context) error { return claim.Close() })
	token, err := s.adminToken(ctx)
	if err != nil {
		return nil, secret.Text{}, err
	}
	l, err := telemetry.Listen(s.config.HTTPAddr, s.freePort)
	if err != nil {
		return nil, secret.Text{}, err
	}
	cleanup.add("listener", func(context.Context) error { return ignoreClosed(l.Close()) })
	if err := claim.Announce("http://" + reachable(l.Addr().String())); err != nil { // start even with a full disk
		s.log.WarnContext(ctx, "address not written to DATA_DIR: operator verbs cannot find this server", "error", err)
	}
	return l, token, nil
}

// live runs all parts until ctx ends or one of them fails. The adapters and the
// listener stop first, so that nothing new comes in, and the inbox finishes or
// hands over running answers.
func (s settings) live(ctx context.Context, l net.Listener, mux http.Handler, health *telemetry.Health, b *built) error {
	server := telemetry.NewServer(mux, s.log)
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// The registry and the catalog outlive the answers that use them.
	below, stopBelow := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBelow()

	var upper, lower sync.WaitGroup
	start := func(wg *sync.WaitGroup, ctx context.Context, name string, run func(context.Context) error) {
		wg.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				stop(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	start(&lower, below, "registry", b.registry.Run)
	start(&lower, below, "audit", func(ctx context.Context) error { return audit.Run(ctx, s.log, b.registry.Trail(), b.records.Trail()) })
	for _, a := range b.adapters {
		start(&upper, running, a.Platform().Name, a.Run)
	}
	start(&upper, running, "inbox", func(ctx context.Context) error {
		return b.inbox.Run(ctx, b.relay.Handle, inbox.RunOptions{Grace: s.config.ShutdownGrace, Serves: b.relay.Serves})
	})
	start(&upper, running, "http", func(context.Context) error { return ignoreClosed(server.Serve(l)) })
	start(&lower, below, "discovery", b.local.Run)

	s.ready.InfoContext(ctx, "parley ready", "addr", l.Addr().String(), "store", b.kind, "bots", len(s.bots), "providers", len(b.registry.Providers()))
	s.announce(ctx, l, b.guard.Door)
	<-running.Done()
	if s.deadline != nil {
		s.deadline.begin() // ctx is still live if a part failed
	}
	s.log.InfoContext(ctx, "parley stopping: running answers may finish", "grace", s.config.ShutdownGrace)
	health.Stopping()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closingTime)
	defer cancel()
	if err := server.Shutdown(closing); err != nil {
		_ = server.Close()
	}
	upper.Wait()
	stopBelow()
	lower.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return context.Cause(running)
}

// closingTime is how long open requests may take after the server begins to stop:
// as long as a platform waits for a response. An idle connection of a browser, or
// a request that never ends, must not delay the stop.
const closingTime = 3 * time.Second

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// stack holds what must be closed, in reverse order of opening.
type stack struct{ entries []closer }

type closer struct {
	name  string
	close func(context.Context) error
}

func (s *stack) add(name string, close func(context.Context) error) {
	s.entries = append(s.entries, closer{name, close})
}

func (s *stack) unwind(ctx context.Context, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, e := range slices.Backward(s.entries) {
		if err := e.close(ctx); err != nil {
			log.WarnContext(ctx, "part not closed cleanly", "part", e.name, "error", err)
		}
	}
}
