// The gateway client: one WebSocket, its heartbeat, and the way back after it
// breaks.
//
// It is our own, over gorilla/websocket. discordgo's gateway identifies again
// at once after an invalid session, ignores the resume address, keeps session
// and sequence private, reconnects for ever on fatal close codes, and notices a
// silent connection after five heartbeats. disgo's gateway package, the best
// kept alternative, exposes session, sequence and resume address and stops on
// fatal codes, but it advances the sequence before an event is handled and
// offers no way to hold it back; notices a silent connection only at the
// heartbeat after the unanswered one (up to two intervals, about 82 s; the bar
// is one and 5 s); sends no jittered first heartbeat; comes back a fixed second
// after an invalid session; and brings types of its own beside discordgo's.
// What is needed is small, and what matters in it is exactly what differs.

package discord

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bwmarrin/discordgo"
	"github.com/gorilla/websocket"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/telemetry"
)

// Gateway opcodes.
const (
	opDispatch       = 0
	opHeartbeat      = 1
	opIdentify       = 2
	opResume         = 6
	opReconnect      = 7
	opInvalidSession = 9
	opHello          = 10
	opHeartbeatAck   = 11
)

// intents are the events asked for: guilds with channels, threads and roles;
// messages in guilds and direct messages; and what messages say, which Discord
// keeps from bots unless it is switched on for them.
const intents = discordgo.IntentsGuilds | discordgo.IntentsGuildMessages | discordgo.IntentsDirectMessages | discordgo.IntentMessageContent

const (
	helloWait    = 20 * time.Second // for the first frame
	writeWait    = 5 * time.Second
	frameLimit   = 64 << 20 // bytes; GUILD_CREATE of a large guild is some megabytes
	firstBackoff = time.Second
	mostBackoff  = time.Minute
	// closeResumable is the code of our closes after which the session lives on;
	// 1000 and 1001 would end it.
	closeResumable = 4000
)

// fatal is Discord's word that connecting again is of no use.
type fatal struct{ text string }

func (f *fatal) Error() string { return f.text }

// fatalClose explains the close codes that must not be answered by another
// connection; nil for all others.
func fatalClose(code int) error {
	switch code {
	case 4004:
		return &fatal{"Discord refused the bot's token: make a new one in the Developer Portal (discord.com/developers/applications → your application → Bot → Reset Token), set it and restart"}
	case 4010, 4012, 4013:
		return &fatal{fmt.Sprintf("Discord refused the connection's parameters (close code %d): this version of parley does not fit today's gateway, please update it", code)}
	case 4011:
		return &fatal{"Discord demands sharding: the bot is in more servers than one connection may serve, and parley opens one"}
	case 4014:
		return &fatal{"Discord refused the bot's intents: switch on Message Content Intent in the Developer Portal (discord.com/developers/applications → your application → Bot → Privileged Gateway Intents) and restart"}
	}
	return nil
}

// Why a connection ended, where it was our decision.
var (
	errZombie    = errors.New("no heartbeat acknowledgement: the connection is dead")
	errReconnect = errors.New("discord asked for a new connection")
	errInvalid   = errors.New("discord ended the session")
	errResumable = errors.New("discord asked to resume later")
	errBacklog   = errors.New("too many messages wait to be stored")
)

// endsSession reports whether a close code from Discord ends the session. All
// others leave it to be resumed, 1001 ("going away") included: Cloudflare sends
// that when it restarts. Should the session be gone all the same, RESUME is
// answered by opcode 9, which costs a second; giving up one that lives loses
// what was said meanwhile.
func endsSession(code int) bool {
	switch code {
	case 4003, 4007, 4009, websocket.CloseNormalClosure:
		return true
	}
	return false
}

// gateway is one application's connection over all its sessions.
type gateway struct {
	app  *app
	desk *counter
	log  *slog.Logger
	// outage is of the connection, storing of the inbox.
	outage, storing *telemetry.Outage

	dialer    *websocket.Dialer
	session   string
	resumeURL string
	seq       *sequence
	lanes     *lanes
	starts    []time.Time // IDENTIFYs of the last ten minutes
	failures  int         // connections in a row that did not become ready
	aside     bool        // only fetches what a session of another process holds; see catchUp
	current   atomic.Pointer[savedSession]
	own       sync.WaitGroup // what ends with the connection's context
}

