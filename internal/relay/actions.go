// Actions: everything people can do with a command, a button or a menu. Each has a
// rule that says who may do it, checked when it is used, so controls work in any
// process and after a restart.

package relay

import (
	"context"
	"errors"
	"strings"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/suggest"
)

// action is one thing people can do.
type action struct {
	// may returns an error if the person may not; nil lets everyone who may use the
	// bot.
	may func(ctx context.Context, c command) error
	do  func(ctx context.Context, c command) (chat.Reply, error)
}

// actions are all actions by id. Those in chat.Words can be typed; the others are
// for controls only.
func (r *Relay) actions() map[string]action {
	return map[string]action{
		"model":           {may: r.mayModel, do: r.doModel},
		"provider.list":   {do: r.listProviders},
		"provider.use":    {may: r.maySwitch, do: r.useProvider},
		"provider.add":    {may: mayAdminister, do: r.addProvider},
		"provider.edit":   {may: mayAdminister, do: r.editProvider},
		"provider.remove": {may: mayAdminister, do: r.removeProvider},
		"provider.test":   {may: mayAdminister, do: r.testProvider},
		"bot.list":        {do: r.listBots},
		"bot.use":         {may: r.maySwitch, do: r.useBot},
		"usage":           {may: mayUsage, do: r.doUsage},
		"reset":           {do: r.doReset},
		chat.ActionStop:   {do: r.doStop},
		"help":            {do: r.doHelp},
	}
}

// command is an action that somebody asked for. Its Name is the action's id, its
// Args the rest of the command.
type command struct {
	chat.Command
	bot bots.Bot
	who bots.Person
	// unsure is set if the platform could not say whether the person is an admin.
	unsure  error
	speaker chat.Speaker // in the person's language
}

// Do runs a command. Its errors are *chat.UserError. An error that the person
// cannot fix is logged with a reference, which the person gets too.
func (r *Relay) Do(ctx context.Context, c chat.Command) (chat.Reply, error) {
	reply, err := r.do(ctx, c)
	if err != nil {
		return chat.Reply{}, r.explained(ctx, c, err)
	}
	return reply, nil
}

// Press runs the action of a button or menu. Its errors are like those of Do.
func (r *Relay) Press(ctx context.Context, p chat.Press) (chat.Reply, error) {
	c := chat.Command{Name: p.Action, Args: p.Args, Scope: p.Scope, Bot: p.Bot, Place: p.Place, Author: p.Author}
	reply, err := r.act(ctx, c)
	if err != nil {
		return chat.Reply{}, r.explained(ctx, c, err)
	}
	return reply, nil
}

// explained turns a command's error into one for the person, in their language. It
// logs errors that were not written for people.
func (r *Relay) explained(ctx context.Context, c chat.Command, err error) error {
	speaker := r.speakerAt(ctx, c.Bot, c.Place, c.Author)
	said := func(l chat.Line) error { return &chat.UserError{Line: chat.Verbatim(speaker.Say(l))} }
	if no, ok := errors.AsType[*bots.Refusal](err); ok {
		return said(no.Line)
	}
	if told, ok := errors.AsType[*chat.UserError](err); ok && told.Err == nil {
		return said(told.Line)
	}
	ref := chat.NewRef()
	r.log.ErrorContext(ctx, "command failed", "ref", ref, "command", c.Name, "platform", c.Place.Platform, "bot", c.Bot, "error", err)
	return said(sentence(err, ref))
}

// do runs the action of a typed command.
func (r *Relay) do(ctx context.Context, c chat.Command) (chat.Reply, error) {
	w, ok := chat.WordOf(c.Name)
	if !ok {
		return chat.Reply{}, tell(chat.Say("There is no command /%s.", c.Name), didYouMean("/", suggest.Names(c.Name, chat.WordNames(), 1)), chat.Say("/help lists what there is."))
	}
	c.Name, c.Args = chat.ParseControl(c.Name + " " + c.Args)
	if len(w.Verbs) > 0 && c.Name == w.Name {
		return chat.Reply{}, wrongVerb(w, c.Args)
	}
	return r.act(ctx, c)
}

// act runs the action with the id asked.Name if the person may do it.
func (r *Relay) act(ctx context.Context, asked chat.Command) (chat.Reply, error) {
	a, ok := r.actions()[asked.Name]
	if !ok {
		return chat.Reply{}, chat.Tell("This control is no longer in use. /help lists what you can do here.")
	}
	c, err := r.command(ctx, asked)
	if err != nil {
		return chat.Reply{}, err
	}
	if a.may != nil {
		if err := a.may(ctx, c); err != nil {
			return chat.Reply{}, c.fair(err)
		}
	}
	reply, err := a.do(ctx, c)
	return reply, c.fair(err)
}

// wrongVerb says which verbs a command has.
func wrongVerb(w chat.Word, typed string) error {
	verb, _, _ := strings.Cut(typed, " ")
	return tell(chat.Say("/%s takes %s.", w.Name, w.Takes()), didYouMean("/"+w.Name+" ", suggest.Names(verb, w.VerbNames(), 1)))
}

// fair replaces a refusal for admins only if the person may be an admin.
func (c command) fair(err error) error {
	if no, ok := errors.AsType[*bots.Refusal](err); ok && no.AdminsOnly && c.unsure != nil {
		return c.unsure
	}
	return err
}

// command finds the bot and checks that the person may use it.
func (r *Relay) command(ctx context.Context, c chat.Command) (command, error) {
	b, err := r.bot(ctx, c.Bot, c.Place)
	if err != nil {
		return command{}, err
	}
	who, unsure, err := r.person(ctx, b, c.Place, c.Author)
	if err != nil {
		return command{}, err
	}
	if err := b.May(who); err != nil {
		return command{}, err
	}
	return command{Command: c, bot: b, who: who, unsure: unsure, speaker: r.speaker(ctx, b, c.Place, c.Author)}, nil
}

// mayAdminister allows an action to the bot's admins only.
func mayAdminister(_ context.Context, c command) error { return c.bot.MayAdminister(c.who) }

// maySwitch refuses to change what others use if the bot reserves that for its
// admins. Everyone may switch their direct message and the threads they started,
// but not a thread with no known owner.
func (r *Relay) maySwitch(ctx context.Context, c command) error {
	own := c.Place.Direct
	if c.Place.InThread() && c.bot.Access.Switch == bots.SwitchAdmins {
		owner := c.Place.Owner
		if owner == "" {
			transcript, err := r.book.Load(ctx, c.Scope, c.Place)
			if err != nil {
				return err
			}
			owner = transcript.Owner()
		}
		own = owner != "" && owner == c.Author.ID
	}
	return c.bot.MaySwitch(c.who, own)
}

// actor is the author of c's changes.
func (c command) actor() chat.Actor { return chat.PersonAt(c.Place, c.Author) }
