// A word to the person while their question waits in a provider's queue.

package relay

import (
	"context"
	"log/slog"

	"parley/internal/chat"
	"parley/internal/inbox"
)

// queueNotice says a question's number in the queue once: to the person alone where
// the platform can do that, else as a message that is removed when the answer
// begins.
type queueNotice struct {
	turn      *inbox.Turn
	responder chat.Responder
	speaker   chat.Speaker
	log       *slog.Logger
	said      bool
	id        chat.MessageID // of the message, while it is there
}

// tell hears the number after two seconds of waiting, and at every change; only the
// first is said. An error costs nothing but the notice.
func (n *queueNotice) tell(ctx context.Context, t target, number int) {
	if n.said {
		return
	}
	n.said = true
	guarded, cancel, err := n.turn.Guard(ctx)
	if err != nil {
		return
	}
	defer cancel()
	text := n.speaker.Say(chat.Say("%s is busy: your question is number %d in its queue.", t.provider.ID, number))
	receipt, err := n.responder.Post(guarded, chat.Content{Markdown: text, Key: n.turn.ID + "-q", Only: n.turn.Message.Author.ID, Final: true})
	if err != nil {
		n.log.WarnContext(ctx, "the place in the queue could not be told", "error", err)
		return
	}
	n.id = receipt.ID
}

// remove takes the notice away, if it is there and the platform can do that. It is
// called when the answer begins, and again when the turn ends.
func (n *queueNotice) remove(ctx context.Context) {
	remover, ok := n.responder.(chat.Remover)
	if !ok || n.id == "" {
		return
	}
	guarded, cancel, err := n.turn.Guard(ctx)
	if err != nil {
		return
	}
	defer cancel()
	if _, err := remover.Remove(guarded, n.id); err != nil && !chat.Refused(err) {
		n.log.WarnContext(ctx, "the notice of the queue stays", "error", err)
	}
	n.id = ""
}
