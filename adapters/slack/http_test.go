// Signed HTTP requests: what is let in, what is answered, and that nothing that
// was answered with 200 is lost.

package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"parley/bots"
	"parley/internal/chat"
	fake "parley/internal/fake/slack"
)

func TestOnlySlackIsLetIn(t *testing.T) {
	r := newRig(t, setup{bots: []bots.Bot{helper(), {ID: "socketonly", Sections: inSlack("xoxb-2", appToken, "xapp-2")}, {ID: "nowhere"}}})
	r.await("connected", func() bool { return len(r.ws.Calls("auth.test")) > 1 })
	h := r.adapter.Handler()
	body := `{"type":"url_verification","challenge":"abc"}`
	big := `{"type":"url_verification","challenge":"` + strings.Repeat("x", 1<<20) + `"}`
	for _, c := range []struct {
		name, path, body string
		sign             func(h http.Header, body []byte)
		want             int
	}{
		{"right", "/slack/helper/events", body, signedBy("shhh-helper", 0), 200},
		{"four minutes old", "/slack/helper/events", body, signedBy("shhh-helper", -4*time.Minute), 200},
		{"six minutes old", "/slack/helper/events", body, signedBy("shhh-helper", -6*time.Minute), 401},
		{"six minutes ahead", "/slack/helper/events", body, signedBy("shhh-helper", 6*time.Minute), 401},
		{"wrong secret", "/slack/helper/events", body, signedBy("guess", 0), 401},
		{"of another body", "/slack/helper/events", body, func(h http.Header, _ []byte) { fake.Sign(h, "shhh-helper", time.Now(), []byte("{}")) }, 401},
		{"missing", "/slack/helper/events", body, func(http.Header, []byte) {}, 401},
		{"no number", "/slack/helper/events", body, func(h http.Header, b []byte) {
			signedBy("shhh-helper", 0)(h, b)
			h.Set("X-Slack-Request-Timestamp", "yesterday")
		}, 401},
		{"commands missing", "/slack/helper/commands", "command=/model", func(http.Header, []byte) {}, 401},
		{"interactions missing", "/slack/helper/interactions", "payload={}", func(http.Header, []byte) {}, 401},
		{"too large", "/slack/helper/events", big, signedBy("shhh-helper", 0), 413},
		{"too large and unsigned", "/slack/helper/events", big, func(http.Header, []byte) {}, 413},
		{"unknown bot", "/slack/nobody/events", body, signedBy("shhh-helper", 0), 404},
		{"bot without slack", "/slack/nowhere/events", body, signedBy("shhh-helper", 0), 404},
		{"no signing secret", "/slack/socketonly/events", body, signedBy("", 0), 401},
		{"not JSON", "/slack/helper/events", "hello", signedBy("shhh-helper", 0), 400},
		{"a form that is nothing", "/slack/helper/events", "x=y", signedBy("shhh-helper", 0), 400},
		{"no payload", "/slack/helper/interactions", "x=y", signedBy("shhh-helper", 0), 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := httptest.NewRequest(http.MethodPost, c.path, strings.NewReader(c.body))
			c.sign(req.Header, []byte(c.body))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, req)
			if w.Code != c.want {
				t.Errorf("HTTP %d, want %d: %s", w.Code, c.want, w.Body)
			}
		})
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/slack/helper/events", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: HTTP %d", w.Code)
	}
	if puts, _ := r.inbox.count(); puts != 0 {
		t.Errorf("%d messages reached the inbox", puts)
	}
}

func signedBy(secret string, shift time.Duration) func(http.Header, []byte) {
	return func(h http.Header, body []byte) { fake.Sign(h, secret, time.Now().Add(shift), body) }
}

func TestTheChallengeIsAnswered(t *testing.T) {
	r := newRig(t, setup{})
	status, answer, err := r.ws.VerifyURL("")
	if err != nil || status != 200 || answer != "chal-A0HELPER" {
		t.Errorf("HTTP %d, %q, %v", status, answer, err)
	}
}

func TestAMessageThatCouldNotBeStoredComesAgain(t *testing.T) {
	r := newRig(t, setup{fake: fake.Options{Pace: 600}})
	r.inbox.refuse(3)
	ts := r.ws.Mention("C1", "U1", "hello")
	if m := r.message(); string(m.ID) != ts {
		t.Errorf("message %s", m.ID)
	}
	r.await("every event taken", func() bool { return r.ws.Delivered(ts) })
	var refused, retries int
	for _, d := range r.ws.Deliveries() {
		if d.Status == http.StatusServiceUnavailable {
			refused++
		}
		if d.Attempt > 0 {
			retries++
		}
	}
	if refused != 3 || retries != 3 {
		t.Errorf("%d refused, %d retries", refused, retries)
	}
}

