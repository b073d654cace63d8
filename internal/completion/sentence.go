// What a person in the chat is told: one sentence, what went wrong and what to
// do.

package completion

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"parley/internal/provider"
)

// Sentence says in one plain sentence what went wrong and what to do. It names
// provider and model by id and holds no secret.
func (e *Error) Sentence() string {
	name := e.Name()
	if name == "" {
		name = "the model"
	}
	if before := e.refusedBefore(name); before != "" {
		return before
	}
	said := e.Said()
	switch e.Kind {
	case KindConnect:
		return name + " could not be reached: its server does not answer; try again in a moment, or switch with /model."
	case KindTLS:
		return name + " could not be reached safely: its certificate or TLS set-up is wrong" + said + "; ask an admin to check the endpoint."
	case KindBlocked:
		return name + " was not asked: " + e.blocked() + "."
	case KindAuth:
		return name + " refused the API key" + e.Code() + "; ask an admin to check the key of this provider."
	case KindNotFound:
		return name + " does not answer chat completions at its endpoint" + e.Code() + "; ask an admin to check the endpoint's path."
	case KindModel:
		return name + " is not there: the provider does not know this model; choose another with /model."
	case KindBadRequest:
		return name + " refused the request" + said + "; ask an admin to check the bot's parameters, or switch with /model."
	case KindContext:
		return name + " cannot take a conversation this long; use /reset to clear it, or switch to a model with a larger context with /model."
	case KindFilter:
		return name + " declined to answer because of its content filter; put the question differently."
	case KindRateLimit:
		return name + " is getting too many requests" + e.Wait() + "."
	case KindQuota:
		return name + " has no credit left; ask an admin to top up the provider's account, or switch with /model."
	case KindOverloaded:
		return name + " is overloaded or still loading the model" + e.Wait() + "."
	case KindServer:
		return name + " failed with an error of its own" + e.Detail() + "; try again, or switch with /model."
	case KindSilence:
		return name + " stopped sending anything; try again, or switch with /model."
	case KindTruncated:
		return name + " broke off before its answer was complete; try again."
	case KindProtocol:
		if coded, ok := errors.AsType[*CodedError](e.Err); ok {
			return fmt.Sprintf("%s answers compressed (%s) though parley asked for plain; ask an admin to check what stands between parley and the server.", name, coded.Coding)
		}
		if errors.Is(e.Err, ErrOllama) {
			return name + " answers in Ollama's own format; ask an admin to make the endpoint's path /v1/chat/completions."
		}
		return name + " did not answer in the chat-completions format" + said + "; ask an admin to check the endpoint."
	case KindCanceled:
		return "The answer of " + name + " was stopped."
	}
	return name + " could not be used; ask an admin to check the provider."
}

// Said is the endpoint's own clean text, in brackets and quotes behind a space, or "".
func (e *Error) Said() string {
	text := strings.TrimRight(strings.Join(strings.Fields(e.Text), " "), ".!; ")
	switch {
	case text == "":
		return ""
	case e.Page:
		return fmt.Sprintf(" (a web page: “%s”)", Clip(text, 100))
	}
	return fmt.Sprintf(" (“%s”)", Clip(text, 160))
}

// Code is the HTTP status in brackets behind a space, or "".
func (e *Error) Code() string {
	if e.Status == 0 {
		return ""
	}
	return fmt.Sprintf(" (HTTP %d)", e.Status)
}

// Detail is Code and Said in one pair of brackets.
func (e *Error) Detail() string {
	switch {
	case e.Status == 0:
		return e.Said()
	case e.Said() == "" || strings.EqualFold(e.Text, http.StatusText(e.Status)):
		return e.Code()
	}
	return fmt.Sprintf(" (HTTP %d: %s", e.Status, strings.TrimPrefix(e.Said(), " ("))
}

// Wait says when to try again, behind a semicolon.
func (e *Error) Wait() string {
	if e.RetryAfter <= 0 {
		return "; try again in a minute, or switch with /model"
	}
	if e.RetryAfter < 2*time.Minute {
		return fmt.Sprintf("; try again in %d s, or switch with /model", int(math.Ceil(e.RetryAfter.Seconds())))
	}
	return fmt.Sprintf("; try again in %d min, or switch with /model", int(math.Ceil(e.RetryAfter.Minutes())))
}

func (e *Error) blocked() string {
	blocked, ok := errors.AsType[*provider.BlockedError](e.Err)
	if !ok {
		return "PROVIDER_NETWORKS does not allow its address"
	}
	where := fmt.Sprintf("its endpoint is at a %s address (%s)", blocked.Class, blocked.Addr)
	if blocked.Never {
		return where + ", which PROVIDER_NETWORKS can never allow; ask an admin for another endpoint"
	}
	return where + ", which PROVIDER_NETWORKS does not allow; ask an admin to add it there or to change the endpoint"
}
