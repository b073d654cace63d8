// Socket Mode: two connections per app token, so that one can come again while
// the other takes what arrives; and what becomes of what they bring.

package slack

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"parley/adapters/internal/retry"
	"parley/internal/chat"
)

const (
	// flushWithin is how long acknowledgements may still be sent at the end.
	flushWithin = 3 * time.Second
	// lineStagger keeps the two connections apart: Slack asks each to come again
	// after the same time, and one must stand while the other does.
	lineStagger = 3 * time.Second
	// pingWithin is how long Slack may be silent, longer for the second
	// connection for the same reason.
	pingWithin = 30 * time.Second
	// longestWait is the most between two attempts to connect.
	longestWait = 30 * time.Second
	// claimWithin is how long it may take to learn whether an envelope is new.
	claimWithin = time.Second
	// maxEnvelope bounds one message of the connection.
	maxEnvelope = 4 << 20
)

// socketEnvelope is a message of the connection that wants an acknowledgement.
type socketEnvelope struct {
	Type       string          `json:"type"`
	EnvelopeID string          `json:"envelope_id"`
	Payload    json.RawMessage `json:"payload"`
}

// holdLines keeps both connections standing until ctx ends.
func (a *app) holdLines(ctx context.Context) {
	var lines sync.WaitGroup
	for n := range a.intake.wire.lines {
		lines.Go(func() {
			if retry.Sleep(ctx, time.Duration(n)*a.intake.wire.stagger) {
				a.holdLine(ctx, n)
			}
		})
	}
	lines.Wait()
}

// holdLine keeps connection n standing until ctx ends.
func (a *app) holdLine(ctx context.Context, n int) {
	pauses := retry.Growing(time.Second, longestWait)
	for ctx.Err() == nil {
		begun := time.Now()
		err := a.line(ctx, n)
		if ctx.Err() != nil {
			return
		}
		if time.Since(begun) > time.Minute {
			pauses.Reset()
		}
		wait := pauses.NextBackOff()
		if err = a.classify(err); chat.Refused(err) {
			a.intake.wire.fail(fmt.Sprintf("Slack refuses Socket Mode (%s): check slack.app_token of bot %s, and that Socket Mode is on", cause(err), a.lead.ID))
			wait = retry.AtLeast(longestWait)
		}
		a.intake.wire.outage.Note(ctx, errors.New(cause(err)), "connection", n)
		if !retry.Sleep(ctx, wait) {
			return
		}
	}
}

// line runs one managed connection. It ends with ctx, or when Slack refuses the
// app token.
func (a *app) line(ctx context.Context, n int) error {
	client := socketmode.New(a.api, socketmode.OptionLog(quiet{}), socketmode.OptionReadLimit(maxEnvelope), socketmode.OptionDialer(a.intake.wire.dialer(n)),
		socketmode.OptionPingInterval(pingWithin+time.Duration(n)*pingWithin/3))
	// The connection outlives ctx by a moment: what was taken is acknowledged.
	conn, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	ended := make(chan error, 1)
	go func() { ended <- client.RunContext(conn) }()
	defer a.intake.wire.set(n, false)

	var busy sync.WaitGroup
	for {
		select {
		case e := <-client.Events:
			if err := a.onLine(ctx, client, n, e, &busy); err != nil {
				hangUp()
				_ = drain(client, ended)
				return err
			}
		case err := <-ended:
			busy.Wait()
			return err
		case <-ctx.Done():
			a.finishLine(client, &busy)
			hangUp()
			return drain(client, ended)
		}
	}
}

// finishLine waits for the envelopes in hand, and a moment for their
// acknowledgements to leave. One that does not make it is delivered again.
func (a *app) finishLine(client *socketmode.Client, busy *sync.WaitGroup) {
	done := make(chan struct{})
	go func() { busy.Wait(); close(done) }()
	deadline := time.NewTimer(flushWithin)
	defer deadline.Stop()
	for {
		select {
		case <-client.Events: // not taken, so Slack sends it to another
		case <-done:
			flush := time.NewTimer(50 * time.Millisecond)
			defer flush.Stop()
			<-flush.C
			return
		case <-deadline.C:
			return
		}
	}
}

// drain empties the event channel until the connection's goroutines are gone:
// they block on a full one.
func drain(client *socketmode.Client, ended chan error) error {
	for {
		select {
		case <-client.Events:
		case err := <-ended:
			return err
		}
	}
}

