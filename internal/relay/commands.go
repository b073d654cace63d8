// The small commands: reset, stop and help.

package relay

import (
	"cmp"
	"context"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/inbox"
)

// Claim reports true to the first process that asks for a key: a platform
// may hand an interaction to each that is connected.
func (r *Relay) Claim(ctx context.Context, key string) (bool, error) {
	return r.once(ctx, key)
}

// inlineCommand is the command that m is, if it is one.
func inlineCommand(m chat.Message) (chat.Command, bool) {
	name, args, ok := m.Command()
	return chat.Command{
		Name: name, Args: args, Scope: m.Scope, Bot: m.Bot, Place: m.Place, Author: m.Author, Inline: true,
	}, ok
}

// doReset forgets the conversation.
func (r *Relay) doReset(ctx context.Context, c command) (chat.Reply, error) {
	if err := r.book.Forget(ctx, c.Scope, c.Place); err != nil {
		return chat.Reply{}, err
	}
	return c.changed(c.cleared()), nil
}

// cleared says that a conversation was forgotten.
func (c command) cleared() chat.Line {
	switch {
	case c.Place.Direct:
		return chat.Say("Cleared this conversation's history.")
	case c.Place.InThread():
		return chat.Say("Cleared this thread's history.")
	}
	return chat.Say("Cleared this channel's history.")
}

// doStop stops running answers: the one that a button names, all in this thread, or
// the person's own in this channel (for an admin: all of them).
func (r *Relay) doStop(ctx context.Context, c command) (chat.Reply, error) {
	running, err := r.inbox.Running(ctx, c.Scope)
	if err != nil {
		return chat.Reply{}, err
	}
	stopped := 0
	for _, turn := range running {
		switch {
		case !c.means(turn), !c.mayStop(turn) && c.Args == "":
			continue
		case !c.mayStop(turn):
			return chat.Reply{}, cmp.Or(c.unsure, chat.Tell("Only the person who asked, or an admin, can stop this answer."))
		}
		if err := r.inbox.Stop(ctx, c.Scope, turn.Turn); err != nil {
			return chat.Reply{}, err
		}
		stopped++
	}
	switch {
	case stopped == 0 && c.Place.InThread():
		return c.reply(chat.Say("No answer is being written in this thread.")), nil
	case stopped == 0:
		return c.reply(chat.Say("No answer of yours is being written here.")), nil
	case stopped == 1:
		return c.reply(chat.Say("Stopped.")), nil
	}
	return c.reply(chat.SayCount(stopped, "Stopped %d answer.", "Stopped %d answers.")), nil
}

// means reports whether a running turn is one that c, a stop, is about.
func (c command) means(turn inbox.Running) bool {
	p := turn.Place
	switch {
	case turn.Turn == c.Turn:
		return false // the command itself
	case p.Platform != c.Place.Platform || p.Workspace != c.Place.Workspace || p.Channel != c.Place.Channel:
		return false
	case c.Args != "":
		return turn.Turn == c.Args
	}
	return !c.Place.InThread() || p.Thread == c.Place.Thread
}

// mayStop reports whether c may stop a turn in its channel: in a direct message and
// in a thread everyone may; elsewhere the person who asked and admins.
func (c command) mayStop(turn inbox.Running) bool {
	if c.Place.Direct || c.Place.InThread() && turn.Place.Thread == c.Place.Thread {
		return true
	}
	return turn.Author.ID == c.Author.ID || c.bot.IsAdmin(c.who)
}

// doHelp shows what people can do here.
func (r *Relay) doHelp(ctx context.Context, c command) (chat.Reply, error) {
	ref, err := r.choice(ctx, c.bot, c.Place)
	if err != nil {
		return chat.Reply{}, err
	}
	return chat.Reply{Text: c.help(ref, r.platform(c.Place))}, nil
}

// help is the text of /help.
func (c command) help(now bots.ModelRef, p chat.Platform) string {
	head := "**" + c.bot.Name + "**"
	if c.bot.Description != "" {
		head += ": " + c.bot.Description
	}
	text := head + "\n" + c.say(chat.Say("It uses `%s` in %s. Mention it with a question, or write to it directly; in a thread it knows, no mention is needed.", now, c.here())) + "\n"
	for _, l := range []chat.Line{
		chat.Say("`/model` shows the models, `/model NAME` switches %s, `/model reset` goes back", c.here()),
		chat.Say("`/provider` lists providers, `/provider use ID` switches to one; %s are for admins", forAdmins("provider")),
		chat.Say("`/bot` lists the bots here, `/bot use ID` gives %s to another", c.here()),
		chat.Say("`/stop` ends the answer being written, `/reset` forgets the conversation"),
		chat.Say("`/usage` shows what your questions used"),
	} {
		text += "\n- " + c.say(l)
	}
	if p.MentionInThreads {
		text += "\n\n" + c.say(chat.Say("In a %s thread write them after a mention: `@%s /model`.", p.Title, c.bot.ID))
	}
	return text
}

// forAdmins lists the verbs of a command that are for admins only.
func forAdmins(command string) chat.Line {
	word, _ := chat.WordOf(command)
	var verbs []string
	for _, v := range word.Verbs {
		if v.Admins {
			verbs = append(verbs, "`/"+command+" "+v.Name+"`")
		}
	}
	return chat.All(verbs...)
}
