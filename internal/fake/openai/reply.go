// What one request is answered with: text, pace and faults.

package openai

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Fault is a way an answer goes wrong after its start.
type Fault string

// The faults of a stream. Reply.After says after how many deltas.
const (
	FaultError    Fault = "error"    // the service reports an error inside the stream, in its own shape
	FaultTruncate Fault = "truncate" // the body ends cleanly without finish reason and [DONE]
	FaultCut      Fault = "cut"      // the connection closes in the middle of a chunk
	FaultReset    Fault = "reset"    // the connection is reset (TCP RST)
	FaultSilence  Fault = "silence"  // nothing more comes until the client leaves
	FaultSwallow  Fault = "swallow"  // an empty delta, then a clean end: Ollama's way
)

// Usage is the count a reply reports.
type Usage struct {
	Prompt     int
	Completion int
}

// Reply is the answer to one request. The zero value is the server's default
// answer.
type Reply struct {
	Text      string
	Empty     bool     // the answer is empty, not the default
	Chunks    []string // the exact deltas; empty: Text cut into words
	Words     int      // words per delta; 0: the server's
	Reasoning string   // sent before the text in the service's reasoning field
	Finish    string   // finish reason; empty: "stop"
	Usage     *Usage   // nil: one token per word
	Interval  time.Duration

	// Start is how long to wait before the status line: a model that loads.
	Start time.Duration
	// FirstToken is how long to wait between the headers and the first delta.
	FirstToken time.Duration
	// Gate, when set, holds the answer back before the first delta until it is
	// closed.
	Gate <-chan struct{}
	// Step, when set, is received from before each delta.
	Step <-chan struct{}

	// Status other than 0 and 200 is an error answer: Body as it stands, or the
	// service's own shape around Message.
	Status      int
	Message     string
	Code        string
	RetryAfter  string
	Header      map[string]string
	Body        string // the exact body, whatever the status
	ContentType string // of Body; empty: by its first byte

	Fault     Fault
	After     int           // deltas before the fault
	Refuse    bool          // the connection is reset before any byte
	NoStream  bool          // answer a streaming request with one JSON document
	NoDone    bool          // leave out [DONE]
	NoFinish  bool          // leave out the finish reason
	KeepAlive time.Duration // between comments while one waits, where the service sends any
}

// answer writes reply to w. It calls ended before the last bytes go out: a
// client that has them may rely on the request being over.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, req Request, reply Reply, ended func()) {
	if reply.Refuse {
		reset(w)
		return
	}
	if !s.wait(r.Context(), reply.Start) {
		return
	}
	for k, v := range reply.Header {
		w.Header().Set(k, v)
	}
	if reply.RetryAfter != "" {
		w.Header().Set("Retry-After", reply.RetryAfter)
	}
	switch {
	case reply.Body != "":
		writeBody(w, reply)
	case reply.Status != 0 && reply.Status != http.StatusOK:
		s.profile.Errors.status(w, reply.Status, reply.Code, reply.Message)
	case req.Stream && !reply.NoStream:
		s.stream(w, r, req, reply, ended)
	default:
		s.whole(w, r, reply, ended)
	}
}

func writeBody(w http.ResponseWriter, reply Reply) {
	if reply.ContentType == "" {
		reply.ContentType = "text/plain; charset=utf-8"
		switch reply.Body[0] {
		case '{', '[':
			reply.ContentType = "application/json"
		case '<':
			reply.ContentType = "text/html; charset=utf-8"
		case 'd', ':':
			reply.ContentType = "text/event-stream"
		}
	}
	w.Header().Set("Content-Type", reply.ContentType)
	if reply.Status != 0 {
		w.WriteHeader(reply.Status)
	}
	_, _ = w.Write([]byte(reply.Body))
}

func (r Reply) chunks() []string {
	if len(r.Chunks) > 0 {
		return r.Chunks
	}
	return Words(r.Text, r.Words)
}

func (r Reply) usage() Usage {
	if r.Usage != nil {
		return *r.Usage
	}
	return Usage{Prompt: 5, Completion: len(Words(r.Text+strings.Join(r.Chunks, ""), 1))}
}

