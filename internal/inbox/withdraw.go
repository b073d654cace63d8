// Questions that were taken back: the person deleted the message.

package inbox

import (
	"context"
	"fmt"
	"time"
)

const (
	// withdrawnFor is how long it is known that a message was taken back: longer
	// than it may wait for its answer.
	withdrawnFor = time.Hour
	// mostWithdrawn bounds what is known at a time in one scope, newest first.
	mostWithdrawn = 1000
)

// Withdraw notes that the message with this Key was deleted on its platform. Its
// handler's context ends with the cause chat.ErrWithdrawn, at once as a rule,
// within a renewal of the lease at worst, and again after a takeover; one that
// still waits is handed out with such a context. Close does nothing for it from
// now on. A message that has not arrived yet is not stored any more when it
// does. Known is false for such a message, and for one that was never to the bot.
func (i *Inbox) Withdraw(ctx context.Context, scope, key string) (known bool, err error) {
	if err := checkScope(scope); err != nil {
		return false, err
	}
	now, id := time.Now(), digest(key)
	keys := append(i.spans(scope, "seen", now, seenSpan), i.ScopeKey(scope, "withdrawn"))
	n, err := i.scripts.withdraw.Run(ctx, i.o.Client, keys, id, seenTTL.Milliseconds(), now.UnixMilli(),
		withdrawnFor.Milliseconds(), mostWithdrawn, i.channel(), "withdrawn "+scope+" "+id).Int64()
	if err != nil {
		return false, fmt.Errorf("take back a message: %w", err)
	}
	if t := i.tenure(scope); t != nil && n == 1 {
		t.withdraw(id)
	}
	return n == 1, nil
}