// onLine takes one event of a connection and returns at once: a slow consumer
// would keep pongs from being sent. An error says to begin anew.
func (a *app) onLine(ctx context.Context, client *socketmode.Client, n int, e socketmode.Event, busy *sync.WaitGroup) error {
	switch e.Type {
	case socketmode.EventTypeConnecting:
		switch stood, reason := a.intake.wire.ended(n); {
		case !stood:
		case reason == "":
			a.log.InfoContext(ctx, "slack: socket closed; connecting again", "connection", n, "reason", "Slack asked for a new one, or fell silent")
		default:
			a.log.WarnContext(ctx, "slack: socket lost; connecting again", "connection", n, "reason", reason)
		}
	case socketmode.EventTypeConnected:
		a.intake.wire.set(n, true)
		a.intake.wire.outage.Note(ctx, nil)
		a.log.InfoContext(ctx, "Socket Mode connection stands", "connection", n)
	case socketmode.EventTypeConnectionError:
		if ce, ok := e.Data.(*slack.ConnectionErrorEvent); ok {
			err := a.classify(ce.ErrorObj)
			a.intake.wire.fail("Slack cannot be reached by Socket Mode: " + cause(err))
			a.intake.wire.outage.Note(ctx, errors.New(cause(err)), "connection", n, "again_in", ce.Backoff.String())
			if _, told := errors.AsType[*chat.RateLimited](err); !told && ce.Backoff > longestWait {
				return err // the library would wait for up to five minutes
			}
		}
	case socketmode.EventTypeEventsAPI, socketmode.EventTypeInteractive, socketmode.EventTypeSlashCommand:
		if e.Request == nil {
			return nil
		}
		a.take(ctx, client, socketEnvelope{Type: e.Request.Type, EnvelopeID: e.Request.EnvelopeID, Payload: e.Request.Payload}, busy)
	case socketmode.EventTypeErrorBadMessage:
		// The library could not read it, or does not know its type. Left alone,
		// it would never be acknowledged.
		bad, ok := e.Data.(*socketmode.ErrorBadMessage)
		var s socketEnvelope
		if !ok || json.Unmarshal(bad.Message, &s) != nil || s.EnvelopeID == "" {
			return nil
		}
		a.take(ctx, client, s, busy)
	}
	return nil
}

// take handles an envelope on its own goroutine.
func (a *app) take(ctx context.Context, client *socketmode.Client, s socketEnvelope, busy *sync.WaitGroup) {
	ctx = context.WithoutCancel(ctx)
	busy.Go(func() { a.guard(ctx, func() { a.answer(ctx, client, s) }) })
}

// answer acknowledges an envelope once it is safe; one that could not be stored
// is not acknowledged, so Slack sends it again.
func (a *app) answer(ctx context.Context, client *socketmode.Client, s socketEnvelope) {
	answer, err := a.handle(ctx, s)
	if errors.Is(err, errNobody) {
		err = nil
	}
	if a.intake.storing.Note(ctx, err, "envelope", s.EnvelopeID); err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, flushWithin)
	defer cancel()
	if err = client.AckCtx(ctx, s.EnvelopeID, answer); err == nil {
		return
	}
	// Too large for the connection: the payload takes another way rather than
	// none.
	a.log.WarnContext(ctx, "an answer did not fit into its acknowledgement", "envelope", s.EnvelopeID, "error", err)
	_ = client.AckCtx(ctx, s.EnvelopeID, nil)
	if said, ok := answer.(*reply); ok && said != nil && said.by != nil {
		said.by.tell(ctx, said.to, *said)
	}
}

// handle gives the payload of the acknowledgement, if there is one.
func (a *app) handle(ctx context.Context, s socketEnvelope) (any, error) {
	arrived := time.Now()
	switch s.Type {
	case socketmode.RequestTypeEventsAPI:
		var e envelope
		if json.Unmarshal(s.Payload, &e) != nil {
			return nil, nil
		}
		to, err := a.receiver(ctx, a.intake.wire.apps, e.addressee())
		if err != nil {
			return nil, err
		}
		return nil, to.receive(ctx, e)
	case socketmode.RequestTypeSlashCommands:
		var c slashCommand
		if json.Unmarshal(s.Payload, &c) != nil {
			return nil, nil
		}
		to, err := a.receiver(ctx, a.intake.wire.apps, c.addressee())
		if err != nil {
			return unrouted(err), nil
		}
		if !a.first(ctx, s) {
			return nil, nil
		}
		if answer := to.slash(ctx, arrived, c); answer != nil {
			return answer, nil
		}
	case socketmode.RequestTypeInteractive:
		var i interaction
		if json.Unmarshal(s.Payload, &i) != nil {
			return nil, nil
		}
		to, err := a.receiver(ctx, a.intake.wire.apps, i.addressee())
		if err != nil {
			return nil, err
		}
		// Only now: what was refused comes again, and must not have been claimed.
		if !a.first(ctx, s) {
			return nil, nil
		}
		return to.interact(ctx, arrived, i), nil
	default:
		a.log.InfoContext(ctx, "a Socket Mode message of unknown type was acknowledged", "type", s.Type)
	}
	return nil, nil
}

// first reports whether an envelope is new: one that came by the other
// connection too, or to another process, acts once. Where that cannot be told it
// acts: a person waits for it.
func (a *app) first(ctx context.Context, s socketEnvelope) bool {
	if s.EnvelopeID == "" {
		return true
	}
	sum := sha256.Sum256(s.Payload) // a server that numbers envelopes may begin again
	ctx, cancel := context.WithTimeout(ctx, claimWithin)
	defer cancel()
	mine, err := a.ports.Desk.Claim(ctx, platform+":envelope:"+s.EnvelopeID+":"+base64.RawURLEncoding.EncodeToString(sum[:12]))
	if err != nil {
		a.log.WarnContext(ctx, "slack: whether an envelope came before is not known; it is carried out", "envelope", s.EnvelopeID, "error", err)
		return true
	}
	return mine
}
