// Who uses which: the provider and model of a thread, channel or direct
// message, and the bot that answers there.

package registry

import (
	"context"
	"encoding/json"
	"fmt"

	"parley/internal/chat"
)

// Choice is a provider's model.
type Choice struct {
	Provider string `json:"provider"`
	Model    string `json:"model"`
}

// places are the fields under which a binding of p may lie, the nearest first.
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
	text, ok, err := r.nearest(ctx, r.keys.bindings+bot, p)
	if !ok || err != nil {
		return Choice{}, false, err
	}
	var c Choice
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return Choice{}, false, fmt.Errorf("registry: stored choice at %s: %w", p.Conversation(), err)
	}
	return c, c != Choice{}, nil // a thread that was reset keeps out of its channel's choice
}

// Choose binds the thread of p, else its channel or direct message, to c. Nil
// goes back to the bot's default, in a thread also when its channel has a
// choice.
func (r *Registry) Choose(ctx context.Context, bot string, p chat.Place, c *Choice) error {
	if c == nil && p.InThread() {
		c = &Choice{}
	}
	if c == nil {
		return r.bind(ctx, r.keys.bindings+bot, p, "")
	}
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return r.bind(ctx, r.keys.bindings+bot, p, string(text))
}

// BotFor is the bot that p was given to, among those of the app led by lead.
func (r *Registry) BotFor(ctx context.Context, lead string, p chat.Place) (string, bool, error) {
	return r.nearest(ctx, r.keys.bots+lead, p)
}

// GiveTo gives the thread of p, else its channel or direct message, to bot; an
// empty bot takes the gift back.
func (r *Registry) GiveTo(ctx context.Context, lead string, p chat.Place, bot string) error {
	if bot == lead && !p.InThread() {
		bot = ""
	}
	return r.bind(ctx, r.keys.bots+lead, p, bot)
}

func (r *Registry) nearest(ctx context.Context, key string, p chat.Place) (string, bool, error) {
	values, err := r.client.HMGet(ctx, key, places(p)...).Result()
	if err != nil {
		return "", false, fmt.Errorf("registry: %w", err)
	}
	for _, v := range values {
		if text, ok := v.(string); ok {
			return text, true, nil
		}
	}
	return "", false, nil
}

func (r *Registry) bind(ctx context.Context, key string, p chat.Place, value string) error {
	var err error
	if value == "" {
		err = r.client.HDel(ctx, key, p.Conversation()).Err()
	} else {
		err = r.client.HSet(ctx, key, p.Conversation(), value).Err()
	}
	if err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	return nil
}
