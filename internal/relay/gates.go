// What a question passes before a model is asked.

package relay

import "context"

// gate checks a question before a model is asked. Nil lets it pass. An error says
// why it is not answered: a *bots.Refusal or a *chat.UserError is for the person,
// after any other the turn is tried again. A gate reads from the plan what the gates
// before it found, and may change it: remove models, or put another one first.
type gate func(ctx context.Context, p *plan) error

// gates are asked in this order. A rule comes after the gates that find what it
// reads, and before those that cost something: nobody who is refused has the
// conversation read. Gates are about questions. Whether a person may write to the
// bot at all, commands included, is asked before, of the adapter's chat.Doorkeeper.
func (r *Relay) gates() []gate {
	return []gate{
		r.findBot,
		r.findAsker,
		mayUse,
		findModels,
		mayAskModels,
		r.findTargets,
		r.readConversation,
	}
}
