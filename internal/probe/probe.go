// Package probe tests a provider: it asks the endpoint step by step, and names
// the cause and the remedy in one sentence.
package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"parley/bots"
	"parley/internal/completion"
	"parley/internal/provider"
)

const (
	probeConnect = 10 * time.Second // for name lookup, connection and handshake, each
	probeSilence = 45 * time.Second // for the first token
	probeLimit   = 90 * time.Second // for everything
	probeTokens  = 64
)

// Report is the result of a probe. It contains no secret.
type Report struct {
	Provider  string          `json:"provider"`
	Model     string          `json:"model"`
	OK        bool            `json:"ok"`        // answers can be expected
	Diagnosis string          `json:"diagnosis"` // one sentence: how it is, or what is wrong and what to do
	Kind      completion.Kind `json:"kind,omitempty"`
	Steps     []Step          `json:"steps"`

	Streams         bool              `json:"streams"`           // the answer came in pieces
	FirstToken      float64           `json:"firstToken"`        // seconds from the request to the first token
	TokensPerSecond float64           `json:"tokensPerSecond"`   // after the first; 0 when too few came to tell
	Usage           *completion.Usage `json:"usage,omitempty"`   // as the endpoint reports it
	Models          []string          `json:"models,omitempty"`  // what the endpoint lists
	Preset          string            `json:"preset,omitempty"`  // the service it was recognised as
	Learned         string            `json:"learned,omitempty"` // request fields it refused, in words
}

// Step is one thing that the probe tried.
type Step struct {
	Name   string  `json:"name"` // "name", "address", "connection", "tls", "models", "answer", "streaming", "usage"
	Status Status  `json:"status"`
	Detail string  `json:"detail,omitempty"`
	Took   float64 `json:"took,omitempty"` // seconds
}

// Status is the result of a step.
type Status string

// The results of a step. A warning does not keep the provider from working.
const (
	StatusOK      Status = "ok"
	StatusFailed  Status = "failed"
	StatusWarning Status = "warning"
	StatusSkipped Status = "skipped"
)

// Run sends p's endpoints real requests, as c would: name lookup, address
// check, connection, TLS, the list of models, and a short answer from the
// model (empty: the provider's first). It takes at most 90 seconds and always
// returns a report.
func Run(ctx context.Context, c *completion.Client, p provider.Provider, model string) Report {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	report := probeOne(ctx, c, p, model, inContainer())
	for _, further := range p.Endpoints {
		if !report.OK {
			break
		}
		one := p
		one.Endpoint = further
		if r := probeOne(ctx, c, one, model, inContainer()); !r.OK {
			r.Diagnosis = "The endpoint " + shownURL(further) + " fails, others work: " + r.Diagnosis
			return r
		}
	}
	return report
}

// probe is one run.
type probe struct {
	c      *completion.Client
	p      provider.Provider
	model  string
	url    *url.URL
	report Report
	list   []provider.Model
	listed *completion.Error // why listing the models failed

	contained bool          // parley runs in a container
	silence   time.Duration // how long the short answer may stay silent
	asksCert  bool          // the server asks for a client certificate, and the record has none
}

func probeOne(ctx context.Context, c *completion.Client, p provider.Provider, model string, contained bool) Report {
	p.MaxConcurrent, p.Endpoints = 0, nil
	if model == "" && len(p.Models.List) > 0 {
		model = p.Models.List[0].ID
	}
	run := &probe{c: c, p: p, model: model, contained: contained}
	run.report = Report{Provider: p.ID, Model: model, Preset: provider.Recognize(p).Name}
	run.all(ctx)
	return run.report
}

// all runs the steps until one fails.
func (r *probe) all(ctx context.Context) {
	u, err := url.Parse(r.p.Endpoint)
	if err != nil || u.Hostname() == "" {
		r.fail("name", completion.KindConnect, "The endpoint of "+r.p.ID+" is no valid URL; it should look like https://host/v1/chat/completions.")
		return
	}
	r.url = u
	if r.p.Proxy == "" && !r.reach(ctx) {
		return
	}
	r.models(ctx)
	if r.model == "" && r.p.Models.Discover {
		r.noList(ctx)
		return
	}
	r.answer(ctx)
}

func (r *probe) step(name string, status Status, detail string, since time.Time) {
	s := Step{Name: name, Status: status, Detail: completion.Clean(r.p, detail)}
	if !since.IsZero() {
		s.Took = float64(time.Since(since).Milliseconds()) / 1000
	}
	r.report.Steps = append(r.report.Steps, s)
}

