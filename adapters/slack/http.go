// Slack's signed HTTP requests: events, slash commands, interactions.

package slack

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/slack-go/slack"

	"parley/adapters/internal/prompt"
	"parley/adapters/internal/webhook"
	"parley/internal/chat"
)

const (
	// putWithin is how long storing a message may take. It goes on when Slack
	// has hung up after three seconds: the retry is then a duplicate.
	putWithin = 10 * time.Second
)

// Handler serves POST /slack/{bot}/events, which takes all that Slack sends,
// /commands and /interactions, for any
// bot of an app. A request whose signature is missing, wrong or older than five
// minutes gets 401, one over 1 MiB 413, an unknown bot 404.
func (a *Adapter) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /slack/{bot}/events", a.signed(func(app *app, w http.ResponseWriter, r *http.Request, body []byte) {
		app.serveAny(w, r, body)
	}))
	mux.HandleFunc("POST /slack/{bot}/commands", a.signed(func(app *app, w http.ResponseWriter, r *http.Request, body []byte) {
		app.serveCommand(w, r, body)
	}))
	mux.HandleFunc("POST /slack/{bot}/interactions", a.signed(func(app *app, w http.ResponseWriter, r *http.Request, body []byte) {
		app.serveInteraction(w, r, body)
	}))
	return mux
}

// signed finds the app, reads the raw body and checks that Slack sent it.
func (a *Adapter) signed(next func(*app, http.ResponseWriter, *http.Request, []byte)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		app, ok := a.byBot[r.PathValue("bot")]
		if !ok {
			http.Error(w, "no bot of this name is connected to Slack", http.StatusNotFound)
			return
		}
		body, ok := webhook.Read(w, r)
		if !ok {
			return
		}
		if app.intake.signingSecret == "" {
			http.Error(w, "this bot has no slack.signing_secret, so no request can be trusted", http.StatusUnauthorized)
			return
		}
		if err := app.verify(r.Header, body); err != nil {
			app.log.WarnContext(r.Context(), "a Slack request was refused", "path", r.URL.Path, "reason", err.Error())
			http.Error(w, "the signature is missing, wrong or older than five minutes", http.StatusUnauthorized)
			return
		}
		// Slack is told of a defect, and sends an event again.
		if !app.guard(r.Context(), func() { next(app, w, r, body) }) {
			http.Error(w, defectText, http.StatusInternalServerError)
		}
	}
}

const defectText = "a defect of this server, send it again"

func (a *app) verify(h http.Header, body []byte) error {
	v, err := slack.NewSecretsVerifier(h, a.intake.signingSecret)
	if err != nil {
		return err
	}
	if _, err := v.Write(body); err != nil {
		return err
	}
	return v.Ensure()
}

// serveAny takes whatever Slack sends, so that one request URL does for events,
// commands and interactions: events are JSON, the others forms.
func (a *app) serveAny(w http.ResponseWriter, r *http.Request, body []byte) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	form, err := url.ParseQuery(string(body))
	switch {
	case kind == "application/json" || bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) || err != nil:
		a.serveEvent(w, r, body)
	case form.Has("payload"):
		a.serveInteraction(w, r, body)
	case form.Has("command"), form.Has("ssl_check"):
		a.serveCommand(w, r, body)
	default:
		http.Error(w, "the body is neither an event, a command nor an interaction", http.StatusBadRequest)
	}
}

// serveEvent answers 200 once the message is safe, and 503 within answerWithin
// when it is not yet, so that Slack sends it again. A retry is treated like any
// delivery: it may be the only one that arrived.
func (a *app) serveEvent(w http.ResponseWriter, r *http.Request, body []byte) {
	arrived := time.Now()
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		http.Error(w, "the body is not JSON", http.StatusBadRequest)
		return
	}
	if e.Type == "url_verification" {
		webhook.Answer(w, map[string]string{"challenge": e.Challenge})
		return
	}
	err := a.storeWithin(r.Context(), arrived, e)
	switch {
	case errors.Is(err, prompt.ErrNothing):
		http.Error(w, defectText, http.StatusInternalServerError)
	case err != nil:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "not stored, send it again", http.StatusServiceUnavailable)
	}
}

