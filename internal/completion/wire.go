// The wire: what a response body of any server that calls itself
// OpenAI-compatible means. The result does not depend on how the bytes are cut.

package completion

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// decoder reads a successful response, streamed or whole. Its next method is
// the sequence of deltas; io.EOF is a complete end, every other error an
// *Error that lacks provider and model.
type decoder struct {
	lines *lines
	isSSE bool // the content type says so
	mode  mode
	event string // name of the SSE event being read
	multi []byte // data or JSON that goes on over several lines
	odd   []byte // the start of what was not understood
	read  bool   // something was understood

	chunk  chunkParts // of the event being read
	speech speech
	finish ending
	usage  *Usage

	done  bool  // a complete end was seen
	end   error // what comes after the queue
	ended bool
	queue []Delta
}

type mode int

const (
	modeUnknown mode = iota
	modeEvents       // server-sent events
	modeJSON         // one JSON document, or one per line
)

func newDecoder(body io.Reader, contentType string) *decoder {
	return &decoder{lines: newLines(body), isSSE: strings.HasPrefix(strings.ToLower(contentType), "text/event-stream")}
}

// next returns the next delta that holds anything.
func (d *decoder) next() (Delta, error) {
	for {
		if len(d.queue) > 0 {
			delta := d.queue[0]
			d.queue = d.queue[:copy(d.queue, d.queue[1:])]
			return delta, nil
		}
		if d.ended {
			return Delta{}, d.end
		}
		line, err := d.lines.next()
		if err != nil {
			d.finishBody(err)
			continue
		}
		if err := d.line(line); err != nil {
			d.close(err)
		} else if d.done && d.mode == modeEvents || len(d.speech.think.doubtful) > MaxAnswer { // no block of thoughts is as long as that
			d.close(io.EOF)
		}
	}
}

// finished reports that a finish reason was seen: what may still come is usage,
// or, from servers that name one too early, text.
func (d *decoder) finished() bool { return d.finish.reason != "" }

// line takes one line of the body.
func (d *decoder) line(line []byte) error {
	switch d.mode {
	case modeEvents:
		return d.eventLine(line)
	case modeJSON:
		return d.jsonLine(line)
	}
	trimmed := bytes.TrimSpace(line)
	if len(trimmed) == 0 {
		return nil // some services send blank lines while one waits
	}
	switch c := trimmed[0]; {
	case c == '<':
		return &Error{Kind: KindProtocol, Text: pageText(trimmed), Page: true, Err: errors.New("the answer is a web page")}
	case c == '{' || c == '[':
		d.mode = modeJSON
		return d.jsonLine(line)
	}
	d.mode = modeEvents
	return d.eventLine(line)
}

// eventLine takes one line of server-sent events. One data line is one event,
// also where no blank line follows; only JSON that is not whole yet goes on.
func (d *decoder) eventLine(line []byte) error {
	if len(bytes.TrimSpace(line)) == 0 {
		return d.blankLine()
	}
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimSpace(value)
	switch string(name) {
	case "": // a comment
		return nil
	case "data":
		return d.data(value)
	case "event":
		d.event = string(value)
		return nil
	case "error":
		return d.fail(value)
	case "id", "retry":
		return nil
	}
	if line[0] == '{' { // an error object without a field name
		return d.data(line)
	}
	d.note(line)
	return nil
}

func (d *decoder) blankLine() error {
	failing := d.event == "error"
	d.event = ""
	if d.multi != nil {
		whole := d.multi
		d.multi = nil
		err := d.payload(whole)
		if errors.Is(err, errShort) {
			return protocolError(whole)
		}
		return err
	}
	if failing {
		return d.fail(nil)
	}
	return nil
}

// data takes the value of a data field.
func (d *decoder) data(value []byte) error {
	switch {
	case len(value) == 0:
		return nil
	case d.event == "error":
		return d.fail(value)
	case d.multi != nil:
		return d.more(value)
	case string(value) == "[DONE]":
		d.done = true
		return nil
	}
	if value[0] != '{' && value[0] != '[' {
		return protocolError(value)
	}
	err := d.payload(value)
	if errors.Is(err, errShort) {
		return d.more(value)
	}
	return err
}

// more keeps a line of a JSON text that goes on.
func (d *decoder) more(line []byte) error {
	if len(d.multi)+len(line) > MaxLine {
		return &Error{Kind: KindProtocol, Err: errLineTooLong}
	}
	d.multi = append(append(d.multi, line...), '\n')
	return nil
}

// jsonLine takes one line of a JSON body: a document by itself, or a part.
func (d *decoder) jsonLine(line []byte) error {
	if d.multi != nil {
		return d.more(line)
	}
	if len(bytes.TrimSpace(line)) == 0 {
		return nil
	}
	err := d.payload(line)
	if errors.Is(err, errShort) {
		return d.more(line)
	}
	return err
}

// note keeps the start of a line that is no part of the format.
func (d *decoder) note(line []byte) {
	if room := 300 - len(d.odd); room > 0 {
		d.odd = append(append(d.odd, line[:min(room, len(line))]...), ' ')
	}
}

