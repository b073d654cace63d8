// Who may use the bot: people in a trusted server, and in direct messages the
// members of one. Others get one sentence and nothing else: no model, no rights, no
// place in the queue, no reading of history.

package discord

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"parley/internal/chat"
)

const (
	turnedAwayFor = 24 * time.Hour   // between two sentences in a channel
	unsureFor     = 10 * time.Minute // the same, if access could not be looked up
	personAge     = 5 * time.Minute  // how long the answer whether someone is a member is valid
	barredAge     = time.Hour        // pause for a guild that refuses to say who is a member
	personLimit   = 3 * time.Second  // for looking up a person
	promptLimit   = 1500 * time.Millisecond
	mostLookups   = 50 // guilds to ask about a person in one lookup
	lookupsAtOnce = 4
	sentencesAt   = 4 // sentences posted at once
)

// turnedAway is why a person may not use the bot, as a sentence for them. unsure
// means that it could not be looked up.
type turnedAway struct {
	line   chat.Line
	unsure bool
	cause  error
}

func (e *turnedAway) Error() string {
	if e.cause != nil {
		return e.line.String() + ": " + e.cause.Error()
	}
	return e.line.String()
}

func (e *turnedAway) Unwrap() error { return e.cause }

// letIn reports whether a person may use the bot in a guild, or without one in
// direct messages. The error is a *turnedAway.
func (t *trust) letIn(ctx context.Context, guild, user string) error {
	if guild != "" {
		ok, err := t.trusts(ctx, guild)
		switch {
		case ok:
			return nil
		case err != nil:
			return &turnedAway{line: chat.Say("I cannot tell right now which servers I may answer in. Try again in a minute."), unsure: true, cause: err}
		}
		return &turnedAway{line: chat.Say("%s does not answer in this server until your parley administrator admits it: `parley guild admit %s %s`.", t.app.lead.Name, t.app.lead.ID, guild)}
	}
	ok, err := t.trustsPerson(ctx, user)
	switch {
	case ok:
		return nil
	case err != nil:
		return &turnedAway{line: chat.Say("I could not look up whether you are in a server that I serve. Try again in a minute."), unsure: true, cause: err}
	}
	return &turnedAway{line: chat.Say("%s answers direct messages only from members of the servers it serves. Ask your parley administrator to admit yours: `parley guild admit %s SERVER_ID`.", t.app.lead.Name, t.app.lead.ID)}
}

// recall reports whether a person is in a guild, if that was looked up recently.
func (t *trust) recall(guild, user string) (in, known bool) {
	if _, barred := t.barred.Get(guild); barred {
		return false, true
	}
	return t.people.Get(guild + " " + user)
}

