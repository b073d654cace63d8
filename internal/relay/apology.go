// The one sentence that a person reads when the platform took the answer in no
// form.

package relay

import (
	"context"
	"log/slog"

	"parley/internal/chat"
	"parley/internal/inbox"
)

// apologise says that the answer could not be shown, with the reference of the
// log: where the platform refused its content, not where it lets nobody write.
func (r *Relay) apologise(ctx context.Context, t *inbox.Turn, pen chat.Responder, cause error, log *slog.Logger) {
	if !chat.Refused(cause, chat.Invalid, chat.TooLong, chat.EditClosed) {
		return
	}
	err := guarded(ctx, t, func(ctx context.Context) error {
		_, err := pen.Post(ctx, chat.Content{Markdown: chat.Sorry(t.Ref), Key: t.ID + "-e", Final: true})
		return err
	})
	if err != nil {
		log.ErrorContext(ctx, "that could not be said either", "error", err)
	}
}
