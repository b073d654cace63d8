// Package completion requests chat completions from model servers: any
// endpoint of the OpenAI format. It builds the request, reads the stream,
// learns what an endpoint refuses and names what went wrong. ARCHITECTURE.md
// says why it has its own reader.
package completion

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"

	"parley/internal/provider"
	"parley/internal/regular"
	"parley/internal/telemetry"
)

// Times that are not a provider's own setting.
const (
	// afterFinish is how long to wait for usage and [DONE] after the finish
	// reason: the answer is complete without them.
	afterFinish = 2 * time.Second
	// draining is how long to wait for the end of a body after [DONE], so that the
	// connection can be reused.
	draining = time.Second

	maxErrorBody = 64 << 10
	maxReasoning = 16 << 20
	maxLessons   = 8 // refused fields learned in one request
	maxStale     = 3 // reused connections that turn out to be closed
)

// MaxAnswer is the most bytes of text in one answer. A longer one ends there,
// as if by the model's length limit: a model that repeats itself, or a hostile
// server, must not fill the memory.
const MaxAnswer = 1 << 20

// Options configure a Client. The zero value works: public and private
// addresses, quirks kept in memory.
type Options struct {
	Networks provider.Networks
	Log      *slog.Logger
	Metrics  *telemetry.Metrics
	// Learned returns what is known about an endpoint's quirks; Learn adds to it.
	Learned func(id, model string) provider.Quirks
	Learn   func(ctx context.Context, id, model string, q provider.Quirks)
}

// Client sends requests to model servers. It is safe for concurrent use.
type Client struct {
	o          Options
	transports transports
	endpoints  endpoints
	queues     queues
	lessons    lessons
}

// NewClient makes a Client. It opens no connection and starts no goroutine.
func NewClient(o Options) *Client {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Client{o: o, transports: transports{networks: o.Networks, files: files{log: o.Log, open: regular.Open}}}
	if o.Learned == nil {
		c.o.Learned = c.lessons.get
	}
	if o.Learn == nil {
		c.o.Learn = c.lessons.put
	}
	return c
}

// Stream requests a completion from p and yields its deltas in order. It can
// be ranged over once. It yields at most one error, last, which is an *Error.
// However the loop ends, the body is closed and the server freed. An answer
// that ends with neither [DONE] nor a finish reason is KindTruncated, which
// wraps io.ErrUnexpectedEOF. It retries only before the first delta, according
// to r.Retry. If usage is reported, it is the last delta.
func (c *Client) Stream(ctx context.Context, p provider.Provider, r Request) iter.Seq2[Delta, error] {
	return c.stream(ctx, call{c: c, p: p, r: r, clean: newCleaner(p, r)})
}

// Try is Stream for a request that tests an endpoint. It is sent even while p
// is skipped after failures, and the endpoint's text keeps the request's own
// words, because they are not a person's.
func (c *Client) Try(ctx context.Context, p provider.Provider, r Request) iter.Seq2[Delta, error] {
	return c.stream(ctx, call{c: c, p: p, r: r, clean: newCleaner(p, Request{}), force: true})
}

func (c *Client) stream(ctx context.Context, one call) iter.Seq2[Delta, error] {
	return func(yield func(Delta, error) bool) {
		one.yield = yield
		if err := one.run(ctx); err != nil {
			yield(Delta{}, one.complete(ctx, err))
		}
	}
}

// Networks are the networks that the client may connect to.
func (c *Client) Networks() provider.Networks { return c.o.Networks }

// Learned is what is known about the quirks of a provider's model.
func (c *Client) Learned(id, model string) provider.Quirks { return c.o.Learned(id, model) }

// TLSConfig is p's TLS configuration, read from its files as for a request.
// The error is a *FileError. Do not change the result.
func (c *Client) TLSConfig(ctx context.Context, p provider.Provider) (*tls.Config, error) {
	config, _, err := c.transports.files.config(ctx, *p.TLS)
	return config, err
}

// call is one call of Stream.
type call struct {
	c       *Client
	p       provider.Provider
	r       Request
	clean   cleaner
	yield   func(Delta, error) bool
	started bool            // a delta was yielded: do not retry
	left    bool            // the caller has stopped ranging
	force   bool            // send even though the breaker is open
	stale   bool            // the last attempt used a connection that was closed
	fresh   provider.Quirks // learned in this call, stored once the endpoint accepts
	sent    map[string]any

	text, reasoned int // bytes received
}

