// Slack's own streaming of a message, for STREAM_MODE=auto:
// chat.startStream, chat.appendStream and chat.stopStream.

package slack

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/slack-go/slack"

	"parley/internal/chat"
)

var _ chat.Streamer = (*responder)(nil)

// noteTeam is the note that names the workspace of a person who is of another
// than the place: a stream in a channel wants to know for whom it is.
const noteTeam = "team"

// streaming is what an app knows of Slack's streaming.
type streaming struct {
	auto        bool
	refused     atomic.Int64 // unix seconds of when the app was told that it may not
	unstoppable atomic.Bool  // Slack's Stop needs an event the app does not receive
}

// streams reports whether an answer may be streamed by Slack: it stands in a
// thread, and the app was not refused lately.
func (r *responder) streams() bool {
	s := &r.app.streaming
	return s.auto && r.thread() != "" && !refusedLately(&s.refused)
}

// bytesOf is the size of a message in bytes once rendered.
func bytesOf(markdown string) int { return len(Neutralise(markdown)) }

// Start begins a message in the thread of the question. Slack takes no
// metadata here: the message gets its key when it ends.
func (r *responder) Start(ctx context.Context, c chat.Content) (chat.Receipt, error) {
	options := []slack.MsgOption{inThread(r.thread()), slack.MsgOptionMarkdownText(Neutralise(c.Markdown))}
	if !r.to.Place.Direct {
		team := cmp.Or(r.to.Notes[noteTeam], r.to.Place.Workspace)
		options = append(options, slack.MsgOptionRecipientUserID(r.to.Author.ID), slack.MsgOptionRecipientTeamID(team))
	}
	status := r.app.indicators.standing(r.where())
	ts, err := r.start(ctx, options, c.Stop != "" && !r.app.streaming.unstoppable.Load())
	if word(err) == "not_subscribed_to_message_stream_stopped" {
		r.app.streaming.unstoppable.Store(true)
		ts, err = r.start(ctx, options, false)
	}
	if err == nil && status {
		r.app.indicators.stand(r.where(), false)
	}
	switch word(err) {
	case "missing_scope", "unknown_method", "not_allowed_token_type", "method_deprecated", "deprecated_endpoint", "access_denied", "no_permission":
		r.app.streaming.refused.Store(time.Now().Unix())
		r.app.log.WarnContext(ctx, "Slack does not let the app stream messages; answers grow by edits", "reason", word(err))
	}
	return chat.Receipt{ID: chat.MessageID(ts)}, r.unstreamed("start", err)
}

// start calls chat.startStream. slack-go knows no is_stoppable.
func (r *responder) start(ctx context.Context, options []slack.MsgOption, stoppable bool) (ts string, err error) {
	if stoppable {
		endpoint := r.app.apiURL.String() + "chat.startStream"
		options = append(slices.Clip(options), slack.UnsafeMsgOptionEndpoint(endpoint, func(v url.Values) { v.Set("is_stoppable", "true") }))
	}
	_, ts, err = r.app.api.StartStreamContext(ctx, r.to.Place.Channel, options...)
	return ts, err
}

// Append adds what text has beyond sent.
func (r *responder) Append(ctx context.Context, id chat.MessageID, sent, text string) (chat.Receipt, error) {
	rest, err := beyond(sent, text)
	if err != nil {
		return chat.Receipt{}, err
	}
	_, _, err = r.app.api.AppendStreamContext(ctx, r.to.Place.Channel, string(id), slack.MsgOptionMarkdownText(rest))
	return chat.Receipt{ID: id}, r.unstreamed("append", err)
}

// End adds what is missing, the controls, and the key of the post.
func (r *responder) End(ctx context.Context, id chat.MessageID, sent string, c chat.Content) (chat.Receipt, error) {
	options := r.mark(c.Key)
	if c.Markdown != "" {
		rest, err := beyond(sent, c.Markdown)
		if err != nil {
			return chat.Receipt{}, err
		}
		if rest != "" {
			options = append(options, slack.MsgOptionMarkdownText(rest))
		}
		if controls := blocks(c, r.to.Place.Owner, r.app.speaker(r.to.Author.ID))[1:]; len(controls) > 0 {
			options = append(options, slack.MsgOptionBlocks(controls...))
		}
	}
	_, _, err := r.app.api.StopStreamContext(ctx, r.to.Place.Channel, string(id), options...)
	return chat.Receipt{ID: id}, r.unstreamed("end", err)
}

// beyond is what a message that holds sent lacks of text, neither able to
// notify anybody: a mention that would come about where the two meet is
// refused.
func beyond(sent, text string) (string, error) {
	rest, ok := strings.CutPrefix(Neutralise(text), Neutralise(sent))
	if !ok {
		return "", &chat.Refusal{Reason: chat.Invalid, Err: errors.New("the text does not go on from what was streamed")}
	}
	return rest, nil
}

// unstreamed classifies the error of a streaming call: what only means that
// there is no stream, or none any more, is a refusal.
func (r *responder) unstreamed(call string, err error) error {
	switch w := word(err); w {
	case "stopped_by_user":
		return chat.ErrStopped
	case "message_not_in_streaming_state", "streaming_state_conflict", "method_deprecated", "not_subscribed_to_message_stream_stopped":
		return &chat.Refusal{Reason: chat.Invalid, Err: errors.New(w)}
	}
	return r.app.failed(call, err)
}

// word is Slack's error word, "" where there is none.
func word(err error) string {
	e, _ := errors.AsType[slack.SlackErrorResponse](err)
	return e.Err
}

// mark gives a message its key where streams are used: one that was started by
// Slack's streaming has none yet.
func (r *responder) mark(key string) []slack.MsgOption {
	if key == "" || !r.app.streaming.auto {
		return nil
	}
	return []slack.MsgOption{keyed(key)}
}

// lostStream reports whether m is a stream of this app that was started and
// never ended, so that it has no metadata: all else that the app posts has some.
// Answers in a thread are written one after the other, so it belongs to this one.
func (r *responder) lostStream(m event) bool {
	kind, _ := m.mark()
	return r.app.streaming.auto && r.own(m) && kind == "" && m.ThreadTS != "" && m.ThreadTS != m.TS && len(m.Files) == 0
}
