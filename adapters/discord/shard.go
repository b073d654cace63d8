// A shard: one of an application's n connections to the gateway. It reconnects,
// resumes its session and reports its health.

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

// shard is one connection with its sessions, one after the other. health and current
// may be read at any time; the rest belongs to run.
type shard struct {
	app    *app
	id, of int // Discord writes [id, of]
	log    *slog.Logger
	outage *telemetry.Outage
	health health

	session   string
	resumeURL string
	seq       *sequence
	lanes     *lanes
	starts    starts
	failures  int  // connections in a row that failed before they were ready
	aside     bool // only fetches the messages of another process's session; see catchUp
	current   atomic.Pointer[savedSession]
}

// newShards makes all shards of an application.
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

// serves reports whether this shard receives the events of a guild. Those of direct
// messages, with no guild, come to the first.
func (s *shard) serves(guild string) bool {
	id, _ := strconv.ParseUint(guild, 10, 64)
	return id>>22%uint64(s.of) == uint64(s.id)
}

// run keeps the shard connected until ctx ends. After a fatal refusal it does not
// connect again, and its health says why.
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
			<-ctx.Done() // the lanes may still be storing messages
			return
		}
		s.health.set(false, "reconnecting to Discord: "+short(err))
		pause := s.pauseAfter(err)
		s.outage.Note(ctx, errors.New(short(err)), "resume", s.session != "", "pause", pause.String())
		if !retry.Sleep(ctx, pause) {
			return
		}
		if errors.Is(err, errBacklog) && !s.lanes.drained(ctx) {
			return
		}
	}
}

// pauseAfter is the pause before the next connection. It forgets a session that
// cannot be resumed.
func (s *shard) pauseAfter(err error) time.Duration {
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
		return retry.AtLeast(max(limited.After, firstBackoff)) // Discord may say 0 as the day turns
	}
	if s.failures == 0 {
		return rand.N(250 * time.Millisecond) // it had worked, so connect again at once
	}
	if s.failures%4 == 0 {
		// The resume address may be the problem; the ordinary one works too.
		s.resumeURL = ""
	}
	pause := min(firstBackoff<<min(s.failures-1, 10), mostBackoff)
	return pause/2 + rand.N(pause/2+1)
}

// forget gives up the session; its events no longer keep guilds current.
func (s *shard) forget() {
	s.session, s.resumeURL = "", ""
	s.share()
	s.app.cache.stale(s.serves)
}

// connect makes a connection and holds it until it ends. The error is never nil.
func (s *shard) connect(ctx context.Context) error {
	s.failures++ // until READY or RESUMED
	address := s.resumeURL
	if s.session == "" || address == "" {
		var err error
		if address, err = s.address(ctx); err != nil {
			return err
		}
	}
	c := &conn{shard: s, acked: make(chan struct{}, 1), beat: make(chan struct{}, 1)}
	if s.session == "" {
		if !retry.Sleep(ctx, s.starts.wait(time.Now())) {
			return ctx.Err()
		}
		var err error
		if c.permit, err = s.app.identifies.permit(ctx, s.id, s.app.timing.identify); err != nil {
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

// dispatch handles one event. Messages must not be lost: they go to the lanes, and
// count as received only once they are there.
func (s *shard) dispatch(ctx context.Context, f frame) error {
	if f.S == nil {
		return nil
	}
	if f.T == "READY" {
		s.seq.reset() // a new session counts from 1
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
		return nil // our own session has the rest
	}
	s.app.guard(f.T, func() error {
		switch f.T {
		case "READY":
			return s.ready(ctx, f.D)
		case "RESUMED":
			s.connected(ctx, "resumed")
			return nil
		}
		return s.app.handle(ctx, f)
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

// healthOf combines the health of all shards. If there are several, the reason names
// those that are not connected.
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
