// The commands: the same words as slash commands, after a mention, from menus
// and from buttons.

package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/inbox"
	"parley/internal/suggest"
)

// Claim reports true to the first process that asks for a key: a platform
// may hand an interaction to each that is connected.
func (r *Relay) Claim(ctx context.Context, key string) (bool, error) {
	return r.once(ctx, key)
}

// order is one command on its way: who asks which bot for what.
type order struct {
	chat.Command
	bot bots.Bot
	who bots.Person
	// unsure is set where the platform did not say whether they are an admin.
	unsure error
}

// commands are chat.Words and who carries them out.
func (r *Relay) commands() map[string]func(context.Context, order) (chat.Reply, error) {
	return map[string]func(context.Context, order) (chat.Reply, error){
		"model":    r.doModel,
		"provider": r.doProvider,
		"bot":      r.doBot,
		"reset":    r.doReset,
		"stop":     r.doStop,
		"usage":    r.doUsage,
		"help":     r.doHelp,
	}
}

// inlineCommand is the command that m is, if it is one.
func inlineCommand(m chat.Message) (chat.Command, bool) {
	name, args, ok := m.Command()
	return chat.Command{
		Name: name, Args: args, Scope: m.Scope, Bot: m.Bot, Place: m.Place, Author: m.Author, Inline: true,
	}, ok
}

// Do runs a command. Errors are *chat.UserError wherever the person can do
// something about them; what else goes wrong is logged under a reference that
// the person is told.
func (r *Relay) Do(ctx context.Context, c chat.Command) (chat.Reply, error) {
	reply, err := r.do(ctx, c)
	if err != nil {
		return chat.Reply{}, r.explained(ctx, c, err)
	}
	return reply, nil
}

// explained is a command's error in words for the person; one that was not
// written for them is logged.
func (r *Relay) explained(ctx context.Context, c chat.Command, err error) error {
	if no, ok := errors.AsType[*bots.Refusal](err); ok {
		return &chat.UserError{Text: no.Error()}
	}
	if told, ok := errors.AsType[*chat.UserError](err); ok && told.Err == nil {
		return told
	}
	ref := chat.NewRef()
	r.log.ErrorContext(ctx, "command failed", "ref", ref, "command", c.Name, "platform", c.Place.Platform, "bot", c.Bot, "error", err)
	return &chat.UserError{Text: sentence(err, ref)}
}

func (r *Relay) do(ctx context.Context, c chat.Command) (chat.Reply, error) {
	run, ok := r.commands()[c.Name]
	if !ok {
		return chat.Reply{}, chat.Tell("There is no command /%s.%s /help lists what there is.", c.Name, didYouMean("/", suggest.Names(c.Name, chat.WordNames(), 1)))
	}
	o, err := r.order(ctx, c)
	if err != nil {
		return chat.Reply{}, err
	}
	reply, err := run(ctx, o)
	return reply, o.fair(err)
}

// fair is what to say instead of a refusal that an admin may not deserve.
func (o order) fair(err error) error {
	if no, ok := errors.AsType[*bots.Refusal](err); ok && no.AdminsOnly && o.unsure != nil {
		return o.unsure
	}
	return err
}

// order finds the bot and asks its rules whether this person may use it.
func (r *Relay) order(ctx context.Context, c chat.Command) (order, error) {
	b, err := r.bot(ctx, c.Bot, c.Place)
	if err != nil {
		return order{}, err
	}
	who, unsure, err := r.person(ctx, b, c.Place, c.Author)
	if err != nil {
		return order{}, err
	}
	if err := b.May(who); err != nil {
		return order{}, err
	}
	return order{Command: c, bot: b, who: who, unsure: unsure}, nil
}

// maySwitch refuses to change what others use where the bot keeps that for its
// admins. A direct message, or a thread of one's own, may always be switched; a
// thread of which nobody knows whose it is may not.
func (r *Relay) maySwitch(ctx context.Context, o order) error {
	own := o.Place.Direct
	if o.Place.InThread() && o.bot.Access.Switch == bots.SwitchAdmins {
		owner := o.Place.Owner
		if owner == "" {
			transcript, err := r.book.Load(ctx, o.Scope, o.Place)
			if err != nil {
				return err
			}
			owner = transcript.Owner()
		}
		own = owner != "" && owner == o.Author.ID
	}
	return o.bot.MaySwitch(o.who, own)
}

