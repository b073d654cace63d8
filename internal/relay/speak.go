// What parley says itself, in the language of the person who reads it.

package relay

import (
	"context"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/fault"
)

// speaker writes for an author in the language of a bot, or in their own where the
// bot leaves that to them.
func (r *Relay) speaker(ctx context.Context, b bots.Bot, p chat.Place, a chat.Author) chat.Speaker {
	tag := b.Language
	if tag == "" {
		tag = a.Language
	}
	if asked, ok := r.adapters[p.Platform].(chat.Linguist); ok && tag == "" {
		tag = asked.Language(ctx, b.ID, a)
	}
	return r.languages.Speaker(tag)
}

// speakerAt is speaker for the bot that answers in p where lead was written to.
func (r *Relay) speakerAt(ctx context.Context, lead string, p chat.Place, a chat.Author) chat.Speaker {
	b, ok := r.bots[lead]
	if !ok {
		return r.speaker(ctx, bots.Bot{}, p, a)
	}
	// What is said has another reason: where the bot cannot be looked up, or that
	// meets a defect, the lead's language will do.
	var given bots.Bot
	if err := fault.Guard(func() (err error) { given, err = r.bot(ctx, lead, p); return err }); err == nil {
		b = given
	}
	return r.speaker(ctx, b, p, a)
}

// tell is an error of several sentences for the person.
func tell(sentences ...chat.Line) error {
	return &chat.UserError{Line: chat.Paragraph(sentences...)}
}

// say writes a sentence for the person who asked.
func (c command) say(l chat.Line) string { return c.speaker.Say(l) }

// reply is a reply of some sentences, for the person alone.
func (c command) reply(sentences ...chat.Line) chat.Reply {
	return chat.Reply{Text: c.say(chat.Paragraph(sentences...))}
}

// changed is a reply that everyone in a shared place should see.
func (c command) changed(l chat.Line) chat.Reply {
	return chat.Reply{Text: c.say(l), Public: !c.Place.Direct}
}

// here names what a setting applies to, within a sentence.
func (c command) here() chat.Line {
	switch {
	case c.Place.Direct:
		return chat.Say("this conversation")
	case c.Place.InThread():
		return chat.Say("this thread")
	}
	return chat.Say("this channel")
}

// hereFirst is here at the beginning of a sentence.
func (c command) hereFirst() chat.Line {
	switch {
	case c.Place.Direct:
		return chat.Say("This conversation")
	case c.Place.InThread():
		return chat.Say("This thread")
	}
	return chat.Say("This channel")
}
