package discord

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"parley/bots"
	"parley/internal/chat"
)

// quickDiscord answers every call at once, without a network: what is left is
// the adapter's own cost.
type quickDiscord struct{}

func (quickDiscord) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(`{"id":"1"}`)), Header: http.Header{}, Request: r}, nil
}

func BenchmarkEdit(b *testing.B) {
	a, err := New(Options{Records: shared(), Bots: []bots.Bot{helper("MTIzNDU2Nzg5.a.b")}, HTTP: &http.Client{Transport: quickDiscord{}}})
	if err != nil {
		b.Fatal(err)
	}
	r, err := a.Responder(chat.Message{Bot: "helper", ID: "1", Place: chat.Place{Channel: "42"}})
	if err != nil {
		b.Fatal(err)
	}
	text := strings.Repeat("Some prose with **bold** words. ", 40)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Edit(b.Context(), "1", chat.Content{Markdown: text, Stop: "turn"}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTranslate(b *testing.B) {
	raw, err := os.ReadFile("testdata/translate/markup.json")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var e messageEvent
		if err := json.Unmarshal(raw, &e); err != nil {
			b.Fatal(err)
		}
		if _, ok := translate(&e, lore(e.Channel)); !ok {
			b.Fatal("dropped")
		}
	}
}