func TestAMessageThatMetADefectComesAgain(t *testing.T) {
	for name, socket := range map[string]bool{"http": false, "socket": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, setup{socket: socket, fake: fake.Options{Pace: 600, EventTimeout: time.Second}})
			eventually(t, "connected", func() bool { return r.adapter.Health()[0].OK })
			r.inbox.panicIn(2) // a mention arrives as two events
			ts := r.ws.Mention("C1", "U1", "hello")
			if m := r.message(); string(m.ID) != ts {
				t.Errorf("message %s", m.ID)
			}
			if all := r.logged.String(); !strings.Contains(all, "a defect ended") || strings.Contains(all, "must not be logged") {
				t.Errorf("log:\n%s", all)
			}
		})
	}
}

func TestARetryThatIsTheOnlyDeliveryIsTaken(t *testing.T) {
	r := newRig(t, setup{})
	data, err := json.Marshal(golden(t, "app_mention"))
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(strings.Replace(string(data), `"type":""`, `"type":"event_callback"`, 1))
	req := httptest.NewRequest(http.MethodPost, "/slack/helper/events", bytes.NewReader(body))
	fake.Sign(req.Header, "shhh-helper", time.Now(), body)
	req.Header.Set("X-Slack-Retry-Num", "3")
	req.Header.Set("X-Slack-Retry-Reason", "http_timeout")
	w := httptest.NewRecorder()
	r.adapter.Handler().ServeHTTP(w, req)
	if w.Code != 200 {
		t.Fatalf("HTTP %d", w.Code)
	}
	if m := r.message(); m.Trigger != chat.Mention {
		t.Errorf("%+v", m)
	}
}

func TestEventsBeforeTheFirstAuthTestAreNotLost(t *testing.T) {
	r := newRig(t, setup{idle: true, fake: fake.Options{Pace: 30}}) // tried again after 2 s and 10 s more
	ts := r.ws.Mention("C1", "U1", "early")
	r.await("a refusal", func() bool { d := r.ws.Deliveries(); return len(d) > 0 && d[0].Status == 503 })
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.adapter.Run(ctx) }()
	defer func() { stop(); <-done }()
	if m := r.message(); string(m.ID) != ts {
		t.Errorf("message %s", m.ID)
	}
}

func TestEveryEventIsStoredUnderLoad(t *testing.T) {
	const n = 300
	r := newRig(t, setup{fake: fake.Options{Copies: 2}})
	for range n {
		r.ws.Mention("C1", "U1", "hello")
	}
	seen := map[string]bool{}
	for range n {
		seen[r.message().Key] = true
	}
	r.await("all deliveries", func() bool { return len(r.ws.Deliveries()) >= 4*n })
	if _, distinct := r.inbox.count(); distinct != n || len(seen) != n {
		t.Errorf("%d messages of %d", distinct, n)
	}
}

// The store hangs: Slack is told within its three seconds, and what was stored
// after all is a duplicate when it comes again.
func TestASlowStoreIsToldInTime(t *testing.T) {
	r := newRig(t, setup{})
	r.await("connected", func() bool { return len(r.ws.Calls("auth.test")) > 0 })
	app := r.adapter.byBot["helper"]
	app.intake.within = 20 * time.Millisecond
	r.inbox.mu.Lock() // Put waits for it
	body := `{"type":"event_callback","team_id":"T0TEAM","event_id":"Ev1","event":{"type":"app_mention","channel":"C1","user":"U1","text":"<@U0HELPER> hello","ts":"1700000000.000100"}}`
	req := httptest.NewRequest(http.MethodPost, "/slack/helper/events", strings.NewReader(body))
	signedBy("shhh-helper", 0)(req.Header, []byte(body))
	w := httptest.NewRecorder()
	r.adapter.Handler().ServeHTTP(w, req)
	r.inbox.mu.Unlock()
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("HTTP %d, want 503", w.Code)
	}
	if m := r.message(); m.ID != "1700000000.000100" {
		t.Errorf("message %s", m.ID)
	}
}

