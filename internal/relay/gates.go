// What a question passes before a model is asked.

package relay

import "context"

// gate looks at a question before a model is asked for an answer. Nil lets it
// pass; an error says why it is not answered: a *bots.Refusal or a *chat.UserError
// is for the person, any other is tried again. It reads from the plan what the
// gates before it found, and may change it: take models away, or put another
// first.
type gate func(ctx context.Context, p *plan) error

// gates are asked in this order. A rule stands behind what it needs to know, and
// before what costs: for who is refused, neither the conversation nor the platform
// is read. A gate asks about questions only; who may write to a bot at all, commands
// included, is for the adapter's chat.Doorkeeper.
func (r *Relay) gates() []gate {
	return []gate{
		r.findBot,
		r.findAsker,
		mayUse,
		r.findModels,
		mayAskModels,
		r.findTargets,
		r.readConversation,
	}
}