func newGateway(a *app, desk *counter) *gateway {
	g := &gateway{app: a, desk: desk, log: a.log, seq: newSequence(),
		outage:  telemetry.NewOutage(a.log, "discord connection ended; connecting again", "discord connects again"),
		storing: telemetry.NewOutage(a.log, "messages are not stored yet; trying again", "messages are stored again"),
	}
	g.dialer = &websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: 15 * time.Second, ReadBufferSize: 32 << 10}
	return g
}

type frame struct {
	Op int             `json:"op"`
	D  json.RawMessage `json:"d"`
	S  *int64          `json:"s"`
	T  string          `json:"t"`
}

// run keeps the application connected until ctx ends. Once Discord has refused
// it for good it stays away, and the state says why.
func (g *gateway) run(ctx context.Context) {
	other := g.restore(ctx)
	defer g.keep(context.WithoutCancel(ctx), true) // after the lanes have stopped
	g.lanes = newLanes(g)
	defer g.own.Wait()
	defer g.lanes.start(ctx)()
	var memory sync.WaitGroup
	defer memory.Wait()
	memory.Go(func() { g.remember(ctx, other) })
	for ctx.Err() == nil {
		err := g.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if refused, ok := errors.AsType[*fatal](err); ok {
			g.app.setState(false, refused.Error())
			g.log.ErrorContext(ctx, "discord refused the bot for good", slog.String("reason", refused.Error()))
			<-ctx.Done() // what came before is still being stored
			return
		}
		g.app.setState(false, "reconnecting to Discord: "+short(err))
		pause := g.after(err)
		g.outage.Note(ctx, errors.New(short(err)), "resume", g.session != "", "pause", pause.String())
		if !sleep(ctx, pause) {
			return
		}
		if errors.Is(err, errBacklog) && !g.lanes.drained(ctx) {
			return
		}
	}
}

// short is an error for a person: without addresses and without the lines a
// library adds.
func short(err error) string {
	if e, ok := errors.AsType[*websocket.CloseError](err); ok {
		return fmt.Sprintf("closed by Discord with code %d", e.Code)
	}
	if limited, ok := errors.AsType[*chat.RateLimited](err); ok {
		return limited.Error()
	}
	return plain(err).Error()
}

// after is the pause before the next connection, and forgets a session that
// cannot be resumed.
func (g *gateway) after(err error) time.Duration {
	closed, isClose := errors.AsType[*websocket.CloseError](err)
	switch {
	case errors.Is(err, errInvalid):
		g.forget()
		return time.Second + rand.N(4*time.Second) // 1–5 s, as documented
	case errors.Is(err, errResumable):
		return time.Second + rand.N(4*time.Second)
	case isClose && endsSession(closed.Code):
		g.forget()
	}
	if limited, ok := errors.AsType[*chat.RateLimited](err); ok {
		return jitter(limited.After)
	}
	if g.failures == 0 {
		return rand.N(250 * time.Millisecond) // it had been working: come back at once
	}
	if g.failures%4 == 0 {
		// The resume address itself may be what fails; the session can be
		// resumed from the ordinary one too.
		g.resumeURL = ""
	}
	pause := min(firstBackoff<<min(g.failures-1, 10), mostBackoff)
	return pause/2 + rand.N(pause/2+1)
}

// forget gives the session up; what its events kept current no longer is.
func (g *gateway) forget() {
	g.session, g.resumeURL = "", ""
	g.share()
	g.app.world.stale()
}

// jitter adds up to a quarter to d.
func jitter(d time.Duration) time.Duration { return d + rand.N(d/4+1) }

// once holds one connection until it ends. The error is never nil.
func (g *gateway) once(ctx context.Context) error {
	g.failures++ // until READY or RESUMED
	address := g.resumeURL
	if g.session == "" || address == "" {
		var err error
		if address, err = g.address(ctx); err != nil {
			return err
		}
	}
	if g.session == "" {
		if !sleep(ctx, g.untilIdentify(time.Now())) {
			return ctx.Err()
		}
	}
	ws, _, err := g.dialer.DialContext(ctx, withQuery(address), http.Header{"User-Agent": {userAgent}})
	if err != nil {
		return fmt.Errorf("connect to the gateway: %w", plain(err))
	}
	c := &link{g: g, ws: ws, acked: make(chan struct{}, 1), beat: make(chan struct{}, 1)}
	return c.hold(ctx)
}

// untilIdentify is the wait before another IDENTIFY: max_concurrency allows one
// in 5 s, and a connection that breaks again and again must not use up the
// 1,000 of a day, after which Discord resets the token.
func (g *gateway) untilIdentify(now time.Time) time.Duration {
	g.starts = slices.DeleteFunc(g.starts, func(t time.Time) bool { return now.Sub(t) > 10*time.Minute })
	if len(g.starts) == 0 {
		return 0
	}
	gap := g.app.rhythm.identify
	if len(g.starts) >= 10 {
		gap = 2 * time.Minute
	}
	return g.starts[len(g.starts)-1].Add(gap).Sub(now)
}

