// A word to the person while their question waits in a provider's queue.

package relay

import (
	"context"
	"fmt"
	"log/slog"

	"parley/internal/chat"
	"parley/internal/inbox"
)

// notice tells the place in the queue once: to the person alone where the
// platform can, else as a message that is taken back when the answer begins.
type notice struct {
	turn *inbox.Turn
	pen  chat.Responder
	log  *slog.Logger
	told bool
	id   chat.MessageID
}

// queued is called after two seconds of waiting, and at every change; the first
// call tells. An error costs nothing but the notice.
func (n *notice) queued(ctx context.Context, t target, place int) {
	if n.told {
		return
	}
	n.told = true
	guarded, cancel, err := n.turn.Guard(ctx)
	if err != nil {
		return
	}
	defer cancel()
	text := fmt.Sprintf("%s is busy: your question is number %d in its queue.", t.provider.ID, place)
	receipt, err := n.pen.Post(guarded, chat.Content{Markdown: text, Key: n.turn.ID + "-q", Only: n.turn.Message.Author.ID, Final: true})
	if err != nil {
		n.log.WarnContext(ctx, "the place in the queue could not be told", "error", err)
		return
	}
	n.id = receipt.ID
}

// withdraw takes the notice back where others can see it, at the latest when
// the turn ends.
func (n *notice) withdraw(ctx context.Context) {
	remover, ok := n.pen.(chat.Remover)
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
