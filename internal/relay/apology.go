// The one sentence that a person reads when the platform took the answer in no
// form.

package relay

import (
	"context"
	"errors"
	"log/slog"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/inbox"
)

// apologise says that the answer could not be shown, with the reference of the
// log: below what stands of it, else as a message of its own, and where the
// platform lets nobody write, elsewhere. Who deleted the answer knows why it is
// gone.
func (r *Relay) apologise(ctx context.Context, t *inbox.Turn, responder chat.Responder, cause error, log *slog.Logger) {
	refusal, ok := errors.AsType[*chat.Refusal](cause)
	if !ok || refusal.Reason == chat.Gone {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	text := r.speakerAt(ctx, t.Message.Bot, t.Message.Place, t.Message.Author).Say(apology(refusal.Reason, t.Ref))
	err := error(refusal)
	if refusal.Reason != chat.NoAccess {
		err = r.sayHere(ctx, t, responder, text)
	}
	if err != nil {
		err = r.sayElsewhere(ctx, t, responder, text, err)
	}
	if err != nil {
		log.ErrorContext(ctx, "nobody could be told that the answer is missing", "error", err)
		return
	}
	log.InfoContext(ctx, "the person was told that the answer is missing")
}

// apology is the sentence for a refusal.
func apology(why chat.Reason, ref string) chat.Line {
	switch why {
	case chat.NoAccess:
		return chat.Say("I could not answer you: I am not allowed to write where you asked. Ask an admin there to allow it, then ask again. (%s)", ref)
	case chat.Blocked:
		return chat.Say("A filter here blocked my answer. Ask in other words, or in a direct message. (%s)", ref)
	}
	return chat.Sorry(ref)
}

// sayHere says a sentence where the question was asked. A message that stands
// gets it as its end, and loses its Stop button.
func (r *Relay) sayHere(ctx context.Context, t *inbox.Turn, responder chat.Responder, text string) error {
	if parts := t.Parts(); len(parts) > 0 {
		j := r.job(t, responder, bots.Bot{}, func() {})
		err := r.scheduler(t.Message.Scope).Say(ctx, j, readable(parts), chat.Content{Markdown: text})
		if err == nil {
			return nil
		}
	}
	return guarded(ctx, t, func(ctx context.Context) error {
		_, err := responder.Post(ctx, chat.Content{Markdown: text, Key: t.ID + "-e", Final: true})
		return err
	})
}

// sayElsewhere tells the one who asked in another place, if the platform has
// one; cause is why it cannot be said here.
func (r *Relay) sayElsewhere(ctx context.Context, t *inbox.Turn, responder chat.Responder, text string, cause error) error {
	other, ok := responder.(chat.Elsewhere)
	if !ok {
		return cause
	}
	if !r.refusals.mayTell(t.Message.Scope + " " + t.Message.Author.ID) {
		return errors.New("they were told too often already")
	}
	return guarded(ctx, t, func(ctx context.Context) error { return other.TellElsewhere(ctx, text) })
}
