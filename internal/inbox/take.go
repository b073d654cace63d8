// Taking an entry of the stream: opening it, and deciding who answers it.

package inbox

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/secret"
)

// take opens an entry and puts its message in its lane.
func (n *tenure) take(ctx context.Context, entry redis.XMessage) {
	field := func(name string) string {
		s, _ := entry.Values[name].(string)
		return s
	}
	it := &item{entry: entry.ID, turn: field("t"), ref: field("r")}
	if open, known := n.knows(it); known {
		if !open {
			n.discard(ctx, it)
		}
		return
	}
	plain, _, err := n.in.o.Ring.Open([]byte(field("m")), n.in.eventPlace(n.scope, it.turn))
	if err == nil {
		err = json.Unmarshal(plain, &it.message)
	}
	if errors.Is(err, secret.ErrUnknownKey) {
		n.leaveLocked(ctx, it, err)
		return
	}
	if err != nil {
		n.setAside(ctx, it, entry, err)
		return
	}
	if !n.accept(ctx, it) {
		n.discard(ctx, it)
	}
}

// accept puts an item in its lane, or leaves it to others. False means that
// this process has taken the same message before: the store has forgotten that
// it had seen it.
func (n *tenure) accept(ctx context.Context, it *item) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.known.take(it.message.Key, it, time.Now()) {
		return false
	}
	it.past = n.pasts[it.turn]
	delete(n.pasts, it.turn)
	if !n.r.serves(it.message) {
		n.log.DebugContext(ctx, "this process cannot answer a message; it waits for one that can", "ref", it.ref, "bot", it.message.Bot)
		n.leaveToOthers(it.message.At, 0)
		return true
	}
	n.foreign.own++
	n.enqueue(it)
	return true
}

// leaveLocked leaves a message that was sealed with a key this process lacks to
// those that have it. The scope is offered to them soon, and again as the
// message grows older.
func (n *tenure) leaveLocked(ctx context.Context, it *item, err error) {
	if n.in.logLocked(it.turn) {
		n.log.ErrorContext(ctx, "a stored message was sealed with a key this process lacks; it waits for one that has it. Give every replica the same MASTER_KEYS, and a new key to all before it becomes the first", "ref", it.ref, "entry", it.entry, "error", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.known.take("", it, time.Now())
	stored := time.UnixMilli(entryNumber(it.entry))
	n.leaveToOthers(stored, max(offerLocked, time.Since(stored)))
}

// setAside moves an entry that cannot be read out of the way.
func (n *tenure) setAside(ctx context.Context, it *item, entry redis.XMessage, reason error) {
	n.log.ErrorContext(ctx, "a stored message cannot be read; it is set aside", "ref", it.ref, "entry", entry.ID, "list", n.key("dead"), "error", reason)
	report, err := json.Marshal(map[string]any{"entry": entry.ID, "fields": encodeFields(entry.Values), "error": reason.Error(), "at": time.Now()})
	if err != nil {
		n.log.ErrorContext(ctx, "an unreadable message cannot be set aside", "entry", entry.ID, "error", err)
		return
	}
	_ = n.retry(ctx, "setting a message aside", func(ctx context.Context) error {
		kept, err := n.in.scripts.setAside.Run(ctx, n.in.o.Client,
			[]string{n.key("owner"), n.key("events"), n.key("turns"), n.key("dead")}, n.token, entry.ID, it.turn, report).Int64()
		if err == nil && kept < 0 {
			n.lose()
		}
		return err
	})
}

// encodeFields keeps sealed bytes whole in JSON.
func encodeFields(values map[string]any) map[string][]byte {
	fields := map[string][]byte{}
	for k, v := range values {
		s, _ := v.(string)
		fields[k] = []byte(s)
	}
	return fields
}
