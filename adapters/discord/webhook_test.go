package discord

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/secret"
)

func TestSignedRequests(t *testing.T) {
	s := withCommands(t, &desk{}, nil)
	url := s.overHTTP()
	if err := s.VerifyEndpoint(t.Context(), "", url); err != nil {
		t.Errorf("Discord would not accept the endpoint: %v", err)
	}
	app := s.App("")
	ping := []byte(`{"id":"1","application_id":"` + app.ID + `","type":1,"token":"x","version":1}`)
	send := func(body []byte, h http.Header) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = h
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		return res.StatusCode
	}
	now := time.Now()
	without := func(name string) http.Header { h := app.Sign(ping, now); h.Del(name); return h }
	large := []byte(`{"pad":"` + strings.Repeat("x", 1<<20) + `"}`)
	short := app.Sign(ping, now)
	short.Set("X-Signature-Ed25519", "abcd")
	for name, one := range map[string]struct {
		body   []byte
		header http.Header
		want   int
	}{
		"good":               {ping, app.Sign(ping, now), 200},
		"a little old":       {ping, app.Sign(ping, now.Add(-4*time.Minute)), 200},
		"too old":            {ping, app.Sign(ping, now.Add(-6*time.Minute)), 401},
		"from the future":    {ping, app.Sign(ping, now.Add(6*time.Minute)), 401},
		"no signature":       {ping, without("X-Signature-Ed25519"), 401},
		"no timestamp":       {ping, without("X-Signature-Timestamp"), 401},
		"short signature":    {ping, short, 401},
		"another body":       {[]byte(`{"type":1}`), app.Sign(ping, now), 401},
		"too large":          {large, app.Sign(large, now), 413},
		"signed but no JSON": {[]byte("hello"), app.Sign([]byte("hello"), now), 400},
		"signed but no user": {[]byte(`{"type":2,"id":"12345","token":"x"}`), app.Sign([]byte(`{"type":2,"id":"12345","token":"x"}`), now), 400},
	} {
		if got := send(one.body, one.header); got != one.want {
			t.Errorf("%s: %d, want %d", name, got, one.want)
		}
	}
}

func TestARequestThatMeetsADefectIsNotSaidToBeTaken(t *testing.T) {
	d := &desk{complete: func(context.Context, chat.Command) ([]chat.Option, error) { panic("not to be logged") }}
	s := withCommands(t, d, nil)
	url := s.overHTTP()
	app := s.App("")
	body := []byte(`{"id":"123456789","application_id":"` + app.ID + `","type":4,"token":"x","version":1,"channel_id":"234567890",` +
		`"user":{"id":"` + s.UserID("ann") + `","username":"ann"},"data":{"name":"model","options":[{"name":"name","type":3,"value":"m","focused":true}]}}`)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = app.Sign(body, time.Now())
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusInternalServerError {
		t.Errorf("%d, want 500", res.StatusCode)
	}
}

func TestADefectInReadingARequestIsAnsweredToo(t *testing.T) {
	w := httptest.NewRecorder()
	(&app{log: slog.New(slog.DiscardHandler)}).guardRequest(w, func() { panic("not to be logged") })
	if w.Code != http.StatusInternalServerError {
		t.Errorf("%d, want 500", w.Code)
	}
}

func TestAPublicKeyOfWrongLengthIsNoCrash(t *testing.T) {
	s := withCommands(t, &desk{}, func(o *Options) { section(o.Bots[0]).Values[publicKey] = secret.New("abcd") })
	url := s.overHTTP()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Signature-Ed25519", strings.Repeat("ab", 64))
	r.Header.Set("X-Signature-Timestamp", strconv.FormatInt(time.Now().Unix(), 10))
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%d, want 503", res.StatusCode)
	}
}

// What this server could not answer is not said to be taken: Discord shows the
// person that it failed.
func TestARequestThatCouldNotBeAnsweredIs503(t *testing.T) {
	d := &desk{}
	s := withCommands(t, d, nil)
	url := s.overHTTP()
	app := s.App("")
	body := []byte(`{"id":"123456789","application_id":"` + app.ID + `","type":99,"token":"x","version":1,"channel_id":"234567890","user":{"id":"` + s.UserID("ann") + `","username":"ann"}}`)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = app.Sign(body, time.Now())
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%d, want 503", res.StatusCode)
	}
}