// storeWithin stores the message of an event. What takes longer than
// answerWithin goes on by itself, and what Slack then sends again is a duplicate.
func (a *app) storeWithin(ctx context.Context, arrived time.Time, e envelope) error {
	stored, err := prompt.Ask(ctx, a.background, arrived.Add(a.intake.within), putWithin, func(ctx context.Context, give func(error) bool) {
		err := a.pass(ctx, e)
		a.intake.storing.Note(ctx, err, "event", e.EventID)
		give(err)
	})
	return cmp.Or(err, stored)
}

// pass hands an event to the app it is for; one that is for nobody is done with.
func (a *app) pass(ctx context.Context, e envelope) error {
	to, err := a.receiver(ctx, a.intake.signedAlike, e.addressee())
	if err == nil {
		err = to.receive(ctx, e)
	}
	if errors.Is(err, errNobody) {
		return nil
	}
	return err
}

// errStarting says that the app does not know yet who it is.
var errStarting = errors.New("the app is not connected to Slack yet")

// receive stores the message of an event, if there is one for a bot, and passes
// on that one was deleted.
func (a *app) receive(ctx context.Context, e envelope) error {
	begun := time.Now()
	if e.Type != "event_callback" {
		if e.Type == "app_rate_limited" {
			a.log.WarnContext(ctx, "Slack holds back events: this app gets more than 30,000 an hour")
		}
		return nil
	}
	self, ok := a.whoami(ctx)
	if !ok {
		return errStarting
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), putWithin)
	defer cancel()
	m, ok := translate(self, a.lead.ID, prefixOf(a.lead), e)
	if !ok {
		if gone, ok := deletion(self, a.lead.ID, e); ok {
			return a.ports.Desk.Withdraw(ctx, gone)
		}
		return nil
	}
	if err := a.ports.Inbox.Put(ctx, m); errors.Is(err, chat.ErrUnstorable) {
		a.log.ErrorContext(ctx, "an event can never be stored and is dropped", "event", e.EventID, "error", err)
		return nil
	} else if err != nil {
		return err
	}
	a.metrics.Received(platform, time.Since(begun))
	return nil
}

func (a *app) serveCommand(w http.ResponseWriter, r *http.Request, body []byte) {
	arrived := time.Now()
	form, err := url.ParseQuery(string(body))
	if err != nil {
		http.Error(w, "the body is not a form", http.StatusBadRequest)
		return
	}
	c := slashCommand{
		Team: form.Get("team_id"), Channel: form.Get("channel_id"), User: form.Get("user_id"), UserName: form.Get("user_name"),
		Command: form.Get("command"), Text: form.Get("text"), ResponseURL: form.Get("response_url"), TriggerID: form.Get("trigger_id"),
		Enterprise: form.Get("enterprise_id"), OrgWide: form.Get("is_enterprise_install") == "true",
	}
	if form.Get("ssl_check") == "1" { // Slack tries the address now and then
		return
	}
	to, err := a.receiver(r.Context(), a.intake.signedAlike, c.addressee())
	if err != nil {
		webhook.Answer(w, unrouted(err))
		return
	}
	if answer := to.slash(r.Context(), arrived, c); answer != nil {
		webhook.Answer(w, answer)
	}
}

func (a *app) serveInteraction(w http.ResponseWriter, r *http.Request, body []byte) {
	arrived := time.Now()
	form, err := url.ParseQuery(string(body))
	var i interaction
	if err != nil || json.Unmarshal([]byte(form.Get("payload")), &i) != nil {
		http.Error(w, "the body holds no payload", http.StatusBadRequest)
		return
	}
	to, err := a.receiver(r.Context(), a.intake.signedAlike, i.addressee())
	if errors.Is(err, errNobody) {
		return
	}
	if err != nil {
		http.Error(w, "not connected yet, try again", http.StatusServiceUnavailable)
		return
	}
	if answer := to.interact(r.Context(), arrived, i); answer != nil {
		webhook.Answer(w, answer)
	}
}
