// How much of a conversation a model takes, learned from what it reports.

package relay

import (
	"context"
	"sync"

	"parley/bots"
	"parley/internal/completion"
	"parley/internal/conversation"
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
func (c *calibration) learn(ref bots.ModelRef, messages []completion.Message, u *completion.Usage) {
	if u == nil || u.PromptTokens < enoughTokens {
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

// told takes the count with which an endpoint refused messages: it replaces what
// was believed, which was wrong.
func (c *calibration) told(ref bots.ModelRef, messages []completion.Message, tokens int) {
	if tokens < enoughTokens {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.perToken[ref] = perToken(messages, tokens)
}

func perToken(messages []completion.Message, tokens int) float64 {
	return min(max(float64(bytesOf(messages))/float64(tokens), leastPerToken), mostPerToken)
}

func bytesOf(messages []completion.Message) (n int) {
	for _, m := range messages {
		n += len(m.Content)
	}
	return n
}

// of is what was learned, 0 for nothing.
func (c *calibration) of(ref bots.ModelRef) float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.perToken[ref]
}

// messages is what a target is sent: as much of the history as its window
// takes.
func (r *Relay) messages(ctx context.Context, p plan, t target) []completion.Message {
	return r.window(ctx, p, t).Messages(p.bot.System, p.history, p.question)
}

// window is the context window of a target: the record's, or a smaller one that
// the endpoint named in a refusal, or what it lists.
func (r *Relay) window(ctx context.Context, p plan, t target) conversation.Window {
	limit := t.maxInput()
	if told := r.registry.Learned(t.provider.ID, t.model).MaxInput; told > 0 && (limit == 0 || told < limit) {
		limit = told
	}
	if limit == 0 && len(p.history) > 0 {
		limit = r.catalog.maxInput(ctx, t.provider, t.model)
	}
	w := conversation.Window{MaxInput: limit, PerToken: r.calibration.of(t.ref())}
	if p.bot.Params.MaxTokens != nil {
		w.Reserve = *p.bot.Params.MaxTokens
	} else {
		w.Reserve = w.MaxInput / 4
	}
	return w
}

// less is what a target is sent after it refused sent as too long: what fits by
// the numbers in its error, else half, and half again, down to the question
// alone; ok is false when there is no less. Numbers are believed on the first
// tries only.
func (r *Relay) less(ctx context.Context, p plan, t target, sent []completion.Message, refusal *completion.Error, tries int) (messages []completion.Message, ok bool) {
	if refusal.Size > 0 {
		r.calibration.told(t.ref(), sent, refusal.Size)
	}
	w := r.window(ctx, p, t)
	if refusal.Limit > 0 && tries <= believed {
		w.MaxInput = refusal.Limit
		if messages = w.Messages(p.bot.System, p.history, p.question); bytesOf(messages) < bytesOf(sent) {
			return messages, true
		}
	}
	budget := 0
	for _, m := range sent {
		budget += w.Tokens(m.Content)
	}
	for w.Reserve = 0; budget > 1; {
		budget /= 2
		w.MaxInput = budget
		if messages = w.Messages(p.bot.System, p.history, p.question); bytesOf(messages) < bytesOf(sent) {
			return messages, true
		}
	}
	return nil, false
}

// believed is how often the numbers in a refusal decide what is sent next.
const believed = 2
