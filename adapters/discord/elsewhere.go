// Telling people that their question cannot be answered where they asked it.

package discord

import (
	"context"
	"errors"
	"net/http"

	"github.com/bwmarrin/discordgo"

	"parley/internal/chat"
)

var errNoOtherPlace = errors.New("the question is in a direct message")

// TellElsewhere sends a direct message to the person who asked, with a link to the
// question. If they accept none and asked in a thread, it posts in the thread's
// channel. For a question in a direct message there is no other place.
func (r *responder) TellElsewhere(ctx context.Context, text string) error {
	if r.place.Workspace == "" {
		return &chat.Refusal{Reason: chat.NoAccess, Err: errNoOtherPlace}
	}
	text += "\nhttps://discord.com/channels/" + r.place.Workspace + "/" + r.channel + "/" + r.question
	direct, err := r.app.directChannel(ctx, r.asker)
	if err == nil {
		err = r.tell(ctx, direct, text)
	}
	if err != nil && r.place.Channel != r.channel {
		err = r.tell(ctx, r.place.Channel, "<@"+r.asker+"> "+text)
	}
	return err
}

// tell posts a text in a channel once, without replying to a message.
func (r *responder) tell(ctx context.Context, channel, text string) error {
	there := &responder{app: r.app, channel: channel, question: r.question}
	c := postMessage(channel, "elsewhere")
	c.wait = true
	_, err := there.send(ctx, c, there.sentence("elsewhere", text), nil)
	return err
}

// directChannel is the channel of direct messages with a person.
func (a *app) directChannel(ctx context.Context, user string) (string, error) {
	if id, ok := a.cache.direct.Get(user); ok {
		return id, nil
	}
	var out struct {
		ID string `json:"id"`
	}
	_, err := a.rest.do(ctx, call{
		method: http.MethodPost, path: endpoint(discordgo.EndpointUserChannels("@me")), name: "dm", body: map[string]string{"recipient_id": user}, wait: true,
	}, &out)
	if err == nil {
		a.cache.direct.Put(user, out.ID)
	}
	return out.ID, err
}
