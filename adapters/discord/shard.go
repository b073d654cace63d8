// A shard is one of an application's n connections to the gateway: it keeps
// itself connected, resumes its session, and says how it is.

package discord

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"parley/adapters/internal/retry"
	"parley/internal/chat"
	"parley/internal/telemetry"
)

const (
	dialLimit    = 15 * time.Second
	firstBackoff = time.Second
	mostBackoff  = time.Minute
)

// shard is one connection over all its sessions. Its health and the session that
// is kept may be read at any time; the rest belongs to run.
type shard struct {
	app    *app
	id, of int // [id, of] is what Discord calls it
	log    *slog.Logger
	outage *telemetry.Outage
	health health

	session   string
	resumeURL string
	seq       *sequence
	lanes     *lanes
	starts    starts
	failures  int  // connections in a row that did not become ready
	aside     bool // only fetches what a session of another process holds; see catchUp
	current   atomic.Pointer[savedSession]
}

// newShards are all shards of an application.
func newShards(a *app, n int) []*shard {
	var all []*shard
	for id := range n {
		all = append(all, newShard(a, id, n))
	}
	return all
}

func newShard(a *app, id, of int) *shard {
	log := a.log
	if of > 1 {
		log = log.With(slog.Int("shard", id))
	}
	s := &shard{
		app: a, id: id, of: of, log: log, seq: &sequence{}, health: health{reason: "not connected yet"},
		outage: telemetry.NewOutage(log, "discord connection ended; connecting again", "discord connects again"),
	}
	s.lanes = newLanes(a, s.seq)
	return s
}

// serves reports whether the events of a guild come to this shard; those of direct
// messages, which have none, come to the first.
func (s *shard) serves(guild string) bool {
	id, _ := strconv.ParseUint(guild, 10, 64)
	return id>>22%uint64(s.of) == uint64(s.id)
}

// run keeps the shard connected until ctx ends. Once Discord has refused it for
// good it stays away, and its health says why.
func (s *shard) run(ctx context.Context) {
	defer s.health.set(false, "stopped")
	other := s.restore(ctx)
	defer s.keep(context.WithoutCancel(ctx), true) // after the lanes have stopped
	defer s.lanes.start(ctx)()
	var memory sync.WaitGroup
	defer memory.Wait()
	memory.Go(func() { s.remember(ctx, other) })
	for ctx.Err() == nil {
		err := s.connect(ctx)
		if ctx.Err() != nil {
			return
		}
		if refused, ok := errors.AsType[*fatal](err); ok {
			s.health.set(false, refused.Error())
			s.log.ErrorContext(ctx, "discord refused the bot for good", slog.String("reason", refused.Error()))
			<-ctx.Done() // what came before is still being stored
			return
		}
		s.health.set(false, "reconnecting to Discord: "+short(err))
		pause := s.after(err)
		s.outage.Note(ctx, errors.New(short(err)), "resume", s.session != "", "pause", pause.String())
		if !retry.Sleep(ctx, pause) {
			return
		}
		if errors.Is(err, errBacklog) && !s.lanes.drained(ctx) {
			return
		}
	}
}

// after is the pause before the next connection, and forgets a session that
// cannot be resumed.
func (s *shard) after(err error) time.Duration {
	closed, isClose := errors.AsType[*websocket.CloseError](err)
	switch {
	case errors.Is(err, errInvalid):
		s.forget()
		return time.Second + rand.N(4*time.Second) // 1–5 s, as documented
	case errors.Is(err, errResumable):
		return time.Second + rand.N(4*time.Second)
	case isClose && endsSession(closed.Code):
		s.forget()
	}
	if limited, ok := errors.AsType[*chat.RateLimited](err); ok {
		return retry.AtLeast(limited.After)
	}
	if s.failures == 0 {
		return rand.N(250 * time.Millisecond) // it had been working: come back at once
	}
	if s.failures%4 == 0 {
		// The resume address itself may be what fails; the session can be
		// resumed from the ordinary one too.
		s.resumeURL = ""
	}
	pause := min(firstBackoff<<min(s.failures-1, 10), mostBackoff)
	return pause/2 + rand.N(pause/2+1)
}