// actor is the author of what o changes.
func (o order) actor() chat.Actor { return chat.PersonAt(o.Place, o.Author) }

// here names what a setting applies to.
func (o order) here() string {
	switch {
	case o.Place.Direct:
		return "this conversation"
	case o.Place.InThread():
		return "this thread"
	}
	return "this channel"
}

// changed is a reply that everyone in a shared place should see.
func (o order) changed(format string, args ...any) chat.Reply {
	return chat.Reply{Text: fmt.Sprintf(format, args...), Public: !o.Place.Direct}
}

// doReset forgets the conversation.
func (r *Relay) doReset(ctx context.Context, o order) (chat.Reply, error) {
	if err := r.book.Forget(ctx, o.Scope, o.Place); err != nil {
		return chat.Reply{}, err
	}
	return o.changed("Forgotten: %s starts anew.", strings.Replace(o.here(), "this channel", "the conversation in this channel", 1)), nil
}

// doStop ends answers being written: the one a button names, all in this
// thread, or the caller's in this channel (an admin's: all of them).
func (r *Relay) doStop(ctx context.Context, o order) (chat.Reply, error) {
	running, err := r.inbox.Running(ctx, o.Scope)
	if err != nil {
		return chat.Reply{}, err
	}
	stopped := 0
	for _, turn := range running {
		if !r.stops(o, turn) {
			continue
		}
		if err := r.inbox.Stop(ctx, o.Scope, turn.Turn); err != nil {
			return chat.Reply{}, err
		}
		stopped++
	}
	switch {
	case stopped == 0 && o.Place.InThread():
		return chat.Reply{Text: "No answer is being written in this thread."}, nil
	case stopped == 0:
		return chat.Reply{Text: "No answer of yours is being written here."}, nil
	case stopped == 1:
		return chat.Reply{Text: "Stopped."}, nil
	}
	return chat.Reply{Text: fmt.Sprintf("Stopped %d answers.", stopped)}, nil
}

// stops reports whether o ends the running turn.
func (r *Relay) stops(o order, turn inbox.Running) bool {
	p := turn.Place
	if turn.Turn == o.Turn {
		return false // the command itself
	}
	if p.Platform != o.Place.Platform || p.Workspace != o.Place.Workspace || p.Channel != o.Place.Channel {
		return false
	}
	if o.Args != "" {
		return turn.Turn == o.Args
	}
	if o.Place.Direct {
		return true
	}
	if o.Place.InThread() {
		return p.Thread == o.Place.Thread
	}
	return turn.Author.ID == o.Author.ID || o.bot.IsAdmin(o.who)
}

// doHelp says what one can do here.
func (r *Relay) doHelp(ctx context.Context, o order) (chat.Reply, error) {
	ref, err := r.choice(ctx, o.bot, o.Place)
	if err != nil {
		return chat.Reply{}, err
	}
	return chat.Reply{Text: o.help(ref, r.platform(o.Place))}, nil
}

// help is the text of /help.
func (o order) help(now bots.ModelRef, p chat.Platform) string {
	text := fmt.Sprintf("**%s**", o.bot.Name)
	if o.bot.Description != "" {
		text += ": " + o.bot.Description
	}
	text += fmt.Sprintf(`
It uses `+"`%s`"+` in %s. Mention it with a question, or write to it directly; in a thread it knows, no mention is needed.

- `+"`/model`"+` shows the models, `+"`/model NAME`"+` switches %s, `+"`/model reset`"+` goes back
- `+"`/provider`"+` lists providers, `+"`/provider use ID`"+` switches to one; %s are for admins
- `+"`/bot`"+` lists the bots here, `+"`/bot use ID`"+` gives %s to another
- `+"`/stop`"+` ends the answer being written, `+"`/reset`"+` forgets the conversation
- `+"`/usage`"+` shows what your questions used`, now, o.here(), o.here(), forAdmins("provider"), o.here())
	if p.MentionInThreads {
		text += fmt.Sprintf("\n\nIn a %s thread write them after a mention: `@%s /model`.", p.Title, o.bot.ID)
	}
	return text
}