// run makes attempts until one succeeds or retrying is pointless.
func (c *call) run(ctx context.Context) error {
	release, err := c.c.queues.enter(ctx, c.p, c.r)
	if err != nil {
		return err
	}
	defer release()
	last := ""
	stale := 0
	for tries, lessons := 0, 0; ; {
		ticket, err := c.c.endpoints.enter(c.p, last, c.force)
		if err != nil {
			ticket.leave()
		} else {
			err = c.attempt(ctx, ticket)
		}
		if err == nil || c.left {
			return nil
		}
		if c.stale && stale < maxStale && ctx.Err() == nil && !c.r.Retry.over(0) {
			stale++ // the server had closed a reused connection: not a failure
			continue
		}
		last = ticket.url
		e := c.complete(ctx, err)
		c.failed(ctx, e)
		if c.started || ctx.Err() != nil {
			return e
		}
		c.limitTold(ctx, e)
		if q := c.lesson(e); !q.IsZero() && lessons < maxLessons {
			lessons++
			c.fresh = c.fresh.With(q)
			continue
		}
		wait, again := c.backoff(e, tries)
		if !again {
			return e
		}
		tries++
		if !pause(ctx, wait) {
			return context.Cause(ctx)
		}
	}
}

func (c *call) failed(ctx context.Context, e *Error) {
	if e.Kind == KindCanceled {
		return
	}
	c.c.o.Metrics.ProviderError(c.p.ID, string(e.Kind))
	c.c.o.Log.LogAttrs(ctx, slog.LevelWarn, "model request failed",
		slog.String("provider", c.p.ID), slog.String("model", c.r.Model), slog.String("kind", string(e.Kind)), slog.Int("status", e.Status), slog.String("text", e.Text))
}

// lesson is what to learn from a refusal, zero if a retry would send the same
// body.
func (c *call) lesson(e *Error) provider.Quirks {
	q := learn(e, c.sent, func(name string) bool { _, own := c.p.AddParams[name]; return own })
	if q.IsZero() {
		q = learnRoles(e, c.r.Messages, c.quirks())
	}
	if q.IsZero() {
		return q
	}
	before, _, err := buildBody(c.p, c.r, c.quirks())
	if err != nil {
		return provider.Quirks{}
	}
	after, _, err := buildBody(c.p, c.r, c.quirks().With(q))
	if err != nil || bytes.Equal(before, after) {
		return provider.Quirks{}
	}
	return q
}

// limitTold stores the context length from a refusal.
func (c *call) limitTold(ctx context.Context, e *Error) {
	if e.Kind == KindContext && e.Limit > 0 && c.c.o.Learned(c.p.ID, c.r.Model).MaxInput != e.Limit {
		c.c.o.Learn(context.WithoutCancel(ctx), c.p.ID, c.r.Model, provider.Quirks{MaxInput: e.Limit})
	}
}

func (c *call) quirks() provider.Quirks {
	return provider.Recognize(c.p).Quirks.With(c.c.o.Learned(c.p.ID, c.r.Model)).With(c.fresh)
}

// attempt sends the request once and yields its deltas. It owns the ticket.
func (c *call) attempt(parent context.Context, ticket *ticket) error {
	defer ticket.leave()
	ctx, cancel := context.WithCancelCause(parent)
	defer func() {
		if cancel != nil {
			cancel(nil)
		}
	}()
	req, err := c.request(ctx, ticket.url)
	if err != nil {
		return err
	}
	client, err := c.c.transports.client(ctx, c.p)
	if err != nil {
		return err
	}
	watch := watchSilence(c.p, cancel)
	defer watch.stop()
	resp, err := c.send(client, req, ticket)
	if err != nil {
		return err
	}
	watch.heard()
	body := &watched{ReadCloser: resp.Body, watch: watch}
	defer func() {
		if body != nil {
			_ = body.Close()
		}
	}()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		err := c.complete(ctx, errorFromResponse(resp, body))
		ticket.outcome(err)
		return err
	}
	ticket.outcome(nil)
	more, err := c.read(ctx, resp.Header, body, watch)
	if more {
		watch.stop()
		go drain(resp.Body, cancel)
		body, cancel = nil, nil
	}
	return err
}

// send sends the request and returns the head of the response. It reports
// failures to the ticket, unless a reused connection was stale.
func (c *call) send(client *http.Client, req *http.Request, ticket *ticket) (*http.Response, error) {
	reused := false
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GotConn:      func(i httptrace.GotConnInfo) { reused = i.Reused },
		WroteRequest: func(i httptrace.WroteRequestInfo) { ticket.asked(i.Err) },
	})
	resp, err := client.Do(req.WithContext(ctx))
	c.stale = err != nil && closedBefore(err, reused)
	if err == nil {
		return resp, nil
	}
	err = c.complete(req.Context(), connectError(req.Context(), err))
	if !c.stale {
		ticket.outcome(err)
	}
	return nil, err
}

// read yields the deltas of a successful response. more means that the answer
// is complete, but its body may not be.
func (c *call) read(ctx context.Context, header http.Header, body io.Reader, watch *silence) (more bool, err error) {
	plain, err := unpacked(body, header.Get("Content-Encoding"))
	if err != nil {
		return false, err
	}
	d := newDecoder(&batchReader{r: plain, done: ctx.Done()}, header.Get("Content-Type"))
	known := c.quirks()
	d.speech.think.hold, d.speech.said.known = known.Thinking == provider.ThinkingUnopened, known.Deltas == provider.DeltasCumulative
	d.finish.told = func() { watch.limit(afterFinish) }
	err = c.deltas(ctx, d)
	c.observed(ctx, d, known, err)
	return err == nil && !c.left && d.lines.err == nil, err
}

