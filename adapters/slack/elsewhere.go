// A word to the one who asked where their question cannot be answered.

package slack

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"

	"parley/internal/chat"
)

var _ chat.Elsewhere = (*responder)(nil)

// TellElsewhere tells the one who asked in their direct message with the app,
// which Slack opens for a post to a person. A question asked there has no other
// place.
func (r *responder) TellElsewhere(ctx context.Context, text string) error {
	if r.to.Place.Direct {
		return &chat.Refusal{Reason: chat.NoAccess, Err: errors.New("the question is in a direct message")}
	}
	metadata, err := json.Marshal(besides())
	if err != nil {
		return err
	}
	_, _, err = r.app.post(ctx, url.Values{
		"channel": {r.to.Author.ID}, "text": {escaped(Neutralise(text)) + " <#" + r.to.Place.Channel + ">"}, "parse": {"none"}, "metadata": {string(metadata)},
	}, nil)
	return r.app.failed("elsewhere", err)
}
