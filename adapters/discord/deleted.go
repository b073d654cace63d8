// Messages that people delete.

package discord

import (
	"context"
	"encoding/json"
	"time"

	"github.com/bwmarrin/discordgo"

	"parley/adapters/internal/retry"
	"parley/internal/chat"
)

// withdrawWithin is how long to keep trying to pass a deletion on.
const withdrawWithin = time.Minute

// deletion is a MESSAGE_DELETE or MESSAGE_DELETE_BULK.
type deletion struct {
	ID      string   `json:"id"`
	IDs     []string `json:"ids"`
	Channel string   `json:"channel_id"`
	Guild   string   `json:"guild_id"`
}

// messages are the deleted messages that may be questions: those the bot wrote are
// left out.
func (d deletion) messages(k knowledge) []chat.Message {
	var out []chat.Message
	for _, id := range append(d.IDs, d.ID) {
		if id == "" || k.wrote(id) {
			continue
		}
		at, _ := discordgo.SnowflakeTimestamp(id) // the zero time means unknown
		out = append(out, k.message(id, at, whereabouts(d.Guild, d.Channel, k.here)))
	}
	return out
}

// deleted passes a deletion to the desk, trying again until ctx ends.
func (a *app) deleted(ctx context.Context, raw json.RawMessage) error {
	var d deletion
	if err := json.Unmarshal(raw, &d); err != nil {
		return err
	}
	if d.Guild != "" {
		// What is said in servers that are not trusted was never accepted. Handling
		// deletions there would let strangers make the bot write to the store and
		// call Discord as fast as they can delete.
		if ok, err := a.trust.trusts(ctx, d.Guild); err == nil && !ok {
			return nil
		}
	}
	k := a.knowledge(d.Guild)
	if d.Guild != "" {
		k.here, _ = a.cache.channel(ctx, d.Channel)
	}
	for _, m := range d.messages(k) {
		err := retry.Until(ctx, retry.Growing(50*time.Millisecond, 5*time.Second), func() error {
			err := a.ports.Desk.Withdraw(ctx, m)
			if err != nil {
				a.log.WarnContext(ctx, "discord: a deleted message is not noted yet", "message", string(m.ID), "error", err)
			}
			return err
		})
		if err != nil {
			return nil // ctx has ended
		}
	}
	return nil
}