// trustsPerson reports whether a person may write to the bot directly: they are in a
// bot's file, or a member of a trusted guild. With an error, which means that this is
// not known, they may not.
func (t *trust) trustsPerson(ctx context.Context, user string) (bool, error) {
	for _, b := range t.app.bots {
		if slices.Contains(b.Access.Users, user) || slices.Contains(b.Access.Admins, user) {
			return true, nil
		}
	}
	now, err := t.current(ctx)
	if err == nil && now.Open && len(t.named) == 0 {
		if err = t.joined(ctx); err == nil {
			now, err = t.load(ctx)
		}
	}
	if err != nil {
		return false, err
	}
	var ask []string
	for _, guild := range t.effective(now) {
		in, known := t.recall(guild, user)
		if _, seen := t.app.cache.members.Get(guild + " " + user); in || seen {
			return true, nil
		}
		if !known {
			ask = append(ask, guild)
		}
	}
	if len(ask) == 0 {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, personLimit)
	defer cancel()
	select {
	case t.lookups <- struct{}{}:
		defer func() { <-t.lookups }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	return t.askFor(ctx, ask, user)
}

var errManyGuilds = errors.New("not all servers have been asked yet")

// askFor asks Discord about a person, guild by guild. Results before an error are
// cached, so that the next attempt continues from there.
func (t *trust) askFor(ctx context.Context, guilds []string, user string) (bool, error) {
	var unsure error
	for n, guild := range guilds {
		if n == mostLookups {
			return false, errManyGuilds
		}
		in, err := t.member(ctx, guild, user)
		switch {
		case err == nil && in:
			return true, nil
		case err != nil:
			unsure = err
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
	}
	return false, unsure
}

// member asks Discord whether a person is in a guild.
func (t *trust) member(ctx context.Context, guild, user string) (bool, error) {
	_, err := t.app.rest.do(ctx, getMember(guild, user), nil)
	switch {
	case err == nil:
		t.people.Put(guild+" "+user, true)
		return true, nil
	case code(err) == codeUnknownGuild || status(err) == http.StatusForbidden:
		t.barred.Put(guild, true) // the bot has left the guild
		return false, nil
	case status(err) == http.StatusNotFound:
		t.people.Put(guild+" "+user, false)
		return false, nil
	}
	return false, err
}

// effective are the ids of the trusted guilds, in order.
func (t *trust) effective(now trusted) []string {
	var out []string
	for id := range t.named {
		out = append(out, id)
	}
	for id := range now.Guilds {
		if !t.inFile(id) && t.holds(now, id) {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, compareIDs)
	return out
}

// turnAway posts the sentence in a channel as a reply that pings nobody, once a day
// over all processes. root is the channel that counts: for a thread its parent.
func (t *trust) turnAway(ctx context.Context, why *turnedAway, to chat.Author, channel, root, question string) {
	t.app.log.InfoContext(ctx, "turned away: not in a server that is trusted", slog.String("channel", root), slog.Bool("unsure", why.unsure))
	key, within := "turned-away/"+root, turnedAwayFor
	if why.unsure {
		key, within = "unsure/"+root, unsureFor
	}
	user, _ := t.app.identity.known()
	first, err := t.records.First(ctx, platform+"/"+user+"/"+key, within)
	if err != nil {
		t.app.log.WarnContext(ctx, "could not look up whether the sentence was said", slog.String("error", err.Error()))
	}
	if err != nil || !first {
		return
	}
	r := &responder{app: t.app, channel: channel, question: question}
	body := r.sentence("turned away", render(t.app.says(to, why.line)))
	body.Reference = &reference{Message: question}
	c := postMessage(channel, "turned-away")
	c.wait = true
	if _, err := r.send(ctx, c, body, nil); err != nil {
		t.app.log.WarnContext(ctx, "the sentence for a server that is not trusted was not posted", slog.String("channel", channel), slog.String("error", short(err)))
	}
}

// turnAwayMessage posts the sentence for a message that is for the bot, unless it
// was merely written in a thread. It does not block the lane.
func (a *app) turnAwayMessage(ctx context.Context, e *messageEvent, why *turnedAway) {
	k := a.knowledge(e.Guild)
	k.here = a.cache.peek(e.Channel)
	if trigger := e.trigger(k); trigger == "" || trigger == chat.Thread {
		return
	}
	select {
	case a.trust.sentences <- struct{}{}:
	default:
		return // too many at once: strangers do not all need an answer
	}
	p := whereabouts(e.Guild, e.Channel, k.here)
	a.own.Go(func() {
		defer func() { <-a.trust.sentences }()
		a.guard("MESSAGE_CREATE", func() error {
			a.trust.turnAway(ctx, why, chat.Author{Language: k.locale}, e.Channel, p.Channel, e.ID)
			return nil
		})
	})
}

// turnAway shows the sentence to the person only.
func (i *interaction) turnAway(ctx context.Context, why *turnedAway) error {
	b := callback{callbackMessage, whisper(i.app.says(i.user, why.line))}
	if i.Type == interactionAutocomplete {
		b = callback{callbackAutocomplete, map[string]any{"choices": choices(nil)}}
	}
	err := i.respond(ctx, b)
	if n := code(err); n == codeAcknowledged || n == codeUnknownInteraction {
		return nil // another process was faster
	}
	return err
}

var _ chat.Doorkeeper = (*Adapter)(nil)

// Admit reports whether a message may still be answered: its server may have been
// removed since it was accepted.
func (a *Adapter) Admit(ctx context.Context, m chat.Message) error {
	one, err := a.of(m.Bot)
	if err != nil {
		return err
	}
	err = one.trust.letIn(ctx, m.Place.Workspace, m.Author.ID)
	if why, ok := errors.AsType[*turnedAway](err); ok && !why.unsure {
		return &chat.UserError{Line: why.line}
	}
	return err
}

// TurnAway posts why not in its channel, at most once a day.
func (a *Adapter) TurnAway(ctx context.Context, m chat.Message, cause error) {
	one, err := a.of(m.Bot)
	if err != nil {
		return
	}
	why, ok := errors.AsType[*turnedAway](cause)
	if !ok {
		line, _ := chat.Explain(cause)
		why = &turnedAway{line: line}
	}
	one.trust.turnAway(ctx, why, m.Author, destination(m.Place), m.Place.Channel, string(m.ID))
}
