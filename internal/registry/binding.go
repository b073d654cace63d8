// Who uses which: the provider and model of a thread, channel or direct
// message, and the bot that answers there.

package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
)

// Choice is a provider's model.
type Choice struct {
	Provider string `json:"provider"`
	Model    string `json:"model"`
}

// places are the fields that may hold a binding of p, the most specific first.
func places(p chat.Place) []string {
	if !p.InThread() {
		return []string{p.Conversation()}
	}
	channel := p
	channel.Thread = ""
	return []string{p.Conversation(), channel.Conversation()}
}

// Choice is what was chosen for the bot at p: in its thread, else in its
// channel. False means that the bot's default holds. One round trip.
func (r *Registry) Choice(ctx context.Context, bot string, p chat.Place) (Choice, bool, error) {
	text, _, err := r.nearest(ctx, r.keys.bindings+bot, p)
	if err != nil {
		return Choice{}, false, err
	}
	return decodeChoice(text, p)
}

// decodeChoice reads a stored choice, "" for none.
func decodeChoice(text string, p chat.Place) (c Choice, ok bool, err error) {
	if text == "" {
		return Choice{}, false, nil
	}
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return Choice{}, false, fmt.Errorf("registry: stored choice at %s: %w", p.Conversation(), err)
	}
	return c, c != Choice{}, nil // an empty choice: the thread was reset, and ignores its channel's choice
}

// Bound is what was chosen for a place.
type Bound struct {
	Bot    string // the bot it was given to, as BotFor says; empty for none
	Choice Choice // what was chosen there for the lead, as Choice says
	Chosen bool   // false: the lead's default holds
}

// At is what was chosen for p among the bots of the app led by lead. One round
// trip, where BotFor and Choice are two.
func (r *Registry) At(ctx context.Context, lead string, p chat.Place) (b Bound, err error) {
	pipe := r.client.Pipeline()
	given := pipe.HMGet(ctx, r.keys.bots+lead, places(p)...)
	chosen := pipe.HMGet(ctx, r.keys.bindings+lead, places(p)...)
	if _, err := pipe.Exec(ctx); err != nil {
		return Bound{}, fmt.Errorf("registry: %w", err)
	}
	b.Bot, _ = first(given.Val())
	text, _ := first(chosen.Val())
	b.Choice, b.Chosen, err = decodeChoice(text, p)
	return b, err
}

// Choose sets the choice of p's thread, else of its channel or direct message. Nil
// goes back to the bot's default, even in a thread of a channel with a choice.
func (r *Registry) Choose(ctx context.Context, by chat.Actor, bot string, p chat.Place, c *Choice) error {
	if c == nil && p.InThread() {
		c = &Choice{}
	}
	var next Choice
	value := ""
	if c != nil {
		text, err := json.Marshal(c)
		if err != nil {
			return err
		}
		next, value = *c, string(text)
	}
	return r.bind(ctx, by, r.keys.bindings+bot, p, value, func(old string) chat.Change {
		var before Choice
		_ = json.Unmarshal([]byte(old), &before) // an unreadable choice counts as none
		return before.change("model.choose", p.Target(), next)
	})
}

// BotFor is the bot that p was given to, among those of the app led by lead.
func (r *Registry) BotFor(ctx context.Context, lead string, p chat.Place) (string, bool, error) {
	return r.nearest(ctx, r.keys.bots+lead, p)
}

// GiveTo lets bot answer in p's thread, else in its channel or direct message. An
// empty bot restores the lead.
func (r *Registry) GiveTo(ctx context.Context, by chat.Actor, lead string, p chat.Place, bot string) error {
	if bot == lead && !p.InThread() {
		bot = ""
	}
	return r.bind(ctx, by, r.keys.bots+lead, p, bot, func(string) chat.Change {
		return chat.Change{Action: "settings.put", Target: p.Target(), Fields: []string{"bot"}, Values: map[string]string{"bot": cmp.Or(bot, lead)}}
	})
}

func (r *Registry) nearest(ctx context.Context, key string, p chat.Place) (string, bool, error) {
	values, err := r.client.HMGet(ctx, key, places(p)...).Result()
	if err != nil {
		return "", false, fmt.Errorf("registry: %w", err)
	}
	text, ok := first(values)
	return text, ok, nil
}

// first is the first value that there is.
func first(values []any) (string, bool) {
	for _, v := range values {
		if text, ok := v.(string); ok {
			return text, true
		}
	}
	return "", false
}

// bindLua sets a field, or removes it if the value is empty. It returns 0 if nothing
// changed.
const bindLua = `
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') == ARGV[2] then return 0 end
if ARGV[2] == '' then redis.call('HDEL', KEYS[1], ARGV[1])
else redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
return 1`

// bind writes the binding of p to the hash at key. Note returns the audit entry for
// replacing the old value.
func (r *Registry) bind(ctx context.Context, by chat.Actor, key string, p chat.Place, value string, note func(old string) chat.Change) error {
	field := p.Conversation()
	old, err := r.client.HGet(ctx, key, field).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("registry: %w", err)
	}
	change := note(old)
	change.By = by
	if _, err := r.trail.Run(ctx, r.bindScript, []string{key}, []any{field, value}, change); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	return nil
}