func (r *probe) fail(step string, kind completion.Kind, diagnosis string) {
	r.step(step, StatusFailed, "", time.Time{})
	r.report.Kind, r.report.Diagnosis = kind, diagnosis
}

// reach looks up the name, connects and does the TLS handshake.
func (r *probe) reach(ctx context.Context) bool {
	start := time.Now()
	addrs, err := r.resolve(ctx)
	if err != nil {
		r.step("name", StatusFailed, err.Error(), start)
		r.report.Kind, r.report.Diagnosis = completion.KindConnect, r.noSuchName(err)
		return false
	}
	r.step("name", StatusOK, addrs[0].String(), start)
	var blocked error
	for _, a := range addrs {
		if err := r.c.Networks().Check(a); err != nil {
			blocked = err
			continue
		}
		blocked = nil
		break
	}
	if blocked != nil {
		r.step("address", StatusFailed, blocked.Error(), time.Time{})
		e := &completion.Error{Kind: completion.KindBlocked, Provider: r.p.ID, Model: r.model, Err: blocked}
		r.report.Kind, r.report.Diagnosis = completion.KindBlocked, blockedAt(e.Name(), blocked)
		return false
	}
	r.step("address", StatusOK, "allowed by PROVIDER_NETWORKS", time.Time{})
	return r.connect(ctx)
}

func (r *probe) resolve(ctx context.Context) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(r.url.Hostname()); err == nil {
		return []netip.Addr{addr}, nil
	}
	if blocked, ok := errors.AsType[*provider.BlockedError](r.c.Networks().CheckName(r.url.Hostname())); ok {
		return []netip.Addr{blocked.Addr}, nil // the next step reports the reason
	}
	ctx, cancel := context.WithTimeout(ctx, probeConnect)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", r.url.Hostname())
	if err == nil && len(addrs) == 0 {
		err = errors.New("the name has no address")
	}
	return addrs, err
}

func (r *probe) connect(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, probeConnect)
	defer cancel()
	dialer := &net.Dialer{ControlContext: r.c.Networks().Control}
	start := time.Now()
	conn, err := dialer.DialContext(ctx, "tcp", r.hostPort())
	if err != nil {
		r.step("connection", StatusFailed, err.Error(), start)
		r.report.Kind, r.report.Diagnosis = completion.KindConnect, r.noConnection(err)
		return false
	}
	defer conn.Close()
	r.step("connection", StatusOK, conn.RemoteAddr().String(), start)
	if r.url.Scheme != "https" {
		return true
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if r.p.TLS != nil {
		made, err := r.c.TLSConfig(ctx, r.p)
		if err != nil {
			r.step("tls", StatusFailed, err.Error(), time.Time{})
			r.report.Kind, r.report.Diagnosis = completion.KindTLS, r.noTLS(err)
			return false
		}
		config = made.Clone()
	}
	config.ServerName = r.url.Hostname()
	if len(config.Certificates) == 0 {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			r.asksCert = true
			return &tls.Certificate{}, nil
		}
	}
	start = time.Now()
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		r.step("tls", StatusFailed, err.Error(), start)
		r.report.Kind, r.report.Diagnosis = completion.KindTLS, r.noTLS(err)
		return false
	}
	r.step("tls", StatusOK, tls.VersionName(secure.ConnectionState().Version), start)
	return true
}

func (r *probe) hostPort() string {
	port := r.url.Port()
	if port == "" {
		port = "80"
		if r.url.Scheme == "https" {
			port = "443"
		}
	}
	return net.JoinHostPort(r.url.Hostname(), port)
}

// models asks for the model list. A server without one may still answer.
func (r *probe) models(ctx context.Context) {
	if provider.Recognize(r.p).NoModels {
		r.step("models", StatusSkipped, "this service lists none", time.Time{})
		return
	}
	start := time.Now()
	list, err := r.c.Models(ctx, r.p)
	if err != nil {
		r.listed, _ = errors.AsType[*completion.Error](err)
		r.step("models", StatusWarning, r.listed.Error(), start)
		return
	}
	r.list = list
	if r.model == "" && len(list) > 0 {
		r.model = list[0].ID
		r.report.Model = r.model
	}
	for _, m := range list {
		r.report.Models = append(r.report.Models, m.ID)
	}
	if r.unlisted() {
		r.step("models", StatusWarning, fmt.Sprintf("%d listed, %s is not among them", len(list), r.model), start)
		return
	}
	r.step("models", StatusOK, fmt.Sprintf("%d listed", len(list)), start)
}

