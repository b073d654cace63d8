// Refusals by what stands before a model server: an outbound proxy, or a server
// that wants a client certificate and says so in plain HTTP.

package completion

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"parley/internal/chat"
)

// ProxyError says that the provider's proxy did not connect to the server.
type ProxyError struct {
	Status int
	Words  string // of the proxy's status line
}

func (e *ProxyError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the proxy answered HTTP %d %s", e.Status, e.Words))
}

// Said is the status in brackets, for a sentence.
func (e *ProxyError) Said() string {
	return strings.TrimSpace(fmt.Sprintf("(HTTP %d %s", e.Status, Clip(e.Words, 80))) + ")"
}

// WantsLogin reports whether the proxy asks for a user and a password.
func (e *ProxyError) WantsLogin() bool { return e.Status == http.StatusProxyAuthRequired }

// connectRefused is a transport's hook for the answer of a proxy to CONNECT:
// net/http itself keeps only the words of its status line.
func connectRefused(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	_, words, _ := strings.Cut(resp.Status, " ")
	words = strings.Join(strings.Fields(strings.ToValidUTF8(words, "?")), " ")
	return &ProxyError{Status: resp.StatusCode, Words: words}
}

// proxyFailure names the kind of a refused CONNECT: a proxy that could not
// reach the server may do so at the next try, one that refuses will not.
func proxyFailure(e *ProxyError) *Error {
	if e.Status >= 500 {
		return &Error{Kind: KindConnect, Err: e}
	}
	return &Error{Kind: KindProxy, Err: e}
}

// What a server says of the client certificate; an *Error of KindTLS wraps them.
var (
	ErrNoCertificate  = errors.New("the server asks for a client certificate")
	ErrBadCertificate = errors.New("the server does not accept the client certificate")
)

// certificateRefusal recognises an HTTP answer that is about the client
// certificate: nginx's 495 and 496, which it sends as 400, and IIS's 403.7.
func certificateRefusal(status int, text string) error {
	text = strings.ToLower(text)
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(text, p) {
				return true
			}
		}
		return false
	}
	switch {
	case status != 400 && status != 401 && status != 403 && status != 495 && status != 496:
		return nil
	case status == 496, has("no required ssl certificate", "client certificate required", "requires a client certificate", "client certificate is required", "no client certificate"), status == 403 && has("403.7"):
		return ErrNoCertificate
	case status == 495, has("ssl certificate error", "client certificate error", "invalid client certificate"):
		return ErrBadCertificate
	}
	return nil
}

// refusedBefore is the sentence for a request that did not get as far as the
// model server; it says nothing for other errors.
func (e *Error) refusedBefore(name chat.Line) chat.Line {
	proxy, ok := errors.AsType[*ProxyError](e.Err)
	switch {
	case ok && proxy.WantsLogin():
		return chat.Say("%s could not be reached: the proxy asks for a user name and password %s. Ask an admin to put them into the provider's proxy address.", name, proxy.Said())
	case ok && proxy.Status < 500:
		return chat.Say("%s could not be reached: the proxy refused the connection %s. Ask an admin to allow its host there.", name, proxy.Said())
	case ok:
		return chat.Paragraph(chat.Say("%s could not be reached: the proxy could not connect to its server %s.", name, proxy.Said()), inAMoment())
	case errors.Is(e.Err, ErrNoCertificate):
		return chat.Say("%s could not be reached: its server asks for a client certificate. Ask an admin to set tls.certFile and tls.keyFile of this provider.", name)
	case errors.Is(e.Err, ErrBadCertificate):
		return chat.Say("%s could not be reached: its server does not accept the client certificate. Ask an admin to check tls.certFile and tls.keyFile of this provider.", name)
	}
	return chat.Line{}
}