// forget gives the session up; what its events kept current no longer is.
func (s *shard) forget() {
	s.session, s.resumeURL = "", ""
	s.share()
	s.app.world.stale(s.serves)
}

// connect holds one connection until it ends. The error is never nil.
func (s *shard) connect(ctx context.Context) error {
	s.failures++ // until READY or RESUMED
	address := s.resumeURL
	if s.session == "" || address == "" {
		var err error
		if address, err = s.address(ctx); err != nil {
			return err
		}
	}
	c := &link{shard: s, acked: make(chan struct{}, 1), beat: make(chan struct{}, 1)}
	if s.session == "" {
		if !retry.Sleep(ctx, s.starts.wait(time.Now())) {
			return ctx.Err()
		}
		var err error
		if c.permit, err = s.app.identifies.permit(ctx, s.id, s.app.rhythm.identify); err != nil {
			return err
		}
		defer c.permit.end()
	}
	dialer := &websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: dialLimit, ReadBufferSize: 32 << 10}
	ws, _, err := dialer.DialContext(ctx, withQuery(address), http.Header{"User-Agent": {userAgent}})
	if err != nil {
		return fmt.Errorf("connect to the gateway: %w", plain(err))
	}
	c.ws = ws
	return c.hold(ctx)
}

// dispatch takes one event. What must not be lost goes to the lanes and counts
// as received only once it is there.
func (s *shard) dispatch(ctx context.Context, f frame) error {
	if f.S == nil {
		return nil
	}
	if f.T == "READY" {
		s.seq.reset() // a new session counts from the start
	}
	if !s.seq.fresh(*f.S) {
		return nil
	}
	if f.T == "MESSAGE_CREATE" {
		if !s.lanes.put(f) {
			return errBacklog
		}
		return nil
	}
	s.seq.skip(*f.S)
	if s.aside {
		if f.T == "RESUMED" {
			return errCaughtUp
		}
		return nil // too late to answer, and our own session tells the rest
	}
	s.app.guard(f.T, func() error {
		switch f.T {
		case "READY":
			return s.ready(ctx, f.D)
		case "RESUMED":
			s.connected(ctx, "resumed")
			return nil
		}
		return s.app.take(ctx, f)
	})
	return nil
}

func (s *shard) ready(ctx context.Context, d json.RawMessage) error {
	var r struct {
		Session string `json:"session_id"`
		Resume  string `json:"resume_gateway_url"`
		User    struct {
			ID string `json:"id"`
		} `json:"user"`
		Application struct {
			ID string `json:"id"`
		} `json:"application"`
	}
	if err := json.Unmarshal(d, &r); err != nil {
		return err
	}
	s.session, s.resumeURL = r.Session, r.Resume
	s.app.identity.set(r.User.ID, r.Application.ID)
	s.share()
	if s.app.registered.CompareAndSwap(false, true) {
		s.app.own.Go(func() { s.app.registerCommands(ctx) })
	}
	s.connected(ctx, "identified")
	return nil
}

func (s *shard) connected(ctx context.Context, how string) {
	s.failures = 0
	s.health.set(true, "")
	s.outage.Note(ctx, nil)
	s.log.InfoContext(ctx, "discord connected", slog.String("how", how))
}

// health is whether a shard is connected, and if not, why. It is safe for
// concurrent use.
type health struct {
	mu     sync.Mutex
	ok     bool
	reason string
}

func (h *health) set(ok bool, reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ok, h.reason = ok, reason
}

func (h *health) get() (ok bool, reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ok, h.reason
}

// healthOf is the health of all shards: ok if each is, else what is wrong, and where
// there are several, with which.
func healthOf(shards []*shard) (ok bool, reason string) {
	var reasons []string
	ids := map[string][]string{} // by reason
	for _, s := range shards {
		ok, reason := s.health.get()
		if ok {
			continue
		}
		if ids[reason] == nil {
			reasons = append(reasons, reason)
		}
		ids[reason] = append(ids[reason], fmt.Sprintf("[%d, %d]", s.id, s.of))
	}
	if len(shards) > 1 {
		for n, reason := range reasons {
			reasons[n] = "shard " + strings.Join(ids[reason], ", ") + ": " + reason
		}
	}
	return len(reasons) == 0, strings.Join(reasons, "; ")
}
