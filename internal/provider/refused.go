// Refusals by what stands before a model server: an outbound proxy, or a server
// that wants a client certificate and says so in plain HTTP.

package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// proxyError says that the provider's proxy did not connect to the server.
type proxyError struct {
	status int
	words  string // of the proxy's status line
}

func (e *proxyError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the proxy answered HTTP %d %s", e.status, e.words))
}

// said is the status in brackets, for a sentence.
func (e *proxyError) said() string {
	return strings.TrimSpace(fmt.Sprintf("(HTTP %d %s", e.status, clip(e.words, 80))) + ")"
}

// wantsLogin reports whether the proxy asks for a user and a password.
func (e *proxyError) wantsLogin() bool { return e.status == http.StatusProxyAuthRequired }

// connectRefused is a transport's hook for the answer of a proxy to CONNECT:
// net/http itself keeps only the words of its status line.
func connectRefused(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	_, words, _ := strings.Cut(resp.Status, " ")
	words = strings.Join(strings.Fields(strings.ToValidUTF8(words, "?")), " ")
	return &proxyError{status: resp.StatusCode, words: words}
}

// proxyFailure names the kind of a refused CONNECT: a proxy that could not
// reach the server may do so at the next try, one that refuses will not.
func proxyFailure(e *proxyError) *Error {
	if e.status >= 500 {
		return &Error{Kind: KindConnect, Err: e}
	}
	return &Error{Kind: KindProxy, Err: e}
}

var (
	errNoCertificate  = errors.New("the server asks for a client certificate")
	errBadCertificate = errors.New("the server does not accept the client certificate")
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
		return errNoCertificate
	case status == 495, has("ssl certificate error", "client certificate error", "invalid client certificate"):
		return errBadCertificate
	}
	return nil
}

// refusedBefore is the sentence for a request that did not get as far as the
// model server; "" for other errors.
func (e *Error) refusedBefore(name string) string {
	proxy, ok := errors.AsType[*proxyError](e.Err)
	switch {
	case ok && proxy.wantsLogin():
		return name + " could not be reached: the proxy asks for a user name and password " + proxy.said() + "; ask an admin to put them into the provider's proxy address."
	case ok && proxy.status < 500:
		return name + " could not be reached: the proxy refused the connection " + proxy.said() + "; ask an admin to allow its host there."
	case ok:
		return name + " could not be reached: the proxy could not connect to its server " + proxy.said() + "; try again in a moment, or switch with /model."
	case errors.Is(e.Err, errNoCertificate):
		return name + " could not be reached: its server asks for a client certificate; ask an admin to set tls.certFile and tls.keyFile of this provider."
	case errors.Is(e.Err, errBadCertificate):
		return name + " could not be reached: its server does not accept the client certificate; ask an admin to check tls.certFile and tls.keyFile of this provider."
	}
	return ""
}

// refusedBefore is the diagnosis of such a request.
func (r *probe) refusedBefore(e *Error) string {
	host := r.url.Hostname()
	proxy, ok := errors.AsType[*proxyError](e.Err)
	switch {
	case ok && proxy.wantsLogin():
		return fmt.Sprintf("The proxy of %s asks for a user name and password %s; write them into proxy, as in http://user:password@host:3128.", r.p.ID, proxy.said())
	case ok && proxy.status < 500:
		return fmt.Sprintf("The proxy of %s refused to connect to %s %s; allow that host and port in the proxy, or take another proxy.", r.p.ID, host, proxy.said())
	case ok:
		return fmt.Sprintf("The proxy of %s could not connect to %s %s; check the endpoint's host and port as the proxy sees them.", r.p.ID, host, proxy.said())
	case errors.Is(e.Err, errNoCertificate):
		return r.noCertificate()
	case errors.Is(e.Err, errBadCertificate):
		return fmt.Sprintf("%s does not accept the client certificate; check tls.certFile and tls.keyFile, and that the certificate has not expired.", host)
	}
	return ""
}
