// The diagnosis: from what a probe saw to a sentence with cause and remedy.

package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"parley/internal/completion"
	"parley/internal/provider"
	"parley/internal/secret"
	"parley/internal/suggest"
)

// works is the sentence for a provider that works.
func (r *probe) works(s seen) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s answers: first token after %.2f s", r.name(), r.report.FirstToken)
	if r.report.TokensPerSecond > 0 {
		fmt.Fprintf(&b, ", %.0f tokens per second", r.report.TokensPerSecond)
	}
	switch {
	case s.deltas == 0:
		return r.name() + " can be reached and accepts the request, but its answer was empty; check the model, or raise max_tokens for one that reasons first."
	case !r.report.Streams:
		b.WriteString("; it does not stream, so answers appear all at once: check that nothing between here and it buffers")
	}
	if r.report.Usage == nil {
		b.WriteString("; it reports no usage, so tokens are estimated")
	}
	if r.report.Learned != "" {
		b.WriteString("; learned of it: " + r.report.Learned)
	}
	if r.unlisted() {
		fmt.Fprintf(&b, "; its list has no model %s, so another may be answering: the nearest of its %d: %s", r.model, len(r.list), r.nearest())
	}
	return b.String() + "."
}

func (r *probe) name() string {
	return (&completion.Error{Provider: r.p.ID, Model: r.model}).Name()
}

func (r *probe) isLoopback() bool {
	host := r.url.Hostname()
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.Unmap().IsLoopback()
}

func (r *probe) noSuchName(err error) string {
	host := r.url.Hostname()
	if host == "host.docker.internal" {
		return "The name host.docker.internal is not known here; start the container with --add-host=host.docker.internal:host-gateway, or use the host's address."
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && (dns.IsTimeout || dns.IsTemporary) && !dns.IsNotFound {
		return fmt.Sprintf("The name %s could not be looked up because the name server does not answer; check this machine's DNS.", host)
	}
	if !strings.Contains(host, ".") {
		return fmt.Sprintf("There is no host named %s; check its spelling, and if it is a container, that it shares a network with parley.", host)
	}
	return fmt.Sprintf("There is no host named %s; check the spelling of the endpoint.", host)
}

func (r *probe) noConnection(err error) string {
	at := r.hostPort()
	if r.isLoopback() && r.contained {
		return fmt.Sprintf("Nothing listens on %s: parley runs in a container, where localhost is the container itself; use host.docker.internal or the name of the server's own container, and let the server listen on 0.0.0.0.", at)
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("Nothing listens on %s; check that the model server runs and that the port is right%s.", at, usualPort(r.url))
	case errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH):
		return fmt.Sprintf("There is no route to %s; check the address, and the network or VPN between here and it.", at)
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return fmt.Sprintf("%s does not answer at all; check the address, and whether a firewall lets this machine through.", at)
	}
	return fmt.Sprintf("%s could not be reached; check the address and that the server runs.", at)
}

// usualPort mentions the ports of common servers if the endpoint has another
// one.
func usualPort(u *url.URL) string {
	var usual []string
	for _, p := range provider.Presets() {
		for _, local := range p.Local {
			_, port, _ := strings.Cut(local, ":")
			if port == u.Port() {
				return ""
			}
			usual = append(usual, p.Title+" "+port)
		}
	}
	return " (usual ones: " + strings.Join(usual, ", ") + ")"
}

func (r *probe) noTLS(err error) string {
	host := r.url.Hostname()
	if file, ok := errors.AsType[*completion.FileError](err); ok {
		return file.Sentence(r.p.ID)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return fmt.Sprintf("%s speaks plain HTTP, not TLS; write http:// instead of https://, or use its TLS port.", r.hostPort())
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return fmt.Sprintf("The certificate of %s is signed by an authority this machine does not know; name its CA file in the provider's tls.caFile.", host)
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Sprintf("The certificate of %s is for other names (%s); use one of them in the endpoint, or renew the certificate.", host, completion.Clip(strings.Join(e.Certificate.DNSNames, ", "), 80))
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		return fmt.Sprintf("The certificate of %s is expired or not yet valid; renew it, and check this machine's clock.", host)
	}
	if text := err.Error(); strings.Contains(text, "certificate required") || strings.Contains(text, "bad certificate") {
		return r.noCertificate()
	}
	return fmt.Sprintf("The TLS handshake with %s failed; check its certificate and that the port is the TLS one.", host)
}

func (r *probe) noCertificate() string {
	return fmt.Sprintf("%s asks for a client certificate; name it in the provider's tls.certFile and tls.keyFile.", r.url.Hostname())
}

