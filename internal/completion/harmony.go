// The channels of gpt-oss, as servers without a parser for them pass them on:
// <|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>…<|return|>

package completion

import (
	"bytes"
	"slices"
	"strings"
)

// harmonyOpenings are the control marks an answer of channels begins with.
var harmonyOpenings = []string{"<|channel|>", "<|start|>", "<|message|>"}

// harmonyMarks are all control marks; none is ever part of an answer.
var harmonyMarks = append([]string{"<|end|>", "<|return|>", "<|call|>", "<|constrain|>"}, harmonyOpenings...)

func isHarmony(mark string) bool { return slices.Contains(harmonyOpenings, mark) }

// maxHeader is how long a role or a channel with its recipient may be.
const maxHeader = 512

// harmony is where in the channels the reader is.
type harmony struct {
	header   bool   // between a mark and <|message|>: a role or a channel
	body     bool   // behind <|message|>
	thoughts bool   // the body is not the answer
	role     []byte // of the message, empty: the assistant
	channel  []byte
	named    bool // a channel was named
}

// channels consumes what of b is certain; whole is false when what is left may
// be the beginning of a mark.
func (t *thinkSplitter) channels(b []byte, answer, reasoning *[]byte) (rest []byte, whole bool) {
	for len(b) > 0 {
		at := bytes.IndexByte(b, '<')
		if at < 0 {
			at = len(b)
		}
		t.channelText(b[:at], answer, reasoning)
		b = b[at:]
		mark, whole := harmonyMark(b)
		switch {
		case mark == "" && len(b) > 0:
			t.channelText(b[:1], answer, reasoning)
			b = b[1:]
		case mark != "" && !whole:
			return b, false
		default:
			t.harmony.control(mark)
			if t.harmony.body {
				t.trim = !t.begun
			}
			b = b[len(mark):]
		}
	}
	return nil, true
}

// harmonyMark is the control mark that b begins with, or may go on to be.
func harmonyMark(b []byte) (mark string, whole bool) {
	for _, m := range harmonyMarks {
		n := min(len(m), len(b))
		if n > 0 && foldPrefix(b, m[:n]) {
			return m, n == len(m)
		}
	}
	return "", false
}

// control takes one mark.
func (h *harmony) control(mark string) {
	switch mark {
	case "<|start|>":
		*h = harmony{header: true, role: h.role[:0], channel: h.channel[:0]}
	case "<|channel|>":
		h.header, h.body, h.named, h.channel = true, false, true, h.channel[:0]
	case "<|message|>":
		channel, _, _ := strings.Cut(strings.TrimSpace(string(h.channel)), " ")
		role := strings.TrimSpace(string(h.role))
		h.thoughts = h.named && !strings.EqualFold(channel, "final") || !h.named && role != "" && !strings.EqualFold(role, "assistant")
		h.header, h.body = false, true
	case "<|end|>", "<|return|>", "<|call|>":
		*h = harmony{role: h.role[:0], channel: h.channel[:0]}
	}
}

// channelText takes text that is no mark.
func (t *thinkSplitter) channelText(b []byte, answer, reasoning *[]byte) {
	h := t.harmony
	switch {
	case len(b) == 0:
	case h.header && h.named && len(h.channel) < maxHeader:
		h.channel = append(h.channel, b...)
	case h.header && len(h.role) < maxHeader:
		h.role = append(h.role, b...)
	case h.header:
	case h.body && h.thoughts:
		*reasoning = append(*reasoning, b...)
	case h.body || len(bytes.TrimSpace(b)) > 0:
		*answer = t.emit(*answer, b)
	}
}

// lastOfChannels is what was held at the end: a mark that never became whole
// is none of the answer, a lone "<" is.
func (t *thinkSplitter) lastOfChannels() (answer, reasoning []byte) {
	if string(t.held) == "<" {
		t.channelText(t.held, &answer, &reasoning)
	}
	return answer, reasoning
}