// withQuery adds the version and encoding that every connection must name.
func withQuery(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	q := u.Query()
	q.Set("v", "10")
	q.Set("encoding", "json")
	u.RawQuery = q.Encode()
	return u.String()
}

// address asks Discord where the gateway is, and waits when the day's sessions
// are used up: an IDENTIFY beyond them resets the token.
func (g *gateway) address(ctx context.Context) (string, error) {
	var out struct {
		URL   string `json:"url"`
		Limit struct {
			Total      int   `json:"total"`
			Remaining  int   `json:"remaining"`
			ResetAfter int64 `json:"reset_after"` // milliseconds
		} `json:"session_start_limit"`
	}
	_, err := g.app.rest.do(ctx, call{method: http.MethodGet, path: "/gateway/bot", name: "gateway"}, &out)
	switch {
	case status(err) == http.StatusUnauthorized:
		return "", fatalClose(4004)
	case err != nil:
		return "", err
	case out.URL == "":
		return "", errors.New("discord named no gateway address")
	}
	if g.session == "" && out.Limit.Total > 0 && out.Limit.Remaining <= 0 {
		return "", &chat.RateLimited{After: time.Duration(out.Limit.ResetAfter) * time.Millisecond}
	}
	return out.URL, nil
}

// dispatch takes one event. What must not be lost goes to the lanes and counts
// as received only once it is there.
func (g *gateway) dispatch(ctx context.Context, f frame) error {
	if f.S == nil {
		return nil
	}
	if f.T == "READY" {
		g.seq.reset() // a new session counts from the start
	}
	if !g.seq.fresh(*f.S) {
		return nil
	}
	if f.T == "MESSAGE_CREATE" {
		if !g.lanes.put(f) {
			return errBacklog
		}
		return nil
	}
	g.seq.skip(*f.S)
	if g.aside {
		if f.T == "RESUMED" {
			return errCaughtUp
		}
		return nil // too late to answer, and our own session tells the rest
	}
	g.guard(f.T, func() error { return g.other(ctx, f) })
	return nil
}

// guard keeps a fault in one event from harming the others.
func (g *gateway) guard(event string, f func() error) {
	var refused error
	if err := fault.Guard(func() error { refused = f(); return nil }); err != nil {
		g.log.Error("discord event failed", slog.String("event", event), slog.String("error", err.Error()))
	}
	if refused != nil {
		g.log.Warn("discord event not understood", slog.String("event", event), slog.String("error", refused.Error()))
	}
}

// other takes every event but messages: quickly, as the next frame waits.
func (g *gateway) other(ctx context.Context, f frame) error {
	switch f.T {
	case "READY":
		return g.ready(ctx, f.D)
	case "RESUMED":
		g.connected(ctx, "resumed")
		return nil
	case "INTERACTION_CREATE":
		received := time.Now()
		g.app.background.Go(ctx, workLimit, func(ctx context.Context) {
			g.guard(f.T, func() error { return g.desk.take(ctx, f.D, received) })
		})
		return nil
	case "MESSAGE_DELETE", "MESSAGE_DELETE_BULK":
		g.app.background.Go(ctx, withdrawWithin, func(ctx context.Context) {
			g.guard(f.T, func() error { return g.deleted(ctx, f.D) })
		})
		return nil
	}
	if f.T == "GUILD_CREATE" && g.app.trust.open() {
		g.own.Go(func() {
			g.guard(f.T, func() error { return g.app.trust.joined(ctx) })
		})
	}
	return g.app.world.see(f.T, f.D)
}

func (g *gateway) ready(ctx context.Context, d json.RawMessage) error {
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
	g.session, g.resumeURL = r.Session, r.Resume
	g.app.mu.Lock()
	g.app.userID, g.app.id = r.User.ID, r.Application.ID
	first := !g.app.register
	g.app.register = true
	g.app.mu.Unlock()
	g.share()
	if first {
		g.own.Go(func() { g.app.registerCommands(ctx) })
	}
	g.connected(ctx, "identified")
	return nil
}

func (g *gateway) connected(ctx context.Context, how string) {
	g.failures = 0
	g.app.setState(true, "")
	g.outage.Note(ctx, nil)
	g.log.InfoContext(ctx, "discord connected", slog.String("how", how))
}
