// The gates of a bot's access section.

package relay

import (
	"context"
	"slices"

	"parley/bots"
)

// mayUse asks whether this person may use the bot.
func mayUse(_ context.Context, p *plan) error { return p.bot.May(p.asker) }

// mayAskModels asks whether this person may use the chosen model, and leaves out
// the fallbacks that they may not.
func mayAskModels(_ context.Context, p *plan) error {
	if err := p.bot.MayModel(p.models[0], p.asker); err != nil {
		return err
	}
	p.models = slices.DeleteFunc(p.models, func(ref bots.ModelRef) bool { return p.bot.MayModel(ref, p.asker) != nil })
	return nil
}
