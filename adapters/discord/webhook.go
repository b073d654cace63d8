// Interactions as signed HTTP requests instead of gateway events:
// POST /discord/{bot}/interactions.

package discord

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"parley/adapters/internal/prompt"
	"parley/adapters/internal/webhook"
	"parley/internal/fault"
)

const (
	freshness   = 5 * time.Minute // largest difference to a signature's time
	replyWithin = 2500 * time.Millisecond
)

// Handler serves interactions that come as signed HTTP requests. It responds with
// 401 if the signature is missing, wrong or more than five minutes off, 413 to a body
// over 1 MiB, and 404 for a bot without a Discord application.
func (a *Adapter) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /discord/{bot}/interactions", func(w http.ResponseWriter, r *http.Request) {
		one, err := a.of(r.PathValue("bot"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		one.guardRequest(w, func() { one.serve(w, r) })
	})
	return mux
}

// guardRequest responds with an error if serve panics, so that the person sees the
// failure at once.
func (a *app) guardRequest(w http.ResponseWriter, serve func()) {
	if err := fault.Guard(func() error { serve(); return nil }); err != nil {
		a.log.Error("interaction failed", slog.String("error", err.Error()))
		failed(w)
	}
}

func failed(w http.ResponseWriter) {
	http.Error(w, "the interaction met a defect of this server", http.StatusInternalServerError)
}

// signed reports whether Discord signed the body just now.
func signed(key ed25519.PublicKey, h http.Header, body []byte, now time.Time) bool {
	timestamp := h.Get("X-Signature-Timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > freshness {
		return false
	}
	signature, err := hex.DecodeString(h.Get("X-Signature-Ed25519"))
	if err != nil || len(signature) != ed25519.SignatureSize {
		return false
	}
	return ed25519.Verify(key, append([]byte(timestamp), body...), signature)
}

func (a *app) serve(w http.ResponseWriter, r *http.Request) {
	received := time.Now()
	body, ok := webhook.Read(w, r)
	if !ok {
		return
	}
	if r.Header.Get("X-Signature-Ed25519") == "" || r.Header.Get("X-Signature-Timestamp") == "" {
		http.Error(w, "the signature is missing, wrong or too old", http.StatusUnauthorized)
		return
	}
	key, err := a.identity.publicKey(r.Context())
	if err != nil {
		a.log.ErrorContext(r.Context(), "interaction cannot be verified", slog.String("error", err.Error()))
		http.Error(w, "the signature cannot be checked now", http.StatusServiceUnavailable)
		return
	}
	if !signed(key, r.Header, body, received) {
		http.Error(w, "the signature is missing, wrong or too old", http.StatusUnauthorized)
		return
	}
	i, err := a.interaction(bytes.TrimSpace(body), received)
	if err != nil {
		http.Error(w, "not an interaction", http.StatusBadRequest)
		return
	}
	if i.Type == interactionPing {
		webhook.Answer(w, callback{Type: callbackPong})
		return
	}
	i.inline(w, r)
}

// spoken is the first response to an interaction, or the error instead of one.
type spoken struct {
	answer *callback
	err    error
}

// errNotTaken says that a response came too late.
var errNotTaken = errors.New("the interaction's request is over")

// inline sends the first response in the response to the request. Work that is left
// goes on afterwards.
func (i *interaction) inline(w http.ResponseWriter, r *http.Request) {
	written := make(chan struct{}) // what follows must not overtake the response
	defer close(written)
	first, err := prompt.Ask(r.Context(), i.app.background, i.received.Add(replyWithin), workLimit, func(ctx context.Context, give func(spoken) bool) {
		i.respond = func(_ context.Context, b callback) error {
			if !give(spoken{answer: &b}) {
				return errNotTaken
			}
			<-written
			return nil
		}
		err := i.answer(ctx)
		if give(spoken{err: err}); err != nil {
			i.app.log.WarnContext(ctx, "interaction not answered", slog.String("error", err.Error()))
		}
	})
	switch {
	case errors.Is(err, prompt.ErrNothing):
		failed(w)
	case err != nil || first.err != nil:
		http.Error(w, "the interaction could not be answered in time", http.StatusServiceUnavailable)
	case first.answer == nil:
		w.WriteHeader(http.StatusAccepted) // another process answers
	default:
		webhook.Answer(w, first.answer)
		_ = http.NewResponseController(w).Flush()
	}
}