// forAdmins lists the verbs of a command that only admins may use.
func forAdmins(command string) string {
	word, _ := chat.WordOf(command)
	var verbs []string
	for _, v := range word.Verbs {
		if v.Admins {
			verbs = append(verbs, "`/"+command+" "+v.Name+"`")
		}
	}
	return chat.Listed(verbs, "and")
}

// wrongVerb says what a command takes instead.
func wrongVerb(command, verb string) error {
	word, _ := chat.WordOf(command)
	return chat.Tell("/%s takes %s.%s", command, word.Takes(), didYouMean("/"+command+" ", suggest.Names(verb, word.VerbNames(), 1)))
}

// doBot lists the bots of this app, or gives the place to another of them.
func (r *Relay) doBot(ctx context.Context, o order) (chat.Reply, error) {
	verb, id, _ := strings.Cut(o.Args, " ")
	id = strings.TrimSpace(id)
	switch verb {
	case "", "list":
		return r.listBots(o), nil
	case "use":
	default:
		return chat.Reply{}, wrongVerb("bot", verb)
	}
	if !slices.Contains(r.family(o.Place, o.Command.Bot), id) {
		return chat.Reply{}, r.noSuchBot(o, id)
	}
	if err := r.maySwitch(ctx, o); err != nil {
		return chat.Reply{}, err
	}
	b := r.bots[id]
	if err := r.mayBot(o, b); err != nil {
		return chat.Reply{}, err
	}
	if err := r.registry.GiveTo(ctx, o.actor(), o.Command.Bot, o.Place, id); err != nil {
		return chat.Reply{}, err
	}
	return o.changed("**%s** answers in %s now.", b.Name, o.here()), nil
}

// noSuchBot says why a place cannot be given to the bot with an id.
func (r *Relay) noSuchBot(o order, id string) error {
	b, known := r.bots[id]
	if known && r.ownDirect(o.Place) && r.mayBot(o, b) == nil {
		return chat.Tell("This is your direct message with %s, so no other bot can answer here. Write to %s directly.", o.bot.Name, b.Name)
	}
	return chat.Tell("There is no bot %q in this app.%s /bot lists them.", id, didYouMean("", suggest.Names(id, r.choosable(o), 3)))
}

func (r *Relay) listBots(o order) chat.Reply {
	var text strings.Builder
	menu := &chat.Menu{Command: "bot use", Placeholder: "Who answers here"}
	family := r.choosable(o)
	for _, id := range family {
		b := r.bots[id]
		mark := ""
		if id == o.bot.ID {
			mark = " (answers here)"
		}
		fmt.Fprintf(&text, "- **%s** `%s`%s", b.Name, b.ID, mark)
		if b.Description != "" {
			text.WriteString(": " + b.Description)
		}
		text.WriteString("\n")
		menu.Options = append(menu.Options, chat.Option{Label: b.Name, Value: b.ID, Current: id == o.bot.ID})
	}
	if len(family) < 2 {
		menu = nil
	}
	return chat.Reply{Text: strings.TrimSpace(text.String()), Menu: menu}
}

// ownDirect reports whether p is a direct message that belongs to one bot alone.
func (r *Relay) ownDirect(p chat.Place) bool { return p.Direct && !r.platform(p).HasApps() }

// platform is the one that p is on; where this process has no adapter for it,
// nothing is known of it.
func (r *Relay) platform(p chat.Place) chat.Platform {
	if a, ok := r.adapters[p.Platform]; ok {
		return a.Platform()
	}
	return chat.Platform{Name: p.Platform}
}

// family is the bots that may answer in p where lead was written to: those that
// share its app, sorted by id.
func (r *Relay) family(p chat.Place, lead string) []string {
	if r.ownDirect(p) {
		return []string{lead}
	}
	all := make([]bots.Bot, len(r.ids))
	for i, id := range r.ids {
		all[i] = r.bots[id]
	}
	for _, app := range bots.Apps(r.platform(p), all) {
		var ids []string
		for _, b := range app {
			ids = append(ids, b.ID)
		}
		if slices.Contains(ids, lead) {
			slices.Sort(ids)
			return ids
		}
	}
	return nil
}