// What can never be stored is refused once, with a line in the log, not for ever.
func TestWhatCanNeverBeStoredIsNotAskedForAgain(t *testing.T) {
	r := newRig(t, setup{})
	app := r.adapter.byBot["helper"]
	<-app.known
	e := envelope{Type: "event_callback", EventID: "Ev1", TeamID: "T0TEAM", Event: json.RawMessage(`{"type":"app_mention","channel":"C1","user":"U1","text":"<@U0HELPER> hello","ts":"1"}`)}
	app.ports.Inbox = never{}
	if err := app.receive(t.Context(), e); err != nil {
		t.Errorf("Slack would send it again: %v", err)
	}
}

type never struct{ chat.Inbox }

func (never) Put(context.Context, chat.Message) error { return chat.ErrUnstorable }

// Stand-ins and people who set up one request URL send everything there.
func TestOneRequestURLTakesEventsCommandsAndInteractions(t *testing.T) {
	r := newRig(t, setup{})
	r.await("connected", func() bool { return len(r.ws.Calls("auth.test")) > 0 })
	h := r.adapter.Handler()
	send := func(kind, body string) int {
		req := httptest.NewRequest(http.MethodPost, "/slack/helper/events", strings.NewReader(body))
		req.Header.Set("Content-Type", kind)
		signedBy("shhh-helper", 0)(req.Header, []byte(body))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		return w.Code
	}
	const form = "application/x-www-form-urlencoded"
	payload := `{"type":"block_actions","user":{"id":"U1"},"channel":{"id":"C1"},"actions":[{"action_id":"parley.run.0","value":"usage all"}]}`
	for body, kind := range map[string]string{
		"command=%2Fmodel&text=m2&channel_id=C1&user_id=U1&team_id=T0TEAM": form,
		"payload=" + url.QueryEscape(payload):                              form,
		"ssl_check=1":                                                      form,
		`{"type":"event_callback","team_id":"T0TEAM","event":{"type":"app_mention","user":"U1","channel":"C1","ts":"1700000000.000100","text":"<@U0HELPER> hi"}}`: "application/json",
	} {
		if code := send(kind, body); code != 200 {
			t.Errorf("%.20s: HTTP %d", body, code)
		}
	}
	if m := r.message(); m.Text != "hi" {
		t.Errorf("%+v", m)
	}
	eventually(t, "both commands", func() bool {
		did := map[string]bool{}
		for _, c := range r.desk.did() {
			did[c.Name+" "+c.Args] = true
		}
		return did["model m2"] && did["usage all"]
	})
}

// A proxy in front of Slack wants the token in the header, and says no in its
// own way.
func TestTheTokenIsInTheHeaderAnd401RefusesIt(t *testing.T) {
	r := newRig(t, setup{})
	r.ws.Mention("C1", "U1", "hello")
	m := r.message()
	if _, err := r.responder(m).Post(t.Context(), chat.Content{Markdown: "hi", Key: "k"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range r.ws.Calls("") {
		if c.Bearer != "xoxb-1-helper" {
			t.Errorf("%s came with %q", c.Method, c.Bearer)
		}
	}
	r.ws.Inject(fake.Fault{Method: "chat.postMessage", Status: http.StatusUnauthorized})
	if _, err := r.responder(m).Post(t.Context(), chat.Content{Markdown: "hi", Key: "k"}); !chat.Refused(err, chat.NoAccess) {
		t.Errorf("401: %v", err)
	}
	if h := r.adapter.Health()[0]; h.OK || !strings.Contains(h.Reason, "refuses the bot token") {
		t.Errorf("%+v", h)
	}
}

func TestADeletedMessageIsToldWhicheverWayItWent(t *testing.T) {
	r := newRig(t, setup{})
	alone := r.ws.Mention("C1", "U1", "hello")
	root := r.ws.Mention("C1", "U1", "a thread")
	var m chat.Message
	for m = r.message(); string(m.ID) != root; m = r.message() {
	}
	answer, err := r.responder(m).Post(t.Context(), chat.Content{Markdown: "hi", Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	r.ws.Delete(alone)
	r.ws.Delete(root) // leaves a tombstone
	r.ws.Delete(string(answer.ID))
	eventually(t, "both are told", func() bool { return len(r.desk.deleted()) >= 2 })
	r.await("every event is taken", func() bool { return r.ws.Taken() })
	told := map[string]string{}
	for _, d := range r.desk.deleted() {
		told[string(d.ID)] = d.Place.Conversation()
	}
	if len(told) != 2 || told[alone] == "" || told[root] != m.Place.Conversation() {
		t.Errorf("told: %v", told)
	}
	if d := r.desk.deleted()[0]; d.Scope != m.Scope || d.Bot != "helper" || !strings.HasSuffix(d.Key, string(d.ID)) {
		t.Errorf("%+v", d)
	}
}
