// How many bytes one token stands for, learned from what endpoints report.

package relay

import (
	"context"
	"iter"
	"slices"
	"sync"

	"parley/bots"
	"parley/internal/completion"
)

// calibrate learns from each request, whether it was answered or refused as too
// long.
type calibrate struct {
	next        completer
	calibration *calibration
}

func (c calibrate) complete(ctx context.Context, r round) iter.Seq2[event, error] {
	return func(yield func(event, error) bool) {
		var first firstWord
		var usage *completion.Usage
		for e, err := range c.next.complete(ctx, r) {
			if err != nil {
				// Before others hear of it: they ask again by what was learned.
				c.calibration.learn(r.target.ref(), r.messages, usage)
				if refusal := tooLong(ctx, first, err); refusal != nil {
					c.calibration.correct(r.target.ref(), r.messages, refusal.Size)
				}
				yield(e, err)
				return
			}
			if e.Usage != nil {
				usage = e.Usage
			}
			first.see(e)
			if !yield(e, nil) {
				return
			}
		}
		c.calibration.learn(r.target.ref(), r.messages, usage)
	}
}

// calibration is what was learned, by model: tokenizers differ, and so do
// languages.
type calibration struct {
	mu       sync.Mutex
	perToken map[bots.ModelRef]float64
}

func newCalibration() *calibration {
	return &calibration{perToken: map[bots.ModelRef]float64{}}
}

// Bounds of what is believed: one byte per token (every byte its own) to eight
// (long words of one language), and how much a new reading counts.
const (
	leastPerToken = 1.0
	mostPerToken  = 8.0
	newReading    = 0.3
	enoughTokens  = 64 // fewer say more of the chat template than of the text
)

// learn takes what an endpoint reported for messages.
func (c *calibration) learn(ref bots.ModelRef, messages []completion.Message, u *completion.Usage) {
	if u == nil || !teaches(messages, u.PromptTokens) {
		return
	}
	seen := perToken(messages, u.PromptTokens)
	c.mu.Lock()
	defer c.mu.Unlock()
	if before, ok := c.perToken[ref]; ok {
		seen = before + newReading*(seen-before)
	}
	c.perToken[ref] = seen
}

// correct takes the count with which an endpoint refused messages: it replaces
// what was believed, which was wrong.
func (c *calibration) correct(ref bots.ModelRef, messages []completion.Message, tokens int) {
	if !teaches(messages, tokens) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.perToken[ref] = perToken(messages, tokens)
}

// teaches reports whether a count of tokens says something of the text: what an
// image adds to it differs from model to model.
func teaches(messages []completion.Message, tokens int) bool {
	images := slices.ContainsFunc(messages, func(m completion.Message) bool { return m.Images() > 0 })
	return tokens >= enoughTokens && !images
}

func perToken(messages []completion.Message, tokens int) float64 {
	return min(max(float64(bytesOf(messages))/float64(tokens), leastPerToken), mostPerToken)
}

// of is what was learned, 0 for nothing.
func (c *calibration) of(ref bots.ModelRef) float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.perToken[ref]
}
