// How much of a conversation a model takes, learned from what it reports.

package relay

import (
	"context"
	"sync"

	"parley/bots"
	"parley/internal/conversation"
	"parley/internal/provider"
)

// calibration learns how many bytes one token stands for, by model: tokenizers
// differ, and so do languages.
type calibration struct {
	mu       sync.Mutex
	perToken map[bots.ModelRef]float64
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
func (c *calibration) learn(ref bots.ModelRef, messages []provider.Message, u *provider.Usage) {
	if u == nil || u.PromptTokens < enoughTokens {
		return
	}
	size := 0
	for _, m := range messages {
		size += len(m.Content)
	}
	seen := min(max(float64(size)/float64(u.PromptTokens), leastPerToken), mostPerToken)
	c.mu.Lock()
	defer c.mu.Unlock()
	if before, ok := c.perToken[ref]; ok {
		seen = before + newReading*(seen-before)
	}
	c.perToken[ref] = seen
}

// of is what was learned, 0 for nothing.
func (c *calibration) of(ref bots.ModelRef) float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.perToken[ref]
}

// refit is the part of a prompt that is sent when the endpoint said that the
// whole is too long and not by how much.
const refit = 0.6

// messages is what a target is sent: as much of the history as its window
// takes. Shrunk fits it to refit of what was sent before, after the endpoint
// refused that as too long.
func (r *Relay) messages(ctx context.Context, p plan, t target, shrunk bool) []provider.Message {
	limit := t.maxInput()
	if limit == 0 && len(p.history) > 0 {
		limit = r.catalog.maxInput(ctx, t.provider, t.model)
	}
	w := conversation.Window{MaxInput: limit, PerToken: r.calibration.of(t.ref())}
	if p.bot.Params.MaxTokens != nil {
		w.Reserve = *p.bot.Params.MaxTokens
	} else {
		w.Reserve = w.MaxInput / 4
	}
	messages := w.Messages(p.bot.System, p.history, p.question)
	if !shrunk {
		return messages
	}
	total := 0
	for _, m := range messages {
		total += w.Tokens(m.Content)
	}
	w.MaxInput, w.Reserve = int(float64(total)*refit), 0
	return w.Messages(p.bot.System, p.history, p.question)
}
