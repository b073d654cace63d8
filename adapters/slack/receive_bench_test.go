// What one event and one edit cost.

package slack

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"parley/internal/chat"
	fake "parley/internal/fake/slack"
)

// BenchmarkReceive is what one signed event costs from Slack's request to the
// inbox, without the network.
func BenchmarkReceive(b *testing.B) {
	ws, err := fake.Start(fake.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer ws.Close()
	a, err := New(Options{Bots: helpers(), APIURL: ws.APIURL(), Ports: chat.Ports{Inbox: putter{}}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = a.Run(ctx) }()
	defer func() { stop(); <-done }()
	if _, ok := a.apps[0].whoami(b.Context()); !ok {
		b.Fatal("not connected")
	}
	h := a.Handler()
	body := []byte(`{"type":"event_callback","team_id":"T0TEAM","event":{"type":"app_mention","user":"U1","channel":"C1","ts":"1700000000.000100","text":"<@U0HELPER> what is *Go*?"}}`)
	b.ReportAllocs()
	for b.Loop() {
		req := httptest.NewRequest(http.MethodPost, "/slack/helper/events", &repeat{body: body})
		fake.Sign(req.Header, "shhh-helper", time.Now(), body)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}

type putter struct{}

func (putter) Put(context.Context, chat.Message) error { return nil }

type repeat struct{ body []byte }

func (r *repeat) Read(p []byte) (int, error) {
	n := copy(p, r.body)
	r.body = r.body[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}