// finishBody takes the end of the body.
func (d *decoder) finishBody(err error) {
	if errors.Is(err, errLineTooLong) {
		d.close(&Error{Kind: KindProtocol, Err: err})
		return
	}
	if e, ok := errors.AsType[*Error](err); ok && !d.finished() { // the body could not be unpacked
		d.close(e)
		return
	}
	clean, short := errors.Is(err, io.EOF), false
	if clean && d.multi != nil {
		whole := d.multi
		d.multi = nil
		if d.event == "error" && d.mode == modeEvents {
			d.close(d.fail(whole))
			return
		}
		bad := d.payload(whole)
		if short = errors.Is(bad, errShort); bad != nil && !short {
			d.close(bad)
			return
		}
	}
	switch {
	case d.done || d.finished() && (clean || d.finish.settled):
		d.close(io.EOF)
	case clean && d.finish.perhaps != "":
		d.finish.reason = d.finish.perhaps
		d.push(nil, nil, d.finish.reason)
		d.close(io.EOF)
	case clean && d.event == "error":
		d.close(d.fail(nil))
	case clean && !d.read && len(d.odd) > 0 && !d.isSSE:
		d.close(protocolError(d.odd))
	case clean && d.mode == modeJSON && !d.read && !short:
		d.close(&Error{Kind: KindProtocol, Err: errors.New("the answer is JSON, but no chat completion")})
	case clean:
		d.close(&Error{Kind: KindTruncated, Err: io.ErrUnexpectedEOF})
	default:
		d.close(&Error{Kind: KindTruncated, Err: fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)})
	}
}

// close ends the sequence: what was held back comes first, then the usage,
// then err.
func (d *decoder) close(err error) {
	if d.ended {
		return
	}
	d.ended, d.end = true, err
	whole := errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF)
	answer, reasoning := d.speech.rest(whole, d.finish.reason == "length")
	d.push(answer, reasoning, "")
	if d.usage != nil {
		d.queue = append(d.queue, Delta{Usage: d.usage})
	}
}

// push queues a delta that says something.
func (d *decoder) push(answer, reasoning []byte, finish string) {
	retract := d.speech.think.retract
	if len(answer) > 0 || len(reasoning) > 0 || finish != "" || retract {
		d.queue = append(d.queue, Delta{Text: string(answer), Reasoning: string(reasoning), Finish: finish, Retract: retract})
		d.speech.think.retract = false
	}
}

// fail makes the error of an error event, line or object.
func (d *decoder) fail(raw []byte) error {
	e := errorFromBody(0, raw)
	if e.Kind == KindUnknown {
		e.Kind = KindServer
	}
	return e
}

func protocolError(raw []byte) error {
	return &Error{Kind: KindProtocol, Text: string(raw[:min(len(raw), 2000)]), Err: errors.New("the answer is no chat completion")}
}

// otherFormat is the error for JSON that is well-formed and means nothing here.
// It says nothing of the text, which may be an answer.
func otherFormat(ollama bool) error {
	if ollama {
		return &Error{Kind: KindProtocol, Err: ErrOllama}
	}
	return &Error{Kind: KindProtocol, Err: errors.New("the answer is JSON, but no chat completion")}
}

// ErrOllama says that the endpoint is one of Ollama's own API.
var ErrOllama = errors.New("the answer is in Ollama's own format")

// errShort says that a JSON text ended too early.
var errShort = errors.New("JSON ends too early")

// payload takes one JSON text, or several in a row, or a list of them (so
// Gemini wraps its errors). Nothing of it counts before all of it is whole.
func (d *decoder) payload(data []byte) error {
	s := scanner{b: data}
	if s.peek() == '{' {
		d.chunk.read(&s)
		if s.peek() == 0 && !s.failed {
			return d.take(data)
		}
	}
	s = scanner{b: data}
	for s.peek() != 0 {
		if s.skip(0); s.failed {
			return d.mistake(&s, data)
		}
	}
	s = scanner{b: data}
	for s.peek() != 0 {
		one := s.value()
		if one[0] != '[' {
			if err := d.object(one); err != nil {
				return err
			}
			continue
		}
		list, first := scanner{b: one}, true
		for list.elem(&first) {
			if err := d.object(list.value()); err != nil {
				return err
			}
		}
	}
	return nil
}

// object takes one well-formed JSON value.
func (d *decoder) object(data []byte) error {
	if data[0] != '{' {
		return protocolError(data)
	}
	d.chunk.read(&scanner{b: data})
	return d.take(data)
}

// take makes deltas of the chunk that was read from data. Errors come first: a
// chunk that says it failed is believed.
func (d *decoder) take(data []byte) error {
	c := &d.chunk
	if c.failed || c.finish == "error" {
		return d.fail(data)
	}
	if !d.read && d.mode == modeJSON && !c.known && !c.counted && !c.empty || c.foreign && !c.listed {
		return otherFormat(c.foreign)
	}
	d.read = d.read || c.known
	d.done = d.done || c.whole && d.mode == modeJSON
	if c.counted {
		if d.usage == nil {
			d.usage = new(Usage)
		}
		*d.usage = c.usage
	}
	content, thoughts := d.speech.of(c)
	if len(thoughts) > 0 && d.speech.think.hold { // a parser on the server takes the reasoning out
		d.push(d.speech.think.release(), nil, "")
	}
	answer, reasoning := d.speech.next(content, thoughts)
	d.push(answer, reasoning, d.finish.weigh(c.finish, len(content) > 0))
	return nil
}

func (d *decoder) mistake(s *scanner, data []byte) error {
	if s.short {
		return errShort
	}
	return protocolError(data)
}