func (r Reply) finish() string {
	if r.Finish == "" {
		return "stop"
	}
	return r.Finish
}

// whole answers with one JSON document.
func (s *Server) whole(w http.ResponseWriter, r *http.Request, reply Reply, ended func()) {
	if !s.hold(r.Context(), reply) {
		return
	}
	if reply.Fault == FaultReset || reply.Fault == FaultCut {
		reset(w)
		return
	}
	u := reply.usage()
	message := map[string]any{"role": "assistant", "content": strings.Join(reply.chunks(), "")}
	if reply.Reasoning != "" {
		message[s.profile.reasoningField()] = reply.Reasoning
	}
	ended()
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(s.profile.Lead))
	writeJSON(w, http.StatusOK, map[string]any{
		"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "m",
		"choices": []any{map[string]any{"index": 0, "message": message, "finish_reason": reply.finish()}},
		"usage":   map[string]any{"prompt_tokens": u.Prompt, "completion_tokens": u.Completion, "total_tokens": u.Prompt + u.Completion},
	})
}

// hold waits for what stands before the first token.
func (s *Server) hold(ctx context.Context, reply Reply) bool {
	if reply.Gate != nil {
		select {
		case <-reply.Gate:
		case <-ctx.Done():
			return false
		case <-s.stop:
			return false
		}
	}
	return s.wait(ctx, reply.FirstToken)
}

// keepAlive spends the time before the first token with comments, where the
// service sends them.
func (s *Server) keepAlive(ctx context.Context, out *frames, reply *Reply) bool {
	for s.profile.Waiting != "" && reply.KeepAlive > 0 && reply.FirstToken > 0 {
		out.start()
		out.raw(s.profile.Waiting)
		out.send()
		pause := min(reply.KeepAlive, reply.FirstToken)
		if !s.wait(ctx, pause) {
			return false
		}
		reply.FirstToken -= pause
	}
	return true
}

func (s *Server) wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	case <-s.stop:
		return false
	}
}

// stream answers with server-sent events.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, req Request, reply Reply, ended func()) {
	out := &frames{w: w, flush: http.NewResponseController(w).Flush, p: &s.profile}
	if !s.profile.LateHeaders {
		out.start()
	}
	if !s.keepAlive(r.Context(), out, &reply) || !s.hold(r.Context(), reply) {
		return
	}
	out.start()
	out.opening()
	for _, part := range Words(reply.Reasoning, reply.Words) {
		out.delta(s.profile.reasoningField(), part)
		out.send()
		if !s.wait(r.Context(), reply.Interval) {
			return
		}
	}
	for i, part := range reply.chunks() {
		if reply.Fault != "" && i >= reply.After {
			s.fault(w, r, out, reply)
			return
		}
		if i > 0 && !s.wait(r.Context(), reply.Interval) {
			return
		}
		if reply.Step != nil {
			select {
			case <-reply.Step:
			case <-r.Context().Done():
				return
			case <-s.stop:
				return
			}
		}
		out.delta("content", part)
		out.send()
	}
	if reply.Fault != "" {
		s.fault(w, r, out, reply)
		return
	}
	out.closing(reply, wantsUsage(req))
	ended()
	out.send()
}

func wantsUsage(req Request) bool {
	options, _ := req.Fields["stream_options"].(map[string]any)
	want, _ := options["include_usage"].(bool)
	return want
}

func (s *Server) fault(w http.ResponseWriter, r *http.Request, out *frames, reply Reply) {
	switch reply.Fault {
	case FaultError:
		message := reply.Message
		if message == "" {
			message = "EngineCore died"
		}
		out.fail(message)
		out.send()
	case FaultSwallow:
		out.delta("content", "")
		out.send()
	case FaultCut:
		out.raw(`data: {"choices":[{"index":0,"del`)
		out.send()
		reset(w)
	case FaultReset:
		out.send()
		reset(w)
	case FaultSilence:
		out.send()
		select {
		case <-r.Context().Done():
		case <-s.stop:
		}
	case FaultTruncate:
		out.send()
	}
}

// reset closes the connection without the end of the body; with an RST where
// the system lets us.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// frames writes the events of one answer in the way of a profile.
type frames struct {
	w       http.ResponseWriter
	flush   func() error
	p       *Profile
	buf     []byte
	started bool
	said    bool
}

