// What was said in a thread beside the questions to the bot: before it came, and
// since its last answer.

package relay

import (
	"context"
	"slices"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

const (
	// historyWanted is how many messages are asked of the platform.
	historyWanted = 30
	// historySize is how many bytes of them go along: the newest that fit.
	historySize = 64 << 10
	// historyTime bounds the asking: the answer matters more.
	historyTime = 3 * time.Second
)

// heard asks the platform for what m's thread holds that the transcript does
// not: everything before the first question, later what came after the last
// one. It is welcome, not needed: what a call that fails half-way has read goes
// along. After a reset the thread is not read again from its beginning.
func (r *Relay) heard(ctx context.Context, m chat.Message, t conversation.Transcript) []conversation.Exchange {
	after := t.Last()
	if !m.Place.InThread() || after == "" && t.Forgotten || m.Place.Thread == string(m.ID) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, historyTime)
	defer cancel()
	messages, err := r.adapters[m.Place.Platform].History(ctx, m, after, historyWanted)
	if err != nil {
		r.log.WarnContext(ctx, "the platform did not give all of the thread's earlier messages", "platform", m.Place.Platform, "given", len(messages), "error", err)
	}
	return conversation.FromHistory(worthReading(messages, t))
}

// worthReading leaves out commands, what the transcript holds, and, once there is
// one, what the bot wrote: its answers are in there, and the rest is none. Of
// what remains the newest stay that fit.
func worthReading(messages []chat.Message, t conversation.Transcript) []chat.Message {
	left := historySize
	var out []chat.Message
	for _, m := range slices.Backward(messages) {
		m.Trigger = chat.Thread // a misspelt command is none here
		_, _, command := m.Command()
		size := len(chat.AsText(m.Said()))
		if command || size == 0 || t.Holds(m.ID) || m.FromBot && len(t.Exchanges) > 0 {
			continue
		}
		if left -= size; left < 0 {
			break
		}
		out = append(out, m)
	}
	slices.Reverse(out)
	return out
}
