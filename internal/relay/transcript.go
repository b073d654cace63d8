// The sink of the transcript.

package relay

import (
	"context"
	"log/slog"

	"parley/internal/conversation"
	"parley/internal/inbox"
)

// keepExchange adds the question and what was written of its answer to the
// conversation.
func (r *Relay) keepExchange(ctx context.Context, e ended, log *slog.Logger) []inbox.Write {
	if e.text == "" {
		return nil
	}
	exchange := conversation.Asked(e.question)
	exchange.Answer, exchange.Posted, exchange.Heard = e.text, e.posted, e.heard
	exchange.Bot, exchange.Owner = e.bot.ID, e.question.Place.Owner
	writes, err := r.book.Add(e.transcript, exchange)
	if err != nil {
		log.ErrorContext(ctx, "the exchange could not be kept", "error", err)
		return nil
	}
	return writes
}
