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

// withdrawWithin is how long it is tried to pass on that messages were deleted.
const withdrawWithin = time.Minute

// deletion is MESSAGE_DELETE and MESSAGE_DELETE_BULK.
type deletion struct {
	ID      string   `json:"id"`
	IDs     []string `json:"ids"`
	Channel string   `json:"channel_id"`
	Guild   string   `json:"guild_id"`
}

// messages are those deleted, as far as they can be questions: the bot's own are
// left out.
func (d deletion) messages(k knowledge) []chat.Message {
	var out []chat.Message
	for _, id := range append(d.IDs, d.ID) {
		if id == "" || k.wrote(id) {
			continue
		}
		at, _ := discordgo.SnowflakeTimestamp(id) // none is as good as unknown
		out = append(out, k.message(id, at, whereabouts(d.Guild, d.Channel, k.place)))
	}
	return out
}

// deleted passes on what was deleted until it is known, or it is too late.
func (a *app) deleted(ctx context.Context, raw json.RawMessage) error {
	var d deletion
	if err := json.Unmarshal(raw, &d); err != nil {
		return err
	}
	if d.Guild != "" {
		// Nothing that strangers say is taken, so nothing is taken back: they
		// could make the bot write, and ask about channels, as fast as they delete.
		if ok, err := a.trust.trusts(ctx, d.Guild); err == nil && !ok {
			return nil
		}
	}
	k := a.knowledge(d.Guild)
	if d.Guild != "" {
		k.place, _ = a.world.channel(ctx, d.Channel)
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
