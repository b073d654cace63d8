// Finish reasons: servers have many words for them, and some come too early.

package completion

import (
	"slices"
	"strings"
)

// noFinish are servers' words for an answer that continues.
var noFinish = []string{"", "null", "none", "nil", "undefined", "unknown", "false", "in_progress", "in-progress", "inprogress", "incomplete", "not_finished", "running", "generating", "streaming", "processing", "pending", "continue", "unspecified", "finish_reason_unspecified"}

// finishReason is a finish reason in OpenAI's words; "" if the answer
// continues.
func finishReason(raw []byte) string {
	switch string(raw) { // without a copy: some servers send it in every chunk
	case "", "null":
		return ""
	case "stop":
		return "stop"
	}
	word := strings.ToLower(strings.TrimSpace(string(raw)))
	switch word {
	case "stop", "stop_sequence", "stop_token", "eos", "eos_token", "end", "end_turn", "complete", "completed", "finished":
		return "stop"
	case "length", "max_tokens", "max_length", "max_output_tokens", "model_length", "token_limit", "model_context_window_exceeded":
		return "length"
	case "content_filter", "content-filter", "safety", "recitation", "blocklist", "prohibited_content", "spii", "refusal", "sensitive":
		return "content_filter"
	case "tool_calls", "tool_call", "tool_use", "function_call":
		return "tool_calls"
	case "error":
		return "error"
	}
	if slices.Contains(noFinish, word) {
		return ""
	}
	return word
}

// certain reports whether a reason is certainly an end. Other words count as
// one only at the end of the body.
func certain(finish string) bool {
	switch finish {
	case "stop", "length", "content_filter", "tool_calls", "error":
		return true
	}
	return false
}

// ending evaluates the finish reasons of an answer.
type ending struct {
	reason  string // of the answer, as far as known; empty: it continues
	late    bool   // text came after a reason
	doubted bool   // and after the latest one
	settled bool   // the reason can be believed
	perhaps string // one that is not certainly an end
	passed  string // such a one that text followed

	told func() // of a reason, and of text after it; may be nil
}

// weigh takes a chunk's reason, and whether it has text, and returns the
// reason if it is new. Text after a finish reason is still part of the answer,
// and makes the reason doubtful.
func (e *ending) weigh(reason string, text bool) (news string) {
	if text && e.reason != "" {
		e.late, e.doubted, e.settled = true, true, false
	}
	if text && e.perhaps != "" {
		e.passed, e.perhaps = e.perhaps, ""
	}
	switch {
	case certain(reason) && (e.reason == "" || e.doubted):
		if reason != e.reason {
			news = reason
		}
		e.reason, e.doubted, e.settled = reason, false, !e.late || !text
	case certain(reason):
	case reason != e.passed:
		e.perhaps = reason
	}
	if e.reason != "" && (text || reason != "") && e.told != nil {
		e.told()
	}
	return news
}