func (f *frames) start() {
	if f.started {
		return
	}
	f.started = true
	f.w.Header().Set("Content-Type", "text/event-stream")
	f.w.Header().Set("Cache-Control", "no-cache")
	f.w.WriteHeader(http.StatusOK)
	_ = f.flush()
}

func (f *frames) send() {
	if len(f.buf) == 0 {
		return
	}
	_, _ = f.w.Write(f.buf)
	f.buf = f.buf[:0]
	_ = f.flush()
}

func (f *frames) raw(s string) { f.buf = append(f.buf, s...) }

// event writes one data line and the blank line after it.
func (f *frames) event(payload string) {
	f.raw(f.p.dataPrefix())
	f.raw(payload)
	f.raw(f.p.newline())
	f.raw(f.p.newline())
}

func (f *frames) opening() {
	for _, c := range f.p.Comments {
		f.raw(c + f.p.newline() + f.p.newline())
	}
	for _, e := range f.p.Opening {
		f.event(e)
	}
}

func (f *frames) delta(field, text string) {
	quoted, _ := json.Marshal(text)
	if f.p.ASCII {
		quoted = quoteASCII(text)
	}
	index := `"index":0,`
	if f.p.NoIndex {
		index = ""
	}
	role := ""
	if f.p.RoleAlways || (!f.said && len(f.p.Opening) == 0) {
		role = `"role":"assistant",`
	}
	f.said = true
	tail := `,"logprobs":null,"finish_reason":null`
	if f.p.NoIndex {
		tail = ""
	}
	f.event(`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{` + index +
		`"delta":{` + role + strconv.Quote(field) + `:` + string(quoted) + `}` + tail + `}]}`)
}

func (f *frames) closing(reply Reply, usage bool) {
	u := reply.usage()
	count := `{"prompt_tokens":` + strconv.Itoa(u.Prompt) + `,"completion_tokens":` + strconv.Itoa(u.Completion) +
		`,"total_tokens":` + strconv.Itoa(u.Prompt+u.Completion) + `}`
	finish := reply.finish()
	if finish == "stop" && f.p.Stop != "" {
		finish = f.p.Stop
	}
	inline := ""
	switch f.p.Usage {
	case "inline":
		inline = `,"usage":` + count
	case "x_groq":
		inline = `,"x_groq":{"id":"req_1","usage":` + count + `}`
	}
	if !reply.NoFinish && !f.p.NoFinish {
		f.event(`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,` +
			`"delta":{},"logprobs":null,"finish_reason":` + strconv.Quote(finish) + `}]` + inline + `}`)
	}
	for _, e := range f.p.AfterFinish {
		f.event(e)
	}
	if usage && f.p.Usage == "" {
		f.event(`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[],"usage":` + count + `}`)
	}
	if !reply.NoDone && !f.p.NoDone {
		f.event("[DONE]")
	}
}

func (f *frames) fail(message string) {
	quoted, _ := json.Marshal(message)
	if f.p.StreamError == "" {
		return
	}
	f.raw(strings.ReplaceAll(f.p.StreamError, "MESSAGE", string(quoted)))
}

// quoteASCII is a JSON string in which everything beyond ASCII is escaped, as
// Python's json writes it.
func quoteASCII(text string) []byte {
	quoted, _ := json.Marshal(text)
	if !slices.ContainsFunc(quoted, func(c byte) bool { return c >= utf8.RuneSelf }) {
		return quoted
	}
	var out []byte
	for _, r := range string(quoted) {
		switch {
		case r < utf8.RuneSelf:
			out = append(out, byte(r))
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

// Words cuts text into deltas of n words each, every word with the white space
// after it. Joined they are the text again.
func Words(text string, n int) []string {
	var out []string
	start, words, inSpace := 0, 0, false
	for i, r := range text {
		space := unicode.IsSpace(r)
		if inSpace && !space {
			if words++; words >= max(1, n) {
				out = append(out, text[start:i])
				start, words = i, 0
			}
		}
		inSpace = space
	}
	if start < len(text) {
		out = append(out, text[start:])
	}
	return out
}
