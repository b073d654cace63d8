// Event delivery: signed HTTP requests with Slack's retries, or an envelope on
// one of the app's Socket Mode connections.

package slack

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Delivery is one attempt to hand an event to an app.
type Delivery struct {
	At       time.Time
	Took     time.Duration
	App      string
	EventID  string
	Event    string // "app_mention", "message.im" …
	TS       string // of the message it is about
	Attempt  int    // 0 the first time
	Over     string // "http", "socket"
	Status   int    // HTTP status; 200 for an acknowledged envelope
	Problem  string // why it was not taken: "timeout", "connection failed", "http_error"
	Accepted bool
}

// Deliveries lists every attempt so far.
func (s *Server) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.deliveries)
}

// Delivered reports whether every event about the message was taken.
func (s *Server) Delivered(ts string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := map[string]bool{}
	for _, d := range s.deliveries {
		if d.TS == ts {
			taken[d.EventID] = taken[d.EventID] || d.Accepted
		}
	}
	for _, ok := range taken {
		if !ok {
			return false
		}
	}
	return len(taken) > 0
}

// Taken reports whether every event so far was delivered and taken.
func (s *Server) Taken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := map[string]bool{}
	for _, d := range s.deliveries {
		taken[d.EventID] = taken[d.EventID] || d.Accepted
	}
	for _, ok := range taken {
		if !ok {
			return false
		}
	}
	return len(taken) == s.sent
}

// retryDelays are Slack's: at once, after one minute, after five more
// (https://docs.slack.dev/apis/events-api/#retries).
func retryDelays() []time.Duration { return []time.Duration{0, time.Minute, 5 * time.Minute} }

// Emit delivers any event object to an app (empty: the first), for events that
// nobody in this workspace would cause.
func (s *Server) Emit(appID, kind string, event map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deliver(s.app(appID), kind, event)
}

// deliver hands an event to an app in the background; the caller holds s.mu.
func (s *Server) deliver(a *App, kind string, event map[string]any) {
	if !a.subscribed(kind) {
		return
	}
	id := s.newID("Ev")
	envelope := map[string]any{
		"token": "deprecated", "team_id": a.Team, "api_app_id": a.ID, "type": "event_callback",
		"event_id": id, "event_time": time.Now().Unix(), "event": event,
		"authorizations":        []any{map[string]any{"enterprise_id": nullable(a.Enterprise), "team_id": a.Team, "user_id": a.BotUser, "is_bot": true, "is_enterprise_install": false}},
		"is_ext_shared_channel": false, "event_context": "4-" + id,
	}
	if c := s.channels[str(event["channel"])]; c != nil && c.Shared {
		envelope["is_ext_shared_channel"], envelope["context_team_id"] = true, a.Team
		envelope["team_id"] = cmp.Or(str(event["user_team"]), a.Team) // where it happened
	}
	ts := str(event["ts"])
	s.sent++
	for range s.o.Copies {
		s.background(func() { s.attempts(a, kind, id, ts, envelope) })
	}
}

// background runs f unless the server is closing; the caller holds s.mu.
func (s *Server) background(f func()) {
	if s.ctx.Err() == nil {
		s.work.Go(f)
	}
}

func (s *Server) attempts(a *App, kind, id, ts string, envelope map[string]any) {
	for attempt, delay := range append([]time.Duration{-1}, retryDelays()...) {
		if delay > 0 && !s.sleep(s.paced(delay)) {
			return
		}
		d := Delivery{At: time.Now(), App: a.ID, EventID: id, Event: kind, TS: ts, Attempt: attempt}
		s.mu.Lock()
		base := a.BaseURL
		reason := ""
		if n := len(s.deliveries); attempt > 0 && n > 0 {
			reason = "http_timeout"
		}
		s.mu.Unlock()
		if base != "" {
			d.Over = "http"
			d.Status, d.Problem = s.postEvent(base, envelope, attempt, reason)
		} else {
			d.Over = "socket"
			d.Status, d.Problem = s.sendEnvelope(a, "events_api", envelope, attempt, nil)
		}
		d.Took, d.Accepted = time.Since(d.At), d.Problem == ""
		s.mu.Lock()
		s.deliveries = append(s.deliveries, d)
		s.touch()
		s.mu.Unlock()
		if d.Accepted {
			return
		}
	}
}

func (s *Server) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

func (s *Server) postEvent(base string, envelope map[string]any, attempt int, reason string) (int, string) {
	header := http.Header{"Content-Type": {"application/json"}}
	if attempt > 0 {
		header.Set("X-Slack-Retry-Num", strconv.Itoa(attempt))
		header.Set("X-Slack-Retry-Reason", reason)
	}
	a := s.appAt(base)
	status, _, err := s.send(base+"/events", a.SigningSecret, header, mustJSON(envelope))
	switch {
	case err != nil && status == 0:
		return 0, "connection failed or timeout"
	case status/100 != 2:
		return status, "http_error"
	}
	return status, ""
}

func (s *Server) appAt(base string) App {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.apps {
		if a.BaseURL == base {
			return *a
		}
	}
	return App{}
}

// Sign sets the headers by which an app knows that Slack sent a request:
// https://docs.slack.dev/authentication/verifying-requests-from-slack.
func Sign(h http.Header, secret string, at time.Time, body []byte) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "v0:%s:", stamp)
	mac.Write(body)
	h.Set("X-Slack-Request-Timestamp", stamp)
	h.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
}

// send posts a signed request and waits as long as Slack does.
func (s *Server) send(url, secret string, header http.Header, body []byte) (int, []byte, error) {
	select {
	case s.lines <- struct{}{}:
		defer func() { <-s.lines }()
	case <-s.ctx.Done():
		return 0, nil, context.Cause(s.ctx)
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.o.EventTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header = header
	r.Header.Set("User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)")
	Sign(r.Header, secret, time.Now(), body)
	resp, err := s.client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, answer, err
}

// VerifyURL sends the url_verification challenge of an app's settings page and
// gives what came back.
func (s *Server) VerifyURL(appID string) (status int, answer string, err error) {
	a := s.App(appID)
	body := mustJSON(map[string]any{"type": "url_verification", "token": "deprecated", "challenge": "chal-" + a.ID})
	status, got, err := s.send(a.BaseURL+"/events", a.SigningSecret, http.Header{"Content-Type": {"application/json"}}, body)
	var reply struct {
		Challenge string `json:"challenge"`
	}
	if json.Unmarshal(got, &reply) == nil {
		return status, reply.Challenge, err
	}
	return status, string(got), err
}
