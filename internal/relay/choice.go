// Which bot answers in a place, and which model it uses there.

package relay

import (
	"context"
	"fmt"
	"slices"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/registry"
)

// bot finds who answers m: the bot the place was given to, else the lead.
func (r *Relay) bot(ctx context.Context, lead string, p chat.Place) (bots.Bot, error) {
	given, _, err := r.registry.BotFor(ctx, lead, p)
	if err != nil {
		return bots.Bot{}, fmt.Errorf("who answers here: %w", err)
	}
	return r.givenOrLead(given, lead, p)
}

// givenOrLead is the bot that p was given to, if the lead's app still has it,
// else the lead.
func (r *Relay) givenOrLead(given, lead string, p chat.Place) (bots.Bot, error) {
	if given != "" && slices.Contains(r.family(p, lead), given) {
		return r.bots[given], nil
	}
	b, ok := r.bots[lead]
	if !ok {
		return bots.Bot{}, chat.Tell("The bot %s is no longer set up here; ask your parley administrator.", lead)
	}
	return b, nil
}

// choice is which provider and model a place uses: thread over channel over
// the bot's default.
func (r *Relay) choice(ctx context.Context, b bots.Bot, p chat.Place) (bots.ModelRef, error) {
	c, ok, err := r.registry.Choice(ctx, b.ID, p)
	if err != nil {
		return bots.ModelRef{}, fmt.Errorf("which model is used here: %w", err)
	}
	return r.chosenOrDefault(c, ok, b), nil
}

// chosenOrDefault is what was chosen, if anything was, else the bot's default.
func (r *Relay) chosenOrDefault(c registry.Choice, chosen bool, b bots.Bot) bots.ModelRef {
	if chosen {
		return bots.ModelRef{Provider: c.Provider, Model: c.Model}
	}
	return r.fallbackChoice(b)
}

// Using is the provider and model a bot uses at a place now.
func (r *Relay) Using(ctx context.Context, bot string, p chat.Place) (bots.ModelRef, error) {
	b, ok := r.bots[bot]
	if !ok {
		return bots.ModelRef{}, nil
	}
	return r.choice(ctx, b, p)
}

// fallbackChoice is the bot's default: the operator's, else the file's.
func (r *Relay) fallbackChoice(b bots.Bot) bots.ModelRef {
	if c, ok := r.registry.Default(b.ID); ok {
		return bots.ModelRef{Provider: c.Provider, Model: c.Model}
	}
	return bots.ModelRef{Provider: b.Provider, Model: b.Model}
}
