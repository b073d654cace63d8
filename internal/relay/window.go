// How much of a conversation a model takes.

package relay

import (
	"context"

	"parley/internal/completion"
	"parley/internal/conversation"
	"parley/internal/provider"
)

// windows knows the context window of every target.
type windows struct {
	learned     func(provider, model string) provider.Quirks
	listed      func(ctx context.Context, p provider.Provider, model string) int
	calibration *calibration
}

// of is the window of a round's target: the record's, or a smaller one that the
// endpoint named in a refusal, or what it lists.
func (w windows) of(ctx context.Context, r round) conversation.Window {
	t := r.target
	limit := t.maxInput()
	if learned := w.learned(t.provider.ID, t.model).MaxInput; learned > 0 && (limit == 0 || learned < limit) {
		limit = learned
	}
	if limit == 0 && len(r.history) > 0 {
		limit = w.listed(ctx, t.provider, t.model)
	}
	window := conversation.Window{MaxInput: limit, PerToken: w.calibration.of(t.ref()), Reserve: limit / 4}
	if r.bot.Params.MaxTokens != nil {
		window.Reserve = *r.bot.Params.MaxTokens
	}
	return window
}

// fitting is what a target is sent: as much of the history as the window takes.
func (r round) fitting(w conversation.Window) []completion.Message {
	return w.Messages(r.bot.System, r.history, r.question)
}

// bytesOf is the size of the text in messages.
func bytesOf(messages []completion.Message) (n int) {
	for _, m := range messages {
		n += len(m.Text())
	}
	return n
}
