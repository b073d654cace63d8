// Interactions: slash commands, buttons, menus, autocomplete and forms. Discord
// wants a first response within 3 s; what takes longer is deferred and filled in
// later, with a token that is valid for 15 minutes.

package discord

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bwmarrin/discordgo"

	"parley/internal/chat"
	"parley/internal/fault"
)

const (
	// deferAfter is when to defer a slow reply: Discord's 3 s less the round trip.
	deferAfter = 2 * time.Second
	// workLimit is how long a command may take, well below the 15 minutes that its
	// token is valid.
	workLimit = 5 * time.Minute
	// lastWord is the time for posting the reply of a slow command.
	lastWord = 15 * time.Second
	// completeLimit is the time for autocomplete, which cannot be deferred.
	completeLimit = 2 * time.Second
)

// Interaction and callback types of the API.
const (
	interactionPing         = 1
	interactionCommand      = 2
	interactionComponent    = 3
	interactionAutocomplete = 4
	interactionModal        = 5

	callbackPong         = 1
	callbackMessage      = 4
	callbackDefer        = 5
	callbackDeferUpdate  = 6
	callbackUpdate       = 7
	callbackAutocomplete = 8
	callbackModal        = 9
)

// interaction is the part of an interaction that is used. discordgo's Interaction
// does not do: its decoder fails on components it does not know.
type interaction struct {
	ID          string          `json:"id"`
	Application string          `json:"application_id"`
	Type        int             `json:"type"`
	Token       string          `json:"token"`
	Guild       string          `json:"guild_id"`
	ChannelID   string          `json:"channel_id"`
	Channel     channelJSON     `json:"channel"`
	Locale      string          `json:"locale"`
	User        *discordgo.User `json:"user"`
	Member      *struct {
		memberPart
		User        *discordgo.User `json:"user"`
		Permissions string          `json:"permissions"`
	} `json:"member"`
	Data    json.RawMessage `json:"data"`
	Message *struct {
		ID    string                 `json:"id"`
		Flags discordgo.MessageFlags `json:"flags"`
	} `json:"message"`

	app      *app
	received time.Time
	user     chat.Author
	place    chat.Place
	// respond sends the first response: over REST, or in the response to the HTTP
	// request that brought the interaction.
	respond func(ctx context.Context, c callback) error
}

// private reports whether the button or menu is below a message that only this
// person sees.
func (i *interaction) private() bool {
	return i.Message != nil && i.Message.Flags&discordgo.MessageFlagsEphemeral != 0
}

// callback is the first response to an interaction.
type callback struct {
	Type int `json:"type"`
	Data any `json:"data,omitempty"`
}

// interact answers an interaction from the gateway.
func (a *app) interact(ctx context.Context, d json.RawMessage, received time.Time) error {
	i, err := a.interaction(d, received)
	if err != nil {
		return err
	}
	i.respond = i.callBack
	return i.answer(ctx)
}

// callBack sends the first response over REST, even if ctx has ended. After 3 s
// Discord accepts none.
func (i *interaction) callBack(ctx context.Context, b callback) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	path := "/interactions/" + i.ID + "/" + i.Token + "/callback"
	_, err := i.app.rest.do(ctx, call{method: http.MethodPost, path: path, route: "POST callback", major: i.ID, name: "callback", body: b, open: true}, nil)
	return err
}

