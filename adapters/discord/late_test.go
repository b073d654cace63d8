package discord

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/secret"
)

// Discord waits 3 s for the first answer; this much of it is kept for the way.
const onTheWay = 400 * time.Millisecond

const slashReset = `{"id":"1200000000000000001","application_id":"1","type":2,"token":"aW50","version":1,"channel_id":"42",
	"guild_id":"7","channel":{"id":"42","type":0},"member":{"user":{"id":"5","username":"ann"},"roles":[],"permissions":"0"},
	"data":{"id":"9","name":"reset","type":1}}`

// In pretended time, so that no machine is too slow for it.
func TestTheFirstAnswerComesInTime(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	adapter := func(t *testing.T) *app {
		endless := &desk{do: func(ctx context.Context, _ chat.Command) (chat.Reply, error) {
			<-ctx.Done()
			return chat.Reply{}, ctx.Err()
		}}
		one := helper("MTIzNDU2Nzg5.a.b")
		one.Sections = inDiscord("MTIzNDU2Nzg5.a.b", "7")
		section(one).Values[publicKey] = secret.New(hex.EncodeToString(public))
		a, err := New(Options{Records: shared(), Bots: []bots.Bot{one}, HTTP: &http.Client{Transport: &discordIn{}}, Log: logger(t)})
		if err != nil {
			t.Fatal(err)
		}
		a.apps[0].ports.Desk = endless
		return a.apps[0]
	}
	t.Run("gateway", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			one := adapter(t)
			begun := time.Now()
			i, err := one.interaction(json.RawMessage(slashReset), begun)
			if err != nil {
				t.Fatal(err)
			}
			kind, took := 0, time.Duration(0)
			ctx, cancel := context.WithTimeout(t.Context(), workLimit)
			defer cancel()
			i.respond = func(_ context.Context, b callback) error {
				kind, took = b.Type, time.Since(begun)
				return nil
			}
			_ = i.answer(ctx)
			if kind != callbackDefer || took > 3*time.Second-onTheWay {
				t.Errorf("response %d after %s, want a deferral within 3 s less the way", kind, took)
			}
		})
	})
	t.Run("http", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			one := adapter(t)
			begun := time.Now()
			stamp := strconv.FormatInt(begun.Unix(), 10)
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/discord/helper/interactions", strings.NewReader(slashReset))
			r.Header.Set("X-Signature-Timestamp", stamp)
			r.Header.Set("X-Signature-Ed25519", hex.EncodeToString(ed25519.Sign(private, []byte(stamp+slashReset))))
			w := httptest.NewRecorder()
			one.serve(w, r)
			took := time.Since(begun)
			one.background.Finish(workLimit)
			var b callback
			if err := json.Unmarshal(w.Body.Bytes(), &b); err != nil || b.Type != callbackDefer || took > 3*time.Second-onTheWay {
				t.Errorf("status %d, %s after %s, want a deferral within 3 s less the way", w.Code, w.Body, took)
			}
		})
	})
}