// diagnose says why the short answer failed. It may send the endpoint a few
// more harmless requests to find the remedy.
func (r *probe) diagnose(ctx context.Context, e *completion.Error) string {
	before := r.refusedBefore(e)
	switch {
	case before != "":
		return before
	case r.lacksModel(e):
		r.report.Kind = completion.KindModel
		return r.badModel(e)
	case e.Kind == completion.KindTLS:
		return r.noTLS(e.Err)
	case e.Kind == completion.KindConnect && r.listed != nil && r.listed.Kind == completion.KindTLS: // the first request has the reason
		r.report.Kind = completion.KindTLS
		return r.noTLS(r.listed.Err)
	case e.Kind == completion.KindConnect && r.asksCert:
		// With TLS 1.3 the client finishes first, so a refusal may look like a
		// closed connection.
		r.report.Kind = completion.KindTLS
		return r.noCertificate()
	case e.Kind == completion.KindConnect && r.p.Proxy != "":
		return fmt.Sprintf("%s could not be reached through its proxy; check the proxy setting and that the proxy allows %s.", r.name(), r.url.Hostname())
	case e.Kind == completion.KindConnect:
		return fmt.Sprintf("%s accepted the connection and closed it without an answer; check that this port speaks %s and is the model server's.", r.hostPort(), strings.ToUpper(r.url.Scheme))
	case e.Status >= 300 && e.Status < 400:
		return fmt.Sprintf("%s %s instead of answering; use the address it points to as the endpoint.", shownURL(r.p.Endpoint), strings.TrimPrefix(e.Text, "it "))
	case e.Mentions("http request to an https server"), e.Mentions("plain http request was sent to https port"):
		return fmt.Sprintf("%s speaks TLS; write https:// instead of http://.", r.hostPort())
	case e.Kind == completion.KindAuth:
		return r.badKey(ctx, e)
	case e.Kind == completion.KindModel:
		return r.badModel(e)
	case e.Kind == completion.KindNotFound:
		return r.badPath(ctx, e)
	case e.Kind == completion.KindProtocol:
		return r.noModelServer(ctx, e)
	case e.Kind == completion.KindOverloaded:
		return fmt.Sprintf("%s is reachable, but still loading the model or overloaded%s; try again in a minute.", r.name(), e.Said())
	case e.Kind == completion.KindSilence:
		return fmt.Sprintf("%s accepts requests but sent nothing for %d s; it may still be loading the model or be busy with others: try again, or raise silenceTimeout.", r.name(), int(r.silence.Seconds()))
	case e.Kind == completion.KindRateLimit:
		return fmt.Sprintf("%s is reachable and the key is accepted, but its rate limit is used up. %s", r.name(), strings.Replace(e.Wait(), ", or switch with /model", "", 1))
	case e.Kind == completion.KindTruncated:
		return fmt.Sprintf("%s began an answer and broke off without its end; look into the server's log, and check that no proxy cuts long answers.", r.name())
	case e.Kind == completion.KindServer:
		return fmt.Sprintf("%s can be reached but fails with an error of its own%s; look into the server's log.", r.name(), e.Detail())
	}
	return e.Sentence()
}

// lacksModel reports whether the endpoint refused the request because it does
// not have the model, which its list lacks. The status does not tell: gateways
// answer 404, 503 and others. It excludes errors that clearly have another
// cause.
func (r *probe) lacksModel(e *completion.Error) bool {
	switch e.Kind {
	case completion.KindAuth, completion.KindQuota, completion.KindRateLimit, completion.KindFilter, completion.KindContext:
		return false
	case completion.KindNotFound:
		if !r.isChatPath() {
			return false
		}
	}
	return r.unlisted() && e.Status >= 400 && !e.Mentions("loading")
}

// noList handles a record that leaves its models to the endpoint if the
// endpoint lists none: there is no model to ask for.
func (r *probe) noList(ctx context.Context) {
	e := r.listed
	if e == nil {
		r.fail("answer", completion.KindModel, fmt.Sprintf("%s can be reached, but lists no models, and the provider names none; put the names it takes into models.", r.p.ID))
		return
	}
	r.report.Kind = e.Kind
	r.step("answer", StatusSkipped, "there is no model to ask for", time.Time{})
	switch right := ""; {
	case e.Kind != completion.KindNotFound && e.Kind != completion.KindProtocol && e.Kind != completion.KindBadRequest && e.Kind != completion.KindServer:
		r.report.Diagnosis = r.diagnose(ctx, e)
	default:
		if right = r.rightPath(ctx); right != "" {
			r.report.Diagnosis = r.elsewhere(e, right)
			return
		}
		r.report.Diagnosis = fmt.Sprintf("%s is set to ask the endpoint for its models, but the list failed%s; put the names of the models into models.", r.p.ID, e.Detail())
	}
}

