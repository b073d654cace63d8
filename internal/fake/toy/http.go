// Commands and forms come over HTTP, with the secret in a header.

package toy

import (
	"context"
	"encoding/json"
	"net/http"

	"parley/internal/chat"
)

// Request is a command, or a filled form, as the platform sends it.
type Request struct {
	Channel, By   string
	Command, Args string
	Form          string
	Values        map[string]string
}

// Reply is what the person sees.
type Reply struct {
	Text   string
	Public bool
	Menu   *chat.Menu
	Form   *chat.Form
	Errors map[string]string
}

// Handler serves POST /toy/{bot}/commands and /toy/{bot}/forms.
func (a *Adapter) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /"+name+"/{bot}/commands", a.serve(func(ctx context.Context, one *app, q Request) (Reply, error) {
		r, err := a.Ports.Desk.Do(ctx, chat.Command{Name: q.Command, Args: q.Args, Scope: one.scope(), Bot: one.bots[0].ID, Place: place(q.Channel), Author: chat.Author{ID: q.By, Name: q.By}})
		return Reply{Text: r.Text, Public: r.Public, Menu: r.Menu, Form: r.Form}, err
	}))
	mux.HandleFunc("POST /"+name+"/{bot}/forms", a.serve(func(ctx context.Context, one *app, q Request) (Reply, error) {
		o, err := a.Ports.Desk.Submit(ctx, chat.Submission{Form: q.Form, Values: q.Values, Scope: one.scope(), Bot: one.bots[0].ID, Place: place(q.Channel), Author: chat.Author{ID: q.By, Name: q.By}})
		if err != nil || o.Then == nil {
			return Reply{Errors: o.Errors}, err
		}
		r := o.Then(ctx)
		return Reply{Text: r.Text, Public: r.Public}, nil
	}))
	return mux
}

func (a *Adapter) serve(do func(ctx context.Context, one *app, q Request) (Reply, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		one, err := a.of(r.Context(), r.PathValue("bot"))
		if err != nil || one.secret == "" || r.Header.Get("Toy-Secret") != one.secret {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		var q Request
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&q); err != nil {
			http.Error(w, "no JSON", http.StatusBadRequest)
			return
		}
		reply, err := do(r.Context(), one, q)
		if err != nil {
			line, ref := chat.Explain(err)
			if ref != "" {
				a.Log.ErrorContext(r.Context(), "toy request failed", "ref", ref, "error", err)
			}
			reply.Text = line.String()
		}
		_ = json.NewEncoder(w).Encode(reply)
	}
}
