// What is found out before a model is asked: the bot, the person, the models and
// the conversation.

package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/fault"
	"parley/internal/inbox"
)

// plan is everything one answer needs.
type plan struct {
	question   chat.Message
	bot        bots.Bot
	chosen     bots.ModelRef // of the place
	asker      bots.Person
	models     []bots.ModelRef // the chosen one, then the fallbacks; those this person may use
	targets    []target        // those of them that are set up
	transcript conversation.Transcript
	history    []conversation.Exchange
	heard      []conversation.Exchange // the end of history: what the transcript does not hold yet
}

// plan asks the gates about m, and says in one sentence why it is not answered. A
// defect in a gate is an error like another: the person hears of it as soon.
func (r *Relay) plan(ctx context.Context, m chat.Message) (plan, error) {
	p := plan{question: m}
	for _, pass := range r.gates() {
		if err := fault.Guard(func() error { return pass(ctx, &p) }); err != nil {
			return plan{}, err
		}
	}
	return p, nil
}

// round is the question as the models are asked it.
func (p plan) round(queued func(ctx context.Context, t target, number int), log *slog.Logger) round {
	return round{
		target: p.targets[0], fallbacks: p.targets[1:],
		bot: p.bot, history: p.history, question: p.question,
		queued: queued, log: log,
	}
}

// findBot is the gate that finds who answers, and the model that was chosen for
// the place: as a rule one question to the store tells both.
func (r *Relay) findBot(ctx context.Context, p *plan) error {
	lead, place := p.question.Bot, p.question.Place
	here, err := r.registry.At(ctx, lead, place)
	if err != nil {
		return fmt.Errorf("who answers here: %w", err)
	}
	if p.bot, err = r.givenOrLead(here.Bot, lead, place); err != nil {
		return err
	}
	if p.bot.ID != lead {
		p.chosen, err = r.choice(ctx, p.bot, place)
		return err
	}
	p.chosen = r.chosenOrDefault(here.Choice, here.Chosen, p.bot)
	return nil
}

// findAsker is the gate that finds out who asks. The platform is asked only if the
// bot's rules need more than an id.
func (r *Relay) findAsker(ctx context.Context, p *plan) (err error) {
	place, author := p.question.Place, p.question.Author
	if adapter, ok := r.adapters[place.Platform]; ok && !needsMember(adapter, p.bot, author) {
		p.asker = byID(adapter, place, author)
		return nil
	}
	p.asker, _, err = r.person(ctx, p.bot, place, author)
	return err
}

// findModels is the gate that finds the place's model and the bot's fallbacks.
func findModels(_ context.Context, p *plan) error {
	p.models = append([]bots.ModelRef{p.chosen}, p.bot.Fallbacks...)
	return nil
}

// findTargets is the gate that finds the providers of the models. Models whose
// provider is not there, or cannot be used, are passed over.
func (r *Relay) findTargets(_ context.Context, p *plan) error {
	problem := ""
	for _, ref := range p.models {
		entry, ok := r.registry.Provider(ref.Provider)
		switch {
		case !ok:
		case entry.Problem != "":
			problem = entry.Problem
		default:
			p.targets = append(p.targets, target{provider: entry.Provider, model: ref.Model})
		}
	}
	chosen := p.models[0]
	switch {
	case len(p.targets) > 0:
		return nil
	case problem != "":
		return &chat.UserError{Line: chat.Say("The settings of %s cannot be used as they are stored. Ask an admin to check the provider.", chosen), Err: fmt.Errorf("the provider cannot be used: %s", problem)}
	}
	return &chat.UserError{Line: chat.Say("The provider of %s is not set up. Add it with /provider add, or switch with /model.", chosen), Err: errors.New("the provider is not set up")}
}

// readConversation is the gate that reads what was said before, and what is asked.
func (r *Relay) readConversation(ctx context.Context, p *plan) (err error) {
	m := p.question
	if p.transcript, err = r.settled(ctx, m); err != nil {
		return err
	}
	p.heard = r.heard(ctx, m, p.transcript)
	p.history = slices.Concat(p.transcript.About(m), p.heard)
	if len(m.Said()) > 0 {
		return nil
	}
	if len(p.history) == 0 {
		return &chat.UserError{Line: chat.Say("%s is here. Write your question after the mention; /help shows what else I can do.", p.bot.Name)}
	}
	p.question.Text = "(I was mentioned without a question: please respond to the conversation above.)"
	return nil
}

// A reply can come while the answer it replies to has its last word but is not
// yet in the transcript: that takes milliseconds.
const settleTime = 2 * time.Second

// errUnsettled ends the wait.
var errUnsettled = errors.New("another turn of the conversation did not close in time")

// settled reads the transcript that m continues. In a plain channel people do
// not wait for each other, so a reply to what another turn is just closing
// waits for that turn.
func (r *Relay) settled(ctx context.Context, m chat.Message) (t conversation.Transcript, err error) {
	if m.ReplyTo == "" || m.Place.Direct || m.Place.Thread != "" {
		return r.book.Load(ctx, m.Scope, m.Place)
	}
	waiting, cancel := context.WithTimeoutCause(ctx, settleTime, errUnsettled)
	defer cancel()
	err = r.inbox.WaitSettled(waiting, m.Scope, func() (bool, error) {
		if t, err = r.book.Load(ctx, m.Scope, m.Place); err != nil || t.Holds(m.ReplyTo) {
			return true, err
		}
		running, err := r.inbox.Running(ctx, m.Scope)
		if err != nil {
			return true, err
		}
		if slices.ContainsFunc(running, func(o inbox.Running) bool {
			return o.Place.Conversation() == m.Place.Conversation() && o.Author.ID != m.Author.ID
		}) {
			return false, nil
		}
		t, err = r.book.Load(ctx, m.Scope, m.Place)
		return true, err
	})
	if errors.Is(err, errUnsettled) {
		err = nil
	}
	return t, err
}
