// What a person in the chat is told: what went wrong and what to do.

package completion

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"parley/internal/chat"
	"parley/internal/provider"
)

// Line says plainly what went wrong and what to do. It names provider and model by
// id and holds no secret.
func (e *Error) Line() chat.Line {
	name := chat.Verbatim(e.Name())
	if e.Name() == "" {
		name = chat.Say("The model")
	}
	if l := e.refusedBefore(name); !l.Empty() {
		return l
	}
	switch e.Kind {
	case KindConnect:
		return chat.Paragraph(chat.Say("%s could not be reached: its server does not answer.", name), inAMoment())
	case KindTLS:
		return chat.Paragraph(chat.Say("%s could not be reached safely: its certificate or TLS set-up is wrong%s.", name, e.said()), checkEndpoint())
	case KindBlocked:
		return e.blocked(name)
	case KindAuth:
		return chat.Say("%s refused the API key%s. Ask an admin to check the key of this provider.", name, e.Code())
	case KindNotFound:
		return chat.Say("%s does not answer chat completions at its endpoint%s. Ask an admin to check the endpoint's path.", name, e.Code())
	case KindModel:
		return chat.Say("%s is not there: the provider does not know this model. Choose another with /model.", name)
	case KindBadRequest:
		return chat.Say("%s refused the request%s. Ask an admin to check the bot's parameters, or switch with /model.", name, e.said())
	case KindContext:
		return chat.Say("%s cannot take a conversation this long. Use /reset to clear it, or switch to a model with a larger context with /model.", name)
	case KindFilter:
		return chat.Say("%s declined to answer because of its content filter. Put the question differently.", name)
	case KindRateLimit:
		return chat.Paragraph(chat.Say("%s is getting too many requests.", name), e.wait())
	case KindQuota:
		return chat.Say("%s has no credit left. Ask an admin to top up the provider's account, or switch with /model.", name)
	case KindOverloaded:
		return chat.Paragraph(chat.Say("%s is overloaded or still loading the model.", name), e.wait())
	}
	return e.broken(name)
}

// broken is the Line of an answer that did not come to its end, or of a server
// that does not do what it should.
func (e *Error) broken(name chat.Line) chat.Line {
	switch e.Kind {
	case KindServer:
		return chat.Say("%s failed with an error of its own%s. Try again, or switch with /model.", name, e.detail())
	case KindSilence:
		return chat.Say("%s stopped sending anything. Try again, or switch with /model.", name)
	case KindTruncated:
		return chat.Say("%s broke off before its answer was complete. Try again.", name)
	case KindProtocol:
		if coded, ok := errors.AsType[*CodedError](e.Err); ok {
			return chat.Say("%s answers compressed (%s) though parley asked for plain. Ask an admin to check what stands between parley and the server.", name, coded.Coding)
		}
		if errors.Is(e.Err, ErrOllama) {
			return chat.Say("%s answers in Ollama's own format. Ask an admin to make the endpoint's path /v1/chat/completions.", name)
		}
		return chat.Paragraph(chat.Say("%s did not answer in the chat-completions format%s.", name, e.said()), checkEndpoint())
	case KindCanceled:
		return chat.Say("The answer of %s was stopped.", name)
	}
	return chat.Say("%s could not be used. Ask an admin to check the provider.", name)
}

func inAMoment() chat.Line { return chat.Say("Try again in a moment, or switch with /model.") }

func checkEndpoint() chat.Line { return chat.Say("Ask an admin to check the endpoint.") }

// Sentence is Line in English.
func (e *Error) Sentence() string { return e.Line().String() }

// said is the endpoint's own clean text, in brackets and quotes behind a space, or
// nothing.
func (e *Error) said() chat.Line {
	text := strings.TrimRight(strings.Join(strings.Fields(e.Text), " "), ".!; ")
	switch {
	case text == "":
		return chat.Line{}
	case e.Page:
		return chat.Say(" (a web page: “%s”)", Clip(text, 100))
	}
	return chat.Say(" (“%s”)", Clip(text, 160))
}

// Said is the endpoint's own clean text, in brackets and quotes behind a space, or "".
func (e *Error) Said() string { return e.said().String() }

// Code is the HTTP status in brackets behind a space, or "".
func (e *Error) Code() string {
	if e.Status == 0 {
		return ""
	}
	return fmt.Sprintf(" (HTTP %d)", e.Status)
}

// detail is Code and what was said, in one pair of brackets.
func (e *Error) detail() chat.Line {
	text := strings.TrimRight(strings.Join(strings.Fields(e.Text), " "), ".!; ")
	switch {
	case e.Status == 0:
		return e.said()
	case text == "" || strings.EqualFold(e.Text, http.StatusText(e.Status)):
		return chat.Verbatim(e.Code())
	case e.Page:
		return chat.Say(" (%s: a web page: “%s”)", fmt.Sprintf("HTTP %d", e.Status), Clip(text, 100))
	}
	return chat.Say(" (%s: “%s”)", fmt.Sprintf("HTTP %d", e.Status), Clip(text, 160))
}

// Detail is Code and Said in one pair of brackets.
func (e *Error) Detail() string { return e.detail().String() }

// wait says when to try again.
func (e *Error) wait() chat.Line {
	switch after := e.RetryAfter; {
	case after <= 0:
		return chat.Say("Try again in a minute, or switch with /model.")
	case after < 2*time.Minute:
		return chat.Say("Try again in %d s, or switch with /model.", int(math.Ceil(after.Seconds())))
	default:
		return chat.Say("Try again in %d min, or switch with /model.", int(math.Ceil(after.Minutes())))
	}
}

// Wait is a sentence that says when to try again.
func (e *Error) Wait() string { return e.wait().String() }

// blocked is the Line of an address that may not be dialled.
func (e *Error) blocked(name chat.Line) chat.Line {
	blocked, ok := errors.AsType[*provider.BlockedError](e.Err)
	switch {
	case !ok:
		return chat.Say("%s was not asked: PROVIDER_NETWORKS does not allow its address.", name)
	case blocked.Never:
		return chat.Say("%s was not asked: its endpoint is at the address %s, which PROVIDER_NETWORKS can never allow. Ask an admin for another endpoint.", name, blocked.Addr)
	}
	return chat.Say("%s was not asked: its endpoint is at the address %s, which PROVIDER_NETWORKS does not allow. Ask an admin to add it there or to change the endpoint.", name, blocked.Addr)
}