// interaction decodes an interaction and caches what it says about the person.
func (a *app) interaction(d json.RawMessage, received time.Time) (*interaction, error) {
	i := &interaction{app: a, received: received}
	if err := json.Unmarshal(d, i); err != nil {
		return nil, fmt.Errorf("interaction: %w", err)
	}
	if i.Type == interactionPing {
		return i, nil
	}
	if !isSnowflake(i.ID) || i.Token == "" || strings.ContainsAny(i.Token, "/?#%") {
		return nil, errors.New("interaction without id or token")
	}
	u := i.User
	var part *memberPart
	if i.Member != nil && i.Member.User != nil {
		u, part = i.Member.User, &i.Member.memberPart
		permissions, err := strconv.ParseInt(i.Member.Permissions, 10, 64)
		if err != nil {
			permissions = -1
		}
		a.cache.putMember(i.Guild, u.ID, i.Member.Roles, permissions)
	}
	if u == nil {
		return nil, errors.New("interaction without a user")
	}
	i.user = chat.Author{ID: u.ID, Name: displayName(u, part), Language: i.Locale}
	channel := i.ChannelID
	if channel == "" {
		channel = i.Channel.ID
	}
	where := i.Channel.info()
	if i.Channel.ID == channel && i.Guild != "" {
		where = a.cache.putChannel(channel, where)
	}
	i.place = whereabouts(i.Guild, channel, where)
	return i, nil
}

// answer does what the person asked for and responds.
func (i *interaction) answer(ctx context.Context) error {
	prompt, done := context.WithDeadline(ctx, i.received.Add(promptLimit))
	refused := i.app.trust.letIn(prompt, i.Guild, i.user.ID)
	done()
	if why, ok := errors.AsType[*turnedAway](refused); ok {
		return i.turnAway(ctx, why)
	}
	if i.Type == interactionAutocomplete {
		return i.complete(ctx)
	}
	if mine, err := i.claim(ctx); err != nil || !mine {
		return err
	}
	i.findOwner(ctx)
	var err error
	switch i.Type {
	case interactionCommand:
		var d commandData
		if err = json.Unmarshal(i.Data, &d); err == nil {
			typed := i.command(d.Name, args(d.Options))
			err = i.do(ctx, strings.TrimSpace(typed.Name+" "+typed.Args), func(ctx context.Context) (chat.Reply, error) { return i.app.ports.Desk.Do(ctx, typed) })
		}
	case interactionComponent:
		err = i.component(ctx)
	case interactionModal:
		err = i.submit(ctx)
	default:
		return fmt.Errorf("interaction of unknown type %d", i.Type)
	}
	if n := code(err); n == codeAcknowledged {
		return nil // another process was faster
	}
	return err
}

// ownerLimit is the time for asking who started a thread; the response waits.
const ownerLimit = time.Second

// findOwner finds out who started the thread, if that is not known.
func (i *interaction) findOwner(ctx context.Context) {
	if !i.place.InThread() || i.place.Owner != "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, ownerLimit)
	defer cancel()
	if p, ok := i.app.cache.channel(ctx, i.place.Thread); ok {
		i.place.Owner = p.owner
	}
}

// claim reports whether this process is to act: not if another one does, or if a
// signed request is replayed. If the store does not answer, it is.
func (i *interaction) claim(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	mine, err := i.app.ports.Desk.Claim(ctx, i.app.scope()+":interaction:"+i.ID)
	if err != nil {
		i.app.log.WarnContext(ctx, "interaction not claimed", slog.String("error", err.Error()))
		return true, nil
	}
	return mine, nil
}

func (i *interaction) complete(ctx context.Context) error {
	var d commandData
	if err := json.Unmarshal(i.Data, &d); err != nil {
		return err
	}
	within, cancel := context.WithDeadline(ctx, i.received.Add(completeLimit))
	defer cancel()
	options, err := i.app.ports.Desk.Complete(within, i.command(d.Name, typing(d.Options)))
	if err != nil && within.Err() == nil {
		i.app.log.WarnContext(ctx, "autocomplete failed", slog.String("command", d.Name), slog.String("error", err.Error()))
	}
	err = i.respond(ctx, callback{callbackAutocomplete, map[string]any{"choices": choices(options)}})
	if n := code(err); n == codeAcknowledged || n == codeUnknownInteraction {
		return nil // the person has typed on
	}
	return err
}

// command is the chat.Command for name and args.
func (i *interaction) command(name, args string) chat.Command {
	return chat.Command{Name: name, Args: args, Scope: i.app.scope(), Bot: i.app.lead.ID, Place: i.place, Author: i.user}
}

