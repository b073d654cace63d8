// What is asked of a model, and what comes back.

package completion

import (
	"time"

	"parley/bots"
)

// Request is one chat completion to ask for.
type Request struct {
	Model    string
	Messages []Message
	Params   bots.Params

	// Retry says how hard to try before the first delta.
	Retry Retry
	// For names who asks, so that a queue is fair between people; it is never
	// sent.
	For string
	// Queued, when set, is told the place in the queue of a provider with
	// MaxConcurrent: first after two seconds of waiting, then at every change; 1
	// is next. It is called by the goroutine that ranges over the stream.
	Queued func(place int)
}

// Retry bounds the attempts before the first delta. The zero value is for a
// provider nothing stands behind: four more attempts, at most 20 s before each.
type Retry struct {
	Max  int           // attempts after the first; negative: none; 0: 4
	Wait time.Duration // the longest wait before one, whatever Retry-After says; 0: 20 s
	// Until is when the last attempt may begin; zero: no limit.
	Until time.Time
}

// over reports whether no attempt may begin wait from now.
func (r Retry) over(wait time.Duration) bool {
	return !r.Until.IsZero() && time.Now().Add(wait).After(r.Until)
}

// BeforeFallback is the Retry while a fallback is left: once, within 2 s.
func BeforeFallback() Retry { return Retry{Max: 1, Wait: 2 * time.Second} }

// Delta is what one event of the stream brought. Any field may be empty.
type Delta struct {
	Text      string
	Reasoning string // kept apart: never part of the answer
	Finish    string // "stop", "length", "content_filter", …; where several come, the last counts
	Usage     *Usage
	// Retract says that all Text before this delta was reasoning and no part of
	// the answer, which begins with this delta's Text.
	Retract bool
}

// Usage is the endpoint's own count of tokens.
type Usage struct {
	PromptTokens     int `json:"promptTokens"`
	CompletionTokens int `json:"completionTokens"`
	CachedTokens     int `json:"cachedTokens,omitempty"`
}
