// What is decided before a model is asked: bot, permission, model, messages.

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
	"parley/internal/inbox"
	"parley/internal/provider"
)

// target is one model of one provider to ask.
type target struct {
	provider provider.Provider
	model    string
}

func (t target) String() string { return t.provider.ID + "/" + t.model }

func (t target) ref() bots.ModelRef { return bots.ModelRef{Provider: t.provider.ID, Model: t.model} }

// maxInput is the context length of the target in tokens, 0 if unknown.
func (t target) maxInput() int {
	for _, m := range t.provider.Models.List {
		if m.ID == t.model && m.MaxInput > 0 {
			return m.MaxInput
		}
	}
	return t.provider.MaxInput
}

// pricing is the model's own price, else the provider's, else nil.
func (t target) pricing() *provider.Pricing {
	for _, m := range t.provider.Models.List {
		if m.ID == t.model && m.Pricing != nil {
			return m.Pricing
		}
	}
	return t.provider.Pricing
}

// plan is everything one answer needs.
type plan struct {
	bot        bots.Bot
	targets    []target // the chosen model, then the fallbacks this person may use
	transcript conversation.Transcript
	history    []conversation.Exchange
	heard      []conversation.Exchange // the end of history: what the transcript does not hold yet
	question   chat.Message
}

// round is the question as the models are asked it.
func (p plan) round(queued func(ctx context.Context, t target, number int), log *slog.Logger) round {
	return round{
		target: p.targets[0], fallbacks: p.targets[1:],
		bot: p.bot, history: p.history, question: p.question,
		queued: queued, log: log,
	}
}

// plan resolves m or says in one sentence why it is not answered.
func (r *Relay) plan(ctx context.Context, m chat.Message) (plan, error) {
	b, err := r.bot(ctx, m.Bot, m.Place)
	if err != nil {
		return plan{}, err
	}
	who, err := r.asker(ctx, b, m.Place, m.Author)
	if err != nil {
		return plan{}, err
	}
	if err := b.May(who); err != nil {
		return plan{}, err
	}
	targets, err := r.targets(ctx, b, m.Place, who)
	if err != nil {
		return plan{}, err
	}
	p := plan{bot: b, targets: targets, question: m}
	if p.transcript, err = r.settled(ctx, m); err != nil {
		return plan{}, err
	}
	p.heard = r.heard(ctx, m, p.transcript)
	p.history = slices.Concat(p.transcript.About(m), p.heard)
	if len(m.Said()) == 0 {
		if len(p.history) == 0 {
			return plan{}, &chat.UserError{Text: b.Name + " is here. Write your question after the mention; /help shows what else I can do."}
		}
		p.question.Text = "(I was mentioned without a question: please respond to the conversation above.)"
	}
	return p, nil
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

// asker is person, looked up only if the rules need it.
func (r *Relay) asker(ctx context.Context, b bots.Bot, p chat.Place, a chat.Author) (bots.Person, error) {
	if adapter, ok := r.adapters[p.Platform]; ok && !needsMember(adapter, b, a) {
		return bots.Person{ID: a.ID, Channel: p.Channel, Insider: !hasOutsiders(adapter)}, nil
	}
	who, _, err := r.person(ctx, b, p, a)
	return who, err
}

// choice is which provider and model a place uses: thread over channel over
// the bot's default.
func (r *Relay) choice(ctx context.Context, b bots.Bot, p chat.Place) (bots.ModelRef, error) {
	c, ok, err := r.registry.Choice(ctx, b.ID, p)
	if err != nil {
		return bots.ModelRef{}, fmt.Errorf("which model is used here: %w", err)
	}
	if ok {
		return bots.ModelRef{Provider: c.Provider, Model: c.Model}, nil
	}
	return r.fallbackChoice(b), nil
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

// targets are the models to ask, in order, that exist and that who may use.
func (r *Relay) targets(ctx context.Context, b bots.Bot, p chat.Place, who bots.Person) ([]target, error) {
	first, err := r.choice(ctx, b, p)
	if err != nil {
		return nil, err
	}
	if err := b.MayModel(first, who); err != nil {
		return nil, err
	}
	var out []target
	problem := ""
	for _, ref := range append([]bots.ModelRef{first}, b.Fallbacks...) {
		entry, ok := r.registry.Provider(ref.Provider)
		if !ok || b.MayModel(ref, who) != nil {
			continue
		}
		if entry.Problem != "" {
			problem = entry.Problem
			continue
		}
		out = append(out, target{provider: entry.Provider, model: ref.Model})
	}
	if len(out) == 0 && problem != "" {
		return nil, &chat.UserError{Text: fmt.Sprintf("%s cannot be used: %s", first, problem), Err: errors.New("the provider cannot be used")}
	}
	if len(out) == 0 {
		return nil, &chat.UserError{Text: fmt.Sprintf("The provider of %s is not set up: add it with /provider add, or switch with /model.", first), Err: errors.New("the provider is not set up")}
	}
	return out, nil
}

// answerCommand runs a command written after a mention and answers in place.
func (r *Relay) answerCommand(ctx context.Context, t *inbox.Turn, pen chat.Responder, c chat.Command, log *slog.Logger) error {
	c.Turn = t.ID
	reply, err := r.do(ctx, c)
	if err != nil {
		if stop := interrupted(ctx); stop != nil {
			return stop
		}
		if _, refused := errors.AsType[*bots.Refusal](err); refused && !r.refusals.tell(c.Scope+" "+c.Author.ID) {
			return t.Close(ctx)
		}
		err = r.explained(ctx, c, err)
		// As with any other answer to a command, it is the caller's alone.
		return r.say(ctx, t, pen, chat.Content{Markdown: err.Error(), Only: c.Author.ID}, log)
	}
	content := chat.Content{Markdown: reply.Text, Menu: reply.Menu, Buttons: reply.Buttons}
	if !reply.Public {
		content.Only = c.Author.ID
	}
	return r.say(ctx, t, pen, content, log)
}