// unlisted reports whether the endpoint lists models, but not the one asked
// for.
func (r *probe) unlisted() bool {
	return len(r.list) > 0 && !slices.ContainsFunc(r.list, func(m provider.Model) bool { return m.ID == r.model })
}

// answer asks for a short completion and measures it.
func (r *probe) answer(ctx context.Context) {
	request := completion.Request{
		Model:    r.model,
		Messages: []completion.Message{completion.Text("user", "Count from one to twenty in words.")},
		Params:   bots.Params{MaxTokens: new(probeTokens)},
		Retry:    completion.Retry{Max: -1},
	}
	p := r.p
	if p.SilenceTimeout == 0 || p.SilenceTimeout > int(probeSilence.Seconds()) {
		p.SilenceTimeout = int(probeSilence.Seconds())
	}
	r.silence = time.Duration(p.SilenceTimeout) * time.Second
	start := time.Now()
	seen, err := r.ask(ctx, p, request)
	if err != nil {
		r.step("answer", StatusFailed, err.Error(), start)
		r.report.Kind = err.Kind
		r.report.Diagnosis = r.diagnose(ctx, err)
		return
	}
	r.step("answer", StatusOK, fmt.Sprintf("%s, finish %q", counted(seen.deltas, "delta"), seen.finish), start)
	r.measure(seen, start)
}

// seen describes a short answer.
type seen struct {
	deltas      int
	first, last time.Time
	finish      string
	usage       *completion.Usage
}

// streamed reports whether the pieces came as they were made. If they came
// faster than 2,000 tokens a second, something in between had held them back.
func (s seen) streamed() bool {
	took := s.last.Sub(s.first)
	if s.deltas >= 20 {
		return took > time.Duration(s.deltas)*time.Second/2000
	}
	return s.deltas > 2 || s.deltas == 2 && took > time.Millisecond
}

func (r *probe) ask(ctx context.Context, p provider.Provider, request completion.Request) (seen, *completion.Error) {
	var s seen
	for d, err := range r.c.Try(ctx, p, request) {
		if e, failed := errors.AsType[*completion.Error](err); failed {
			if e.Kind == completion.KindCanceled && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				e.Kind = completion.KindSilence
			}
			return s, e
		}
		if d.Text != "" || d.Reasoning != "" {
			if s.deltas++; s.deltas == 1 {
				s.first = time.Now()
			}
			s.last = time.Now()
		}
		if d.Finish != "" {
			s.finish = d.Finish
		}
		if d.Usage != nil {
			s.usage = d.Usage
		}
	}
	return s, nil
}

// measure fills in the report from a successful answer.
func (r *probe) measure(s seen, start time.Time) {
	rep := &r.report
	rep.OK, rep.Usage = true, s.usage
	if s.deltas > 0 {
		rep.FirstToken = float64(s.first.Sub(start).Milliseconds()) / 1000
	}
	rep.Streams = s.streamed()
	tokens := s.deltas
	if s.usage != nil && s.usage.CompletionTokens > 0 {
		tokens = s.usage.CompletionTokens
	}
	if took := s.last.Sub(s.first).Seconds(); rep.Streams && took > 0.01 && tokens > 4 {
		rep.TokensPerSecond = float64(int(float64(tokens-1)/took*10)) / 10
	}
	if rep.Streams {
		r.step("streaming", StatusOK, "", time.Time{})
	} else {
		r.step("streaming", StatusWarning, "the answer came in one piece", time.Time{})
	}
	if s.usage != nil {
		r.step("usage", StatusOK, fmt.Sprintf("%s in, %d out", counted(s.usage.PromptTokens, "token"), s.usage.CompletionTokens), time.Time{})
	} else {
		r.step("usage", StatusWarning, "the endpoint does not count tokens; parley estimates them", time.Time{})
	}
	if q := r.c.Learned(r.p.ID, r.model); !q.IsZero() {
		rep.Learned = q.String()
	}
	rep.Diagnosis = r.works(s)
}

// inContainer reports whether this process runs in a container, where
// localhost is the container itself.
func inContainer() bool {
	for _, name := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(name); err == nil {
			return true
		}
	}
	return false
}

// shownURL is an endpoint without its query, for people.
func shownURL(endpoint string) string {
	base, _, _ := strings.Cut(endpoint, "?")
	return base
}

// counted is n with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