// drain reads the rest after a complete answer, so that the connection can be
// reused.
func drain(body io.ReadCloser, cancel context.CancelCauseFunc) {
	t := time.AfterFunc(draining, func() { cancel(nil) })
	defer t.Stop()
	defer cancel(nil)
	defer body.Close()
	_, _ = io.CopyN(io.Discard, body, maxErrorBody)
}

// deltas yields deltas until the answer ends.
func (c *call) deltas(ctx context.Context, d *decoder) error {
	for {
		delta, err := d.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if errors.Is(context.Cause(ctx), errSilence) && d.finished() {
				return err // cut by afterFinish; text had come after the finish reason, so more may have followed
			}
			return becauseOf(ctx, err)
		}
		c.accepted(ctx)
		c.started = true
		full := c.full(&delta)
		if !c.yield(delta, nil) || full {
			c.left = true
			return nil
		}
	}
	c.accepted(ctx)
	return nil
}

// observed stores quirks that an answer showed. Only a complete answer shows
// the absence of one.
func (c *call) observed(ctx context.Context, d *decoder, known provider.Quirks, err error) {
	whole := err == nil && !c.left && d.finish.reason == "stop"
	var q provider.Quirks
	switch was := known.Thinking == provider.ThinkingUnopened; {
	case d.speech.think.unopened && !was:
		q.Thinking = provider.ThinkingUnopened
	case was && !d.speech.think.unopened && whole:
		q.Thinking = provider.Unlearned
	}
	switch was := known.Deltas == provider.DeltasCumulative; {
	case d.speech.said.is == mannerCumulative && !was:
		q.Deltas = provider.DeltasCumulative
	case was && d.speech.said.is == mannerPieces && whole:
		q.Deltas = provider.Unlearned
	}
	if !q.IsZero() {
		c.c.o.Learn(context.WithoutCancel(ctx), c.p.ID, c.r.Model, q)
	}
}

// full counts the bytes of d and cuts what exceeds the limit.
func (c *call) full(d *Delta) bool {
	if d.Retract {
		c.text = 0
	}
	room := MaxAnswer - c.text
	c.text += len(d.Text)
	c.reasoned += len(d.Reasoning)
	if len(d.Text) <= room && c.reasoned <= maxReasoning {
		return false
	}
	d.Text = strings.ToValidUTF8(d.Text[:min(room, len(d.Text))], "")
	d.Finish = "length"
	return true
}

// accepted stores what was learned: the endpoint accepted the changed request.
func (c *call) accepted(ctx context.Context) {
	if c.fresh.IsZero() {
		return
	}
	c.c.o.Learn(ctx, c.p.ID, c.r.Model, c.fresh)
	c.fresh = provider.Quirks{}
}

// request builds the HTTP request.
func (c *call) request(ctx context.Context, endpoint string) (*http.Request, error) {
	body, fields, err := buildBody(c.p, c.r, c.quirks())
	if err != nil {
		return nil, &Error{Kind: KindBadRequest, Err: fmt.Errorf("build body: %w", err)}
	}
	c.sent = fields
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, &Error{Kind: KindConnect, Err: errors.New("the endpoint is no valid URL")}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream, application/json")
	setHeaders(req, c.p)
	return req, nil
}

// setHeaders adds the key and the record's own headers.
func setHeaders(req *http.Request, p provider.Provider) {
	req.Header.Set("User-Agent", "parley")
	req.Header.Set("Accept-Encoding", "identity") // a compressor holds deltas back
	if !p.APIKey.IsZero() {
		if name := provider.Recognize(p).KeyHeader; name != "" {
			req.Header.Set(name, p.APIKey.Reveal())
		} else {
			req.Header.Set("Authorization", "Bearer "+p.APIKey.Reveal())
		}
	}
	for name, value := range p.ExtraHeaders {
		req.Header.Set(name, value.Reveal())
	}
	if key, own := p.OwnKey(req.URL.String()); own {
		req.Header.Set("Authorization", "Bearer "+key.Reveal())
	}
}

// complete turns err into an *Error with provider, model and a clean text.
func (c *call) complete(ctx context.Context, err error) *Error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = &Error{Kind: KindUnknown, Err: err}
		if ctx.Err() != nil {
			e.Kind = KindCanceled
		}
	}
	if e.Provider == "" {
		e.Provider, e.Model = c.p.ID, c.r.Model
		if e.raw == "" {
			e.raw = e.Text
		}
		e.Text = c.clean.text(e.Text)
		e.endpoint = c.p.Endpoint
	}
	return e
}