// badKey tells a missing key from a wrong one, and from one in the wrong
// header.
func (r *probe) badKey(ctx context.Context, e *completion.Error) string {
	if e.Page {
		return r.pageBetween(e)
	}
	if r.p.APIKey.IsZero() && len(r.p.ExtraHeaders) == 0 {
		return fmt.Sprintf("%s wants an API key and this provider has none; set apiKey.", r.name())
	}
	for _, header := range []string{"api-key", "x-api-key"} {
		if r.p.APIKey.IsZero() || r.p.ExtraHeaders[header].Reveal() != "" {
			continue
		}
		if r.acceptsKeyIn(ctx, header) {
			return fmt.Sprintf("%s takes its key in the header %s, not as a bearer token; move it from apiKey to extraHeaders as %s%s.", r.name(), header, header, azureHint(header))
		}
	}
	if e.Status == 403 {
		return fmt.Sprintf("%s knows the key but does not allow this%s; check what the key may do, and that this machine's address is allowed.", r.name(), e.Said())
	}
	return fmt.Sprintf("%s refuses the API key%s; check that it is whole, belongs to this service and has not been revoked.", r.name(), e.Code())
}

func azureHint(header string) string {
	if header == "api-key" {
		return ", or set preset to azure"
	}
	return ""
}

// acceptsKeyIn asks the same endpoint with the key in another header.
func (r *probe) acceptsKeyIn(ctx context.Context, header string) bool {
	p := r.p
	p.ExtraHeaders = maps.Clone(p.ExtraHeaders)
	if p.ExtraHeaders == nil {
		p.ExtraHeaders = map[string]secret.Text{}
	}
	p.ExtraHeaders[header] = p.APIKey
	p.APIKey = secret.Text{}
	p.Preset = ""
	_, err := r.ask(ctx, p, completion.Request{Model: r.model, Messages: []completion.Message{completion.Text("user", "Say OK.")}, Retry: completion.Retry{Max: -1}})
	return err == nil || err.Kind != completion.KindAuth && err.Status != 0
}

func (r *probe) badModel(e *completion.Error) string {
	if len(r.list) == 0 {
		return fmt.Sprintf("%s is reachable, but it does not know the model %s%s; put the names it has into models.", r.p.ID, r.model, e.Said())
	}
	names := r.nearest()
	if r.model == "default" && len(r.p.Models.List) == 1 {
		return fmt.Sprintf("%s is reachable, but the provider names no model and the server has none called default; put one that it has into models, such as %s.", r.p.ID, names)
	}
	return fmt.Sprintf("%s is reachable, but has no model %s%s; the nearest of its %d: %s.", r.p.ID, r.model, e.Detail(), len(r.list), names)
}

// nearest lists the models most similar to the one asked for.
func (r *probe) nearest() string {
	ids := make([]string, len(r.list))
	for i, m := range r.list {
		ids[i] = m.ID
	}
	return strings.Join(suggest.Ranked(r.model, ids)[:min(3, len(ids))], ", ")
}

// badPath looks for the path where the server does answer.
func (r *probe) badPath(ctx context.Context, e *completion.Error) string {
	if right := r.rightPath(ctx); right != "" {
		return r.elsewhere(e, right)
	}
	if len(r.list) > 0 {
		return fmt.Sprintf("Nothing answers chat completions at %s%s, though the list of models beside it does; look into the server's log, and check that it serves chat models.", shownURL(r.p.Endpoint), e.Detail())
	}
	if e.Page {
		return fmt.Sprintf("At %s a web page answers%s, not a model server; the endpoint's path usually ends in /v1/chat/completions.", shownURL(r.p.Endpoint), e.Code())
	}
	return fmt.Sprintf("Nothing answers chat completions at %s%s; check the path, which usually ends in /v1/chat/completions.", shownURL(r.p.Endpoint), e.Code())
}

func (r *probe) elsewhere(e *completion.Error, right string) string {
	return fmt.Sprintf("Nothing answers chat completions at %s%s; the server has them at %s: use that as the endpoint.", shownURL(r.p.Endpoint), e.Code(), right)
}