// press is the chat.Press for a control's line.
func (i *interaction) press(line string) chat.Press {
	action, args := chat.ParseControl(line)
	return chat.Press{Action: action, Args: args, Scope: i.app.scope(), Bot: i.app.lead.ID, Place: i.place, Author: i.user}
}

// component handles a button or a menu.
func (i *interaction) component(ctx context.Context) error {
	var d struct {
		ID     string   `json:"custom_id"`
		Values []string `json:"values"`
	}
	if err := json.Unmarshal(i.Data, &d); err != nil {
		return err
	}
	line := ""
	switch {
	case strings.HasPrefix(d.ID, idStop):
		return i.stop(ctx, strings.TrimPrefix(d.ID, idStop))
	case strings.HasPrefix(d.ID, idRun):
		line = strings.TrimPrefix(d.ID, idRun)
	case strings.HasPrefix(d.ID, idMenu) && len(d.Values) > 0:
		line = strings.TrimPrefix(d.ID, idMenu) + " " + d.Values[0]
	default: // from an earlier version, or from another program with this token
		return i.respond(ctx, callback{callbackMessage, whisper(i.app.says(i.user, chat.Say("This control is no longer in use. /help lists what you can do here.")))})
	}
	return i.do(ctx, line, func(ctx context.Context) (chat.Reply, error) { return i.app.ports.Desk.Press(ctx, i.press(line)) })
}

// stop handles the Stop button. On success nothing more is said: the answer shows
// that it was stopped.
func (i *interaction) stop(ctx context.Context, turn string) error {
	if err := i.respond(ctx, callback{Type: callbackDeferUpdate}); err != nil {
		return err
	}
	_, err := i.app.ports.Desk.Press(ctx, i.press(chat.ControlText(chat.ActionStop, turn)))
	if err == nil {
		return nil
	}
	return i.follow(ctx, whisper(i.sorry(chat.ActionStop, err)))
}

// result is what the desk returned.
type result struct {
	reply chat.Reply
	err   error
}

// do runs ask and replies, after deferring if it is slow. line is what was asked
// for, as a control has it.
func (i *interaction) do(ctx context.Context, line string, ask func(context.Context) (chat.Reply, error)) error {
	name, _, _ := strings.Cut(line, " ") // what a person typed is not logged
	done := make(chan result, 1)
	go func() {
		var got result
		got.err = fault.Guard(func() (err error) {
			got.reply, err = ask(ctx)
			return err
		})
		done <- got
	}()
	timer := time.NewTimer(time.Until(i.received.Add(deferAfter)))
	defer timer.Stop()
	var got result
	select {
	case got = <-done:
		return i.replyNow(ctx, line, i.settle(name, got))
	case <-timer.C:
	}
	update := i.Type == interactionComponent && i.private()
	b := callback{callbackDefer, messageData{Flags: discordgo.MessageFlagsEphemeral}}
	if update {
		b = callback{Type: callbackDeferUpdate}
	}
	if err := i.respond(ctx, b); err != nil {
		return err
	}
	select {
	case got = <-done:
	case <-ctx.Done():
		got.err = context.Cause(ctx) // the person waits for a reply
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWord)
	defer cancel()
	return i.replyLater(last, line, i.settle(name, got))
}

// settle is the reply for a result: an error becomes a sentence.
func (i *interaction) settle(name string, r result) chat.Reply {
	if r.err != nil {
		return chat.Reply{Text: i.sorry(name, r.err)}
	}
	if r.reply.Text == "" && r.reply.Form == nil {
		r.reply.Text = i.app.says(i.user, chat.Say("Done."))
	}
	return r.reply
}

// sorry is an error's text for people: that of a UserError, or a general one with
// a reference that is logged too.
func (i *interaction) sorry(name string, err error) string {
	line, ref := chat.Explain(err)
	if told, ok := errors.AsType[*chat.UserError](err); !ok || told.Err != nil {
		i.app.log.Error("a command failed", slog.String("command", name), slog.String("ref", ref), slog.String("error", err.Error()))
	}
	return i.app.says(i.user, line)
}
