// Questions that people deleted.

package inbox

import (
	"context"
	"fmt"
	"time"

	"parley/internal/chat"
)

const (
	// withdrawnFor is how long a deletion is remembered: longer than a message may
	// wait for its answer.
	withdrawnFor = time.Hour
	// mostWithdrawn is how many are remembered in one scope, the newest.
	mostWithdrawn = 1000
)

// Withdraw notes that m was deleted on its platform. It needs Key and Scope of m,
// and At where it is known. The context of the message's handler ends with the
// cause chat.ErrWithdrawn: as a rule at once, within a renewal of the lease at
// worst, and again after a takeover. A message that still waits is handed out with
// such a context. From now on Close does nothing for it.
//
// Known is false for a message that was not stored, because it was never to the
// bot or has not arrived yet; then the store is only read. If it arrives within
// minutes after all, it is not stored, or not answered: see early.
func (i *Inbox) Withdraw(ctx context.Context, m chat.Message) (known bool, err error) {
	if err := checkScope(m.Scope); err != nil {
		return false, err
	}
	now, id := time.Now(), digest(m.Key)
	tooSoon := ""
	if m.At.IsZero() || now.Sub(m.At) < earlyFor {
		tooSoon = "early " + earlyName(m.Scope, id)
	}
	keys := append(i.spans(m.Scope, "seen", now, seenSpan), i.ScopeKey(m.Scope, "withdrawn"))
	n, err := i.scripts.withdraw.Run(ctx, i.o.Client, keys, id, now.UnixMilli(), withdrawnFor.Milliseconds(), mostWithdrawn,
		i.channel(), "withdrawn "+m.Scope+" "+id, tooSoon).Int64()
	switch {
	case err != nil:
		return false, fmt.Errorf("take back a message: %w", err)
	case n == 1:
		i.withdraw(m.Scope, id)
	case tooSoon != "":
		i.withdrawEarly(m.Scope, id)
	}
	return n == 1, nil
}

// withdraw ends the turn of a message in this process, if it has the scope.
func (i *Inbox) withdraw(scope, digest string) {
	if t := i.tenure(scope); t != nil {
		t.withdraw(digest)
	}
}

// withdrawEarly is for a message that was not stored when its deletion came, and
// may be by now.
func (i *Inbox) withdrawEarly(scope, digest string) {
	i.early.add(scope, digest, time.Now())
	i.withdraw(scope, digest)
}