// noModelServer handles other kinds of answers: pages, texts, other APIs.
func (r *probe) noModelServer(ctx context.Context, e *completion.Error) string {
	if coded, ok := errors.AsType[*completion.CodedError](e.Err); ok {
		return fmt.Sprintf("%s answers compressed (%s) though parley asked for plain; turn compression off in what stands between parley and the server.", r.hostPort(), coded.Coding)
	}
	if errors.Is(e.Err, completion.ErrOllama) {
		return fmt.Sprintf("What answers at %s is Ollama's own format; use %s as the endpoint.", shownURL(r.p.Endpoint), r.ollamaPath())
	}
	if right := r.rightPath(ctx); right != "" {
		return fmt.Sprintf("What answers at %s is no chat completion%s; the server has them at %s: use that as the endpoint.", shownURL(r.p.Endpoint), e.Said(), right)
	}
	if e.Page {
		return r.pageBetween(e)
	}
	return fmt.Sprintf("What answers at %s is no chat completion%s; check that the endpoint is that of an OpenAI-compatible server.", shownURL(r.p.Endpoint), e.Said())
}

func (r *probe) pageBetween(e *completion.Error) string {
	title := ""
	if e.Text != "" {
		title = fmt.Sprintf(" (“%s”)", completion.Clip(e.Text, 100))
	}
	return fmt.Sprintf("A web page%s answers at %s instead of a model server; it is a login page, a proxy's notice or a web interface: check the address, and whether a proxy stands in between.", title, shownURL(r.p.Endpoint))
}

func (r *probe) isChatPath() bool {
	return strings.HasSuffix(strings.TrimSuffix(r.url.Path, "/"), "/chat/completions")
}

// ollamaPath is the path of Ollama's chat completions, beside its own API.
func (r *probe) ollamaPath() string {
	u := *r.url
	at := strings.LastIndex(u.Path, "/api/")
	u.Path, u.RawPath, u.RawQuery = u.Path[:max(at, 0)]+"/v1/chat/completions", "", ""
	return u.String()
}

// rightPath tries the usual paths on the same server. It returns the endpoint
// whose model list answers, or "". If the list beside the endpoint answers, no
// other endpoint is right: only the end of its path can be wrong.
func (r *probe) rightPath(ctx context.Context) string {
	path := strings.TrimSuffix(r.url.Path, "/")
	for cut := range strings.SplitSeq("/chat/completions /completions /chat /models /v1/responses /responses /v1/messages /api/chat /api/generate", " ") {
		path = strings.TrimSuffix(path, cut)
	}
	if len(r.list) > 0 && r.isChatPath() {
		return ""
	}
	if len(r.list) > 0 {
		u := *r.url
		u.Path, u.RawPath = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/completions")+"/chat/completions", ""
		return u.String()
	}
	var tried []string
	for _, base := range []string{path, path + "/v1", "/v1", "/api/v1", "/openai/v1", "/api", ""} {
		u := *r.url
		u.Path, u.RawPath = base+"/chat/completions", ""
		target := u.String()
		if target == r.p.Endpoint || slices.Contains(tried, target) {
			continue
		}
		tried = append(tried, target)
		p := r.p
		p.Endpoint = target
		if list, err := r.c.Models(ctx, p); err == nil && len(list) > 0 {
			return target
		}
	}
	return ""
}

// refusedBefore is the diagnosis if the proxy or the server refused the
// connection before any request.
func (r *probe) refusedBefore(e *completion.Error) string {
	host := r.url.Hostname()
	proxy, ok := errors.AsType[*completion.ProxyError](e.Err)
	switch {
	case ok && proxy.WantsLogin():
		return fmt.Sprintf("The proxy of %s asks for a user name and password %s; write them into proxy, as in http://user:password@host:3128.", r.p.ID, proxy.Said())
	case ok && proxy.Status < 500:
		return fmt.Sprintf("The proxy of %s refused to connect to %s %s; allow that host and port in the proxy, or take another proxy.", r.p.ID, host, proxy.Said())
	case ok:
		return fmt.Sprintf("The proxy of %s could not connect to %s %s; check the endpoint's host and port as the proxy sees them.", r.p.ID, host, proxy.Said())
	case errors.Is(e.Err, completion.ErrNoCertificate):
		return r.noCertificate()
	case errors.Is(e.Err, completion.ErrBadCertificate):
		return fmt.Sprintf("%s does not accept the client certificate; check tls.certFile and tls.keyFile, and that the certificate has not expired.", host)
	}
	return ""
}

// blockedAt says where an endpoint is that may not be asked.
func blockedAt(name string, err error) string {
	blocked, ok := errors.AsType[*provider.BlockedError](err)
	switch {
	case !ok:
		return name + " was not asked: PROVIDER_NETWORKS does not allow its address."
	case blocked.Never:
		return fmt.Sprintf("%s was not asked: its endpoint is at a %s address (%s), which PROVIDER_NETWORKS can never allow; take another endpoint.", name, blocked.Class, blocked.Addr)
	}
	return fmt.Sprintf("%s was not asked: its endpoint is at a %s address (%s), which PROVIDER_NETWORKS does not allow; add it there, or change the endpoint.", name, blocked.Class, blocked.Addr)
}
