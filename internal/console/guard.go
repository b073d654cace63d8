// Who may use the admin API and what else only the operator may see.

package console

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"parley/internal/chat"
	"parley/internal/door"
)

// Guard turns away whoever the door does not admit, with a problem that says
// what to do.
type Guard struct {
	Door *door.Door
	Log  *slog.Logger
}

// Wrap serves next to those the guard admits and a problem to others.
func (g Guard) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := g.Door.Admit(r); err != nil {
			g.Refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// actor is the author of what r, which the guard let through, changes.
func (c *console) actor(r *http.Request) chat.Actor {
	if c.Guard.Door.HasToken(r) {
		return chat.Actor{Kind: chat.ByToken}
	}
	return chat.Actor{Kind: chat.BySession}
}

// Refuse answers r with what err, an error of the door, means.
func (g Guard) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	token := &Problem{Type: kindToken, Title: "Token needed", Status: http.StatusUnauthorized}
	slow, tooMany := errors.AsType[*door.SlowError](err)
	switch {
	case tooMany:
		w.Header().Set("Retry-After", strconv.Itoa(int(slow.After.Seconds())))
		token.Type, token.Title, token.Status = kindTooMany, "Too many wrong tokens", http.StatusTooManyRequests
		token.Detail = "Too many wrong tokens came from this address, so wrong ones are slowed. The right one is taken at any time."
	case errors.Is(err, door.ErrWrong):
		token.Detail = "The token is not the server's admin token."
	case errors.Is(err, door.ErrMissing):
		token.Detail = "Send the server's admin token as \"Authorization: Bearer …\": the value of ADMIN_TOKEN or, where that is not set, of DATA_DIR/admin-token."
	case errors.Is(err, door.ErrElsewhere):
		token = &Problem{Type: kindForbidden, Title: "Forbidden", Status: http.StatusForbidden,
			Detail: "The request comes from a page of another site. Scripts send the admin token as a bearer token."}
	default:
		g.Log.ErrorContext(r.Context(), "a session could not be looked up", "error", err)
		token = &Problem{Type: kindUnavailable, Title: "Unavailable", Status: http.StatusServiceUnavailable,
			Detail: "The store cannot be reached just now, so sessions cannot be checked; try again, or send the admin token."}
	}
	token.Write(w)
}
