// Who may use the admin API and other handlers for the operator.

package console

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"parley/internal/chat"
	"parley/internal/door"
)

// Guard rejects requests that the door does not admit, with a problem that
// says what to do.
type Guard struct {
	Door *door.Door
	Log  *slog.Logger
}

// Wrap serves next to admitted requests and a problem to others.
func (g Guard) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := g.Door.Admit(r); err != nil {
			g.Refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// actor is the author of changes by r, which the guard has admitted.
func (c *console) actor(r *http.Request) chat.Actor {
	if c.Guard.Door.HasToken(r) {
		return chat.Actor{Kind: chat.ByToken}
	}
	return chat.Actor{Kind: chat.BySession}
}

// Refuse answers r according to err, an error of the door.
func (g Guard) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	token := &Problem{Type: kindToken, Title: "Token needed", Status: http.StatusUnauthorized}
	slow, tooMany := errors.AsType[*door.SlowError](err)
	switch {
	case tooMany:
		w.Header().Set("Retry-After", strconv.Itoa(int(slow.After.Seconds())))
		token.Type, token.Title, token.Status = kindTooMany, "Too many wrong tokens", http.StatusTooManyRequests
		token.Detail = "Too many wrong tokens came from this address, so wrong tokens are slowed down. The right token always works."
	case errors.Is(err, door.ErrWrong):
		token.Detail = "The token is not the server's admin token."
	case errors.Is(err, door.ErrMissing):
		token.Detail = "Send the server's admin token as \"Authorization: Bearer …\": the value of ADMIN_TOKEN or, if that is not set, the content of DATA_DIR/admin-token."
	case errors.Is(err, door.ErrElsewhere):
		token = &Problem{Type: kindForbidden, Title: "Forbidden", Status: http.StatusForbidden,
			Detail: "The request comes from a page of another site. From scripts, send the admin token as a bearer token."}
	default:
		g.Log.ErrorContext(r.Context(), "session lookup failed", "error", err)
		token = &Problem{Type: kindUnavailable, Title: "Unavailable", Status: http.StatusServiceUnavailable,
			Detail: "The store is unavailable, so sessions cannot be checked. Try again, or send the admin token."}
	}
	token.Write(w)
}
